"""The encoder-decoder network: strided convolutions down, transposed ones back up.

With L layers, stride 2 and an even kernel k, on windows of T samples (T a multiple of
2**L)::

    e[0] = z ;  e[l] = f(conv(e[l-1]) + b)                       T / 2**l samples each
    d[L] = e[L] ;  d[l-1] = g(transposed(c[l]) + b)     c[L] = e[L], c[l] = [d[l], e[l]]
    y = d[0], without g

so every decoding layer but the first also sees the encoding layer of its own length.
The padding is symmetric, k/2 - 1 zeros on both sides: value m of a layer is made from
values 2 m - k/2 + 1 ... 2 m + k/2 of the one before, centred between 2 m and 2 m + 1.
The transposed convolution is the adjoint of that: time is not shifted.

Source: Drakopoulos, Baby and Verhulst (2021), doi:10.1038/s42003-021-02341-5.
"""

from dataclasses import dataclass

import numpy as np

__all__ = [
    "CNNOptions",
    "cnn_forward",
    "cnn_multiply_adds",
    "cnn_network",
    "cnn_reach",
    "cnn_shapes",
    "cut_windows",
]

#: Values in the widest layer of the windows that are computed at once
_AT_ONCE = 2**19
#: Values in one block of a product of matrices
_BLOCK = 2**16


@dataclass(frozen=True)
class CNNOptions:
    """
    What the shape of an encoder-decoder network depends on.

    Attributes
    ----------
    layers, filters, kernel : int
        Layers that encode (as many decode); filters of each; samples that one sees.
    activation : {'tanh-sigmoid', 'prelu'}
        tanh in the encoder and the logistic function in the decoder, or
        ``max(x, 0) + slope*min(x, 0)`` with a trained slope per filter.
    left, window, right : int
        Samples of context before, of output in, and of context after a window.
    """

    layers: int = 3
    filters: int = 128
    kernel: int = 16
    activation: str = "tanh-sigmoid"
    left: int = 256
    window: int = 2048
    right: int = 256

    @property
    def length(self):
        """Samples that the network needs for one window."""
        return self.left + self.window + self.right

    @property
    def kept(self):
        """Which samples of its output count."""
        return slice(self.left, self.left + self.window)


def cnn_shapes(options, inputs, outputs):
    """Name and shape of every parameter; weights are (kernel, from, to)."""
    k, f, shapes = options.kernel, options.filters, {}
    for name in layer_names(options):
        before = inputs if name == "encoder0" else f
        if name.startswith("decoder") and name != "decoder0":
            before = 2 * f  # what comes from below, and the encoder of that length
        after = outputs if _is_last(name, options) else f
        shapes |= {name: (k, before, after), f"{name}_bias": (after,)}
        if options.activation == "prelu" and not _is_last(name, options):
            shapes[f"{name}_slope"] = (after,)
    return shapes


def layer_names(options):
    """From the input to the output."""
    numbers = range(options.layers)
    return [f"encoder{n}" for n in numbers] + [f"decoder{n}" for n in numbers]


def _is_last(name, options):
    return name == f"decoder{options.layers - 1}"


def cnn_multiply_adds(options, inputs, outputs):
    """Per sample of output, without the context; rounded."""
    shapes, total = cnn_shapes(options, inputs, outputs), 0.0
    for n in range(options.layers):
        total += np.prod(shapes[f"encoder{n}"]) / 2 ** (n + 1)
        # Each value of a transposed convolution's input meets every weight once
        total += np.prod(shapes[f"decoder{n}"]) / 2 ** (options.layers - n)
    return round(float(total))


