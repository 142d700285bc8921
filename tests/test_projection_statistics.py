"""Synaptic input from populations against that from the neurons they stand for.

60 s in steps of 0.5 ms, 500 neurons each; tests/validation has more of it.
"""

import numpy as np
import pytest
from brian2 import NeuronGroup, StateMonitor, defaultclock, ms, mV, second
from projection_models import PLASTIC, SHORT
from targets import run_on_targets

from brian2_multiscale import MesoscopicGroup, Projection

# One build, but minutes of simulated neurons; test_nest_traces checks the populations
pytestmark = pytest.mark.long

NEURON = """
dv/dt = (mu - v)/(20*ms) : volt (unless refractory)
rho = 10*Hz*exp((v - 15*mV)/(2.5*mV)) : Hz
mu : volt (constant)
"""
FIRING = {
    "threshold": "rand() < 1 - exp(-rho*dt)",
    "reset": "v = 0*mV",
    "refractory": 4 * ms,
    "method": "exact",
}
#: Irregular and facilitating, irregular and depressing, regular at 45 Hz
CASES = ("facilitating", "depressing", "regular")
MU = np.array([13.81, 16.38, 36.9]) * mV
VALUES = {
    "U": np.array([0.1, 0.5, 0.5]),
    "tau_d": np.array([100, 500, 100]) * ms,
    "tau_f": np.array([1000, 1, 1]) * ms,
}
N, TAU = 500, 3 * ms
DURATION, DISCARD = 64 * second, 4 * second
LISTENERS, SPARSE = 400, 0.2
PLASTICITY = {"model": PLASTIC, "weights": 1 / (N * float(TAU))}


def rule(variable):
    return {**PLASTICITY, "on_pre": SHORT.replace("h_post", f"{variable}_post")}


def values(case):
    return {n: v[case] for n, v in VALUES.items()}


def inputs(*names):
    """Filtered synaptic input (Hz): what a neuron gets per time and synapse."""
    return "\n".join(f"d{y}/dt = -{y}/(3*ms) : 1" for y in names)


def population():
    """Two closures; and single neurons that listen to some of the neurons."""
    defaultclock.dt = 0.5 * ms
    source = MesoscopicGroup([N] * 3, NEURON, name="stat_population", **FIRING)
    source.mu = MU
    target = MesoscopicGroup(
        [N] * 3,
        inputs("y_cohort", "y_poisson"),
        hazard="0*Hz",
        memory=10 * ms,
        method="exact",
        noise=False,
        name="stat_population_target",
    )
    projections = [
        Projection(
            source,
            target,
            closure=closure,
            parameters=VALUES,
            name=f"stat_{closure}",
            **{**rule(f"y_{closure}"), "weights": np.eye(3) * PLASTICITY["weights"]},
        )
        for closure in ("cohort", "poisson")
    ]
    objects, readers = recorded(target, ("y_cohort", "y_poisson"))
    more = listeners([source[k : k + 1] for k in (1, 2)], "population")
    return [source, *projections, *objects, *more[0]], {**readers, **more[1]}


def neurons():
    defaultclock.dt = 0.5 * ms
    source = NeuronGroup(3 * N, NEURON, name="stat_neurons", **FIRING)
    source.mu = np.repeat(MU, N)
    target = NeuronGroup(
        3, inputs("y_spiking"), method="exact", name="stat_neurons_target"
    )
    parts = [source[k * N : (k + 1) * N] for k in range(3)]
    projections = [
        Projection(
            parts[k],
            target[k : k + 1],
            parameters=values(k),
            name=f"stat_spiking_{k}",
            **rule("y_spiking"),
        )
        for k in range(3)
    ]
    objects, readers = recorded(target, ("y_spiking",))
    more = listeners(parts[1:], "neurons")
    return [source, *projections, *objects, *more[0]], {**readers, **more[1]}


def listeners(sources, name):
    """Neurons that hear a fifth of the neurons of a source each."""
    objects, readers = [], {}
    for case, source in zip(CASES[1:], sources, strict=True):
        key = f"{name}_{case}"
        group = NeuronGroup(LISTENERS, inputs("y"), method="exact", name=f"stat_{key}")
        projection = Projection(
            source,
            group,
            p=SPARSE,
            parameters=values(CASES.index(case)),
            name=f"stat_sparse_{key}",
            **rule("y"),
        )
        monitor = StateMonitor(
            group, "y", record=True, dt=10 * ms, name=f"stat_monitor_{key}"
        )
        objects += [group, projection, monitor]
        readers[key] = lambda monitor=monitor: monitor.y
    return objects, readers


def recorded(group, names):
    monitor = StateMonitor(
        group, names, record=True, dt=1 * ms, name=f"{group.name}_monitor"
    )
    readers = {n: lambda n=n: getattr(monitor, n) for n in names}
    return [group, monitor], readers


@pytest.fixture(scope="module")
def found():
    results = run_on_targets([population, neurons], DURATION, ["cpp_standalone"], 77)
    kept = float(DISCARD / DURATION)
    return {
        key: trace[:, round(kept * trace.shape[1]) :]
        for key, trace in results["cpp_standalone"].items()
    }


def pieces(trace, what):
    """Mean or variance and its standard error, from 20 pieces."""
    parts = trace[: len(trace) // 20 * 20].reshape(20, -1)
    each = parts.mean(axis=1) if what == "mean" else (parts - trace.mean()) ** 2
    each = each if what == "mean" else each.mean(axis=1)
    return each.mean(), each.std(ddof=1) / 20**0.5


def deviation(found, one, two, k, what):
    """Relative difference and its standard error; 'sd' from variances."""
    kind = "mean" if what == "mean" else "variance"
    (a, da), (b, db) = (pieces(found[x][k], kind) for x in (one, two))
    half = 1 if what == "mean" else 0.5
    return (a / b - 1) * half, np.hypot(da / a, db / b) * half


# 4.5 standard errors from 20 pieces (t distribution): 2.5e-4 each if the theory is as
# far off as it may be. It is not: measured 0.0-0.4 % (means), 0.4-1.4 % (sd).
SURE = 4.5


@pytest.mark.standalone
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("what, allowed", [("mean", 0.01), ("sd", 0.05)])
def test_input_of_cohorts(found, case, what, allowed):
    value, error = deviation(found, "y_cohort", "y_spiking", CASES.index(case), what)
    assert error < allowed
    assert abs(value) < allowed + SURE * error, (value, error)


@pytest.mark.standalone
def test_bias_of_the_poisson_closure(found):
    """7 % too little where neurons fire regularly at 45 Hz."""
    value, error = deviation(found, "y_poisson", "y_spiking", 2, "mean")
    assert error < 0.005
    assert -0.12 < value < -0.05


@pytest.mark.standalone
@pytest.mark.parametrize("case, allowed", [("depressing", 0.04), ("regular", 0.12)])
def test_neurons_that_hear_a_part(found, case, allowed):
    """Mean and variance (over time) of the input of single neurons.

    Spikes of a population come from neurons chosen at random, those of neurons at
    regular intervals: what a part of them sums up to varies less.
    """
    ours, theirs = found[f"population_{case}"], found[f"neurons_{case}"]
    for what, slack in (("mean", 0.01), ("var", allowed)):
        each = [getattr(y, what)(axis=1) for y in (ours, theirs)]
        (a, da), (b, db) = ((e.mean(), e.std() / LISTENERS**0.5) for e in each)
        assert abs(a / b - 1) < slack + SURE * np.hypot(da / a, db / b), what
    if case == "regular":
        assert a > b  # 8 %: the test can tell
