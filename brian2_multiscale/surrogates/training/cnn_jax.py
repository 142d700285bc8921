"""The encoder-decoder network in JAX, its first weights and its training windows.

XLA has fast convolutions for processors, but its gradients of strided ones are ten
times slower than they need be: here the derivative of each of the two convolutions is
the other one, and that of the weights is a sum of matrix products.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...numerics.surrogates.cnn import activate, cnn_shapes

__all__ = ["draw_windows", "forward", "initial_parameters"]

_LAYOUT = ("WNC", "WIO", "WNC")  # (time, batch, channel), (kernel, from, to)


def _convolve(x, weight):
    margin = len(weight) // 2 - 1
    padding = [(margin, margin)]
    return lax.conv_general_dilated(x, weight, (2,), padding, dimension_numbers=_LAYOUT)


def _transposed(x, weight):
    padding = [(len(weight) // 2, len(weight) // 2)]
    return lax.conv_general_dilated(
        x, weight[::-1], (1,), padding, lhs_dilation=(2,), dimension_numbers=_LAYOUT
    )


def _weight_gradient(long, short, kernel):
    """Sum over time and batch of ``long[2 n + j] short[n]``: (kernel, long, short)."""
    half, (length, batch, channels) = kernel // 2, long.shape
    margin = ((half - 1, half - 1), (0, 0), (0, 0))
    pairs = jnp.pad(long, margin).reshape(-1, 2, batch, channels)
    pairs = pairs.transpose(0, 2, 1, 3).reshape(-1, batch, 2 * channels)
    flat = short.reshape(-1, short.shape[2])
    products = [
        pairs[j : j + length // 2].reshape(-1, 2 * channels).T @ flat
        for j in range(half)
    ]
    return jnp.stack(products).reshape(kernel, channels, -1)


@jax.custom_vjp
def convolve(x, weight):
    """As `numerics.surrogates.cnn.convolve`."""
    return _convolve(x, weight)


@jax.custom_vjp
def transposed(x, weight):
    """As `numerics.surrogates.cnn.transposed`."""
    return _transposed(x, weight)


def _convolve_back(kept, change):
    x, weight = kept
    gradient = _weight_gradient(x, change, len(weight))
    return _transposed(change, weight.transpose(0, 2, 1)), gradient


def _transposed_back(kept, change):
    x, weight = kept
    gradient = _weight_gradient(change, x, len(weight)).transpose(0, 2, 1)
    return _convolve(change, weight.transpose(0, 2, 1)), gradient


convolve.defvjp(lambda x, w: (_convolve(x, w), (x, w)), _convolve_back)
transposed.defvjp(lambda x, w: (_transposed(x, w), (x, w)), _transposed_back)


def forward(parameters, options, z):
    """
    The output of the network for windows of input; can be differentiated, backwards.

    Parameters
    ----------
    parameters : dict of str to array
        As in `cnn_shapes`.
    options : `CNNOptions`
    z : array
        Normalised inputs with their context, (options.length, batch, inputs).

    Returns
    -------
    y : array
        Without the context: (options.window, batch, outputs).
    """
    x, skipped = z, []
    for n in range(options.layers):
        name = f"encoder{n}"
        x = convolve(x, parameters[name]) + parameters[f"{name}_bias"]
        x = activate(x, name, parameters, options, jnp)
        skipped.append(x)
    skipped.pop()
    for n in range(options.layers):
        name = f"decoder{n}"
        if n:
            x = jnp.concatenate([x, skipped.pop()], axis=-1)
        x = transposed(x, parameters[name]) + parameters[f"{name}_bias"]
        x = activate(x, name, parameters, options, jnp)
    return x[options.kept]


def initial_parameters(random, options, inputs, outputs):
    """
    Random weights to start from, as float32.

    Uniform with a variance that keeps that of a layer's input (He et al. 2015,
    doi:10.1109/ICCV.2015.123; only every second tap of a transposed convolution meets a
    value); biases of zero, slopes of 0.25.

    Parameters
    ----------
    random : `numpy.random.Generator`
    options : `CNNOptions`
    inputs, outputs : int
    """
    found, gain = {}, 2 / (1 + 0.25**2) if options.activation == "prelu" else 1.0
    for name, shape in cnn_shapes(options, inputs, outputs).items():
        if len(shape) == 1:
            found[name] = np.full(shape, 0.25 if name.endswith("_slope") else 0.0)
            continue
        terms = shape[0] * shape[1] / (1 if name.startswith("encoder") else 2)
        limit = np.sqrt(3 * gain / terms)
        found[name] = random.uniform(-limit, limit, shape)
    return {name: values.astype(np.float32) for name, values in found.items()}


def draw_windows(random, z, y, weight, options, batch):
    """
    Random windows of training data.

    Parameters
    ----------
    random : `numpy.random.Generator`
    z, y : ndarray
        Normalised inputs and outputs, (samples, trials, inputs or outputs).
    weight : ndarray
        Of the outputs of trials, (1, trials, outputs).
    options : `CNNOptions`
    batch : int

    Returns
    -------
    z : ndarray
        With context, (options.length, batch, inputs), as `forward` wants it; zeros
        where a context reaches beyond its trial.
    y : ndarray
        Without, (options.window, batch, outputs).
    weight : ndarray
        Of the windows, (1, batch, outputs).

    Raises
    ------
    ValueError
        If the trials are shorter than a window.
    """
    samples, trials, _ = z.shape
    if samples < options.window:
        raise ValueError(
            f"duration must be at least one window of the network, {options.window} "
            f"samples, got trials of {samples} samples. Make the trials of the task "
            "longer, or the window of the EncoderDecoderCNN shorter."
        )
    some = random.integers(0, trials, batch)
    starts = random.integers(0, samples - options.window + 1, batch)
    times = starts + np.arange(-options.left, options.window + options.right)[:, None]
    inside = (times >= 0) & (times < samples)
    found = z[np.clip(times, 0, samples - 1), some] * inside[..., None]
    targets = y[times[options.kept], some]
    return tuple(a.astype(np.float32) for a in (found, targets, weight[:, some]))
