"""What derivatives become at spikes: the time of a spike moves, too."""

import sympy as sp
from brian2.units.allunits import second

from ..arguments import as_equations, check_flag
from ..codegen.directional import Directional
from ..codegen.straightline import parse, parse_expression, symbol
from ..codegen.subexpressions import assigned_once, assigned_together, shared
from ..kinetics.differentiation import NotDifferentiableError, derivative
from .names import sensitivity_name, shift_name
from .rates import held_variables, inlined, rates_of_change
from .sensitivity import check_parameters
from .threshold import threshold_distance
from .unit_safe import emit_with_units, unit_safe

__all__ = ["event_program", "reset_dimensions", "sensitivity_reset"]


def sensitivity_reset(model, threshold, reset, parameters, event_exact=True):
    r"""
    A reset that also resets the derivatives by parameters.

    Parameters
    ----------
    model : str or `Equations`
        Without the derivatives.
    threshold : str
        One comparison: ``'v > v_th'``.
    reset : str
        The reset of the model: ``'v = v_r'``.
    parameters : str or list of str
        As given to `Sensitivity`.
    event_exact : bool
        Whether the time of a spike depends on parameters. If not (spikes are data, or
        what is wanted are derivatives between two spikes), derivatives only go through
        the reset.

    Returns
    -------
    str
        Statements for ``NeuronGroup(..., reset=...)``, the reset of the model included.

    Raises
    ------
    ValueError
        If the threshold is not one comparison, or a parameter is unknown.
    NotDifferentiableError
        If an expression has no known derivative, or the reset makes a variable depend
        on parameters that has no differential equation.

    Notes
    -----
    With the distance from threshold :math:`\theta(x, p)`, the right-hand sides
    :math:`F` before and :math:`F^+` after the reset :math:`x^+ = g(x, p)`, a spike
    moves by :math:`t_p = -(\theta_x S + \theta_p)/(\theta_x F)` and
    :math:`S^+ = g_x (S + F t_p) + g_p - F^+ t_p` (saltation matrix). Variables that
    stand still while refractory have :math:`F^+ = 0` until they are released. The
    result belongs to the exact times of spikes, so that it differs from derivatives of
    a simulation by the first order of dt; where the distance does not grow (a kick made
    the neuron fire), the time counts as fixed.

    References
    ----------
    Leine, R., Nijmeijer, H. (2004) Dynamics and Bifurcations of Non-Smooth Mechanical
    Systems, chapter 7, https://doi.org/10.1007/978-3-540-44398-8.
    """
    model = as_equations(model)
    parameters = check_parameters(model, parameters)
    event_exact = check_flag("event_exact", event_exact)
    program = event_program(model, threshold, reset, parameters, event_exact)
    return emit_with_units(shared(program), reset_dimensions(model, parameters))


def event_program(model, threshold, reset, parameters, event_exact=True, also=None):
    """
    The statements of `sensitivity_reset`.

    ``also(shifts, values)`` may give statements to add: it gets the derivatives of the
    time, and what variables become.
    """
    states, rates = list(model.diff_eq_names), rates_of_change(model)
    begin, shifts = [], {}
    if event_exact:
        begin, shifts = _shifts(model, threshold, parameters, rates)
    at, known = _at_spike(states, parameters, rates, shifts)
    program, last = _after_reset(reset, model)
    statements, found = Directional(parameters, known, derivative)(program)
    _check_followed(found, last, model)
    now = {symbol(v): value for v, value in last.items() if v in states}
    values = {v: value for v, value in last.items() if v in _variables(model)}
    for v in states:
        after = _derivatives(last.get(v, symbol(v)), found)
        # What stands still now moves on later, by as much later
        speed = 0 if v in held_variables(model) else rates[v].xreplace(now)
        for p in parameters:
            change = after.get(p, 0) - speed * shifts.get(p, 0)
            values[sensitivity_name(v, p)] = sp.sympify(change)
    if held_variables(model) and event_exact:
        values |= {shift_name(p): shifts[p] for p in parameters}
    extra = also(shifts, values) if also else []
    program = begin + at + statements + extra + assigned_together(values)
    return [(name, unit_safe(value)) for name, value in program]


def _after_reset(reset, model):
    """The reset as a program that changes no variable; where its results are."""
    program, last = assigned_once(parse(reset), kept=_variables(model))
    constants, rest = {}, []
    for name, value in program:
        value = inlined(value, model).xreplace(constants)
        if value.is_Number:  # has lost its unit
            constants[symbol(name)] = value
        else:
            rest.append((name, value))
    return rest, {
        v: constants.get(symbol(name), symbol(name)) for v, name in last.items()
    }


def _derivatives(value, found):
    return found[value.name] if value.is_Symbol else {}


def reset_dimensions(model, parameters):
    """Of everything that a reset may assign."""
    dimensions = {v: model[v].dim for v in _variables(model)}
    for p in parameters:
        for v in model.diff_eq_names:
            dimensions[sensitivity_name(v, p)] = model[v].dim / model[p].dim
        dimensions[shift_name(p)] = second.dim / model[p].dim
    return dimensions


def _variables(model):
    return model.diff_eq_names | model.parameter_names


def _shifts(model, threshold, parameters, rates):
    """Derivatives of the time of a spike."""
    distance = inlined(threshold_distance(threshold), model)
    slope = {v: derivative(distance, symbol(v)) for v in model.diff_eq_names}
    speed = sum(slope[v] * rates[v] for v in slope)
    begin = [
        ("_speed", sp.sympify(speed)),
        ("_rising", parse_expression("int(sign(_speed) > 0)")),
        # Never zero: beyond its threshold a neuron is at some distance from it
        ("_never_zero", _RISING * symbol("_speed") + (1 - _RISING) * distance / _DT),
    ]
    shifts = {}
    for p in parameters:
        moved = sum(slope[v] * symbol(sensitivity_name(v, p)) for v in slope)
        moved += derivative(distance, symbol(p))
        begin.append((f"_shift_{p}", -moved * _RISING / symbol("_never_zero")))
        shifts[p] = symbol(f"_shift_{p}")
    return begin, shifts


_RISING, _DT = symbol("_rising"), symbol("dt")


def _at_spike(states, parameters, rates, shifts):
    """Derivatives of the variables at the time of the spike, which itself moves."""
    statements, known = [], {}
    for v in states:
        known[v] = {}
        for p in parameters:
            moving = symbol(sensitivity_name(v, p)) + rates[v] * shifts.get(p, 0)
            statements.append((f"_at_{v}_{p}", moving))
            known[v][p] = symbol(f"_at_{v}_{p}")
    return statements, known


def _check_followed(found, last, model):
    """Only variables with differential equations have derivatives that are kept."""
    for name in sorted(last.keys() & model.parameter_names):
        if _derivatives(last[name], found):
            some = sorted(_derivatives(last[name], found))[0]
            raise NotDifferentiableError(
                f"The reset makes '{name}' depend on '{some}', but '{name}' has no "
                f"differential equation, so that its derivative is not kept. Write "
                f"'d{name}/dt = 0*{name}/second : ...' instead of '{name} : ...'."
            )
