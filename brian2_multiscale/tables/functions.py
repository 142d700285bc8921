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
    units = [1] * len(inputs)
    sizes = np.array(
        [core.propagators.shape[1], len(core.powers), core.knee, 1 / SPACING]
    )
    # One element more: without descriptors there would be none.
    flat = np.append(core.powers.ravel(), 0).astype(np.int32)
    shared = {"powers": flat, "sizes": sizes}
    advance = ArrayFunction(
        {"values": core.propagators, **shared},
        _numpy_advance(q),
        _ADVANCE.format(**_code_parts(q, r)),
        ["row", "interval", *inputs],
        [1, second, *units],
        arg_types=["integer", *["any"] * (len(inputs) + 1)],
        name=f"{name}_advance",
    )
    respond = ArrayFunction(
        {"values": core.responses, **shared},
        _numpy_respond(q),
        _RESPOND.format(**_code_parts(q, r)),
        ["row", *inputs],
        [1, *units],
        arg_types=["integer", *["any"] * len(inputs)],
        name=f"{name}_respond",
    )
    return advance, respond


def _numpy_inputs(q, arguments):
    arguments = np.broadcast_arrays(*arguments) if arguments else []
    shape = arguments[0].shape if len(arguments) else ()
    points = np.stack(arguments[:q], -1) if q else np.zeros((*shape, 0))
    return points, np.stack([np.ones(shape), *arguments[q:]], -1)


def _numpy_advance(q):
    def advance(values, powers, sizes, row, interval, *arguments):
        interval, *arguments = np.broadcast_arrays(interval, *arguments)
        points, state = _numpy_inputs(q, arguments)
        position = np.log1p(interval / sizes[2]) * sizes[3]
        first, weights = cubic_weights(position, values.shape[1])
        block = values[int(np.ravel(row)[0])][first[..., None] + np.arange(4)]
        return np.einsum(
            "...tps,...t,...p,...s->...",
            block,
            weights,
            monomials(points, powers[:-1].reshape(-1, q) if q else NO_POWERS),
            state,
        )

    return advance


def _numpy_respond(q):
    def respond(values, powers, sizes, row, *arguments):
        points, state = _numpy_inputs(q, arguments)
        block = values[int(np.ravel(row)[0])]
        return np.einsum(
            "ps,...p,...s->...",
            block,
            monomials(points, powers[:-1].reshape(-1, q) if q else NO_POWERS),
            state,
        )

    return respond


def _code_parts(q, r):
    points = "".join(f", double d{k}" for k in range(q))
    states = "".join(f", double z{k}" for k in range(r))
    fill = "\n".join(f"    at[{k}] = d{k};" for k in range(q))
    fill += "\n" + "\n".join(f"    state[{k + 1}] = z{k};" for k in range(r))
    return {"inputs": points + states, "fill": fill, "q": q, "Q": max(q, 1), "S": r + 1}


# Sizes that are known when the code is made let the compiler unroll inner loops.
_ADVANCE = """
static inline double %CORE%(const double* values, const int32_t* powers,
    const double* sizes, int32_t row, double interval{inputs})
{{
    double at[{Q}];
    double state[{S}];
    state[0] = 1.0;
{fill}
    const int nodes = (int)sizes[0];
    const int terms = (int)sizes[1];
    double x = log1p(interval / sizes[2]) * sizes[3];
    if (x < 0.0) x = 0.0;
    if (x > nodes - 1) x = nodes - 1;
    int first = (int)x - 1;
    if (first < 0) first = 0;
    if (first > nodes - 4) first = nodes - 4;
    x -= first;
    const double weights[4] = {{
        -(x - 1) * (x - 2) * (x - 3) / 6, x * (x - 2) * (x - 3) / 2,
        -x * (x - 1) * (x - 3) / 2, x * (x - 1) * (x - 2) / 6}};
    const double* base = values + (size_t)(row * nodes + first) * terms * {S};
    double total = 0.0;
    for (int p = 0; p < terms; p++) {{
        double term = 1.0;
        for (int k = 0; k < {q}; k++)
            for (int e = 0; e < powers[p * {q} + k]; e++) term *= at[k];
        for (int t = 0; t < 4; t++) {{
            const double* line = base + (t * terms + p) * {S};
            double part = 0.0;
            for (int s = 0; s < {S}; s++) part += line[s] * state[s];
            total += weights[t] * term * part;
        }}
    }}
    return total;
}}
"""

_RESPOND = """
static inline double %CORE%(const double* values, const int32_t* powers,
    const double* sizes, int32_t row{inputs})
{{
    double at[{Q}];
    double state[{S}];
    state[0] = 1.0;
{fill}
    const int terms = (int)sizes[1];
    const double* block = values + (size_t)row * terms * {S};
    double total = 0.0;
    for (int p = 0; p < terms; p++) {{
        double term = 1.0;
        for (int k = 0; k < {q}; k++)
            for (int e = 0; e < powers[p * {q} + k]; e++) term *= at[k];
        const double* line = block + p * {S};
        double part = 0.0;
        for (int s = 0; s < {S}; s++) part += line[s] * state[s];
        total += term * part;
    }}
    return total;
}}
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
