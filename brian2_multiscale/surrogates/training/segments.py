"""Trials cut into pieces that run side by side."""

import jax.numpy as jnp

__all__ = ["segment_length", "segments"]

# Fraction of training from which pieces have a length in samples. For the axon of
# Hodgkin and Huxley later switches (0.4, 0.6, 0.75, 0.9) take 20 % less time and leave
# five of 21 numbers of spikes wrong instead of one (3000 steps).
_LENGTHS = ((0.0, 1), (0.15, 8), (0.25, 32), (0.35, 128), (0.6, 512))


def segment_length(done, samples):
    """Length of the pieces when a fraction of all steps is done."""
    lengths = [n for begin, n in _LENGTHS if done >= begin and n <= samples]
    return lengths[-1]


def segments(length, z, y, before, states):
    """
    Cut signals into pieces; what is left at the end is dropped.

    Parameters
    ----------
    length : int
        Samples of a piece.
    z, y : array, shape (samples, trials, signals)
    before : array
        Outputs one sample earlier, as `y`.
    states : array, shape (samples, blocks, trials, states)
        After every sample.

    Returns
    -------
    z, y : array, shape (length, pieces, signals)
    before : array, shape (pieces, signals)
        Output before the first sample of every piece.
    states : array, shape (blocks, pieces, states)
        Before the first sample of every piece.
    """
    count = len(z) // length
    earlier = jnp.pad(states[:-1], ((1, 0), (0, 0), (0, 0), (0, 0)))
    earlier = jnp.swapaxes(earlier[: count * length : length], 0, 1)
    first = before[: count * length : length]
    return (
        _pieces(z, length, count),
        _pieces(y, length, count),
        first.reshape(-1, first.shape[-1]),
        earlier.reshape(len(earlier), -1, earlier.shape[-1]),
    )


def _pieces(signal, length, count):
    parts = signal[: count * length].reshape(count, length, *signal.shape[1:])
    return jnp.swapaxes(parts, 0, 1).reshape(length, -1, signal.shape[-1])
