"""The published receptors in NEURON's own discretisation, against NEURON's traces."""

from pathlib import Path

import numpy as np
import pytest
from brian2 import (
    Network,
    NeuronGroup,
    StateMonitor,
    TimedArray,
    mM,
    ms,
    prefs,
)
from brian2.equations import Equations
from published_receptors import (
    AMPA,
    AMPA_OUTPUT,
    AMPA_RATES,
    NMDA,
    NMDA_OUTPUT,
    NMDA_RATES,
    neuron_glutamate,
    six_digits,
)

from brian2_multiscale.kinetics import KineticScheme

RECEPTORS = {
    "ampa": (AMPA, AMPA_OUTPUT, six_digits(AMPA_RATES)),
    "nmda": (NMDA, NMDA_OUTPUT, six_digits(NMDA_RATES)),
}
PAIRED = (2, 5, 10, 20, 50, 100, 300)
POISSON = (2, 10, 50)


@pytest.fixture(scope="module")
def reference():
    path = Path(__file__).parent / "reference" / "neuron_receptors.npz"
    with np.load(path) as data:
        return dict(data)


def run_receptor(name, trains, duration, dt, sample, variables):
    """One receptor per spike train with NEURON's glutamate; ``[variable][train, t]``.

    NEURON solves for the states at the end of a step with the glutamate of its
    beginning and records them one step later: the array is shifted accordingly.
    """
    prefs.codegen.target = "cython"
    reactions, output, rates = RECEPTORS[name]
    scheme = KineticScheme(reactions)
    steps = round(duration / dt)
    glutamate = np.zeros((steps + 3, len(trains)))
    for k, train in enumerate(trains):
        glutamate[2:, k] = neuron_glutamate(train, steps, dt)
    pulses = TimedArray(glutamate * mM, dt=dt * ms, name=f"{name}_pulses")
    group = NeuronGroup(
        len(trains),
        scheme.equations + Equations(f"{output}\nglu = pulses(t, i) : mM"),
        method="kinetic",
        dt=dt * ms,
        namespace={**rates, "pulses": pulses},
        name=f"traces_{name}",
    )
    rest = scheme.steady_state(glu=0 * mM, **rates)
    for state, occupancy in zip(scheme.states, rest, strict=True):
        setattr(group, state, occupancy)
    monitor = StateMonitor(
        group, variables, record=True, dt=sample * ms, name=f"monitor_{name}"
    )
    Network(group, monitor).run(duration * ms)
    return {v: getattr(monitor, v) for v in variables}


def largest_error(trace, expected):
    """Largest difference over the peak of what is expected."""
    n = min(len(trace), len(expected))
    assert n > 10
    expected = np.asarray(expected, dtype=float)
    return np.abs(trace[:n] - expected[:n]).max() / expected.max()


def every(trace, sample, reference, key):
    return trace[:: round(float(reference[f"{key}/step"]) / sample)]


@pytest.mark.parametrize("name", RECEPTORS)
def test_trains_at_the_published_step(name, reference):
    """Pairs and Poisson trains: 1e-6 of the peak (float32 storage alone is 6e-8)."""
    keys = [f"paired/{i}" for i in PAIRED] + [f"poisson/{r}" for r in POISSON]
    trains = [[5, 5 + interval] for interval in PAIRED]
    trains += [reference[f"poisson/{rate}/spikes"] for rate in POISSON]
    out = run_receptor(name, trains, 5000, 0.1, 0.5, ["out"])["out"]
    for k, key in enumerate(keys):
        expected = reference[f"{key}/{name}"]
        trace = every(out[k], 0.5, reference, f"{key}/{name}")
        assert largest_error(trace, expected) < 1e-6, key


@pytest.mark.parametrize("name", RECEPTORS)
def test_all_states_of_a_single_pulse(name, reference):
    """Every state, relative to its own peak; also those that hardly fill."""
    states = KineticScheme(RECEPTORS[name][0]).states
    duration = 60 if name == "ampa" else 400
    traces = run_receptor(name, [[5]], duration + 1, 0.1, 0.1, ["out", *states])
    key = f"single/dt0.1/{name}"
    out = every(traces["out"][0], 0.1, reference, key)
    assert largest_error(out, reference[key]) < 1e-6
    for state in states:  # recorded without the lag of the output
        trace = every(traces[state][0, 1:], 0.1, reference, "single/dt0.1/states")
        assert largest_error(trace, reference[f"{key}/{state}"]) < 1e-6, state


@pytest.mark.parametrize("name", RECEPTORS)
def test_a_fine_step(name, reference):
    """The same with dt = 0.005 ms."""
    key = f"single/dt0.005/{name}"
    duration = 60 if name == "ampa" else 100
    out = run_receptor(name, [[5]], duration, 0.005, 0.2, ["out"])["out"][0]
    expected = reference[key]
    assert largest_error(every(out, 0.2, reference, key), expected) < 1e-6
