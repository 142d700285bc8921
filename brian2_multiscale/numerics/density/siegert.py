"""Stationary rate of the leaky integrate-and-fire neuron with white noise."""

import math

import numpy as np
from scipy.integrate import quad
from scipy.special import erfc, erfcx

__all__ = ["siegert_rate"]

_REACH = 40.0  # exponents beyond which the integrand is negligible


def siegert_rate(drive, noise, threshold, reset, tau, refractory=0.0):
    r"""
    Stationary firing rate of ``dv/dt = (drive - v)/tau + noise*sqrt(2/tau)*xi``.

    Parameters
    ----------
    drive : float
        Mean of the voltage without threshold, coupling included.
    noise : float
        Its standard deviation without threshold (> 0).
    threshold, reset : float
        All four in the same unit.
    tau : float
        Membrane time constant.
    refractory : float, optional
        Refractory period, in the unit of `tau`.

    Returns
    -------
    float
        In one over the unit of `tau`.

    Notes
    -----
    The mean first passage time of the Ornstein-Uhlenbeck process [1]_ [2]_:

    .. math:: \frac1r = \tau_{ref} + \tau\sqrt\pi
       \int_{(V_R - \mu)/s}^{(V_F - \mu)/s} e^{u^2} (1 + \mathrm{erf}\,u)\, du, \qquad
       s = \sqrt2\,\sigma

    The exponential is relative to its largest value, so that neither very high nor very
    low rates overflow (below about 1e-308 the rate is 0).

    References
    ----------
    .. [1] Siegert (1951), On the first passage time probability problem, Phys Rev
       81:617, https://doi.org/10.1103/PhysRev.81.617
    .. [2] Brunel (2000), Dynamics of sparsely connected networks of excitatory and
       inhibitory spiking neurons, J Comput Neurosci 8:183,
       https://doi.org/10.1023/A:1008925309027
    """
    scale = math.sqrt(2) * noise
    low, high = (reset - drive) / scale, (threshold - drive) / scale
    largest = max(high, 0.0) ** 2
    integral = _above(max(low, 0.0), high) + _below(low, min(high, 0.0), largest)
    small = math.exp(-largest)
    return small / (refractory * small + tau * math.sqrt(math.pi) * integral)


def _above(low, high):
    """Integral for positive `u`, relative to ``exp(high**2)``."""
    if high <= low:
        return 0.0
    low = max(low, high - _REACH / max(high, 1.0))

    def integrand(u):
        return math.exp((u - high) * (u + high)) * erfc(-u)

    return quad(integrand, low, high, epsabs=0, epsrel=1e-12, limit=200)[0]


def _below(low, high, largest):
    """Integral for negative `u`, relative to ``exp(largest)``."""
    if high <= low:
        return 0.0
    # The integrand is close to 1/(sqrt(pi)*abs(u)): even in the logarithm
    start, end = np.arcsinh(low), np.arcsinh(high)

    def integrand(x):
        return erfcx(-math.sinh(x)) * math.cosh(x)

    value = quad(integrand, start, end, epsabs=0, epsrel=1e-12, limit=200)[0]
    return value * math.exp(-largest)
