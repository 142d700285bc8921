"""Several scales in one network: loops on all targets, columns, receptor tables."""

import numpy as np
import pytest
from brian2 import (
    Hz,
    Network,
    SpikeMonitor,
    StateMonitor,
    defaultclock,
    ms,
    mV,
    nS,
    seed,
)
from projection_models import DT, FACILITATING, PLASTIC, SHORT
from scipy import stats
from targets import TARGETS, clean_device, run_on_targets

from brian2_multiscale import Projection, TabulatedSynapses, population, tabulate

CONSTANTS = {"mV": mV, "ms": ms, "Hz": Hz, "nS": nS}


# -- a loop through all scales, on all targets -----------------------------------------
INTEGRATE = """
dv/dt = (mu + h - v - (g_ampa + 2*nS*open_nmda)*v/(20*nS))/(10*ms)
        : volt (unless refractory)
dh/dt = -h/(3*ms) : volt
mu : volt
g_ampa : siemens
open_nmda : 1
"""
ESCAPE = """
dv/dt = (14*mV + h - v)/(10*ms) : volt (unless refractory)
dh/dt = -h/(3*ms) : volt
rho = 30*Hz*exp((v - 12*mV)/(3*mV)) : Hz
"""
NOISY = "dv/dt = (13*mV - v)/(10*ms) + 3*mV*xi*(10*ms)**-0.5 : volt (unless refractory)"
RULES = {"reset": "v = 0*mV", "refractory": 1 * ms, "namespace": CONSTANTS}


@pytest.fixture(scope="module")
def tables():
    return [
        tabulate(name, rates=(5, 100) * Hz, tolerance=0.02)
        for name in ("ampa_robert_howe", "nmda_destexhe")
    ]


def make_loop(tables, name="loop"):
    """Neurons, cohorts and a density: each excites the next."""
    defaultclock.dt = DT
    spiking = population(
        [12, 6],
        INTEGRATE,
        threshold="v > 12*mV",
        method="euler",
        name=f"{name}_spiking",
        **RULES,
    )
    spiking.mu = [16, 18] * mV
    spiking.neurons.v = "10*mV*sin(i)**2"
    cohorts = population(
        [50, 30],
        ESCAPE,
        hazard="rho",
        scale="mesoscopic",
        memory=40 * ms,
        name=f"{name}_cohorts",
        **RULES,
    )
    density = population(
        60,
        NOISY,
        threshold="v > 15*mV",
        scale="density",
        v_min=-20 * mV,
        name=f"{name}_density",
        **RULES,
    )
    loops = [
        Projection(
            spiking,
            cohorts,
            PLASTIC,
            SHORT,
            p=[[0.5, 1.0], [0.3, 0.6]],
            weights=[[1.0, 0.4], [0.5, 0.3]] * mV,
            delay=[[1.0, 2.0], [0.5, 1.0]] * ms,
            parameters=FACILITATING,
            name=f"{name}_to_cohorts",
        ),
        Projection(
            cohorts,
            density,
            on_pre="v_post += w",
            weights=[[0.2], [-0.1]] * mV,
            p=0.4,
            delay=1 * ms,
            name=f"{name}_to_density",
        ),
        Projection(
            density,
            spiking[1:],
            "dx/dt = (1 - x)/(50*ms) : 1",
            "h_post += w*x\nx -= 0.4*x",
            p=0.5,
            weights=1 * mV,
            delay=0.5 * ms,
            name=f"{name}_to_spiking",
        ),
    ]
    ampa, nmda = tables
    receptors = TabulatedSynapses(
        density.spikes,
        spiking.neurons,
        {"g_ampa": ampa, "open_nmda": nmda},
        weight={"g_ampa": "w", "open_nmda": "2*w"},
        delay=1 * ms,
        name=f"{name}_receptors",
    )
    # Every fourth neuron of the density
    i, j = np.arange(0, 60, 4), np.arange(15) % 18
    receptors.connect(i=i, j=j)
    receptors.w = WEIGHT
    return [spiking, cohorts, density, *loops, receptors]


