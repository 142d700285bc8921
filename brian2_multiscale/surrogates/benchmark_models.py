"""The model of a task and its surrogate, driven by given signals, in Brian2."""

from dataclasses import replace

import numpy as np
from brian2.equations.codestrings import Expression
from brian2.equations.equations import FLOAT, SUBEXPRESSION, Equations, SingleEquation
from brian2.input.timedarray import TimedArray
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity

from .group import SurrogateGroup
from .teacher import Teacher

__all__ = ["drives", "has_equations", "surrogate_objects", "teacher_objects"]


def has_equations(task):
    """Whether the teacher is a Brian2 model, not a function or data."""
    return isinstance(task._teacher, Teacher)


def drives(task, n, samples):
    """Validation signals of a task, repeated for n channels: (samples, n, inputs)."""
    found = _validation_inputs(task, min(n, task.validation_trials))
    rows, columns = np.arange(samples), np.arange(n)
    return found[np.ix_(rows % found.shape[0], columns % found.shape[1])]


def _validation_inputs(task, trials):
    """Without answers, which would take long."""
    if not task._recipes:
        return task.data("validation").inputs
    signals = task._source("validation").draw(range(trials))
    return signals if task._through is None else task._through.simulate(signals)


def _array(name, values, dim, dt):
    values = np.ascontiguousarray(values)
    return TimedArray(Quantity(values, dim=dim), dt=dt * second, name=f"{name}_signal")


def teacher_objects(task, signals):
    """The equations with inputs read from arrays, from the state of rest."""
    teacher, n = task._teacher, signals.shape[1]
    dims, inputs = task.dims, teacher.inputs
    step = teacher.step if teacher.held else teacher.dt
    if not teacher.held and teacher.substeps > 1:
        signals = teacher._resampled(signals)
    arrays = {
        f"{name}_signal": _array(name, signals[..., k], dims[name], step)
        for k, name in enumerate(inputs)
    }
    read = [
        SingleEquation(
            SUBEXPRESSION, m, dims[m], FLOAT, expr=Expression(f"{m}_signal(t, i)")
        )
        for m in inputs
    ]
    others = [eq for name, eq in teacher.equations.items() if name not in inputs]
    driven = replace(
        teacher,
        equations=Equations([*others, *read]),
        inputs=(),
        constants={**teacher.constants, **arrays},
    )
    group = driven.group(n)
    for name, value in teacher.state.items():
        setattr(group, name + "_", value)
    return [group, *driven.others(group)]


def surrogate_objects(surrogate, signals, dtype):
    """A group with the same signals, held for a sample."""
    step, names = float(surrogate.step), [s.name for s in surrogate.inputs]
    dims = {s.name: s.dim for s in surrogate.inputs}
    arrays = {
        f"{name}_signal": _array(name, signals[..., k], dims[name], step)
        for k, name in enumerate(names)
    }
    group = SurrogateGroup(
        signals.shape[1],
        surrogate,
        input={name: f"{name}_signal(t, i)" for name in names},
        namespace=arrays,
        dtype=dtype,
        name="benchmark_surrogate",
    )
    return [group]
