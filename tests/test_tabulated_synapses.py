"""TabulatedSynapses in networks, on all targets."""

import numpy as np
import pytest
from brian2 import (
    BrianObjectException,
    DimensionMismatchError,
    Hz,
    Network,
    NeuronGroup,
    SpikeGeneratorGroup,
    SpikeMonitor,
    StateMonitor,
    TimedArray,
    defaultclock,
    ms,
    nS,
    second,
)
from brian2.utils.logger import catch_logs
from targets import assert_targets_agree, run_on_targets

from brian2_multiscale import Mechanism, TabulatedSynapses, tabulate

TRAINS = {0: [1.0, 4.5, 6.0, 20.0, 21.5], 1: [2.0, 30.0], 2: [5.0, 9.0]}
STEP = 0.1 * ms  # the default; what a spike does is seen two records later


@pytest.fixture(scope="module")
def tables():
    """A table with leftover transmitter and one without."""
    return {
        "ampa": tabulate("ampa_robert_howe", rates=(5, 100) * Hz, tolerance=0.02),
        "linear": tabulate("biexponential", rates=(5, 100) * Hz, tolerance=0.02),
        "history": tabulate(
            "exponential",
            "history",
            rates=(5, 50) * Hz,
            order=2,
            window=40 * ms,
            points=5,
        ),
    }


def source_group(name="source"):
    index = np.concatenate([np.full(len(t), i) for i, t in TRAINS.items()])
    times = np.concatenate(list(TRAINS.values())) * ms
    return SpikeGeneratorGroup(3, index.astype(int), times, name=name)


def neurons_that_fire():
    """The same trains from neurons, which unlike generators have subgroups."""
    fires = np.zeros((400, 3))
    for i, train in TRAINS.items():
        fires[np.rint(np.array(train) / 0.1).astype(int), i] = 1
    return NeuronGroup(
        3,
        "fires = trains(t, i) : 1",
        threshold="fires > 0.5",
        reset="",
        namespace={"trains": TimedArray(fires, dt=STEP, name="trains")},
        name="firing",
    )


def expected(table, index, delay, t):
    """What a monitor records at the times ``t``: two steps after the spike."""
    spikes = np.array(TRAINS[index]) * ms + delay + 2 * STEP
    return np.asarray(table.response(spikes, t + 1e-12 * second))


def four_kinds(tables):
    """One delay, delays of their own, plasticity, a history; two receptors."""
    source, firing = source_group(), neurons_that_fire()
    target = NeuronGroup(
        4,
        "a : siemens\nb : siemens\nc : siemens\nd : siemens\nh : siemens",
        name="target",
    )
    # A part of the source and a part of the target, to see the offsets.
    shared = TabulatedSynapses(
        firing[1:],
        target[1:],
        {"a": tables["ampa"], "b": tables["linear"]},
        delay=1.5 * ms,
        name="shared",
    )
    shared.connect(i=[0, 1, 1], j=[0, 1, 2])
    shared.w = [1, 2, 3]
    own = TabulatedSynapses(
        source, target, tables["ampa"], "c", heterogeneous_delays=True, name="own"
    )
    own.connect(i=[0, 0, 1], j=[0, 1, 2])
    own.w, own.delay = 1, [0, 2.3, 1.1] * ms
    plastic = TabulatedSynapses(
        source,
        target,
        tables["linear"],
        "d",
        stp=Mechanism("tsodyks_markram", U=0.3, tau_d=50 * ms, tau_f=100 * ms),
        name="plastic",
    )
    plastic.connect(j="i")
    plastic.w = 1
    past = TabulatedSynapses(source, target, tables["history"], "h", name="past")
    past.connect(i=0, j=[0, 3])
    past.w = "1 + j"
    monitor = StateMonitor(target, ["a", "b", "c", "d", "h"], record=True, name="seen")
    objects = [source, firing, target, shared, own, plastic, past, monitor]
    readers = {v: lambda v=v: getattr(monitor, v) for v in "abcdh"}
    readers["t"] = lambda: monitor.t
    readers["outside"] = lambda: shared.terminals.a_table_outside[:]
    return objects, readers


