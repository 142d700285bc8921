"""The arrays of a table as functions for generated code."""

import numpy as np
from brian2.units.allunits import second

from ..codegen.arrays import ArrayFunction
from ..codegen.lookup import LookupFunction
from ..numerics.cubic import cubic_weights
from ..numerics.polynomials import monomials
from .state import SPACING

#: Exponents of the only monomial in no variables.
NO_POWERS = np.zeros((1, 0), dtype=np.int32)

__all__ = ["history_functions", "state_functions"]


def state_functions(core, name):
    """
    ``advance(row, interval, d..., z...)`` and ``respond(row, d..., z...)``.

    The first gives one component of the state at the next spike, the second the
    coefficient of one exponential, from the clipped descriptors and the state of the
    last spike.

    Parameters
    ----------
    core : `StateTable`
    name : str
        Name of the objects in generated code.
    """
    q, r = core.powers.shape[1], len(core.propagators)
    inputs = [f"d{k}" for k in range(q)] + [f"z{k}" for k in range(r)]
    # One element more: without descriptors there would be none.
    powers = np.append(core.powers.ravel(), 0).astype(np.int32)
    nodes = core.propagators.shape[1]
    advance = ArrayFunction(
        {
            # All rows of one element side by side: they are computed together.
            "values": core.propagators.transpose(1, 2, 3, 0),
            "powers": powers,
            "sizes": np.array([nodes, core.knee, 1 / SPACING]),
        },
        _numpy_advance(q),
        _row_code(core, rows=r, interval=True),
        ["row", "interval", *inputs],
        [1, second, *[1] * len(inputs)],
        arg_types=["integer", *["any"] * (len(inputs) + 1)],
        name=f"{name}_advance",
    )
    respond = ArrayFunction(
        {"values": core.responses.transpose(1, 2, 0), "powers": powers},
        _numpy_respond(q),
        _row_code(core, rows=len(core.responses), interval=False),
        ["row", *inputs],
        [1] * (1 + len(inputs)),
        arg_types=["integer", *["any"] * len(inputs)],
        name=f"{name}_respond",
    )
    return advance, respond


def _numpy_inputs(q, arguments):
    arguments = np.broadcast_arrays(*arguments) if arguments else []
    shape = arguments[0].shape if len(arguments) else ()
    points = np.stack(arguments[:q], -1) if q else np.zeros((*shape, 0))
    return points, np.stack([np.ones(shape), *arguments[q:]], -1)


def _numpy_terms(points, powers, q):
    return monomials(points, powers[:-1].reshape(-1, q) if q else NO_POWERS)


def _numpy_advance(q):
    def advance(values, powers, sizes, row, interval, *arguments):
        interval, *arguments = np.broadcast_arrays(interval, *arguments)
        points, state = _numpy_inputs(q, arguments)
        first, weights = cubic_weights(
            np.log1p(interval / sizes[1]) * sizes[2], len(values)
        )
        block = values[..., int(np.ravel(row)[0])][first[..., None] + np.arange(4)]
        terms = _numpy_terms(points, powers, q)
        return np.einsum("...tps,...t,...p,...s->...", block, weights, terms, state)

    return advance


def _numpy_respond(q):
    def respond(values, powers, row, *arguments):
        points, state = _numpy_inputs(q, arguments)
        block = values[..., int(np.ravel(row)[0])]
        terms = _numpy_terms(points, powers, q)
        return np.einsum("ps,...p,...s->...", block, terms, state)

    return respond


def _row_code(core, rows, interval):
    """C++ that computes all rows at once and remembers them for the next calls."""
    q, r = core.powers.shape[1], len(core.propagators)
    names = ["interval"] if interval else []
    names += [f"d{k}" for k in range(q)] + [f"z{k}" for k in range(r)]
    text = _CODE.replace("%ROWS%", _ADVANCE if interval else _RESPOND)
    for key, value in {
        "%SIZES%": "const double* sizes, " if interval else "",
        "%ARGUMENTS%": ", ".join(f"double {n}" for n in names),
        "%INPUTS%": ", ".join(names),
        "%COUNT%": len(names),
        "%OFFSET%": int(interval),
        "%Q%": q,
        "%QS%": max(q, 1),
        "%S%": r + 1,
        "%R%": rows,
        "%P%": len(core.powers),
        "%DEGREE%": int(core.powers.max(initial=0)),
    }.items():
        text = text.replace(key, str(value))
    return text


