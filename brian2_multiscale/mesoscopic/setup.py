"""What a mesoscopic group works out from its arguments."""

import math

from brian2.equations.equations import (
    DIFFERENTIAL_EQUATION,
    PARAMETER,
    Equations,
    SingleEquation,
)
from brian2.units.allunits import hertz, second
from brian2.units.fundamentalunits import DIMENSIONLESS

from ..codegen.straightline import names_in, parse, parse_expression, simultaneous
from .checks import check_time
from .expansion import expand_subexpressions
from .hazard import hazard_of_threshold
from .memory import known_value, slowest_time_constant
from .roles import PER_NEURON

__all__ = [
    "find_hazard",
    "find_memory",
    "find_refractory",
    "find_reset",
    "plain_model",
    "population_model",
    "read_code",
]

# Memory in units of the slowest renewed time constant
_TIME_CONSTANTS = 5
# Far more cohorts than memory (of computers) has room for
_LONGEST = 10**8


def plain_model(model):
    """The equations without flags that concern single neurons or steps."""
    ignored = ("unless refractory", "constant over dt")
    return Equations(
        [
            SingleEquation(
                eq.type,
                eq.varname,
                eq.dim,
                eq.var_type,
                eq.expr,
                [f for f in eq.flags if f not in ignored],
            )
            for eq in model.values()
        ]
    )


def population_model(model, roles):
    """Equations of what can be said of a population as a whole."""
    single = []
    for name, eq in model.items():
        if name in roles.cohort:
            eq = SingleEquation(PARAMETER, name, eq.dim, eq.var_type)
        if name not in roles.subexpressions:
            single.append(eq)
    counts = {"n": DIMENSIONLESS, "A": hertz.dim, "A_expected": hertz.dim}
    single += [SingleEquation(PARAMETER, name, dim) for name, dim in counts.items()]
    return Equations(single)


def find_hazard(hazard, threshold):
    """The hazard and the rule for the probability of a step."""
    if (hazard is None) == (threshold is None):
        raise TypeError(
            "Give either threshold='rand() < rho*dt' or hazard='rho', got "
            f"threshold={threshold!r}, hazard={hazard!r}."
        )
    if hazard is None:
        return hazard_of_threshold(threshold)
    if not isinstance(hazard, str):
        raise TypeError(f"hazard must be a string expression, got {hazard!r}.")
    read_code("hazard", hazard, parse_expression)
    return hazard, "trapezoid"


def read_code(name, code, parser):
    """Parse an argument; say which one it is if that fails."""
    if not isinstance(code, str):
        raise TypeError(f"{name} must be a string, got {code!r}.")
    try:
        return parser(code)
    except (SyntaxError, TypeError, ValueError) as error:
        raise ValueError(f"{name}='{code}' cannot be understood: {error}") from error


def find_reset(reset, model):
    """Value after the reset of every variable that it changes."""
    kinds = (DIFFERENTIAL_EQUATION, PARAMETER)
    state = {n for n, eq in model.items() if eq.type in kinds}
    statements = read_code("reset", reset, parse)
    for name, _ in statements:
        if name in model.names and name not in state:
            raise ValueError(f"The reset cannot assign the subexpression '{name}'.")
        if name not in model.names and not name.startswith("_"):
            raise ValueError(
                f"reset='{reset}' assigns '{name}', which is no variable of the model. "
                f"Its variables are {sorted(state)}."
            )
    return {
        name: expand_subexpressions(value, model)
        for name, value in simultaneous(statements, state).items()
    }


def find_refractory(refractory, model, roles, known, dt):
    """
    The refractory period as an expression, and in seconds.

    The second result is None if it is not known before the run.
    """
    if refractory is None or refractory is False:
        return "0*second", 0.0
    if isinstance(refractory, str):
        code = refractory
        expression = read_code("refractory", refractory, parse_expression)
        expression = expand_subexpressions(expression, model)
        varying = names_in(expression) & {*roles.cohort, *PER_NEURON}
        if varying or expression.is_Boolean:
            raise ValueError(
                f"refractory='{refractory}' differs between neurons or is a condition. "
                "It must be a time, or an expression for one in terms of parameters."
            )
        duration = known_value(expression, known)
        if duration is not None:
            check_time("refractory", duration * second, positive=False)
    else:
        duration = check_time("refractory", refractory, positive=False)
        code = f"{duration!r}*second"
    if duration is not None and 0 < duration < dt * (1 - 1e-9):
        raise ValueError(
            f"refractory = {refractory} is shorter than the time step of "
            f"{dt * 1e3:g} ms; choose a smaller dt, or refractory=False."
        )
    return code, duration


def find_memory(memory, model, roles, uses_age, silence, known, dt):
    """
    Number of time steps that a population remembers.

    ``uses_age`` says whether the hazard reads the time of the last spike.
    """
    if memory is None:
        # What else makes the age of a neuron matter
        forgetful = bool(roles.carried or roles.subexpressions) or uses_age
        duration = _memory_of_model(model, roles.renewed, forgetful, silence, known)
    else:
        duration = check_time("memory", memory)
        if duration < (silence or 0):
            raise ValueError(
                f"memory = {memory} is shorter than the refractory period of "
                f"{silence * 1e3:g} ms; it must be longer by about {_TIME_CONSTANTS} "
                "membrane time constants."
            )
    steps = max(duration / dt, (silence or 0) / dt + 2)
    if steps > _LONGEST:
        raise ValueError(
            f"A memory of {duration:g} s has {steps:g} time steps, which is too long; "
            "give memory=..., about five membrane time constants."
        )
    return math.ceil(steps - 1e-6)


def _memory_of_model(model, renewed, forgetful, silence, known):
    tau = slowest_time_constant(model, renewed, known)
    if not renewed and forgetful:
        tau = None
    if tau is None or silence is None:
        raise ValueError(
            "The memory of the population cannot be found from the model, because the "
            f"time constants of {list(renewed)} or the refractory period are not known "
            "before the run, or the reset renews nothing; give memory=..., about "
            f"{_TIME_CONSTANTS} times the slowest time constant with which neurons "
            "forget when they fired, plus the refractory period."
        )
    return _TIME_CONSTANTS * tau + silence
