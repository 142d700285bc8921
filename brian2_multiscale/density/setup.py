"""What a density group works out from its arguments and parameters."""

import numpy as np
import sympy as sp
from brian2.equations.equations import PARAMETER, Equations, SingleEquation
from brian2.units.allunits import hertz
from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    fail_for_dimension_mismatch,
    get_unit,
)
from brian2.utils.logger import get_logger

from ..codegen.straightline import names_in, parse_expression, symbol
from ..mesoscopic.checks import check_time
from ..mesoscopic.setup import plain_model
from .evaluation import evaluate
from .grid import make_grid

__all__ = [
    "check_limits",
    "grids",
    "limits",
    "plain_model",
    "population_model",
    "read_mfe_reset",
    "read_refractory",
    "read_voltage",
    "silent_steps",
]

logger = get_logger(__name__)

# Shift of the threshold for tests at time steps, in standard deviations of a step:
# -zeta(1/2)/sqrt(2 pi), Broadie, Glasserman, Kou 1997
_BARRIER_SHIFT = 0.5825971579390107


def population_model(model, noisy):
    """Equations of what can be said of a population as a whole."""
    single = []
    for name, eq in model.items():
        if name == noisy.name:
            eq = SingleEquation(PARAMETER, name, eq.dim, eq.var_type)
        single.append(eq)
    counts = {
        "n": DIMENSIONLESS,
        "A": hertz.dim,
        "A_expected": hertz.dim,
        "event_size": DIMENSIONLESS,
    }
    single += [SingleEquation(PARAMETER, name, dim) for name, dim in counts.items()]
    return Equations(single)


def read_refractory(refractory):
    """The refractory period as an expression; None if there is none."""
    if refractory is None or refractory is False:
        return None
    if not isinstance(refractory, str):
        duration = check_time("refractory", refractory, positive=False)
        return sp.Float(duration, 17) * symbol("second") if duration > 0 else None
    expression = parse_expression(refractory)
    if expression.is_Boolean or isinstance(expression, sp.core.relational.Relational):
        raise ValueError(
            f"refractory='{refractory}' is a condition; it must be a time, or an "
            "expression for one in terms of parameters."
        )
    return expression


def read_voltage(name, value, dim):
    """A single number in the unit of the voltage."""
    if isinstance(value, str) or np.ndim(value) > 0:
        raise TypeError(f"{name} must be a single value, got {value!r}.")
    unit = get_unit(dim)
    fail_for_dimension_mismatch(
        value, unit, f"{name} must have the unit {unit!r}, got {{value}}", value=value
    )
    if not np.isfinite(float(value)):
        raise ValueError(f"{name} must be finite, got {value}.")
    return float(value)


def read_mfe_reset(choice, silent):
    """The convention for neurons that fire in an event."""
    if choice not in (None, "shift", "clamp"):
        raise ValueError(f"mfe_reset must be 'shift' or 'clamp', got {choice!r}.")
    if silent and choice == "shift":
        raise ValueError(
            "mfe_reset='shift' gives neurons that fire the kicks of the others, but in "
            "a refractory period they get none; leave it out, or use 'clamp'."
        )
    if choice == "clamp" and not silent:
        logger.warn(
            "mfe_reset='clamp' without a refractory period is ill-conditioned: the "
            "times of later events only converge with the width of bins. Give a "
            "refractory period, or use 'shift'.",
            "ill_conditioned_clamp",
            once=True,
        )
    return choice or ("clamp" if silent else "shift")


def _number(group, namespace, what, expression, given=None):
    """Value of an expression before the run, per population if it needs be."""
    try:
        return evaluate(expression, group, namespace, given)
    except KeyError as error:
        raise ValueError(
            f"The {what} of {group.name!r} is not known yet: {error.args[0]} Define it "
            "before 'p' or 'density' is used, or give namespace=."
        ) from error
    except NotImplementedError as error:
        raise ValueError(
            f"The {what} of {group.name!r} is not known before the run in C++ "
            "standalone mode, because a parameter was set by a string; set values."
        ) from error


def limits(group, namespace):
    """Threshold and reset of every population, in base units."""
    count, noisy = len(group.sizes), group.noisy
    threshold = _number(group, namespace, "threshold", noisy.threshold)
    reset = _number(group, namespace, "reset", noisy.reset)
    threshold = np.array(np.broadcast_to(threshold, count), dtype=float)
    if group.match_dt:
        given = {noisy.name: threshold}
        variance = 2 * _number(group, namespace, "noise", noisy.diffusion, given)
        threshold += _BARRIER_SHIFT * np.sqrt(variance * float(group.clock.dt))
    return threshold, np.array(np.broadcast_to(reset, count), dtype=float)


def grids(group, namespace, limits):
    """The bins of every population."""
    result = []
    for k, (threshold, reset) in enumerate(zip(*limits, strict=True)):
        functions = [
            _function_of_voltage(group, namespace, what, k)
            for what in ("drift", "diffusion")
        ]
        try:
            grid = make_grid(threshold, reset, *functions, group.bins, group.v_min)
        except ValueError as error:
            where = f" (population {k})" if len(group.sizes) > 1 else ""
            raise ValueError(f"No bins for {group.name!r}{where}: {error}.") from error
        result.append(grid)
    return result


def _function_of_voltage(group, namespace, what, population):
    expression = getattr(group.noisy, what)
    # The state of the group at this moment; parameters of one population
    parameters = names_in(expression) & set(group.equations.names)
    given = {n: _of(group, n, population) for n in parameters - {group.noisy.name}}
    given |= {"t": 0.0, "i": population}
    label = {"drift": "drift", "diffusion": "noise"}[what]

    def function(voltages):
        now = given | {group.noisy.name: voltages}
        value = _number(group, namespace, label, expression, now)
        return np.broadcast_to(value, np.shape(voltages))

    return function


def _of(group, name, population):
    try:
        values = group.variables[name].get_value()
    except NotImplementedError:
        values = np.nan
    values = np.asarray(values, dtype=float).ravel()
    return values[population] if len(values) > 1 else values[0]


def silent_steps(group, namespace):
    """Refractory period of every population in time steps."""
    count, expression = len(group.sizes), group.refractory_expression
    if expression is None:
        return np.zeros(count, dtype=np.int32)
    period = _number(group, namespace, "refractory period", expression)
    period = np.broadcast_to(period, count)
    dt = float(group.clock.dt)
    if not np.all(np.isfinite(period)) or np.any(period < 0):
        raise ValueError(
            f"The refractory period of {group.name!r} must be zero or positive, got "
            f"{period} s."
        )
    if np.any((period > 0) & (period < dt * (1 - 1e-9))):
        raise ValueError(
            f"The refractory period of {group.name!r}, {period.min() * 1e3:g} ms, is "
            f"shorter than the time step of {dt * 1e3:g} ms; choose a smaller dt, or "
            "refractory=False."
        )
    return np.round(period / dt).astype(np.int32)


def check_limits(group, namespace):
    """Whether threshold and reset are still those of the bins."""
    old = [(grid.top, grid.reset) for grid in group.grids]
    if not np.allclose(np.transpose(limits(group, namespace)), old, rtol=1e-9, atol=0):
        raise ValueError(
            f"Threshold, reset or noise of {group.name!r} have changed since its bins "
            "were made (when 'p' or 'density' was first used, or at the first run): "
            "set parameters before."
        )
