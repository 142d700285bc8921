"""The step of single neurons with noise, as abstract code."""

import sympy as sp

from ..codegen.straightline import Hoister, emit, symbol
from ..density.program import Program, at_middle, inline
from ..density.program import make_program as program_of_density

__all__ = ["is_linear", "make_program", "neuron_step"]

# Added to exponents, which may be zero; without effect on others
_TINY = sp.Float(1e-7)
_LARGE = sp.Float(1e300)


def make_program(group, variables):
    """The program of a density, and what moves a neuron from `_now` to `_next`."""
    program = program_of_density(group, variables)
    middle = at_middle(group, "_now")
    drift = group.noisy.drift.xreplace(middle)
    diffusion = group.noisy.diffusion.xreplace(middle) + symbol("_private")
    statements = neuron_step(drift, diffusion, symbol("_now"))
    hoister = Hoister({"_now", "_normal", "_barrier"}, prefix="_fixed")
    inner = hoister.apply(statements, kept=("_next", "_diffusion_here"))
    population = program.blocks["population"] + "\n" + emit(inline(hoister.statements))
    blocks = {**program.blocks, "population": population, "neuron": emit(inline(inner))}
    return Program(blocks, [*program.hoisted, *hoister.names])


def is_linear(group):
    """Whether the step of neurons is exact: linear drift and constant noise."""
    noisy = group.noisy
    return _slope(noisy.drift, noisy.diffusion, symbol(noisy.name)) is not None


def _slope(drift, diffusion, v):
    """Of a linear drift; None if the drift is not linear or the noise not constant."""
    slope = sp.simplify(sp.diff(drift, v))
    varying = slope.free_symbols | diffusion.free_symbols
    return None if v in varying else slope


def _growth(exponent):
    """(exp(x) - 1)/x; Brian2 has no function for it on the numpy target."""
    return (sp.exp(exponent + _TINY) - 1) / (exponent + _TINY)


def neuron_step(drift, diffusion, v):
    r"""
    One time step of :math:`dv = b\,dt + \sqrt{2 d}\,dW` with drift :math:`b = u + d'`.

    Parameters
    ----------
    drift, diffusion : sympy expression
        The `u` and `d` of the Fokker-Planck equation.
    v : sympy symbol
        The value before.

    Returns
    -------
    list of (str, sympy expression)
        Ends with `_next`; reads the standard normal number `_normal`.

    Notes
    -----
    Exact for linear drift and constant noise; otherwise Heun's predictor and corrector
    for the drift with Milstein's term for the noise. The corrector looks no further
    than the threshold `_barrier`: beyond it a drift may be too large for numbers.
    """
    dt, normal = symbol("dt"), symbol("_normal")
    here = [("_diffusion_here", diffusion)]
    slope = _slope(drift, diffusion, v)
    if slope is not None:
        offset = sp.simplify(sp.expand(drift - slope * v))
        grown = dt * _growth(slope * dt)
        spread = 2 * diffusion * dt * _growth(2 * slope * dt)
        value = v + (slope * v + offset) * grown + sp.sqrt(spread) * normal
        if slope == 0:
            value = v + offset * dt + sp.sqrt(2 * diffusion * dt) * normal
        return [*here, ("_next", value)]
    bend = sp.diff(diffusion, v)
    # Milstein's term and the part d' of the drift
    noise = sp.sqrt(2 * diffusion * dt) * normal + bend * dt * (normal**2 + 1) / 2
    guess = symbol("_guess")
    later = drift.xreplace({v: guess})
    reached = v + symbol("_drift_here") * dt + symbol("_noise_here")
    reached = sp.Function("clip", real=True)(reached, -_LARGE, symbol("_barrier"))
    return [
        *here,
        ("_noise_here", noise),
        ("_drift_here", drift),
        ("_guess", reached),
        (
            "_next",
            v + (symbol("_drift_here") + later) * dt / 2 + symbol("_noise_here"),
        ),
    ]
