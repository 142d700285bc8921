"""What a density group works out from its arguments and parameters."""

import numpy as np
import sympy as sp
from brian2.codegen.translation import analyse_identifiers
from brian2.equations.equations import PARAMETER, Equations, SingleEquation
from brian2.equations.unitcheck import check_dimensions, check_units_statements
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.parsing.sympytools import sympy_to_str
from brian2.units.allunits import hertz, second
from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    DimensionMismatchError,
    get_unit,
)
from brian2.utils.logger import get_logger
from brian2.utils.stringtools import get_identifiers

from ..arguments import check_choice, check_numbers
from ..codegen.straightline import names_in, parse_expression, symbol
from ..mesoscopic.checks import check_time
from ..mesoscopic.setup import plain_model, read_code
from .evaluation import evaluate
from .grid import check_grid, make_grid

__all__ = [
    "check_limits",
    "check_units_of_limits",
    "fixed_names",
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


def population_model(model, noisy, refractory):
    """Equations of what can be said of a population as a whole."""
    single = []
    fixed = fixed_names(noisy, refractory)
    for name, eq in model.items():
        if name == noisy.name:
            eq = SingleEquation(PARAMETER, name, eq.dim, eq.var_type)
        elif name in fixed and eq.type == PARAMETER and "constant" not in eq.flags:
            flags = [*eq.flags, "constant"]
            eq = SingleEquation(PARAMETER, name, eq.dim, eq.var_type, flags=flags)
        single.append(eq)
    counts = {
        "n": DIMENSIONLESS,
        "A": hertz.dim,
        "A_expected": hertz.dim,
        "event_size": DIMENSIONLESS,
    }
    single += [SingleEquation(PARAMETER, name, dim) for name, dim in counts.items()]
    return Equations(single)


def fixed_names(noisy, refractory):
    """Names for whose values bins are made."""
    expressions = [
        e for e in (noisy.threshold, noisy.reset, refractory) if e is not None
    ]
    return set().union(*map(names_in, expressions))


def read_refractory(refractory):
    """The refractory period as an expression; None if there is none."""
    if refractory is None or refractory is False:
        return None
    if not isinstance(refractory, str):
        duration = check_time("refractory", refractory, positive=False)
        return sp.Float(duration, 17) * symbol("second") if duration > 0 else None
    expression = read_code("refractory", refractory, parse_expression)
    if expression.is_Boolean or isinstance(expression, sp.core.relational.Relational):
        raise ValueError(
            f"refractory='{refractory}' is a condition; it must be a time, or an "
            "expression for one in terms of parameters."
        )
    return expression


def read_voltage(name, value, dim):
    """A single number in the unit of the voltage."""
    unit = get_unit(dim)
    number = np.ones(1) if isinstance(value, str) else check_numbers(name, value, unit)
    if number.ndim > 0:
        raise TypeError(f"{name} must be a single value, got {value!r}.")
    if not np.isfinite(number):
        raise ValueError(f"{name} must be finite, got {value}.")
    return float(number)


def read_mfe_reset(choice, silent):
    """The convention for neurons that fire in an event."""
    check_choice("mfe_reset", choice, ("shift", "clamp", None))
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
    return choice


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
        raise _not_known_yet(group, what) from error


def _not_known_yet(group, what):
    return ValueError(
        f"The {what} of {group.name!r} is not known before the run in C++ standalone "
        "mode, because a parameter was set by a string; set values."
    )


def limits(group, namespace):
    """Threshold and reset of every population, in base units."""
    count, noisy = len(group.sizes), group.noisy
    threshold = _number(group, namespace, "threshold", noisy.threshold)
    reset = _number(group, namespace, "reset", noisy.reset)
    threshold = np.array(np.broadcast_to(threshold, count), dtype=float)
    if group.match_dt:
        given = {noisy.name: threshold}
        variance = 2 * _number(group, namespace, "noise", noisy.diffusion, given)
        shift = _BARRIER_SHIFT * np.sqrt(variance * float(group.clock.dt))
        # Neurons keep what exceeds the threshold if the reset subtracts
        threshold, reset = threshold + shift, reset + (shift if noisy.soft else 0)
    return threshold, np.array(np.broadcast_to(reset, count), dtype=float)


def grids(group, namespace, limits):
    """The bins of every population."""
    result = []
    for k, ends in enumerate(zip(*limits, strict=True)):
        functions = _drift_and_diffusion(group, namespace, k)
        known = *functions, group.bins, group.v_min
        result.append(_of_population(group, k, make_grid, *ends, *known))
    return result


def _drift_and_diffusion(group, namespace, population):
    return [
        _function_of_voltage(group, namespace, what, population)
        for what in ("drift", "diffusion")
    ]


def _of_population(group, population, function, *arguments):
    """Say which population it is if something is wrong with its bins."""
    try:
        return function(*arguments)
    except ValueError as error:
        where = f" (population {population})" if len(group.sizes) > 1 else ""
        raise ValueError(f"No bins for {group.name!r}{where}: {error}.") from error


def _function_of_voltage(group, namespace, what, population):
    expression = getattr(group.noisy, what)
    # The state of the group at this moment; parameters of one population
    parameters = names_in(expression) & set(group.equations.names)
    label = {"drift": "drift", "diffusion": "noise"}[what]
    parameters -= {group.noisy.name}
    given = {n: _of(group, n, population, label) for n in parameters}
    given |= {"t": 0.0, "i": population}

    def function(voltages):
        now = given | {group.noisy.name: voltages}
        value = _number(group, namespace, label, expression, now)
        return np.broadcast_to(value, np.shape(voltages))

    return function


def _of(group, name, population, what):
    try:
        values = group.variables[name].get_value()
    except NotImplementedError as error:
        if what == "noise":
            raise _not_known_yet(group, what) from error
        values = np.nan  # bins may do without the drift
    values = np.asarray(values, dtype=float).ravel()
    return values[population] if len(values) > 1 else values[0]


def check_units_of_limits(group, threshold, reset, namespace):
    """Of the strings as they are written: 0*mV has a unit, 0 has none."""
    own = analyse_identifiers(reset, group.variables)[0]
    names = (get_identifiers(threshold) | get_identifiers(reset)) - own
    known = group.resolve_all(names, namespace, user_identifiers=names)
    for what, code, check in (
        ("threshold", threshold, parse_expression_dimensions),
        ("reset", reset, check_units_statements),
    ):
        try:
            check(code, known)
        except DimensionMismatchError as error:
            raise DimensionMismatchError(
                f"The {what} of {group.name!r} is compared with or assigned to "
                f"'{group.noisy.name}' and must have its unit. {error}"
            ) from None


def silent_steps(group, namespace):
    """Refractory period of every population in time steps."""
    count, expression = len(group.sizes), group.refractory_expression
    if expression is None:
        return np.zeros(count, dtype=np.int32)
    _check_is_time(group, expression, namespace)
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


def _check_is_time(group, expression, namespace):
    if expression.is_zero:  # no unit is left of 0*ms
        return
    code = sympy_to_str(expression)
    names = get_identifiers(code)
    known = group.resolve_all(names, namespace, user_identifiers=names)
    try:
        check_dimensions(code, second.dim, known)
    except DimensionMismatchError as error:
        raise DimensionMismatchError(
            f"The refractory period of {group.name!r} must be a time. {error}"
        ) from None


def check_limits(group, namespace):
    """Whether threshold, reset and refractory period are still those of the bins."""
    old = [(grid.top, grid.reset) for grid in group.grids]
    if not np.allclose(np.transpose(limits(group, namespace)), old, rtol=1e-9, atol=0):
        raise ValueError(
            f"Threshold, reset or noise of {group.name!r} have changed since its bins "
            "were made (when 'p' or 'density' was first used, or at the first run): "
            "set parameters before."
        )
    silent = group.updater.variables["_silent"].get_value()
    if np.any(silent_steps(group, namespace) != silent):
        raise ValueError(
            f"The refractory period of {group.name!r} has changed since its bins were "
            "made (when 'p' or 'density' was first used, or at the first run): set "
            "parameters before."
        )
    for k, grid in enumerate(group.grids):
        functions = _drift_and_diffusion(group, namespace, k)
        _of_population(group, k, check_grid, grid, *functions)