# The same arguments come once for every row. Sizes that are known when the code is
# made let the compiler unroll and vectorise.
_CODE = """
static inline double %CORE%(const double* values, const int32_t* powers,
    %SIZES%int32_t row, %ARGUMENTS%)
{
    static thread_local double known[%COUNT%];
    static thread_local double result[%R%];
    static thread_local bool any = false;
    const double now[%COUNT%] = {%INPUTS%};
    bool same = any;
    for (int k = 0; k < %COUNT%; k++) same = same && known[k] == now[k];
    if (same) return result[row];
    any = true;
    for (int k = 0; k < %COUNT%; k++) known[k] = now[k];
    double power[%QS%][%DEGREE% + 1];
    for (int k = 0; k < %Q%; k++) {
        power[k][0] = 1.0;
        for (int e = 1; e <= %DEGREE%; e++)
            power[k][e] = power[k][e - 1] * now[%OFFSET% + k];
    }
    double factor[%P%][%S%];
    for (int p = 0; p < %P%; p++) {
        double term = 1.0;
        for (int k = 0; k < %Q%; k++) term *= power[k][powers[p * %Q% + k]];
        factor[p][0] = term;
        for (int s = 1; s < %S%; s++)
            factor[p][s] = term * now[%OFFSET% + %Q% + s - 1];
    }
    double total[%R%] = {0.0};
%ROWS%
    for (int i = 0; i < %R%; i++) result[i] = total[i];
    return result[row];
}
"""

_ADVANCE = """
    const int nodes = (int)sizes[0];
    double x = log1p(interval / sizes[1]) * sizes[2];
    if (x < 0.0) x = 0.0;
    if (x > nodes - 1) x = nodes - 1;
    int first = (int)x - 1;
    if (first < 0) first = 0;
    if (first > nodes - 4) first = nodes - 4;
    x -= first;
    const double weight[4] = {
        -(x - 1) * (x - 2) * (x - 3) / 6, x * (x - 2) * (x - 3) / 2,
        -x * (x - 1) * (x - 3) / 2, x * (x - 1) * (x - 2) / 6};
    const int block = %P% * %S% * %R%;
    const double* line = values + (size_t)first * block;
    for (int k = 0; k < %P% * %S%; k++) {
        const double f = (&factor[0][0])[k];
        for (int i = 0; i < %R%; i++)
            total[i] += f * (weight[0] * line[k * %R% + i]
                + weight[1] * line[block + k * %R% + i]
                + weight[2] * line[2 * block + k * %R% + i]
                + weight[3] * line[3 * block + k * %R% + i]);
    }
"""

_RESPOND = """
    for (int k = 0; k < %P% * %S%; k++) {
        const double f = (&factor[0][0])[k];
        for (int i = 0; i < %R%; i++) total[i] += f * values[k * %R% + i];
    }
"""


def history_functions(core, name):
    """
    ``amplitude(i...)`` and ``shape(row, order)``.

    The first takes the intervals (s) to the earlier spikes, latest first (the window
    for none); the second gives the coefficient of one exponential in a response of
    peak 1.

    Parameters
    ----------
    core : `HistoryTable`
    name : str
    """
    axis = core.axis
    limits = (axis.lo * second, axis.hi * second, axis.spacing)
    amplitude = LookupFunction(
        core.amplitudes,
        {f"i{k}": limits for k in range(core.order)},
        extrapolate="clip",
        name=f"{name}_amplitude",
    )
    shape = ArrayFunction(
        {"values": core.shapes},
        lambda values, row, order: values[order, row],
        _SHAPE.replace("%COUNT%", str(core.shapes.shape[1])),
        ["row", "order"],
        [1, 1],
        arg_types=["integer", "integer"],
        name=f"{name}_shape",
    )
    return amplitude, shape


_SHAPE = """
static inline double %CORE%(const double* values, int32_t row, int32_t order)
{
    return values[order * %COUNT% + row];
}
"""
