"""An exponential function that compilers can put into a vector loop.

The one of the C library is a call, around which a loop has to save all it knows, or no
vector function at all (Cython, other systems). This one is a dozen multiplications.
"""

import numpy as np
from brian2.core.functions import Function

from .shared import shared_implementations

__all__ = ["inline_exp"]

# exp(x) = 2^k exp(r), r = x - k log(2), |r| < 0.35: Taylor's series to the 12th order
# leaves 2e-16. The product with k needs all digits, hence a fused multiply-add, which
# is also what -ffast-math leaves alone.
_CODE = """
static inline double %CORE%(double value)
{
#if defined(__GNUC__) && defined(__FMA__) && defined(__AVX2__)
    double x = value < -708.0 ? -708.0 : value;
    x = x > 709.0 ? 709.0 : x;
    const double k = __builtin_rint(x*1.4426950408889634);
    double r = __builtin_fma(k, -6.93147180369123816490e-01, x);
    r = __builtin_fma(k, -1.90821492927058770002e-10, r);
    const double r2 = r*r, r4 = r2*r2;
    const double low = (1.0 + r) + r2*(1.0/2 + r*(1.0/6));
    const double middle = (1.0/24 + r*(1.0/120)) + r2*(1.0/720 + r*(1.0/5040));
    const double high = (1.0/40320 + r*(1.0/362880))
                        + r2*(1.0/3628800 + r*(1.0/39916800)) + r4*(1.0/479001600);
    const int64_t exponent = ((int64_t)(int32_t)k + 1023) << 52;
    double power;
    __builtin_memcpy(&power, &exponent, sizeof power);
    return (low + r4*(middle + r4*high))*power;
#else
    return exp(value);
#endif
}
"""


def _make():
    function = Function(
        np.exp, arg_units=[1], arg_names=["value"], return_unit=1, return_type="float"
    )
    sources, dependencies = shared_implementations("_inline_exp", _CODE)
    function.implementations.add_implementation("numpy", np.exp)
    for target, source in sources.items():
        function.implementations.add_implementation(
            target, source, dependencies=dependencies, name="_inline_exp"
        )
    return function


#: ``inline_exp(x)``: exp(x) to 4e-16 for -708 < x < 709; constant beyond.
inline_exp = _make()