WEIGHT = 0.5


def loop(tables):
    objects = make_loop(tables)
    readers = {}
    watched = {
        "spiking": ["n", "v", "h"],
        "cohorts": ["n", "v", "h"],
        "density": ["n", "v"],
    }
    for group, (name, variables) in zip(objects, watched.items(), strict=False):
        states = StateMonitor(
            group, variables, True, when="end", name=f"loop_{name}_states"
        )
        spikes = SpikeMonitor(group.spikes, name=f"loop_{name}_fired")
        objects += [states, spikes]
        for x in variables:
            readers[f"{name}_{x}"] = lambda m=states, x=x: getattr(m, x)
        readers[f"{name}_i"] = lambda m=spikes: np.array(m.i)
        readers[f"{name}_t"] = lambda m=spikes: np.round(m.t / DT)
    cells = StateMonitor(
        objects[0].neurons,
        ["g_ampa", "open_nmda"],
        True,
        when="end",
        name="loop_cells",
    )
    for x in ("g_ampa", "open_nmda"):
        readers[x] = lambda x=x: getattr(cells, x)
    return [*objects, cells], readers


STEPS = 100


class Results(dict):
    """The loop on every target that somebody asks for."""

    def __init__(self, tables):
        self.tables = tables

    def __missing__(self, target):
        found = run_on_targets(lambda: loop(self.tables), STEPS * DT, [target])
        self[target] = found[target]
        return self[target]


@pytest.fixture(scope="module")
def results(tables):
    return Results(tables)


# Thirty code objects take Cython a minute to compile; other tests have all of them
ON_TARGETS = pytest.mark.parametrize(
    "target",
    ["numpy", pytest.param("cython", marks=pytest.mark.long), "cpp_standalone"],
)


def divided(network):
    for part in (37, 63):
        network.run(part * DT)


# The program of two runs has all code twice, which takes long to compile
@pytest.mark.parametrize(
    "target",
    ["numpy", *(pytest.param(t, marks=pytest.mark.long) for t in TARGETS[1:])],
)
def test_divided_runs_are_one_run(results, tables, target):
    """Bit by bit, with the same random numbers and everything under way."""
    whole = results[target]
    parts = run_on_targets(lambda: loop(tables), divided, [target])[target]
    assert whole.keys() == parts.keys()
    for key, expected in whole.items():
        np.testing.assert_array_equal(parts[key], expected, err_msg=key)


@ON_TARGETS
def test_counts_in_the_loop(results, target):
    """Everybody fires, and as often as is counted."""
    found = results[target]
    for name, sizes in (("spiking", [12, 6]), ("cohorts", [50, 30]), ("density", [60])):
        number = np.zeros((len(sizes), STEPS))
        row = np.repeat(np.arange(len(sizes)), sizes)[found[f"{name}_i"]]
        np.add.at(number, (row, found[f"{name}_t"].astype(int)), 1)
        counts = found[f"{name}_n"]
        assert counts.sum(axis=1).min() > 10
        np.testing.assert_allclose(number, counts, atol=1e-9)


@ON_TARGETS
def test_receptors_of_a_density(results, tables, target):
    """Neurons hear the single spikes of a density through tables of receptors."""
    found = results[target]
    t = (np.arange(STEPS) * float(DT) + 1e-12) * 1e3 * ms
    ampa, nmda = tables
    for x, table, factor in (("g_ampa", ampa, 1), ("open_nmda", nmda, 2)):
        expected = np.zeros((18, STEPS))
        for k in range(15):
            fired = found["density_t"][found["density_i"] == 4 * k]
            # A spike acts from the next step on, of which a monitor sees the end
            arrived = (fired + 3) * DT
            response = np.asarray(table.response(arrived, t))
            expected[k % 18] += WEIGHT * factor * response
        assert expected.max() > 0
        np.testing.assert_allclose(
            found[x], expected, atol=1e-9 * expected.max(), rtol=1e-6, err_msg=x
        )