@pytest.mark.standalone
def test_all_kinds_on_all_targets(tables):
    results = run_on_targets(lambda: four_kinds(tables), duration=60 * ms)
    assert_targets_agree(results)
    found = results["numpy"]
    t = found["t"] * second
    for variable, table in (("a", tables["ampa"]), ("b", tables["linear"])):
        rows = [0] + [
            w * expected(table, i, 1.5 * ms, t) for w, i in ((1, 1), (2, 2), (3, 2))
        ]
        for neuron, row in enumerate(rows):
            close(found[variable][neuron], row)
    for neuron, (i, delay) in enumerate([(0, 0 * ms), (0, 2.3 * ms), (1, 1.1 * ms)]):
        close(found["c"][neuron], expected(tables["ampa"], i, delay, t))
    close(found["h"][0], expected(tables["history"], 0, 0 * ms, t))
    close(found["h"][3], 4 * expected(tables["history"], 0, 0 * ms, t))
    check_plasticity(tables["linear"], found["d"], t)
    assert not found["outside"].any()


def close(found, reference, tolerance=2e-5):
    scale = np.max(np.abs(reference))
    np.testing.assert_allclose(found, reference, atol=tolerance * scale)


def check_plasticity(table, found, t):
    """The response of a linear synapse to spikes scaled by the released fraction."""
    for i, train in TRAINS.items():
        u, x, total = 0.3, 1.0, 0.0
        for k, spike in enumerate(train):
            if k:
                gap = spike - train[k - 1]
                u = 0.3 + (u - 0.3) * np.exp(-gap / 100)
                x = 1 + (x - 1) * np.exp(-gap / 50)
            single = table.response([spike] * ms + 2 * STEP, t + 1e-12 * second)
            total, released = total + u * x * np.asarray(single), u * x
            x, u = x - released, u + 0.3 * (1 - u)
        # responses of the table superpose as well as it is accurate
        close(found[i], total, 2e-4)
    assert np.all(found[3] == 0)


def test_close_to_the_kinetic_receptor(tables):
    ampa = Mechanism("ampa_robert_howe")
    source, defaultclock.dt = source_group(), 0.02 * ms
    target = NeuronGroup(3, "g : siemens", name="neurons")
    synapses = TabulatedSynapses(source, target, tables["ampa"], "g", name="syn")
    synapses.connect(j="i")
    synapses.w = 1
    monitor = StateMonitor(target, "g", record=True, name="monitor")
    Network(source, target, synapses, monitor).run(40 * ms)
    for i, train in TRAINS.items():
        kinetic = ampa.simulate(train * ms + 0.04 * ms, monitor.t[:])
        error = np.linalg.norm(kinetic - monitor.g[i]) / np.linalg.norm(kinetic)
        assert error < 0.02


def test_closed_loop_and_runs_in_parts(tables):
    """Neurons that excite each other; two runs are one run; store and restore."""

    def network():
        source = source_group()
        neurons = NeuronGroup(
            3,
            """dv/dt = (-v + 40*mV*g/(0.1*nS))/(5*ms) : volt
               g : siemens""",
            threshold="v > 10*mV",
            reset="v = 0*mV",
            method="exact",
            name="loop",
        )
        first = TabulatedSynapses(
            source, neurons, tables["ampa"], "g", name="into", delay=0.5 * ms
        )
        first.connect(j="i")
        first.w = 100
        # The same table into the same variable: one pool for both.
        second_ = TabulatedSynapses(
            neurons, neurons, tables["ampa"], "g", name="within", delay=1 * ms
        )
        second_.connect(condition="i != j", p=1)
        second_.w = 60
        assert first.pools["g"] is second_.pools["g"]
        spikes = SpikeMonitor(neurons, name="spikes")
        monitor = StateMonitor(neurons, "g", record=True, name="conductance")
        net = Network(source, neurons, first, second_, spikes, monitor)
        return net, spikes, monitor

    net, spikes, monitor = network()
    net.store()
    net.run(50 * ms)
    whole_g, whole_t = np.array(monitor.g), np.array(spikes.t)
    assert len(whole_t) > 10
    net.restore()
    net.run(17.3 * ms)
    net.run(32.7 * ms)
    np.testing.assert_allclose(np.array(monitor.g), whole_g, rtol=1e-12, atol=0)
    np.testing.assert_array_equal(np.array(spikes.t), whole_t)


