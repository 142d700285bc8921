"""The strings of a population as those of its single neurons."""

from brian2.equations.equations import (
    DIFFERENTIAL_EQUATION,
    PARAMETER,
    SUBEXPRESSION,
    Equations,
    SingleEquation,
)
from brian2.parsing.sympytools import sympy_to_str
from brian2.units.allunits import hertz
from brian2.units.fundamentalunits import DIMENSIONLESS
from brian2.utils.stringtools import get_identifiers, word_substitute

from ..codegen.straightline import parse_expression, symbol
from ..mesoscopic.expansion import expand_subexpressions
from ..mesoscopic.roles import PER_NEURON, dependent

__all__ = [
    "RATE_BEFORE",
    "assigned_names",
    "neuron_model",
    "neuron_string",
    "population_model",
    "threshold_of_hazard",
]

#: Hazard of a neuron at the end of the last step
RATE_BEFORE = "_rate_before"

# Functions that give every neuron another number
_RANDOM = ("rand", "randn", "poisson", "binomial_draw")

# In the strings of populations `i` is the population
_RENAMED = {"i": "population"}


def neuron_string(code):
    """An expression or statements of populations, for single neurons."""
    return word_substitute(code, _RENAMED) if isinstance(code, str) else code


def assigned_names(statements):
    """Names on the left of statements, whatever the operator (for ``x += 1``)."""
    names = set()
    for line in statements.replace(";", "\n").splitlines():
        left = line.split("#")[0].partition("=")[0].rstrip("+-*/%&|^ ")
        names |= get_identifiers(left)
    return names


def neuron_model(model, hazard):
    """Equations of single neurons."""
    single = []
    for eq in model.values():
        expr = eq.expr
        if expr is not None:
            expr = type(expr)(neuron_string(expr.code))
        single.append(
            SingleEquation(eq.type, eq.varname, eq.dim, eq.var_type, expr, eq.flags)
        )
    if hazard is not None:
        single.append(SingleEquation(PARAMETER, RATE_BEFORE, hertz.dim))
    return Equations(single)


def threshold_of_hazard(hazard, model):
    """The condition of escape noise, of second order in the time step."""
    # The threshold is tested with the state of the end of a step, but with the time of
    # its beginning
    after = expand_subexpressions(parse_expression(hazard), model)
    after = after.xreplace({symbol("t"): symbol("t") + symbol("dt")})
    return f"rand() < 1 - exp(-dt*({RATE_BEFORE} + ({sympy_to_str(after)}))/2)"


def population_model(model, reset):
    """Equations of what can be said of a population, and its averaged variables."""
    changed = assigned_names(reset)
    averaged = [
        name
        for name, eq in model.items()
        if eq.type == DIFFERENTIAL_EQUATION
        or (eq.type == PARAMETER and name in changed)
    ]
    uses = {n: set(e.identifiers) for n, e in model.items() if e.type == SUBEXPRESSION}
    differing = dependent(averaged, uses, {*PER_NEURON, *_RANDOM})
    single = []
    for name, eq in model.items():
        if name in averaged:
            eq = SingleEquation(PARAMETER, name, eq.dim)
        if name in averaged or name not in differing:
            single.append(eq)
    counts = {"n": DIMENSIONLESS, "A": hertz.dim}
    single += [SingleEquation(PARAMETER, name, dim) for name, dim in counts.items()]
    return Equations(single), averaged
