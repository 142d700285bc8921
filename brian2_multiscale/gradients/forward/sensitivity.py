"""Derivatives of state variables by parameters, along with the simulation."""

import sympy as sp
from brian2.equations.equations import PARAMETER, Equations, SingleEquation
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.units.allunits import second

from ...arguments import as_equations, check_method, check_names
from ...codegen.directional import Directional, derivative_name
from ...codegen.slopes import CodeWithFunctions, Slopes
from ...codegen.straightline import emit, names_in, parse, parse_expression, symbol
from ...codegen.subexpressions import (
    assigned_once,
    assigned_together,
    drawn_apart,
    shared,
)
from ...kinetics.differentiation import NotDifferentiableError, derivative
from ..rates import held_variables, inlined, moving, rates_of_change
from .names import shift_name

__all__ = ["Sensitivity", "check_parameters", "sensitivity_equations"]


def sensitivity_equations(model, parameters):
    """
    Variables for the derivatives of all state variables by some parameters.

    Parameters
    ----------
    model : str or `Equations`
    parameters : str or list of str
        Parameters of the model (``gl : siemens``).

    Returns
    -------
    `Equations`
        ``S_v_gl`` for every variable with a differential equation and every parameter,
        to be added to the model; they start at zero: initial values do not depend on
        parameters, unless you set them. `Sensitivity` moves them. If some variable is
        kept during refractoriness, also ``S_t_gl``: the derivative of the time of the
        last spike, which `sensitivity_reset` sets and the end of refractoriness needs.

    Raises
    ------
    ValueError
        If a name is not a parameter of the model, or two derivatives would have the
        same name.
    NotDifferentiableError
        If it is one of whole numbers or truth values.
    """
    model = as_equations(model)
    parameters = check_parameters(model, parameters)
    states = [(name, model[name].dim) for name in sorted(model.diff_eq_names)]
    if held_variables(model):
        states.append(("t", second.dim))
    return Equations(
        [
            SingleEquation(PARAMETER, derivative_name(name, p), dim / model[p].dim)
            for name, dim in states
            for p in parameters
        ]
    )


def check_parameters(model, parameters):
    """Names of parameters of a model, or an error."""
    parameters = check_names("parameters", parameters)
    unknown = [p for p in parameters if p not in model.parameter_names]
    if unknown:
        raise ValueError(
            f"parameters must be names of parameters of the model, got {unknown}; it "
            f"has {sorted(model.parameter_names)}. Declare it: '{unknown[0]} : unit'."
        )
    for name in parameters:
        if model[name].var_type != "float":
            raise NotDifferentiableError(
                f"{name!r} is {model[name].var_type}: there is no derivative by it. "
                "Simulate once for each of its values."
            )
    _check_constant(model, parameters)
    _check_unambiguous(model, parameters)
    return parameters


def _check_unambiguous(model, parameters):
    """``S_v_th_a`` may be of `v` by `th_a` or of `v_th` by `a`."""
    found = {}
    for v in [*sorted(model.diff_eq_names), "t"]:
        for p in parameters:
            name = derivative_name(v, p)
            if name in found:
                raise ValueError(
                    f"{name!r} would be both the derivative of {found[name][0]!r} by "
                    f"{found[name][1]!r} and that of {v!r} by {p!r}: rename one of "
                    "these, so that the two names differ."
                )
            found[name] = v, p


def _check_constant(model, parameters):
    """Brian2 computes these apart from the step, where no derivative comes along."""
    moving = {*model.diff_eq_names, *parameters}
    for name in sorted(model.subexpr_names):
        if "constant over dt" in model[name].flags:
            used = sorted(names_in(inlined(symbol(name), model)) & moving)
            if used:
                raise NotDifferentiableError(
                    f"'{name}' is constant over dt, but depends on {used}, which its "
                    "derivative would have to follow. Leave out '(constant over dt)'."
                )