def test_random_connections_and_distance(tables):
    source = source_group()
    target = NeuronGroup(50, "g : siemens\nx : 1", name="field")
    target.x = "i/50.0"
    synapses = TabulatedSynapses(source, target, tables["linear"], "g", name="wired")
    synapses.connect(condition="x_post > 0.5", p=0.5)
    synapses.w = "x_post"
    assert 10 < len(synapses) < 65 and np.all(synapses.j[:] > 25)
    Network(source, target, synapses).run(3 * ms)
    # two of the sources have fired
    reached = np.unique(synapses.j[np.flatnonzero(synapses.i[:] < 2)])
    assert set(np.flatnonzero(target.g[:])) == set(reached)


def test_dense_bursts_are_counted_and_reported(tables):
    times = np.arange(1, 5, 0.1) * ms
    source = SpikeGeneratorGroup(1, np.zeros(len(times), int), times, name="burst")
    target = NeuronGroup(1, "g : siemens", name="one")
    synapses = TabulatedSynapses(source, target, tables["ampa"], "g", name="dense")
    synapses.connect()
    synapses.w = 1
    with catch_logs(only_from=("brian2_multiscale",)) as logs:
        Network(source, target, synapses).run(6 * ms)
    assert synapses.outside > 10
    assert any("higher upper rate" in message for _, _, message in logs)
    assert np.isfinite(target.g[0])


def test_values_that_are_lost_are_reported_once(tables):
    source = source_group()
    target = NeuronGroup(3, "g : siemens", name="cells")
    synapses = TabulatedSynapses(source, target, tables["ampa"], "g", name="quiet")
    synapses.connect(j="i")
    synapses.w = 1
    net = Network(source, target, synapses)
    with catch_logs(only_from=("brian2_multiscale",)) as logs:
        net.run(3 * ms)  # nothing is lost, during the response neither
        assert target.g[0] > 0 * nS
        net.run(1 * ms)
    assert not logs
    other = NeuronGroup(3, "g : siemens", name="others")
    late = TabulatedSynapses(source_group("late"), other, tables["ampa"], "g", name="l")
    late.connect(j="i")
    late.w = 1
    other.g = 5 * nS
    with catch_logs(only_from=("brian2_multiscale",)) as logs:
        net = Network(late.source, other, late)
        for _ in range(2):
            net.run(0.2 * ms)
    np.testing.assert_array_equal(other.g[:], 0)
    assert [n for _, n, _ in logs if n.endswith("lost_values")] and len(logs) == 1
    assert "values given to 'g' of 'others' are lost: 'l'" in logs[0][2]


def test_the_numbers_of_exponentials_are_pooled_per_neuron(tables):
    target = NeuronGroup(7, "g : siemens", name="pooling")
    synapses = TabulatedSynapses(
        source_group(), target, tables["ampa"], "g", name="pooled"
    )
    pool = synapses.pools["g"]
    assert len(pool.taus) == len(tables["ampa"].time_constants)
    assert pool.z1[:].shape == (7,)


# -- bad input ---------------------------------------------------------------------
def make(tables, **changes):
    arguments = {
        "source": source_group(),
        "target": NeuronGroup(2, "g : siemens\nk : 1\nh = k : 1"),
        "table": tables["ampa"],
        "target_variable": "g",
        **changes,
    }
    return TabulatedSynapses(**arguments)


@pytest.mark.parametrize(
    "changes, error, words",
    [
        (dict(delay=-1 * ms), ValueError, "delay has to be one finite time"),
        (dict(delay=3 * nS), DimensionMismatchError, "delay"),
        (dict(delay="1*ms"), TypeError, "delay"),
        (dict(delay=np.inf * ms), ValueError, "delay"),
        (dict(weight=2 * nS), TypeError, "weight"),
        (dict(table={}, target_variable=None), ValueError, "empty"),
        (dict(on_pre={"up": "w = 1"}), TypeError, "on_pre"),
        (dict(delay=[1, 2] * ms), ValueError, "heterogeneous_delays=True"),
        (dict(delay=1 * ms, heterogeneous_delays=True), ValueError, "S.delay"),
        (dict(target_variable=None), TypeError, "target_variable is missing"),
        (dict(target_variable="q"), KeyError, "q"),
        (dict(target_variable="k"), DimensionMismatchError, "weight 'w'"),
        (dict(target_variable="h"), TypeError, "h"),
        (dict(table=3), TypeError, "SynapticTable"),
        (dict(table={"g": 4}, target_variable=None), TypeError, "SynapticTable"),
        (dict(weight={"f": "w"}), ValueError, "weight names"),
        (dict(model="w : volt"), DimensionMismatchError, "unit"),
        (dict(stp="tsodyks_markram"), TypeError, "Mechanism"),
    ],
)
def test_bad_arguments(tables, changes, error, words):
    with pytest.raises(error, match=words):
        make(tables, **changes)


