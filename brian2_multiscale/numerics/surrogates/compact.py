"""The compact surrogate: static nonlinearities between linear states with real poles.

One sample of length h with the normalised input z::

    u = tanh(W z + b) - tanh(b)
    in each block:   s = a s + (1 - a) B u        a = exp(-h/tau), exact for held input
                     q = [s, u]
                     u = tanh(C q + c) - tanh(c)  times 1 + G q if gated
    y = w u + w_states q

With ``feedback`` the previous y is a further input and the readout is added to it.
Without input everything is zero for any parameters: the state of rest is exact.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

__all__ = ["CompactOptions", "CompactSteps", "compact_forward", "compact_shapes"]


@dataclass(frozen=True)
class CompactOptions:
    """
    What the shape of a compact surrogate depends on.

    Attributes
    ----------
    units, blocks, states : int
        Width, number of blocks, linear states per block.
    gated, feedback : bool
        Whether a block multiplies by ``1 + G q``; whether y is an input.
    """

    units: int = 8
    blocks: int = 2
    states: int = 8
    gated: bool = False
    feedback: bool = False


def compact_shapes(options, inputs, outputs):
    """Name and shape of every parameter, in the order in which they are used."""
    u, s = options.units, options.states
    first = inputs + outputs if options.feedback else inputs
    shapes = {"W": (u, first), "b": (u,)}
    for k in range(options.blocks):
        shapes |= {f"B{k}": (s, u), f"log_tau{k}": (s,)}
        shapes |= {f"C{k}": (u, s + u), f"c{k}": (u,)}
        if options.gated:
            shapes[f"G{k}"] = (u, s + u)
    return shapes | {"w": (outputs, u), "w_states": (outputs, s + u)}


class CompactSteps:
    """
    A compact surrogate sample by sample, for any number of channels at once.

    Parameters
    ----------
    parameters : dict of str to ndarray
        As in `compact_shapes`.
    options : `CompactOptions`
    step : float
        Length of a sample in seconds.
    dtype : data-type, optional
        In which it is computed.
    """

    def __init__(self, parameters, options, step, dtype=np.float64):
        self.options, self.dtype = options, np.dtype(dtype)
        p = {k: np.asarray(v, dtype=np.float64) for k, v in parameters.items()}
        for k in range(options.blocks):
            p[f"a{k}"] = np.exp(-step / np.exp(p.pop(f"log_tau{k}")))
            p[f"t{k}"] = np.tanh(p[f"c{k}"])
        p["t"] = np.tanh(p["b"])
        self.p = {k: np.ascontiguousarray(v, dtype=dtype) for k, v in p.items()}
        self.outputs = len(p["w"])

    @property
    def width(self):
        """Numbers that a channel keeps from sample to sample."""
        kept = self.options.blocks * self.options.states
        return kept + (self.outputs if self.options.feedback else 0)

    def rest(self, channels):
        """The state without input: zeros, of shape (width, channels)."""
        return np.zeros((self.width, channels), dtype=self.dtype)

    def __call__(self, z, state):
        """
        One sample: inputs (inputs, channels) to outputs (outputs, channels).

        `state` (width, channels) is changed in place.
        """
        p, options = self.p, self.options
        kept = options.blocks * options.states
        if options.feedback:
            z = np.concatenate([z, state[kept:]])
        u = np.tanh(p["W"] @ z + p["b"][:, None]) - p["t"][:, None]
        for k in range(options.blocks):
            s = state[k * options.states : (k + 1) * options.states]
            a = p[f"a{k}"][:, None]
            s[:] = a * s + (1 - a) * (p[f"B{k}"] @ u)
            q = np.concatenate([s, u])
            u = np.tanh(p[f"C{k}"] @ q + p[f"c{k}"][:, None]) - p[f"t{k}"][:, None]
            if options.gated:
                u = u * (1 + p[f"G{k}"] @ q)
        y = p["w"] @ u + p["w_states"] @ q
        if options.feedback:
            state[kept:] += y
            y = state[kept:].copy()
        return y


def compact_forward(parameters, options, z, step, state=None, dtype=np.float64):
    """
    The response to whole signals.

    Parameters
    ----------
    parameters : dict of str to ndarray
    options : `CompactOptions`
    z : ndarray
        Normalised inputs, of shape (samples, channels, inputs).
    step : float
        Length of a sample in seconds.
    state : ndarray, optional
        Of shape (width, channels), from which it starts; by default the state of rest.
    dtype : data-type, optional
        In which it is computed.

    Returns
    -------
    y : ndarray
        Of shape (samples, channels, outputs); sample n depends on inputs 0 .. n.
    state : ndarray
        After the last sample, from which the next part of a signal can go on.
    """
    steps = CompactSteps(parameters, options, step, dtype)
    z = np.asarray(z, dtype=dtype)
    state = steps.rest(z.shape[1]) if state is None else np.array(state, dtype=dtype)
    if options.feedback:
        return _step_by_step(steps, z, state), state
    return _by_filters(steps, z, state), state


def _step_by_step(steps, z, state):
    y = np.empty((*z.shape[:2], steps.outputs), dtype=steps.dtype)
    for n, sample in enumerate(z):
        y[n] = steps(sample.T, state).T
    return y


def _by_filters(steps, z, state):
    # Without feedback a block needs nothing of the blocks behind it
    p, options = steps.p, steps.options
    u = np.tanh(z @ p["W"].T + p["b"]) - p["t"]
    for k in range(options.blocks):
        rows = slice(k * options.states, (k + 1) * options.states)
        s = _decaying_sums(p[f"a{k}"], u @ p[f"B{k}"].T, state[rows])
        q = np.concatenate([s, u], axis=-1)
        u = np.tanh(q @ p[f"C{k}"].T + p[f"c{k}"]) - p[f"t{k}"]
        if options.gated:
            u = u * (1 + q @ p[f"G{k}"].T)
    return u @ p["w"].T + q @ p["w_states"].T


def _decaying_sums(decay, drive, state):
    """Linear states (samples, channels, states); `state` becomes the last of them."""
    result = np.empty_like(drive)
    for j, a in enumerate(decay):
        start = (a * state[j])[None, :]
        result[:, :, j], _ = lfilter([1 - a], [1, -a], drive[:, :, j], axis=0, zi=start)
    if len(result):
        state[:] = result[-1].T
    return result
