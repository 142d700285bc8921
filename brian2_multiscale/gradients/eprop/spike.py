"""What makes a neuron spike, and what its spike does to itself."""

import sympy as sp
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.parsing.sympytools import sympy_to_str
from brian2.units.fundamentalunits import DimensionMismatchError, get_unit
from brian2.utils.stringtools import get_identifiers

from ...codegen.straightline import parse, parse_expression, simultaneous, symbol
from ...codegen.subexpressions import RANDOM
from ...kinetics.differentiation import NotDifferentiableError, derivative
from ..rates import inlined
from ..threshold import threshold_distance

__all__ = ["reset_derivatives", "spike_derivatives"]


def spike_derivatives(group, states, surrogate, run_namespace):
    """
    Surrogate derivatives of the spikes of a group, by its variables.

    Parameters
    ----------
    group : `NeuronGroup`
    states : list of str
    surrogate : `SurrogateGradient`
    run_namespace : dict

    Returns
    -------
    values : dict of str to sympy expression
        Zeros are left out.
    program : list of (str, sympy expression)
        Statements that these refer to.

    Raises
    ------
    NotDifferentiableError
        If the threshold is not one comparison.
    DimensionMismatchError
        If the scale of the surrogate has another unit than what is compared.
    """
    try:
        distance = threshold_distance(group.events["spike"])
    except ValueError as error:
        raise NotDifferentiableError(f"In {group.name!r}: {error}") from error
    distance = inlined(distance, group.equations)
    _check_scale(group, sympy_to_str(distance), surrogate, run_namespace)
    psi = surrogate.expression("_distance", repr(surrogate.scale))
    if group._refractory is not False:
        psi = f"({psi})*int(not_refractory)"
    slopes = {m: derivative(distance, symbol(m)) for m in states}
    values = {m: symbol("_psi") * slope for m, slope in slopes.items() if slope != 0}
    return values, [("_distance", distance), ("_psi", parse_expression(psi))]


def _check_scale(group, distance, surrogate, run_namespace):
    known = group.resolve_all(
        get_identifiers(distance), run_namespace, user_identifiers=set()
    )
    dimensions = parse_expression_dimensions(distance, known)
    if dimensions is not surrogate.dimensions:
        raise DimensionMismatchError(
            "The scale of the surrogate gradient must have the unit of the threshold "
            f"of {group.name!r}, {get_unit(dimensions)!r}: "
            "SurrogateGradient(..., scale=10*mV), say",
            surrogate.dimensions,
        )


def reset_derivatives(group, states, jumps):
    r"""
    What the reset of a group does.

    Parameters
    ----------
    group : `NeuronGroup`
    states : list of str
    jumps : bool or collection of str
        Variables whose jump counts as caused by the spike: all, none or some.

    Returns
    -------
    reset : dict of (str, str) to sympy expression
        :math:`\partial x_m / \partial x_n` of neurons that fire; zeros off the
        diagonal are left out.
    jump : dict of str to sympy expression
        By how much a spike changes, or would change, a variable.
    """
    reset, jump = {(m, m): sp.S.One for m in states}, {}
    program = parse(group.event_codes.get("spike", ""))
    for m, value in simultaneous(program, set(states)).items():
        value = inlined(value, group.equations)
        if jumps is True or jumps and m in jumps:
            jump[m] = sp.expand(value - symbol(m))
        for n in states:
            slope = derivative(value, symbol(n))
            if slope != int(m == n):
                reset[m, n] = slope
    _refuse_noise(group, [*reset.values(), *jump.values()])
    return reset, jump


def _refuse_noise(group, values):
    """A random number that is drawn a second time is another one."""
    functions = {str(f.func) for v in values for f in v.atoms(sp.Function)}
    if functions & RANDOM:
        raise NotDifferentiableError(
            f"The reset of {group.name!r} uses random numbers, which eligibility "
            "traces cannot follow: give each neuron a parameter instead, or leave out "
            "that jump (through_jumps=)."
        )
