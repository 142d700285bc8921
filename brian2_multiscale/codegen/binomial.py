"""Binomial random numbers whose two arguments may both differ between elements."""

import numpy as np
from brian2.core.functions import Function

from ..arguments import check_numbers
from .shared import shared_implementations

__all__ = ["binomial_draw"]

#: What generated code, which cannot raise, gives for impossible arguments.
INVALID = -1

# p may leave [0, 1] by this much through rounding
_MARGIN = 1e-9

# Sums of more than a few trials are drawn by Hormann's transformed rejection with
# squeeze (BTRS), others by inversion. All arithmetic is in doubles, which hold every
# 32-bit integer exactly.
_CODE = """
// log(k!) minus Stirling's formula for it
static double %CORE%_tail(double k)
{
    static const double exact[] = {
        0.08106146679532726, 0.04134069595540929, 0.02767792568499834,
        0.02079067210376509, 0.01664469118982119, 0.01387612882307075,
        0.01189670994589177, 0.01041126526197209, 0.009255462182712733,
        0.008330563433362871};
    if (k < 10)
        return exact[(int)k];
    const double r = 1/(k + 1);
    return r*(1./12 - r*r*(1./360 - r*r*(1./1260 - r*r/1680)));
}

// n*p < 10 and p <= 0.5
static double %CORE%_invert(double n, double p, double (*rand)(int), int index)
{
    const double q = 1 - p, first = exp(n*log1p(-p));
    const double last = n < 150 ? n : 150;
    for (;;)
    {
        double u = rand(index), probability = first;
        for (double k = 0; k <= last; k++)
        {
            if (u < probability)
                return k;
            u -= probability;
            probability *= (n - k)*p/((k + 1)*q);
        }
    }
}

// n*p >= 10 and p <= 0.5
static double %CORE%_reject(double n, double p, double (*rand)(int), int index)
{
    const double spread = sqrt(n*p*(1 - p)), odds = p/(1 - p);
    const double b = 1.15 + 2.53*spread, a = -0.0873 + 0.0248*b + 0.01*p;
    const double centre = n*p + 0.5, alpha = (2.83 + 5.1/b)*spread;
    const double squeeze = 0.92 - 4.2/b, mode = floor((n + 1)*p);
    for (;;)
    {
        const double u = rand(index) - 0.5, v = rand(index);
        const double us = 0.5 - fabs(u);
        if (us <= 0)
            continue;
        const double k = floor((2*a/us + b)*u + centre);
        if (us >= 0.07 && v <= squeeze)
            return k;
        if (k < 0 || k > n)
            continue;
        const double bound =
            (mode + 0.5)*log((mode + 1)/(odds*(n - mode + 1)))
            + (n + 1)*log1p((k - mode)/(n - k + 1))
            + (k + 0.5)*log(odds*(n - k + 1)/(k + 1))
            + %CORE%_tail(mode) + %CORE%_tail(n - mode)
            - %CORE%_tail(k) - %CORE%_tail(n - k);
        if (v > 0 && log(v*alpha/(a/(us*us) + b)) <= bound)
            return k;
    }
}

static int32_t %CORE%(int32_t n, double p, double (*rand)(int), int index)
{
    if (n < 0 || !(p >= -1e-9 && p <= 1 + 1e-9))
        return -1;
    const double small = p <= 0.5 ? p : 1 - p;
    if (n == 0 || small <= 0)
        return p > 0.5 ? n : 0;
    const double k = n*small < 10 ? %CORE%_invert(n, small, rand, index)
                                  : %CORE%_reject(n, small, rand, index);
    return (int32_t)(p <= 0.5 ? k : n - k);
}
"""


def _draw(n, p, vectorisation_idx):
    """The numpy target: numpy's own sampler."""
    n, p = np.broadcast_arrays(n, p)
    try:
        size = len(vectorisation_idx)
    except TypeError:
        size = ()
    n, p = np.broadcast_to(n, size or n.shape), np.broadcast_to(p, size or p.shape)
    valid = (n >= 0) & (p >= -_MARGIN) & (p <= 1 + _MARGIN)
    clipped = np.clip(np.where(valid, p, 0), 0, 1)
    draws = np.random.binomial(np.where(valid, n, 0), clipped)
    return np.where(valid, draws, INVALID)


def _draw_from_python(n, p):
    numbers, chances = check_numbers("n", n), check_numbers("p", p)
    draws = INVALID
    if np.all(np.abs(numbers) < 2**31) and np.all(numbers == np.rint(numbers)):
        draws = _draw(numbers.astype(int), chances, 0)
    if np.any(draws == INVALID):
        raise ValueError(
            f"binomial_draw needs whole n >= 0 and 0 <= p <= 1, got n = {n} and "
            f"p = {p}."
        )
    return draws


def _make():
    function = Function(
        _draw_from_python,
        arg_units=[1, 1],
        arg_names=["n", "p"],
        arg_types=["integer", "any"],
        return_unit=1,
        return_type="integer",
        stateless=False,
        auto_vectorise=True,
    )
    sources, dependencies = shared_implementations(
        "_binomial_draw",
        _CODE,
        arg_types=["integer", "float"],
        return_type="integer",
        random=True,
    )
    function.implementations.add_implementation("numpy", _draw)
    for target, source in sources.items():
        function.implementations.add_implementation(
            target, source, dependencies=dependencies, name="_binomial_draw"
        )
    return function


#: ``binomial_draw(n, p)``: number of successes in `n` independent trials, for every
#: element anew.  `n` is an integer expression (``int(x)`` if need be) from 0 to
#: 2**31 - 1, `p` a probability; both may be different for every element and time step.
#: The draws are exact (inversion for n*p < 10, otherwise the transformed rejection of
#: Hormann 1993, doi:10.1080/00949659308811496; p > 0.5 by symmetry) and n = 0, p = 0
#: and p = 1 give 0, 0 and n. `p` may leave [0, 1] by 1e-9 (rounding); other arguments
#: give -1 in simulations and `ValueError` when called from Python.  Cython and C++
#: standalone give the same numbers for the same seed (they draw uniform numbers only);
#: numpy uses its own sampler.  The name is not `binomial` because
#: ``from brian2 import *`` has numpy's.
binomial_draw = _make()
