"""Derivatives against finite differences."""

import numpy as np

__all__ = ["assert_derivatives", "differences"]


def differences(function, value, step=1e-3):
    """Derivative of an array by a number, from four values (fourth order)."""
    h = step * value
    far, near, back, farther = (function(value + k * h) for k in (2, 1, -1, -2))
    return (8 * (near - back) - (far - farther)) / (12 * h)


def assert_derivatives(model, rtol, step=1e-3):
    """Of ``model.simulate`` by all parameters, relative to their largest values."""
    found = model.simulate()[1]
    for k, name in enumerate(model.names):
        expected = differences(
            lambda x, n=name: model.simulate({n: x}, [])[0],
            model.initial[name],
            step,
        )
        largest = np.abs(expected).max()
        assert largest > 0, name
        error = np.abs(found[..., k] - expected).max() / largest
        assert error < rtol, (name, error)
