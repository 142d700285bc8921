"""How the variables of a neuron act on each other in a time step."""

import sympy as sp
from brian2.stateupdaters.base import StateUpdateMethod

from ...codegen.directional import Directional
from ...codegen.straightline import parse, parse_expression
from ...codegen.subexpressions import RANDOM, assigned_once
from ...kinetics.differentiation import NotDifferentiableError, derivative
from ..rates import held_variables, moving
from .numbers import needed

__all__ = ["step_derivatives"]


def step_derivatives(group, states, run_namespace):
    r"""
    Derivatives of what the numerical method of a group does.

    Parameters
    ----------
    group : `NeuronGroup`
    states : list of str
        Its variables with differential equations, and possibly others.
    run_namespace : dict

    Returns
    -------
    values : dict of (str, str) to sympy expression
        :math:`\partial x_m / \partial x_n`; zeros are left out.
    program : list of (str, sympy expression)
        Statements that these refer to.
    refractory : str
        Code that has to run before.

    Raises
    ------
    NotDifferentiableError
        If the method makes code of its own, for functions without a derivative, and
        for noise that depends on the variables.
    """
    refractory = group.state_updater._get_refractory_code(run_namespace)
    program = moving(group.equations, parse(_code(group, run_namespace)))
    program, last = assigned_once(program, kept=states)
    known = {m: {m: sp.S.One} for m in states}
    program, found = Directional(tuple(states), known, derivative, "_own")(program)
    rows = {m: found[last.get(m, m)] for m in states}
    _refuse_noise(group, program, rows)
    held = held_variables(group.equations) if refractory else ()
    values = {
        (m, n): _held(m, n, row.get(n, 0), m in held)
        for m, row in rows.items()
        for n in states
    }
    return {k: v for k, v in values.items() if v != 0}, program, refractory


def _code(group, run_namespace):
    equations, updater = group.equations, group.state_updater
    names = equations.names | equations.identifiers | {"dt"}
    code = StateUpdateMethod.apply_stateupdater(
        equations,
        group.resolve_all(names, run_namespace, user_identifiers=set()),
        updater.method_choice,
        method_options=updater.method_options,
        group_name=group.name,
    )
    code = code if isinstance(code, str) else getattr(code, "code", None)
    if code is None:
        raise NotDifferentiableError(
            f"The method of {group.name!r} makes code of its own, which cannot be "
            "differentiated; choose one such as 'exponential_euler' or 'rk4'."
        )
    return code


def _held(m, n, value, held):
    """A variable that stands still while refractory keeps its derivative."""
    if not held:
        return sp.sympify(value)
    free = parse_expression("int(not_refractory)")
    return free * value + (1 - free) * int(m == n)


def _refuse_noise(group, program, rows):
    """Noise whose strength depends on variables would have to be drawn twice."""
    values = [sp.sympify(v) for row in rows.values() for v in row.values()]
    values += [value for _, value in needed(program, values)]
    if RANDOM & {str(f.func) for v in values for f in v.atoms(sp.Function)}:
        raise NotDifferentiableError(
            f"The noise of {group.name!r} depends on its variables, which eligibility "
            "traces do not follow: multiply 'xi' by constants only."
        )