def refused(error, words, *synapses):
    """Brian2 wraps what goes wrong at the beginning of a run."""
    first = synapses[0]
    with pytest.raises(BrianObjectException) as caught:
        Network(first.source, first.target, *synapses).run(0.2 * ms)
    assert isinstance(caught.value.__cause__, error)
    assert words in str(caught.value.__cause__)


def test_one_variable_takes_one_table(tables):
    first = make(tables)
    second_ = make(
        tables, source=first.source, target=first.target, table=tables["linear"]
    )
    refused(NotImplementedError, "variables of their own", first, second_)


def test_a_delay_set_later_holds_for_the_terminals(tables):
    found = []
    for late in (False, True):
        source, target = source_group(), NeuronGroup(3, "g : siemens", name="neurons")
        delay = {} if late else {"delay": 3 * ms}
        synapses = TabulatedSynapses(
            source, target, tables["ampa"], "g", name=f"late{late}", **delay
        )
        synapses.connect(j="i")
        synapses.w = 1
        if late:
            synapses.delay = 3 * ms
        monitor = StateMonitor(target, "g", record=True, name="monitor")
        Network(source, target, synapses, monitor).run(40 * ms)
        found.append(np.array(monitor.g))
    np.testing.assert_array_equal(found[0], found[1])
    assert found[0].max() > 0


def test_delays_that_cannot_be(tables):
    shared = make(tables)
    shared.connect()
    with pytest.raises(ValueError, match="heterogeneous_delays=True"):
        shared.delay = [1, 2, 3, 4, 5, 6] * ms
    with pytest.raises(ValueError, match=">= 0"):
        shared.delay = -1 * ms
    own = make(tables, heterogeneous_delays=True)
    own.connect()
    own.w, own.delay = 1, "-3*ms"
    refused(ValueError, ">= 0", own)
    late = make(tables)
    late.connect()
    late.pre.order = -7
    refused(ValueError, "before its synapses", late)


def test_times_are_kept_in_double_precision(tables):
    synapses = make(tables, dtype=np.float32)
    names = [n for n in synapses.terminals.variables if n.endswith(("_last", "_t1"))]
    assert len(names) >= 2
    for name in names:
        assert synapses.terminals.variables[name].dtype == np.float64
    assert synapses.variables["w"].dtype == np.float32


def test_a_tonic_transmitter_starts_at_rest():
    tonic = Mechanism.from_text(TONIC)
    table = tabulate(tonic, rates=(5, 50) * Hz, tolerance=0.03, cache=False)
    assert table.nrmse([5, 12, 40] * ms, tonic) < 0.03
    source, target = source_group(), NeuronGroup(3, "g : 1", name="neurons")
    synapses = TabulatedSynapses(source, target, table, "g", name="tonic")
    synapses.connect(j="i")
    synapses.w = 1
    monitor = StateMonitor(target, "g", record=True, name="monitor")
    Network(source, target, synapses, monitor).run(40 * ms)
    close(np.array(monitor.g)[0], expected(table, 0, 0 * ms, monitor.t[:]), 1e-4)
    assert synapses.outside == 0


TONIC = """# A transmitter that is never gone
#
# /// mechanism
# name = "tonic"
# kind = "receptor"
# version = 1
# doi = "10.0000/test"
# output = "O"
# on_pre = "T += 1*mM"
# reactions = "C <-> O : a*T, b"
#
# [parameters]
# a = {value = "0.5/(mM*ms)", source = "chosen"}
# b = {value = "0.2/ms", source = "chosen"}
# tau_T = {value = "2*ms", source = "chosen"}
# T_0 = {value = "0.1*mM", source = "chosen"}
# ///

dT/dt = (T_0 - T)/tau_T : mM
"""
