"""What derivatives become at spikes: the time of a spike moves, too."""

import sympy as sp
from brian2.equations.equations import extract_constant_subexpressions
from brian2.units.allunits import second
from brian2.utils.stringtools import get_identifiers

from ...arguments import as_equations, check_flag, check_mapping
from ...callers import user_namespace
from ...codegen.directional import Directional, derivative_name
from ...codegen.straightline import names_in, parse, parse_expression, symbol
from ...codegen.subexpressions import (
    assigned_once,
    assigned_together,
    drawn_apart,
    shared,
)
from ...kinetics.differentiation import NotDifferentiableError, derivative
from ...mesoscopic.setup import read_code
from ..rates import held_variables, inlined, rates_of_change
from ..threshold import threshold_distance
from .functions import slopes_in
from .names import shift_name
from .sensitivity import check_parameters
from .unit_safe import emit_with_units, unit_safe

__all__ = ["event_program", "reset_dimensions", "sensitivity_reset"]


def sensitivity_reset(
    model, threshold, reset, parameters, event_exact=True, namespace=None
):
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
    namespace : dict, optional
        Functions in the strings that say what their derivatives are
        (`with_derivatives`); by default those where the reset is made.

    Returns
    -------
    str
        Statements for ``NeuronGroup(..., reset=...)``, the reset of the model included.

    Raises
    ------
    ValueError
        If the threshold is not one comparison, or a parameter is unknown.
    NotDifferentiableError
        If an expression has no known derivative, the reset makes a variable depend
        on parameters that has no differential equation, or something other than the
        reset depends on when the last spike was.
    TypeError
        If an argument is of the wrong kind.

    Notes
    -----
    With the distance from threshold :math:`\theta(x, p)`, the right-hand sides
    :math:`F` before and :math:`F^+` after the reset :math:`x^+ = g(x, p)`, a spike
    moves by :math:`t_p = -(\theta_x S + \theta_p)/(\theta_x F)` and
    :math:`S^+ = g_x (S + F t_p) + g_p - F^+ t_p` (saltation matrix). Variables that
    stand still while refractory have :math:`F^+ = 0` until they are released. The
    result belongs to the exact times of spikes, so that it differs from derivatives of
    a simulation by the first order of dt; where the distance does not grow, or grew
    by more than :math:`F` explains (a kick made the neuron fire), the time counts as
    fixed. So it does, wrongly, where a neuron that is beyond its threshold already
    fires at the end of its refractory period, which must not depend on variables.

    References
    ----------
    Leine, R., Nijmeijer, H. (2004) Dynamics and Bifurcations of Non-Smooth Mechanical
    Systems, chapter 7, https://doi.org/10.1007/978-3-540-44398-8.
    """
    model = as_equations(model)
    parameters = check_parameters(model, parameters)
    event_exact = check_flag("event_exact", event_exact)
    read_code("reset", reset, parse)
    check_mapping("namespace", namespace)
    known = user_namespace() if namespace is None else namespace
    used = model.identifiers | get_identifiers(f"{threshold} {reset}")
    slopes = slopes_in({n: known[n] for n in sorted(used & known.keys())})
    program = event_program(
        model, threshold, reset, parameters, event_exact, slopes=slopes
    )
    _refuse_unwritten(slopes)
    return emit_with_units(shared(program), reset_dimensions(model, parameters))


def _refuse_unwritten(slopes):
    """Statements cannot bring a function along that the group does not know."""
    for name in sorted(slopes.used):
        raise NotDifferentiableError(
            f"The reset needs the derivative {name!r}, which is a Function and no "
            "expression, so that it cannot be written into statements: state it as "
            "one, with_derivatives('...'), or use GradientFitter."
        )


def event_program(
    model, threshold, reset, parameters, event_exact=True, also=None, slopes=None
):
    """
    The statements of `sensitivity_reset`.

    ``also(shifts, values)`` may give statements to add: it gets the derivatives of the
    time, and what variables become. `slopes` has the derivatives of functions.
    """
    model = extract_constant_subexpressions(model)[0]
    states, rates = sorted(model.diff_eq_names), rates_of_change(model)
    begin, shifts = [], {}
    if event_exact:
        _refuse_history(model, threshold, rates)
        begin, shifts = _shifts(model, threshold, parameters, rates, slopes)
    at, known = _at_spike(states, parameters, rates, shifts)
    program, last = _after_reset(reset, model)
    statements, found = Directional(parameters, known, _by(slopes))(program)
    _check_followed(found, last, model)
    now = {symbol(v): value for v, value in last.items()}
    values = {v: value for v, value in last.items() if v in _variables(model)}
    for v in states:
        after = _derivatives(last.get(v, symbol(v)), found)
        # What stands still now moves on later, by as much later
        speed = 0 if v in held_variables(model) else rates[v].xreplace(now)
        for p in parameters:
            change = after.get(p, 0) - speed * shifts.get(p, 0)
            values[derivative_name(v, p)] = sp.sympify(change)
    if held_variables(model) and event_exact:
        values |= {shift_name(p): shifts[p] for p in parameters}
    extra = also(shifts, values) if also else []
    program = begin + at + statements + extra + assigned_together(values)
    return [(name, unit_safe(value)) for name, value in program]


def _after_reset(reset, model):
    """The reset as a program that changes no variable; where its results are."""
    program, last = assigned_once(parse(drawn_apart(reset)), kept=_variables(model))
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
        for v in sorted(model.diff_eq_names):
            dimensions[derivative_name(v, p)] = model[v].dim / model[p].dim
        dimensions[shift_name(p)] = second.dim / model[p].dim
    return dimensions


def _variables(model):
    return model.diff_eq_names | model.parameter_names


def _shifts(model, threshold, parameters, rates, slopes):
    """Derivatives of the time of a spike."""
    distance = inlined(threshold_distance(threshold), model)
    states = sorted(model.diff_eq_names)
    slope = {v: derivative(distance, symbol(v), slopes) for v in states}
    speed = sum(slope[v] * rates[v] for v in slope)
    # Also for what jumps (a TimedArray): at a jump times of spikes are fixed
    speed += (distance - distance.xreplace({_T: _T - _DT})) / _DT
    begin = [
        ("_speed", sp.sympify(speed)),
        # Farther than in (nearly) two steps: a kick, whose time is fixed
        ("_near", unit_safe(sp.Lt(distance - 2 * _DT * symbol("_speed"), 0))),
        ("_rising", parse_expression("int(sign(_speed) > 0)*int(_near)")),
        # Never zero: beyond its threshold a neuron is at some distance from it
        ("_never_zero", _RISING * symbol("_speed") + (1 - _RISING) * distance / _DT),
    ]
    shifts = {}
    for p in parameters:
        moved = sum(slope[v] * symbol(derivative_name(v, p)) for v in slope)
        moved += derivative(distance, symbol(p), slopes)
        begin.append((f"_shift_{p}", -moved * _RISING / symbol("_never_zero")))
        shifts[p] = symbol(f"_shift_{p}")
    return begin, shifts


_RISING, _DT, _T = symbol("_rising"), symbol("dt"), symbol("t")


def _at_spike(states, parameters, rates, shifts):
    """Derivatives of the variables at the time of the spike, which itself moves."""
    statements, known = [], {}
    for v in states:
        known[v] = {}
        for p in parameters:
            moving = symbol(derivative_name(v, p)) + rates[v] * shifts.get(p, 0)
            statements.append((f"_at_{v}_{p}", moving))
            known[v][p] = symbol(f"_at_{v}_{p}")
    known |= {name: dict(shifts) for name in ("t", "lastspike") if shifts}
    return statements, known


def _by(slopes):
    """Partial derivatives; functions of time alone (a `TimedArray`) are steps."""

    def differentiate(expression, name):
        if name != _T:
            return derivative(expression, name, slopes)
        steps = {
            f: sp.Dummy(real=True)
            for f in expression.atoms(sp.core.function.AppliedUndef)
            if names_in(f) <= {"t", "i", "fit_trial"}
        }
        expression = expression.xreplace(steps)
        back = {dummy: f for f, dummy in steps.items()}
        return derivative(expression, name, slopes).xreplace(back)

    return differentiate


def _refuse_history(model, threshold, rates):
    """What refers to the last spike moves with it, which nobody keeps track of."""
    strings = {"The threshold": inlined(threshold_distance(threshold), model)}
    strings |= {f"The equation of '{v}'": rate for v, rate in rates.items()}
    for label, value in strings.items():
        for name in sorted(names_in(value) & {"lastspike", "not_refractory"}):
            raise NotDifferentiableError(
                f"{label} depends on '{name}', which moves with the last spike. Use "
                "'(unless refractory)', or a variable that the reset changes and that "
                "decays ('dtheta/dt = -theta/tau : volt'), instead."
            )


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
