"""The parts of a time step in their order."""

from dataclasses import dataclass, field

from ...kinetics.differentiation import NotDifferentiableError
from .capture import KNOWN
from .parts import Generator, Reset, Statements, Threshold
from .synapses import EventDriven, Pathway, Summed

__all__ = ["Assembly", "assemble"]

_PARTS = {
    "stateupdate": Statements,
    "threshold": Threshold,
    "reset": Reset,
    "spikegenerator": Generator,
    "summed_variable": Summed,
    "synapses": Pathway,
}


@dataclass
class Assembly:
    """
    What the parts of a network share.

    Attributes
    ----------
    arrays : `Arrays`
    timing : `Timing`
    surrogate_of : callable
        ``surrogate_of(group)``: its `SurrogateGradient`.
    spikes_given : dict of str to str
        Name of an input by the name of the events that it replaces.
    moving : set of str
        Arrays that some code writes.
    given : set of str
        Arrays that get other values from outside in every step: times, inputs.
    schedules : dict of str to ndarray
        Spikes at given times, (steps, neurons).
    prepare : list of callable
        ``prepare(step)``: dict of arrays to compute once, before the first step.
    """

    arrays: object
    timing: object
    surrogate_of: object
    spikes_given: dict = field(default_factory=dict)
    moving: set = field(default_factory=set)
    given: set = field(default_factory=set)
    schedules: dict = field(default_factory=dict)
    prepare: list = field(default_factory=list)


def assemble(found, assembly, within=(), rank=None):
    """
    The parts of a time step.

    Parameters
    ----------
    found : list of `Captured`
    assembly : `Assembly`
        Becomes complete.
    within : list of ((str, int, str), callable), optional
        Further parts, with when, order and name as Brian2's objects have them.
    rank : callable, optional
        ``rank(when, order, name)``: by which all are sorted.

    Returns
    -------
    list of callable
        ``part(step)``, in their order.

    Raises
    ------
    NotDifferentiableError
        If there is code of a kind that is not known here.
    """
    for captured in found:
        _refuse_unconnected(captured)
    found = [c for c in found if _does_something(c)]
    for captured in found:
        _refuse_unknown(captured)
        assembly.moving |= _written(captured, assembly.arrays)
    parts, moved = [], set()
    waiting = sorted(((rank(*place), part) for place, part in within), key=_first)
    for captured in found:
        runner = captured.runner
        while waiting and waiting[0][0] < rank(runner.when, runner.order, runner.name):
            parts.append(waiting.pop(0)[1])
        synapses = runner.group
        if captured.template == "synapses" and synapses.name not in moved:
            moved.add(synapses.name)
            if synapses.event_driven is not None:
                parts.append(EventDriven(captured, assembly))
        parts.append(_PARTS[captured.template](captured, assembly))
    return parts + [part for _, part in waiting]


def _first(pair):
    return pair[0]


def _does_something(captured):
    # A sum over no synapses is zero
    sums = captured.template == "summed_variable"
    return captured.template != "synapses_push_spikes" and (sums or captured.elements)


def _refuse_unknown(captured):
    if captured.template not in _PARTS:
        raise NotDifferentiableError(
            f"'{captured.runner.name}' generates code in a way of its own "
            f"('{captured.template}'), which cannot be differentiated here. {KNOWN}"
        )


def _refuse_unconnected(captured):
    synapses = captured.runner.group
    if captured.template == "synapses" and not synapses._connect_called:
        raise TypeError(
            f"'{synapses.name}' has not created synapses. Call its connect(), or set "
            "its active to False."
        )


def _written(captured, arrays):
    """Names of the arrays that captured code writes."""
    options, variables = captured.options, captured.variables
    names = [s.var for s in captured.statements if not _is_local(s, variables)]
    found = {arrays.key(variables[name]) for name in names}
    if captured.template == "threshold" and options["_uses_refractory"]:
        found |= {arrays.key(variables[n]) for n in ("not_refractory", "lastspike")}
    if "eventspace_variable" in options:
        found.add(arrays.key(options["eventspace_variable"]))
    if captured.template == "spikegenerator":
        found.add(arrays.key(variables["_spikespace"]))
    if captured.template == "summed_variable":
        found.add(arrays.key(options["_target_var"]))
    return found


def _is_local(statement, variables):
    return (
        not hasattr(variables.get(statement.var), "get_value") or statement.op == ":="
    )