class Sensitivity(StateUpdateMethod):
    r"""
    An integration method that also moves derivatives by parameters.

    Every statement of the chosen method is differentiated: the derivatives are those
    of the numbers that come out, not of the differential equations: they equal
    finite differences of the simulation up to the error of these.

    Parameters
    ----------
    method : str
        'exponential_euler', 'rk4', 'exact', ...
    parameters : str or list of str

    Raises
    ------
    NotDifferentiableError
        Before the run, if an expression has no known derivative.

    See Also
    --------
    sensitivity_equations, sensitivity_reset

    Notes
    -----
    Jumps (``int(v > 0*mV)``, ``floor``) count as constant. At a spike, derivatives
    become what `sensitivity_reset` says.

    Examples
    --------
    >>> from brian2 import *
    >>> from brian2_multiscale import *
    >>> eqs = '''dv/dt = gl*(-70*mV - v)/(200*pF) : volt
    ...          gl : siemens'''
    >>> group = NeuronGroup(1, Equations(eqs) + sensitivity_equations(eqs, 'gl'),
    ...                     method=Sensitivity('exponential_euler', 'gl'))
    """

    def __init__(self, method, parameters):
        check_method("method", method)
        self.method = method
        self.parameters = check_names("parameters", parameters)

    def __call__(self, equations, variables=None, method_options=None):
        variables = variables or {}
        code = StateUpdateMethod.apply_stateupdater(
            equations, variables, self.method, method_options=method_options
        )
        if not isinstance(code, str):
            code = getattr(code, "code", None)
        if code is None:
            raise NotImplementedError(
                f"method={self.method!r} makes code of its own, which cannot be "
                "differentiated; choose one such as 'exponential_euler' or 'rk4'."
            )
        self._check(equations, variables)
        slopes = self.slopes_of(variables)

        def differentiate(expression, by):
            return derivative(expression, by, slopes)

        program = self._program(
            equations, parse(drawn_apart(code)), variables, differentiate
        )
        code = emit(shared(program))
        return CodeWithFunctions(code, slopes.used) if slopes.used else code

    def slopes_of(self, variables):
        """
        Derivatives of functions.

        Parameters
        ----------
        variables : dict of str to object
            What the names in the equations refer to.

        Returns
        -------
        `~brian2_multiscale.codegen.slopes.Slopes`
        """
        return Slopes(variables)

    def _check(self, equations, variables):
        """What `sensitivity_equations` makes must be there."""
        for v in sorted(equations.diff_eq_names):
            for p in self.parameters:
                if variables and derivative_name(v, p) not in variables:
                    raise ValueError(
                        f"parameters has {p!r}, but the model has no variable "
                        f"{derivative_name(v, p)!r}: add sensitivity_equations(model, "
                        f"{list(self.parameters)!r}) to it."
                    )

    def _program(self, equations, program, variables, differentiate):
        """The step with its derivatives; variables of the group change at its end."""
        states = sorted(equations.diff_eq_names)
        held = held_variables(equations) if "not_refractory" in variables else []
        program, last = assigned_once(self._defined(equations, program), kept=states)
        begin, known = self._known(equations, states, held, variables)
        program, found = Directional(self.parameters, known, differentiate)(program)
        moved = [v for v in states if v in last]
        values = {v: symbol(last[v]) for v in moved}
        for v in moved:
            for p in self.parameters:
                name = derivative_name(v, p)
                after = sp.sympify(found[last[v]].get(p, 0))
                if v in held:  # Brian2 itself does this for differential equations only
                    after = symbol(name) + _free() * (after - symbol(name))
                values[name] = after
        for name in map(
            shift_name, self.parameters if held_variables(equations) else ()
        ):
            if name in variables:
                values[name] = symbol(name) * (1 - _free(held))
        return begin + program + self.also(values) + assigned_together(values)

    def _defined(self, equations, program):
        """Without the 0/0 of neurons that stand still."""
        if self.method == "exponential_euler":  # uses nothing that has moved already
            return moving(equations, program)
        free = _free()

        def divides(e):
            return e.is_Pow and e.base == free and e.exp.is_negative

        return [
            (name, value.replace(divides, lambda e: sp.S.One))
            for name, value in program
        ]

    def _known(self, equations, states, held, variables):
        """Derivatives before the step; those of late variables begin to count here."""
        begin, rates = [], rates_of_change(equations)
        known = {
            v: {p: symbol(derivative_name(v, p)) for p in self.parameters}
            for v in states
        }
        for v in held_variables(equations):
            for p in self.parameters:
                if shift_name(p) in variables:
                    late = _free(held) * rates[v] * symbol(shift_name(p))
                    begin.append((f"_start_{v}_{p}", known[v][p] - late))
                    known[v][p] = symbol(f"_start_{v}_{p}")
        return begin, known

    def also(self, values):
        """Statements of what is computed along with a step (none here).

        Parameters
        ----------
        values : dict of str to sympy expression
            What variables become after the step.

        Returns
        -------
        list of (str, sympy expression)
        """
        return []


def _free(refractory=True):
    """Whether a neuron moves."""
    return parse_expression("int(not_refractory)") if refractory else sp.S.One
