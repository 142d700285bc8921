"""Exponentially decaying sums over whole signals in JAX, as matrix products."""

import jax.numpy as jnp

__all__ = ["CHUNK", "decaying_sums"]

#: Samples per matrix. On one core, 8 states, 128k samples, with the derivative: 3.1 ms
#: (16: 3.0, 64: 3.6, 128: 5.9); lax.scan 14 ms, associative_scan 11 ms, FFT 42 ms.
CHUNK = 32


def decaying_sums(rate, x, chunk=CHUNK):
    r"""
    Compute :math:`s_n = e^{-r} s_{n-1} + x_n` with :math:`s_{-1} = 0`.

    The sums within a chunk are a product with a triangular matrix; the ends of the
    chunks are again decaying sums, with a rate `chunk` times as fast.

    Parameters
    ----------
    rate : array, shape (states,)
        :math:`r` per sample, positive.
    x : array, shape (states, channels, samples)
    chunk : int

    Returns
    -------
    s : array
        Of the shape of `x`.
    """
    states, channels, samples = x.shape
    if samples <= chunk:
        return jnp.einsum("scj,sij->sci", x, _triangular(rate, samples))
    count = -(-samples // chunk)
    x = jnp.pad(x, ((0, 0), (0, 0), (0, count * chunk - samples)))
    x = x.reshape(states, channels * count, chunk)
    within = jnp.einsum("smj,sij->smi", x, _triangular(rate, chunk))
    within = within.reshape(states, channels, count, chunk)
    ends = decaying_sums(rate * chunk, within[..., -1], chunk)
    before = jnp.pad(ends[..., :-1], ((0, 0), (0, 0), (1, 0)))
    fading = jnp.exp(-rate[:, None] * jnp.arange(1, chunk + 1))
    s = within + before[..., None] * fading[:, None, None, :]
    return s.reshape(states, channels, count * chunk)[..., :samples]


def _triangular(rate, size):
    """Decay from sample j to sample i >= j."""
    lag = jnp.arange(size)[:, None] - jnp.arange(size)
    decay = jnp.exp(-rate[:, None, None] * jnp.maximum(lag, 0))
    return jnp.where(lag >= 0, decay, 0.0)