def test_store_and_restore(tables):
    """As if it had not been interrupted, with all that is under way."""
    found = []
    for interrupted in (False, True):
        clean_device()
        seed(5)
        objects = make_loop(tables)
        spikes = [SpikeMonitor(group.spikes) for group in objects[:3]]
        network = Network(*objects, *spikes)
        network.run(12 * ms)
        if interrupted:
            network.store()
            network.run(5 * ms)
            network.restore()
        seed(6)
        network.run(13 * ms)
        states = [np.array(group.v) for group in objects[:3]]
        found.append([*(np.array(m.i) for m in spikes), *states])
        assert min(m.num_spikes for m in spikes) > 8
    for first, second in zip(*found, strict=True):
        np.testing.assert_array_equal(first, second)


def test_groups_bring_all_that_they_need(tables):
    """Only groups and synapses are added; the network has all that belongs to them."""
    objects = make_loop(tables, "own")
    network = Network(*objects)
    network.run(DT)
    names = {o.name for o in network.sorted_objects}
    assert names >= {
        "own_spiking_neurons",
        "own_spiking_inputs",
        "own_spiking_means",
        "own_cohorts_cohorts",
        "own_density_spikes",
        "own_density_spikes_emitter",
        "own_to_cohorts_plasticity",
        "own_to_cohorts_synapses",
        "own_to_density_coupling",
        "own_to_spiking_plasticity",
        "own_to_spiking_synapses",
    }
    # Spikes of cohorts cost something only where they are wanted
    assert "own_cohorts_spikes" not in names
    assert all(name.startswith("own_") for name in names)


# -- columns in law --------------------------------------------------------------------
WARMUP, BIN = 100, 40
SIZES = [120, 30]
#: Within a layer and between layers; from excitatory and inhibitory neurons
WITHIN, BETWEEN = 0.2, 0.1
WEIGHTS = np.array([[1.6, 1.6], [-2.0, -2.0]])
CELLS = """
dv/dt = (mu + h - v)/(10*ms) : volt (unless refractory)
dh/dt = -h/(3*ms) : volt
rho = 20*Hz*exp((v - 13*mV)/(3*mV)) : Hz
mu : volt
"""


def column(scales, copies, steps, seed_, coupled=True):
    """
    Spikes per bin of a column with two layers, of shape (copies, populations, bins).

    Copies are populations of the same groups that are not connected.
    """
    clean_device()
    defaultclock.dt = DT
    seed(seed_)
    layers = [
        population(
            SIZES * copies,
            CELLS,
            hazard="rho",
            scale=scale,
            memory=60 * ms,
            name=f"layer_{k}",
            **RULES,
        )
        for k, scale in enumerate(scales)
    ]
    own = np.kron(np.eye(copies), np.ones((2, 2)))
    loops = [
        Projection(
            layers[a],
            layers[b],
            on_pre="h_post += w",
            weights=np.tile(WEIGHTS, (copies, copies)) * mV,
            p=own * (WITHIN if a == b else BETWEEN) * coupled,
            delay=1 * ms,
            name=f"column_{a}_{b}",
        )
        for a, b in np.ndindex(2, 2)
    ]
    for layer, mu in zip(layers, (14, 13), strict=True):
        layer.mu = mu * mV
    counts = [StateMonitor(layer, "n", True, when="end") for layer in layers]
    Network(*layers, *loops, *counts).run(steps * DT)
    found = np.array([np.asarray(m.n) for m in counts])[..., WARMUP:]
    binned = found.reshape(2, copies, 2, -1, BIN).sum(axis=-1)
    return binned.transpose(1, 0, 2, 3).reshape(copies, 4, -1)


