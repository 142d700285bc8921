"""Do the parts of a network that is to learn belong together?"""

import numpy as np
from brian2.core.variables import ArrayVariable
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity

from ...arguments import check_names, check_number
from ...codegen.straightline import names_in, parse, parse_expression, simultaneous
from ...kinetics.differentiation import NotDifferentiableError
from ...mesoscopic.setup import read_code
from ..rates import inlined
from .names import whole

__all__ = [
    "check_batch",
    "check_clocks",
    "check_constant",
    "check_direct",
    "check_each",
    "check_jumps",
    "check_learnable",
    "check_no_delay",
    "check_period",
    "check_signs",
    "check_sources",
    "check_texts",
    "check_weight",
]


def check_clocks(objects):
    """All on one clock."""
    clocks = {o.clock.name: o for o in objects}
    if len(clocks) > 1:
        a, b = list(clocks.values())[:2]
        raise NotDifferentiableError(
            f"Eligibility traces need one clock, but {a.name!r} and {b.name!r} have "
            "clocks of their own; leave out dt= or give all the same clock."
        )


def check_constant(group, moving):
    """Brian2 computes these apart from the step, where no derivative comes along."""
    updater = group.subexpression_updater
    program = [] if updater is None else parse(updater.abstract_code)
    values = simultaneous(program, {name for name, _ in program})
    for name, value in values.items():
        used = sorted(names_in(inlined(value, group.equations)) & set(moving))
        if used:
            raise NotDifferentiableError(
                f"{name!r} of {group.name!r} is constant over dt, but depends on "
                f"{used}, which eligibility traces would have to follow. Leave out "
                "'(constant over dt)'."
            )


def check_texts(**texts):
    """Arguments that are expressions (or, of feedback, objects)."""
    for name, value in texts.items():
        if name != "feedback" or isinstance(value, str):
            read_code(name, value, parse_expression)


def check_weight(synapses, weight):
    """Synapses with a weight each, that no other rule has taken."""
    made = (f"{weight}_gradient", f"{weight}_eligibility")
    taken = [n for n in made if n in synapses.variables]
    if taken:
        raise ValueError(
            f"{synapses.name!r} already has a variable {taken[0]!r}: another EProp "
            "uses it, or it must be called something else."
        )
    variable = synapses.variables.get(weight)
    usable = isinstance(variable, ArrayVariable) and not variable.scalar
    if not usable or variable.owner.name != synapses.name or variable.read_only:
        raise ValueError(
            f"{synapses.name!r} has no variable {weight!r} for each synapse; write "
            f"'{weight} : 1' (or another unit) in its model or say what it is called: "
            "weight=..."
        )


def check_sources(groups, synapses, readout):
    """Synapses onto the neurons that learn; a readout from them."""
    names = ", ".join(repr(g.name) for g in groups)
    output = whole(readout[0].target)
    for one in synapses:
        if whole(one.target) not in [*groups, output]:
            raise ValueError(
                f"{one.name!r} targets {one.target.name!r}, which is neither one of "
                f"rec ({names}) nor the output neurons ({output.name!r})."
            )
    for one in readout:
        if whole(one.source) not in groups:
            raise ValueError(
                f"The readout {one.name!r} must come from one of rec ({names}), not "
                f"from {one.source.name!r}."
            )
    for group in groups:
        if "spike" not in group.events:
            raise ValueError(f"{group.name!r} does not spike: it needs a threshold.")


def check_direct(readout, output):
    """Output neurons that follow spikes at once; the variable that is the output."""
    group = readout[0].target
    if any(s.target is not group for s in readout) or whole(group) is not group:
        names = [s.target.name for s in readout]
        raise ValueError(
            "All of readout must target the same group of output neurons, which must "
            f"be a group of its own, not a part; got {names}."
        )
    if getattr(group, "event_codes", None):
        raise NotDifferentiableError(
            f"The output neurons {group.name!r} must not have a reset; read out their "
            "voltage instead of spikes."
        )
    check_no_delay(readout)
    variables = sorted(group.equations.diff_eq_names)
    if output is None and len(variables) == 1:
        return variables[0]
    if not isinstance(output, str) or output not in variables:
        raise ValueError(
            f"output must be one of the variables {variables} of {group.name!r} that "
            f"have differential equations, got {output!r}."
        )
    return output


def check_no_delay(readout):
    """Spikes reach the output neurons at once."""
    for pathway in [p for s in readout for p in s._pathways]:
        try:
            delays = np.asarray(pathway.variables["delay"].get_value())
        except NotImplementedError:  # not known before a standalone program has run
            continue
        if np.any(delays >= 0.5 * pathway.clock.dt_):
            raise NotDifferentiableError(
                f"The readout {pathway.name!r} must not have delays, which would have "
                "to delay every trace; give them to other synapses instead."
            )


def check_learnable(synapses, weight):
    """A weight that may change in a run."""
    if synapses.variables[weight].constant:
        raise ValueError(
            f"The weight {weight!r} of {synapses.name!r} is (constant), so that it "
            "cannot learn; leave out that flag."
        )


def check_jumps(value, groups):
    """True, False or names of variables of the neurons."""
    if isinstance(value, bool):
        return value
    names = check_names("through_jumps", value)
    known = sorted({n for g in groups for n in g.equations.names})
    unknown = [n for n in names if n not in known]
    if unknown:
        raise ValueError(
            f"through_jumps must be True, False or names of {known}, got {unknown}."
        )
    return names


def check_each(name, value, synapses):
    """A dict whose keys are some of the synapses."""
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a dict of Synapses to values, got {value!r}.")
    for key in value:
        if not any(key is s for s in synapses):
            raise ValueError(
                f"{name} must be about {[s.name for s in synapses]}, got {key!r}."
            )
    return value


def check_signs(synapses, weight, sign):
    """Weights that have their sign at the start: the first update would zero others."""
    variable = synapses.variables[weight]
    try:
        values = np.asarray(variable.get_value())
    except NotImplementedError:  # not known before a standalone program has run
        return
    wrong = values[values < 0] if sign == "+" else values[values > 0]
    if len(wrong):
        first = Quantity(wrong[0], dim=variable.dim)
        raise ValueError(
            f"{len(wrong)} of {len(values)} weights {weight!r} of {synapses.name!r} do "
            f"not have the sign '{sign}' at the start, the first is {first}. Set them "
            "before the run, or leave out sign=."
        )


def check_batch(trial, update_every):
    """Updates are due at the end of trials; both in seconds, or None."""
    if not trial or not update_every:
        return
    trials = update_every / trial
    if trials < 0.5 or abs(trials - round(trials)) > 1e-6:
        raise ValueError(
            f"update_every must be a multiple of trial={trial * second}, got "
            f"{update_every * second}: a batch is made of whole trials."
        )


def check_period(name, value, clock):
    """A time that is a multiple of the step, in seconds; or None."""
    if value is None:
        return None
    period = check_number(name, value, second, "a time")
    steps = period / float(clock.dt)
    if not 0.5 < steps < np.inf or abs(steps - round(steps)) > 1e-4:
        raise ValueError(
            f"{name} must be a positive multiple of dt={clock.dt}, got {value}."
        )
    return period
