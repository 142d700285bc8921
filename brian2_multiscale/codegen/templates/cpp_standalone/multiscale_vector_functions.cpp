{# Functions that glibc has in vector form (libmvec, which -lm finds), by the first
   version that has them. glibc's <math.h> declares them to programs without infinities
   only (all of -ffast-math), and Brian2 needs infinities.
   GCC makes exp(a + b) of exp(a)*exp(b), but finds vector forms only of functions
   that have been called before it does so: hence the function without a purpose. #}
{% set _since = {
    "2, 22": ["exp", "log", "sin", "cos"],
    "2, 35": ["tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "exp2", "expm1",
              "log1p", "log2", "log10"],
} %}
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define _MULTISCALE_SIMD extern "C" __attribute__((__simd__("notinbranch")))
{% for _version, _names in _since.items() %}
#if __GLIBC_PREREQ({{_version}})
{% for _name in _names %}
_MULTISCALE_SIMD double {{_name}}(double) noexcept;
_MULTISCALE_SIMD float {{_name}}f(float) noexcept;
{% endfor %}
{% if loop.first %}
_MULTISCALE_SIMD double pow(double, double) noexcept;
_MULTISCALE_SIMD float powf(float, float) noexcept;
{% endif %}
static double __attribute__((used)) _multiscale_called_{{loop.index}}(double x, float y)
{
    {% if loop.first %}
    x += __builtin_pow(x, y) + __builtin_powf(y, y);
    {% endif %}
    {% for _name in _names %}
    x += __builtin_{{_name}}(x) + __builtin_{{_name}}f(y);
    {% endfor %}
    return x;
}
#endif
{% endfor %}
#undef _MULTISCALE_SIMD
#endif
