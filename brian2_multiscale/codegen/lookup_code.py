"""C++ text of a multilinear table look-up, straight-line code for 1 to 5 axes."""

from itertools import product

import numpy as np

__all__ = ["lookup_code", "packed_axes"]

#: Numbers per axis in the array ``axes``.
FIELDS = 7

_OUTSIDE = """
static void %CORE%_outside(const char* argument, double x, double lo, double hi)
{
    char message[400];
    snprintf(message, sizeof(message),
             "A table was used outside its range: argument '%s' of %OBJECT% is %g, not "
             "in [%g, %g] (base units); widen the range or choose extrapolate='clip', "
             "'nan' or 'linear'.", argument, x, lo, hi);
    %CORE%_fail(message);
}
"""

# nan compares false everywhere: it must pick a valid cell and show up in the weight
_AXIS = """
    const double* a{k} = axes + {offset};
    double x{k} = {x};
    {policy}
    double u{k} = ({coordinate} - a{k}[2])*a{k}[3];
    {bound}
    const double top{k} = a{k}[4] - 2;
    const double c{k} = u{k} < top{k} ? u{k} : top{k};
    const int64_t cell{k} = c{k} >= 1 ? (int64_t)c{k} : 0;
    const double w{k} = u{k} - cell{k};
"""

_POLICIES = {
    "raise": "if (!(x{k} >= a{k}[0] && x{k} <= a{k}[1]))"
    ' %CORE%_outside("{name}", x{k}, a{k}[5], a{k}[6]);',
    "clip": "x{k} = x{k} < a{k}[0] ? a{k}[0] : (x{k} > a{k}[1] ? a{k}[1] : x{k});",
    "nan": "if (x{k} < a{k}[0] || x{k} > a{k}[1]) x{k} = NAN;",
    "linear": "",
}

_BOUND = "u{k} = u{k} < 0 ? 0 : (u{k} > a{k}[4] - 1 ? a{k}[4] - 1 : u{k});"


def packed_axes(axes, extrapolate):
    """What `lookup_code` reads from its array ``axes``, seven numbers per axis."""
    return np.array(
        [
            (
                *((axis.lo, axis.hi) if extrapolate == "clip" else axis.limits),
                axis.origin,
                axis.inverse_step,
                axis.n,
                axis.lo,
                axis.hi,
            )
            for axis in axes
        ]
    )


def lookup_code(axes, extrapolate, value_type, along=None):
    """The C++ function of a `LookupFunction`.

    Parameters
    ----------
    axes : sequence of `~brian2_multiscale.numerics.lookup.Axis`
        Only their number, names and spacings go into the code.
    extrapolate : str
        One of `~brian2_multiscale.numerics.lookup.EXTRAPOLATIONS`.
    value_type : {'double', 'float'}
        Type of the elements of the table.
    along : int, optional
        Number of an argument: the derivative by it instead of the value.

    Returns
    -------
    str
        Text for `~brian2_multiscale.codegen.arrays.ArrayFunction`.
    """
    ndim = len(axes)
    arguments = ", ".join(f"double arg{k}" for k in range(ndim))
    lines = [
        _OUTSIDE if extrapolate == "raise" else "",
        f"static inline double %CORE%(const {value_type}* values, const double* axes, "
        f"{arguments})",
        "{",
        *(_axis_code(k, axis, extrapolate) for k, axis in enumerate(axes)),
        *_corner_lines(ndim, along),
        *_last_lines(axes, extrapolate, along),
        "}",
    ]
    return "\n".join(lines)


def _axis_code(k, axis, extrapolate):
    code = _AXIS.replace("{policy}", _POLICIES[extrapolate])
    code = code.replace("{bound}", "" if extrapolate == "linear" else _BOUND)
    coordinate = f"log(x{k})" if axis.is_log else f"x{k}"
    return code.format(
        k=k, offset=FIELDS * k, x=f"arg{k}", coordinate=coordinate, name=axis.name
    )


def _corner_lines(ndim, along):
    yield f"const int64_t stride{ndim - 1} = 1;"
    for k in reversed(range(ndim - 1)):
        yield f"const int64_t stride{k} = stride{k + 1}*(int64_t)a{k + 1}[4];"
    base = " + ".join(f"cell{k}*stride{k}" for k in range(ndim))
    yield f"const auto v = values + {base};"
    for corner in product((0, 1), repeat=ndim):
        offset = " + ".join(f"stride{k}" for k, bit in enumerate(corner) if bit) or "0"
        yield f"const double v{_bits(corner)} = v[{offset}];"
    for k in reversed(range(ndim)):
        for corner in product((0, 1), repeat=k):
            bits = _bits(corner)
            change = f"(v{bits}1 - v{bits}0)"
            value = change if k == along else f"v{bits}0 + w{k}*{change}"
            yield f"const double v{bits} = {value};"


def _last_lines(axes, extrapolate, along):
    """What is returned; the derivative is nan where the argument is."""
    if along is None:
        yield "return v_;"
        return
    a, x = f"a{along}", f"arg{along}"
    if extrapolate == "clip":
        yield f"if ({x} < {a}[0] || {x} > {a}[1]) return 0;"
    scale = f"/{x}" if axes[along].is_log else ""
    yield f"return v_*{a}[3]{scale} + 0*w{along};"


def _bits(corner):
    return "_" + "".join(map(str, corner))