MEASURES = {
    "rate": lambda n: n.mean(axis=-1),
    "variance": lambda n: np.log(n.var(axis=-1)),
    "correlation": lambda n: np.array(
        [[np.corrcoef(c)[0, k] for k in (1, 2, 3)] for c in n]
    ),
}


def smallest(one, two):
    """By measure: the smallest of the p-values of Welch's test over the copies."""
    return {
        name: stats.ttest_ind(f(one), f(two), axis=0, equal_var=False).pvalue.min()
        for name, f in MEASURES.items()
    }


#: Of 22 tests: four rates and variances and three correlations, against two others
LEVEL = 1e-3 / 22


def check_column(copies, steps):
    """
    One layer spiking, the other mesoscopic, against both spiking and both mesoscopic.

    Rates, variances and correlations of counts in 20 ms; family-wise rate of false
    alarms 1e-3. Without its coupling the column fails the test.
    """
    mixed = "spiking", "mesoscopic"
    found = column(mixed, copies, steps, 3)
    for k, scale in enumerate(mixed):
        other = column((scale, scale), copies, steps, 4 + k)
        for name, p in smallest(found, other).items():
            assert p > LEVEL, (scale, name, p)
    alone = column(mixed, copies, steps, 6, coupled=False)
    assert smallest(found, alone)["rate"] < LEVEL


def test_column():
    check_column(4, 500)


@pytest.mark.long
def test_column_for_longer():
    """Twelve copies of one second: rates to 2 %."""
    check_column(12, 2100)


# -- receptors, in law -----------------------------------------------------------------
BACKGROUND = """
dv/dt = (14*mV - v)/(10*ms) + 3*mV*xi*(10*ms)**-0.5 : volt (unless refractory)
"""


def conductances(scale, tables, number=600, **rule):
    """What 20 neurons hear of a population, per spike and synapse; and its rate."""
    clean_device()
    defaultclock.dt = DT
    seed(4)
    if not rule:
        rule = {"threshold": "v > 15*mV", "match_dt": True, "method": "euler"}
    source = population(number, BACKGROUND, scale=scale, **rule, **RULES)
    target = population(20, "v : 1\ng_ampa : siemens\nopen_nmda : 1", threshold="v > 1")
    ampa, nmda = tables
    receptors = TabulatedSynapses(
        source.spikes, target.neurons, {"g_ampa": ampa, "open_nmda": nmda}
    )
    receptors.connect(p=0.2)
    receptors.w = 1
    names = ["g_ampa", "open_nmda"]
    seen = StateMonitor(target.neurons, names, True)
    spikes = SpikeMonitor(source.spikes)
    Network(source, target, receptors, seen, spikes).run(400 * ms)
    late = [np.asarray(getattr(seen, x))[:, 200:].mean() for x in names]
    rate = np.sum(spikes.t > 100 * ms) / (number * 0.3)
    return np.array(late) / rate / len(receptors), rate


def test_a_density_and_neurons_open_the_same_receptors(tables):
    """
    As often, and as if random neurons of the population had fired.

    The spikes of a density belong to neurons chosen at random among those that are not
    refractory. Receptors that saturate and desensitise feel that these fire less
    regularly: measured 4 % for AMPA, 2 % for NMDA.
    """
    density, rate = conductances("density", tables)
    neurons, other = conductances("spiking", tables)
    # Intervals vary by less than 0.8
    error = 0.8 * np.sqrt(2 / (rate * 600 * 0.3))
    assert abs(other / rate - 1) < 4.5 * error + 0.01
    np.testing.assert_allclose(density, neurons, rtol=0.08)
    # Poisson processes with the same rate and the same refractory period of two steps
    free = rate / (1 - rate * 1e-3)
    rule = {"threshold": f"rand() < {free}*Hz*dt", "method": "euler"}
    poisson, same = conductances("spiking", tables, **rule)
    assert abs(same / rate - 1) < 4.5 * error
    np.testing.assert_allclose(density, poisson, rtol=0.03)
