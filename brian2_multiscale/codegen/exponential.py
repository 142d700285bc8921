"""An exponential function that compilers can put into a vector loop.

The one of the C library is a call, around which a loop has to save all it knows, or no
vector function at all (Cython, other systems). This one is a dozen multiplications.
"""

import numpy as np
from brian2.core.functions import Function

from .shared import shared_implementations

__all__ = ["inline_exp"]

# exp(x) = 2^k exp(r), r = x - k log(2), |r| < 0.35: the polynomial of degree 10 leaves
# 3e-16. The product with k needs all digits, hence a fused multiply-add, which is also
# what -ffast-math leaves alone. The exponent is limited as an integer, because
# compilers make branches of limits for doubles.
_CODE = """
static inline double %CORE%(double value)
{
#if defined(__GNUC__) && defined(__FMA__) && defined(__AVX2__)
    const double k = __builtin_rint(value*1.4426950408889634);
    double r = __builtin_fma(k, -6.93147180369123816490e-01, value);
    r = __builtin_fma(k, -1.90821492927058770002e-10, r);
    int32_t limited = (int32_t)k;
    limited = limited < -1023 ? -1023 : limited;
    limited = limited > 1024 ? 1024 : limited;
    const int64_t exponent = (int64_t)(limited + 1023) << 52;
    double power;
    __builtin_memcpy(&power, &exponent, sizeof power);
    const double r2 = r*r, r4 = r2*r2;
    const double low = (1.0 + r*1.0000000000000067)
                       + r2*(0.50000000000000056 + r*0.16666666666554406);
    const double middle = (0.041666666666573142 + r*0.0083333333856677825)
                          + r2*(0.0013888888932488599 + r*0.00019841170270440067);
    const double high = (2.4801504346997686e-05 + r*2.764018079620985e-06)
                        + r2*2.7626357241447223e-07;
    const double result = (low + r4*(middle + r4*high))*power;
    return value > 709.0 ? HUGE_VAL : (value < -709.0 ? 0.0 : result);
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


#: ``inline_exp(x)``: exp(x) to 5e-16; 0 below -709 and infinite above 709.
inline_exp = _make()
