"""Run what ``method='kinetic'`` writes, in Brian2 and without it."""

import brian2
import numpy as np
from brian2 import Equations, Network, NeuronGroup, Quantity
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.core.namespace import DEFAULT_UNITS
from scipy.integrate import solve_ivp

from brian2_multiscale.kinetics import kinetic

FUNCTIONS = {name: f.pyfunc for name, f in DEFAULT_FUNCTIONS.items()}
UNITS = {name: float(unit) for name, unit in DEFAULT_UNITS.items()}


def as_equations(equations):
    return Equations(equations) if isinstance(equations, str) else equations


def plain_step(equations, order=1):
    """The abstract code as a Python function ``step(values) -> values``.

    Abstract code is Python; this leaves out Brian2, for tests of many schemes.
    """
    equations = as_equations(equations)
    code = compile(str(kinetic(equations, None, {"order": order})), "step", "exec")

    def step(values):
        names = {**UNITS, **FUNCTIONS, "inf": np.inf, "t": 0.0, **values}
        exec(code, {"__builtins__": {}}, names)
        return {name: names[name] for name in equations.diff_eq_names}

    return step


def right_hand_side(equations, namespace=None):
    """``names, f(t, y)`` of the differential equations, by Brian2's substitution."""
    values = {
        **UNITS,
        **FUNCTIONS,
        **{k: float(v) for k, v in (namespace or {}).items()},
    }
    pairs = as_equations(equations).get_substituted_expressions()
    names = [name for name, _ in pairs]
    codes = [compile(expr.code, name, "eval") for name, expr in pairs]

    def f(t, y):
        here = {**values, **dict(zip(names, y, strict=True)), "t": t}
        return [eval(code, {"__builtins__": {}}, here) for code in codes]

    return names, f


def reference_solution(equations, initial, duration, namespace=None):
    """Values at the end by scipy's adaptive method of order 8, to about 1e-10."""
    names, f = right_hand_side(equations, namespace)
    start = [float(initial[name]) for name in names]
    span, limits = (0, float(duration)), {"first_step": 1e-7, "max_step": 1e-4}
    result = solve_ivp(f, span, start, "DOP853", rtol=1e-11, atol=1e-14, **limits)
    assert result.success
    return dict(zip(names, result.y[:, -1], strict=True))


def brian_solution(equations, initial, duration, dt, namespace=None, **options):
    """Values at the end by ``method='kinetic'`` in Brian2."""
    equations = as_equations(equations)
    group = NeuronGroup(
        1,
        equations,
        method="kinetic",
        method_options=options,
        dt=dt,
        namespace=namespace or {},
        name=f"kinetic_{brian2.prefs.codegen.target}",
    )
    for name, value in initial.items():
        setattr(group, name, Quantity(float(value), dim=equations[name].dim))
    Network(group).run(duration)
    return {name: float(getattr(group, name)[0]) for name in equations.diff_eq_names}


def observed_orders(equations, initial, duration, steps, order, namespace=None):
    """log2 of the ratio of the errors at successive time steps."""
    exact = reference_solution(equations, initial, duration, namespace)
    errors = []
    for dt in steps:
        values = brian_solution(
            equations, initial, duration, dt, namespace, order=order
        )
        errors.append(max(abs(values[n] / exact[n] - 1) for n in exact))
    ratios = np.array(steps[:-1]) / np.array(steps[1:])
    return np.log(np.divide(errors[:-1], errors[1:])) / np.log(ratios), errors
