"""The state of rest of a model: run until nothing changes any more."""

import numpy as np
from brian2.core.network import Network
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity

from .teacher import undisturbed

__all__ = ["settle"]

# Change of a variable, relative to its size, that counts as none. Each run is as long
# as all before: of an exponential approach the square of this is left.
_TOLERANCE = 1e-7


def settle(teacher, longest):
    """
    Run one neuron with its inputs at rest until it is in equilibrium.

    Parameters
    ----------
    teacher : `Teacher`
    longest : float
        When to give up (s).

    Returns
    -------
    state : dict of str to float
        Variables and parameters.
    outputs : dict of str to float

    Raises
    ------
    ValueError
        If it does not settle.
    """
    with undisturbed(0):
        group = teacher.group(1)
        network = Network(group, *teacher.others(group))
        _run(network, group, teacher, longest)
        state = {n: float(_get(group, n)) for n in _stored(teacher)}
        outputs = {n: float(getattr(group, n + "_")[0]) for n in teacher.outputs}
    unknown = [n for n, v in outputs.items() if not np.isfinite(v)]
    if unknown:
        raise _error(teacher, longest, unknown, outputs, outputs)
    return state, outputs


def _run(network, group, teacher, longest):
    names = teacher.state_variables
    network.run(0 * second, namespace={})
    states = [_values(group, names)]
    total, part = 0.0, max(50 * teacher.dt, min(0.02, longest))
    while names:
        # Two parts of odd lengths: an oscillation would have to fit both
        for fraction in (0.381966, 0.618034):
            network.run(fraction * part * second, namespace={})
            states.append(_values(group, names))
        moved = _moved(states)
        if not np.isfinite(states[-1]).all() or total + part >= longest and moved.any():
            wrong = [n for n, m in zip(names, moved, strict=True) if m]
            last = (dict(zip(names, s, strict=True)) for s in states[-2:])
            raise _error(teacher, total + part, wrong, *last)
        if not moved.any():
            return
        total += part
        part = min(max(total, part), longest - total)


def _moved(states):
    recent = np.array(states[-3:])
    size = np.abs(np.array(states)).max(axis=0)
    with np.errstate(invalid="ignore"):
        return ~(np.ptp(recent, axis=0) <= _TOLERANCE * size)


def _values(group, names):
    return np.array([_get(group, name) for name in names])


def _get(group, name):
    return group.variables[name].get_value()[0]


def _stored(teacher):
    """What a trial begins with: all that has a value of its own per neuron."""
    plain = set(teacher.equations.parameter_names) - set(teacher.inputs)
    shared = {n for n, eq in teacher.equations.items() if "shared" in eq.flags}
    return [*teacher.state_variables, *sorted(plain - shared)]


def _error(teacher, total, names, before, after):
    shown = []
    for name in names:
        dim = teacher.equations[name].dim
        ends = [Quantity(v[name], dim=dim) for v in (before, after)]
        shown.append(f"{name} went from {ends[0]} to {ends[1]}")
    inputs = ", ".join(teacher.inputs)
    if not np.isfinite([after[n] for n in names]).all():
        return ValueError(
            f"With {inputs} at rest the model has values that are not finite: "
            f"{'; '.join(shown)}. Give initial values that it can begin with "
            "(initial={...}; an initial conductance of 0 may be divided by), or make "
            "dt smaller."
        )
    return ValueError(
        f"With {inputs} at rest the model is not in equilibrium after "
        f"{total * second}: {'; '.join(shown)}. Begin nearer to it "
        "(initial={...}), allow more time (settle=...), or, for a model that has none "
        "(it fires or is noisy), give the values of the outputs that count as rest: "
        "rest={'output': value}, with a surrogate made by feedback=True."
    )
