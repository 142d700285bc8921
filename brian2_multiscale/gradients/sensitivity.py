"""Derivatives of state variables by parameters, along with the simulation."""

import sympy as sp
from brian2.equations.equations import PARAMETER, Equations, SingleEquation
from brian2.parsing.sympytools import sympy_to_str
from brian2.stateupdaters.base import StateUpdateMethod

from ..arguments import check_method, check_names
from ..codegen.directional import Directional
from ..codegen.straightline import emit, parse, symbol
from ..kinetics.differentiation import derivative

__all__ = ["Sensitivity", "sensitivity_equations", "sensitivity_name"]


def sensitivity_name(variable, parameter):
    """Name of the derivative of a variable by a parameter: ``S_v_gl``."""
    return f"S_{variable}_{parameter}"


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
        parameters. `Sensitivity` moves them.

    Raises
    ------
    ValueError
        If a name is not a parameter of the model.
    """
    if isinstance(model, str):
        model = Equations(model)
    if not isinstance(model, Equations):
        raise TypeError(f"model must be a string or Equations, got {model!r}.")
    parameters = check_names("parameters", parameters)
    unknown = [p for p in parameters if p not in model.parameter_names]
    if unknown:
        raise ValueError(
            f"parameters must be names of parameters of the model, got {unknown}; it "
            f"has {sorted(model.parameter_names)}. Declare it: '{unknown[0]} : unit'."
        )
    return Equations(
        [
            SingleEquation(
                PARAMETER,
                sensitivity_name(name, p),
                model[name].dim / model[p].dim,
            )
            for name in model.diff_eq_names
            for p in parameters
        ]
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

    Notes
    -----
    Jumps (``int(v > 0*mV)``, ``floor``) count as constant. Nothing happens to the
    derivatives at a spike: what they become is for the reset to say.

    Examples
    --------
    >>> from brian2 import *
    >>> from brian2_multiscale.gradients import Sensitivity, sensitivity_equations
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
        return self._with_derivatives(equations, code, variables or {})

    def _with_derivatives(self, equations, code, variables):
        states = list(equations.diff_eq_names)
        known = {
            v: {p: symbol(sensitivity_name(v, p)) for p in self.parameters}
            for v in states
        }
        program = _before_states(parse(code), states)
        statements, found = Directional(self.parameters, known, derivative)(program)
        lines = [emit(statements)]
        for v in [v for v in states if f"_new_{v}" in found]:
            held = "unless refractory" in equations[v].flags
            held = held and "not_refractory" in variables
            for p in self.parameters:
                change = sympy_to_str(sp.sympify(found[f"_new_{v}"].get(p, 0)))
                lines.append(_assigned(sensitivity_name(v, p), change, held))
        lines += [f"{v} = _new_{v}" for v in states if f"_new_{v}" in found]
        return "\n".join(lines)


def _assigned(name, value, held):
    """A statement; Brian2 only keeps differential equations from moving by itself."""
    if not held:
        return f"{name} = {value}"
    return f"{name} += int(not_refractory)*({value} - {name})"


def _before_states(program, states):
    """The program with states assigned to other names, so that old values stay."""
    renamed, result = {}, []
    for name, value in program:
        value = value.xreplace(renamed)
        if name in states:
            renamed[symbol(name)] = symbol(f"_new_{name}")
            name = f"_new_{name}"
        result.append((name, value))
    return result
