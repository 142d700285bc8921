"""Functions of equations in `jax.numpy`, with derivatives that are never nan."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS, Function
from brian2.core.variables import Constant
from brian2.input.binomial import BinomialFunction
from brian2.input.timedarray import TimedArray, _find_K

from ...kinetics.differentiation import NotDifferentiableError
from ..lookup import LookupFunction
from .tables import lookup
from .values import HELPERS, blend, divide, number, real

__all__ = ["exprel", "namespace_of", "power"]

# Coefficients of the derivative of (exp(x) - 1)/x around zero
_SERIES = [(n + 1) / math.factorial(n + 2) for n in range(14)]


@jax.custom_jvp
def exprel(x):
    """``(exp(x) - 1)/x``, also at zero."""
    x = jnp.asarray(x) * 1.0
    small = x == 0
    safe = jnp.where(small, 1.0, x)
    return jnp.where(small, 1.0, jnp.expm1(safe) / safe)


@exprel.defjvp
def _exprel_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    near = jnp.abs(x) < 0.3
    safe = jnp.where(near, 1.0, x)
    series = jnp.polyval(jnp.array(_SERIES[::-1], x.dtype), jnp.where(near, x, 0.0))
    far = (jnp.exp(safe) * (safe - 1) + 1) / safe**2
    return exprel(x), jnp.where(near, series, far) * dx


def power(base, exponent):
    """``base**exponent``; whole constant exponents allow bases of any sign."""
    constant = isinstance(exponent, int | float) and not isinstance(exponent, bool)
    if constant and float(exponent).is_integer() and abs(exponent) < 1024:
        if isinstance(base, int | float):
            return base ** int(exponent)
        base = jnp.asarray(base)
        if exponent < 0 or base.dtype == bool:
            base = base * 1.0
        return jax.lax.integer_pow(base, int(exponent))
    return jnp.power(base, exponent)


def _whole(function):
    return lambda x: function(jnp.asarray(x)).astype(jnp.int32)


def _timestep(t, dt):
    return jnp.trunc((jnp.asarray(t, float) + 1e-3 * dt) / dt).astype(jnp.int64)


# Of whole numbers these are not whole; JAX would compute them in single precision
_FLOATING = {
    name: getattr(jnp, name)
    for name in (
        "sin cos tan sinh cosh tanh exp log log10 expm1 log1p sqrt arcsin arccos arctan"
    ).split()
} | {"exprel": exprel}

_PLAIN = {
    "abs": jnp.abs,
    "sign": jnp.sign,
    "clip": jnp.clip,
    "int": _whole(lambda x: x),
    "floor": _whole(jnp.floor),
    "ceil": _whole(jnp.ceil),
    "timestep": _timestep,
}


def _uniform(step, shape):
    return jax.random.uniform(step.random_key(), shape, step.dtype)


def _normal(step, shape):
    return jax.random.normal(step.random_key(), shape, step.dtype)


def _poisson(mean, step, shape):
    mean = jax.lax.stop_gradient(jnp.broadcast_to(mean, shape))
    return jax.random.poisson(step.random_key(), mean, shape)


# These get the time step and a shape as well
_RANDOM = {"rand": _uniform, "randn": _normal, "poisson": _poisson}


def _binomial(function, step, shape):
    """The law of a `BinomialFunction`, which keeps its numbers in its closure."""
    law = _closure(function.implementations["numpy"].get_code(None))
    if law["use_normal"] if "use_normal" in law else "loc" in law:
        return law["loc"] + law["scale"] * _normal(step, shape)
    n, p = float(law["n"]), float(law["p"])
    drawn = jax.random.binomial(step.random_key(), n, p, shape, dtype=step.dtype)
    return drawn.astype(step.dtype)


def _closure(function):
    values = [cell.cell_contents for cell in function.__closure__ or ()]
    return dict(zip(function.__code__.co_freevars, values, strict=True))


def _floating(function, dtype):
    return lambda *args: function(*(real(arg, dtype) for arg in args))


def _timed_array(array, dt):
    """As `TimedArray` for numpy, which counts in fractions of its time step."""
    parts, values = _find_K(dt, array.dt), np.asarray(array.values)
    epsilon = array.dt / parts

    def row(t):
        number = jnp.trunc(jnp.round(jnp.asarray(t) / epsilon) / parts)
        return jnp.clip(number.astype(jnp.int32), 0, len(values) - 1)

    if values.ndim == 1:
        return lambda t: jnp.asarray(values)[row(t)]

    def value(t, i):
        inside = (i >= 0) & (i < values.shape[1])
        return jnp.where(inside, jnp.asarray(values)[row(t), i], jnp.nan)

    return value


def namespace_of(captured, dtype, smooth=False):
    """
    What the text of captured code refers to.

    Parameters
    ----------
    captured : `Captured`
    dtype : type
    smooth : bool, optional
        Whether events are graded.

    Returns
    -------
    namespace : dict
    random : set of str
        Functions that also take the time step and a shape.
    """
    found, random = dict(HELPERS), set()
    # sympy makes some of them: 'e' of exp(1)
    found |= {name: c.get_value() for name, c in DEFAULT_CONSTANTS.items()}
    found |= {"_jax_power": power, "_jax_float": dtype}
    found["_jax_divide"] = partial(divide, dtype=dtype)
    found["_jax_blend"] = partial(blend, smooth=smooth)
    found["_jax_number"] = partial(number, dtype=dtype)
    for name, variable in captured.variables.items():
        if isinstance(variable, Function):
            code, draws = _function_of(name, variable, captured.runner, dtype)
            found[f"_jax_f_{name}"] = code
            random |= {name} if draws else set()
        elif isinstance(variable, Constant):
            found[name] = np.asarray(variable.get_value()).item()
    return found, random


def _function_of(name, function, runner, dtype):
    """
    What stands for a function of Brian2.

    Parameters
    ----------
    name : str
        As in the equations.
    function : `Function`
    runner : `BrianObject`
        Whose code uses it.
    dtype : type
        Of what is not whole.

    Returns
    -------
    callable
    random : bool
        Whether it also takes the time step and a shape.

    Raises
    ------
    NotDifferentiableError
        If it is a user's function without implementation for 'jax'.
    """
    if "jax" in list(function.implementations):
        return function.implementations["jax"].get_code(runner.group), False
    standard = next((n for n, f in DEFAULT_FUNCTIONS.items() if f is function), None)
    if standard in _FLOATING:
        return _floating(_FLOATING[standard], dtype), False
    for known, random in ((_PLAIN, False), (_RANDOM, True)):
        if standard in known:
            return known[standard], random
    if isinstance(function, BinomialFunction):
        return partial(_binomial, function), True
    if isinstance(function, TimedArray):
        return _timed_array(function, float(runner.clock.dt_)), False
    if isinstance(function, LookupFunction):
        return lookup(function), False
    raise NotDifferentiableError(
        f"The function '{name}' in the code of '{runner.name}' has no form that can be "
        f"differentiated. Give one with @implementation('jax', code), where code does "
        "the same with jax.numpy arrays in base units."
    )
