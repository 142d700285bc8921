"""Surrogates with random parameters: all that is tested of them is how they compute."""

import numpy as np
from brian2 import metre, us, volt

from brian2_multiscale.surrogates import CompactSurrogate
from brian2_multiscale.surrogates.signals import Signal

__all__ = ["SCALE", "random_parameters", "random_surrogate", "signals"]

#: Of the output in volt
SCALE = 3e-3


def signals(kind, unit, names, **values):
    return tuple(Signal.of(f"{kind}{name}", unit, **values) for name in names)


def random_parameters(architecture, n_in, n_out, seed=0, change=0.01):
    """Parameters of a size at which nothing saturates."""
    rng = np.random.default_rng(seed)
    shapes = architecture.shapes(n_in, n_out)
    found = {k: rng.normal(size=s) / np.sqrt(s[-1]) for k, s in shapes.items()}
    for name, values in found.items():
        if name.startswith("log_tau"):
            found[name] = rng.uniform(np.log(1e-4), np.log(1e-1), size=values.shape)
    if architecture.options["feedback"]:
        found["w"] *= change
        found["w_states"] *= change
    return found


def random_surrogate(inputs=("",), outputs=("",), seed=0, step=50 * us, **options):
    """A surrogate of metre to volt, at rest at -57.6 mV."""
    architecture = CompactSurrogate(**options)
    parameters = random_parameters(architecture, len(inputs), len(outputs), seed)
    return architecture.with_parameters(
        signals("x", metre, inputs, scale=2e-8, low=-2e-7, high=2e-7),
        signals("v", volt, outputs, rest=-57.6e-3, scale=SCALE),
        step,
        parameters,
        {"seed": seed},
    )