def cnn_reach(options):
    """Samples before and after it that a value of output depends on, at most."""
    half = options.kernel // 2
    # Where a value is relative to the values of the deepest layer makes a difference
    first = last = here = np.arange(2**options.layers)
    for _ in range(options.layers):
        first, last = -((half - first) // 2), (last + half - 1) // 2
    for _ in range(options.layers):
        first, last = 2 * first - half + 1, 2 * last + half
    return int(np.max(here - first)), int(np.max(last - here))


def activate(x, name, parameters, options, xp=np):
    """The nonlinearity of a layer; `xp` is numpy, or jax.numpy."""
    if _is_last(name, options):
        return x
    if options.activation == "prelu":
        return xp.maximum(x, 0) + parameters[f"{name}_slope"] * xp.minimum(x, 0)
    if name.startswith("encoder"):
        return xp.tanh(x)
    # the logistic function, which has no range in which it overflows
    return 0.5 * xp.tanh(0.5 * x) + 0.5


def convolve(x, weight):
    """Stride 2: (samples, batch, from) to (samples/2, batch, to)."""
    half, (_, batch, before) = len(weight) // 2, x.shape
    # Of two samples each: what is strided becomes a sum of plain products
    pairs = _with_margins(x, half - 1).reshape(-1, 2, batch, before)
    pairs = pairs.transpose(0, 2, 1, 3).reshape(len(pairs), batch, 2 * before)
    return _sum_of_products(pairs, weight.reshape(half, 2 * before, -1))


def transposed(x, weight):
    """Stride 2: (samples, batch, from) to (2*samples, batch, to)."""
    half, (length, batch, before) = len(weight) // 2, x.shape
    weight = weight.reshape(half, 2, before, -1).transpose(0, 2, 1, 3)[::-1]
    weight = weight.reshape(half, before, -1)
    pairs = _sum_of_products(_with_margins(x, half - 1), weight)
    y = pairs.reshape(len(pairs), batch, 2, -1).transpose(0, 2, 1, 3)
    return y.reshape(2 * len(pairs), batch, -1)[half - 1 : half - 1 + 2 * length]


def _with_margins(x, width):
    padded = np.zeros((len(x) + 2 * width, *x.shape[1:]), dtype=x.dtype)
    padded[width : width + len(x)] = x
    return padded


def _sum_of_products(x, weight):
    """``y[n] = sum(x[n + j] @ weight[j] for j)``, as long as x covers all j."""
    (shifts, before, after), batch = weight.shape, x.shape[1]
    flat = x.reshape(-1, before)
    y = np.empty(((len(x) - shifts + 1) * batch, after), dtype=x.dtype)
    # In blocks that stay in the cache: most of the time is moving numbers otherwise
    block = max(1, _BLOCK // after)
    scratch = np.empty((min(block, len(y)), after), dtype=x.dtype)
    for first in range(0, len(y), block):
        part = y[first : first + block]
        np.matmul(flat[first : first + len(part)], weight[0], out=part)
        for j in range(1, shifts):
            start = first + j * batch
            found = scratch[: len(part)]
            part += np.matmul(flat[start : start + len(part)], weight[j], out=found)
    return y.reshape(-1, batch, after)


def cnn_network(parameters, options, z):
    """
    The whole output of the network for windows, context included.

    Parameters
    ----------
    parameters : dict of str to ndarray
        As in `cnn_shapes`, of one type of float, in which is computed.
    options : `CNNOptions`
    z : ndarray
        Normalised inputs, (samples, windows, inputs); samples a multiple of 2**layers.

    Returns
    -------
    y : ndarray
        Of shape (samples, windows, outputs).
    """
    x, skipped = z, []
    for n in range(options.layers):
        name = f"encoder{n}"
        x = convolve(x, parameters[name]) + parameters[f"{name}_bias"]
        x = activate(x, name, parameters, options)
        skipped.append(x)
    skipped.pop()
    for n in range(options.layers):
        name = f"decoder{n}"
        if n:
            x = np.concatenate([x, skipped.pop()], axis=-1)
        x = transposed(x, parameters[name]) + parameters[f"{name}_bias"]
        x = activate(x, name, parameters, options)
    return x


def cut_windows(z, options):
    """
    Windows of whole signals with their context, zeros outside of the signal.

    Parameters
    ----------
    z : ndarray
        Of shape (samples, channels, inputs).

    Returns
    -------
    windows : ndarray, read-only
        Of shape (windows, channels, inputs, length); no memory of its own beyond that
        of one padded signal.
    """
    count = max(-(-len(z) // options.window), 1)
    after = count * options.window + options.right - len(z)
    padded = np.pad(z, ((options.left, after), (0, 0), (0, 0)))
    view = np.lib.stride_tricks.sliding_window_view(padded, options.length, axis=0)
    return view[:: options.window]


def cnn_forward(parameters, options, z):
    """
    The response to whole signals, window by window.

    Parameters
    ----------
    parameters : dict of str to ndarray
    options : `CNNOptions`
    z : ndarray
        Normalised inputs, (samples, channels, inputs), of any length; before and after
        the signal there is rest, zero.

    Returns
    -------
    y : ndarray
        Of shape (samples, channels, outputs); sample n depends on inputs from
        ``n - left - window + 1`` to ``n + window + right - 1``, whatever the network.
    """
    dtype = parameters["encoder0"].dtype
    windows = cut_windows(np.asarray(z, dtype=dtype), options)
    count, channels = windows.shape[:2]
    outputs = parameters[f"decoder{options.layers - 1}"].shape[2]
    y = np.empty((count, options.window, channels, outputs), dtype=dtype)
    window, channel = np.divmod(np.arange(count * channels), max(channels, 1))
    at_once = max(1, _AT_ONCE // (options.length * options.filters))
    for first in range(0, len(window), at_once):
        some = window[first : first + at_once], channel[first : first + at_once]
        batch = np.ascontiguousarray(windows[some].transpose(2, 0, 1))
        found = cnn_network(parameters, options, batch)[options.kept]
        y[some[0], :, some[1]] = found.transpose(1, 0, 2)
    return y.reshape(count * options.window, channels, outputs)[: len(z)]
