"""A network in JAX gives the numbers that Brian2 gives."""

import numpy as np
import pytest
from brian2 import (
    Network,
    NeuronGroup,
    PoissonGroup,
    PoissonInput,
    SpikeGeneratorGroup,
    StateMonitor,
    Synapses,
    TimedArray,
    check_units,
    defaultclock,
    implementation,
    ms,
    mV,
    seed,
)
from differentiable_models import MODELS, hodgkin_huxley, monitors_of, recorded
from numpy.testing import assert_allclose

from brian2_multiscale import TableFunction
from brian2_multiscale.gradients.network.network import DifferentiableNetwork


def _agree(objects, record, duration, atol=1e-13):
    network = Network(*objects)
    translated = DifferentiableNetwork(network, {}, duration, record=record)
    found = translated.run()
    monitors = monitors_of(record)
    network.add(*monitors.values())
    network.run(duration)
    for name, values in found.items():
        expected = recorded(monitors[name], name, values.shape, translated.dt)
        rtol = 0 if name.endswith(".v") else 1e-11
        assert_allclose(values, expected, rtol=rtol, atol=atol, err_msg=name)
    return found


@pytest.mark.parametrize("name", MODELS)
def test_traces_are_those_of_brian2(name):
    """To 1e-10 mV, with the same spikes."""
    seed(4)
    objects, record = MODELS[name]()
    found = _agree(objects, record, 50 * ms if name != "hh" else 15 * ms)
    spikes = [v.sum() for n, v in found.items() if n.endswith("spikes")]
    assert min(spikes) >= 1


@pytest.mark.parametrize("method", ["euler", "rk2", "rk4", "heun"])
def test_methods(method):
    _agree(*hodgkin_huxley(method), 6 * ms)


def test_exact_method_with_parameters_that_differ():
    group = NeuronGroup(
        3,
        """dv/dt = (I - v)/tau : 1
           dI/dt = -I/tau_I : 1
           tau : second (constant)
           tau_I : second (constant)""",
        method="exact",
        name="linear",
    )
    group.tau, group.tau_I, group.I = [5, 10, 20] * ms, [1, 2, 3] * ms, 1
    _agree([group], {group: ["v", "I"]}, 10 * ms)


def test_tables_and_functions_of_users():
    jax_numpy = pytest.importorskip("jax.numpy")

    @implementation("jax", jax_numpy.tanh)
    @check_units(x=1, result=1)
    def bend(x):
        return np.tanh(x)

    table = TableFunction(
        "exp(-x)/(1 + y)", x=(0, 2, 9), y=(1, 10, 7), spacing={"y": "log"}
    )
    group = NeuronGroup(
        4,
        "dv/dt = (bend(v) + table(v, 1 + 5*v))/(10*ms) : 1",
        method="euler",
        namespace={"bend": bend, "table": table},
        name="curves",
    )
    group.v = [0.1, 0.2, 0.5, 1]
    _agree([group], {group: ["v"]}, 5 * ms)


@pytest.mark.parametrize(
    "summed", ["w*v_pre", "w*(v_pre - v_post)", "w*tanh(v_pre - v_post)"]
)
def test_sums_over_synapses(summed):
    """Separable ones become matrices, the others run per synapse."""
    group = NeuronGroup(
        6, "dv/dt = (total - v)/(5*ms) : 1\ntotal : 1", method="euler", name="summing"
    )
    group.v = np.linspace(-1, 1, 6)
    synapses = Synapses(
        group[1:], group[:4], f"w : 1\ntotal_post = {summed} : 1 (summed)"
    )
    synapses.connect(p=0.6)
    synapses.w = np.linspace(-1, 1, len(synapses))
    _agree([group, synapses], {group: ["v", "total"]}, 3 * ms)


@pytest.mark.parametrize("on_pre", ["v_post = w", "v_post *= w", "v_pre -= w"])
def test_what_one_synapse_per_neuron_may_do(on_pre):
    group = NeuronGroup(
        3,
        "dv/dt = 1/(3*ms) : 1",
        threshold="v > 1 + .1*i",
        reset="v = 0",
        method="euler",
        name="pairs",
    )
    group.v = [0, 0.4, 0.8]
    synapses = Synapses(group, group, "w : 1", on_pre=on_pre)
    synapses.connect(j="(i + 1) % N_post")
    synapses.w = [0.1, 0.2, 0.3]
    _agree([group, synapses], {group: ["v", "spikes"]}, 20 * ms)


@pytest.mark.parametrize("summed", [False, True])
def test_weights_that_change_with_time(summed):
    """They cannot be put together before the first step."""
    source = SpikeGeneratorGroup(3, [0, 1, 2, 0], [0.5, 1, 1.5, 2.5] * ms)
    group = NeuronGroup(2, "dv/dt = (s - v)/(5*ms) : 1\ns : 1", method="euler")
    model, on_pre = "w : 1", "v_post += w*exp(-t/ms)"
    if summed:
        model, on_pre = "w : 1\ns_post = w*sin(t/ms) : 1 (summed)", "v_post += w"
    synapses = Synapses(source, group, model, on_pre=on_pre)
    synapses.connect()
    synapses.w = "0.1 + 0.2*i + 0.1*j"
    _agree([source, group, synapses], {group: "v"}, 4 * ms)


@pytest.mark.parametrize("flag", ["", " (shared)"])
def test_weights_that_are_an_input(flag):
    source = SpikeGeneratorGroup(1, [0, 0], [1, 2] * ms)
    group = NeuronGroup(2, "v : 1", name="sums")
    synapses = Synapses(source, group, f"w : 1{flag}", on_pre="v_post += w", name="to")
    synapses.connect()
    network = Network(source, group, synapses)
    network = DifferentiableNetwork(
        network, {}, 3 * ms, inputs={synapses: "w"}, record={group: "v"}
    )
    given = np.arange(30.0)[:, None] * np.ones(1 if flag else 2)
    found = network.run(inputs={synapses: given})["sums.v"]
    assert_allclose(found[[10, 20, 29], 0], [0, 10, 30])


def test_a_network_that_has_run_goes_on():
    group, *_ = hodgkin_huxley()[0]
    network = Network(group)
    network.run(3 * ms)
    translated = DifferentiableNetwork(network, {}, 2 * ms, record={group: "v"})
    found = translated.run()["hh.v"]
    monitor = StateMonitor(group, "v", record=True)
    network.add(monitor)
    network.run(2 * ms)
    assert_allclose(found, monitor.v_.T, atol=1e-13)


def test_monitors_say_what_to_record_and_the_network_still_runs():
    objects, record = hodgkin_huxley()
    monitors = monitors_of(record)
    network = Network(*objects, *monitors.values())
    found = DifferentiableNetwork(network, {}, 2 * ms).run()
    assert set(found) == {"hh.v", "hh.m", "hh.spikes"}
    network.run(2 * ms)
    assert_allclose(found["hh.v"], monitors["hh.v"].v_.T, atol=1e-13)


def test_monitors_at_other_times_of_a_step():
    group = NeuronGroup(
        2,
        """dv/dt = (1.5 + i - v)/(2*ms) : 1
           x = 2*v : 1""",
        threshold="v > 1",
        reset="v = 0",
        method="exact",
        name="cells",
    )
    monitors = [
        StateMonitor(group, "v", record=True, when="after_thresholds"),
        StateMonitor(group, "x", record=True, when="end"),
    ]
    network = Network(group, *monitors)
    found = DifferentiableNetwork(network, {}, 3 * ms).run()
    network.run(3 * ms)
    assert_allclose(found["cells.v"], monitors[0].v.T, rtol=1e-12)
    assert_allclose(found["cells.x"], monitors[1].x.T, rtol=1e-12)
    assert found["cells.v"].max() > 1 > found["cells.x"].max() / 2
    network.add(StateMonitor(group, "v", record=True, name="other"))
    with pytest.raises(ValueError, match=r"'other'.*'cells\.v' at different times"):
        DifferentiableNetwork(network, {}, 3 * ms)


def test_noise_has_its_law_and_its_seed():
    group = NeuronGroup(
        2000,
        "dv/dt = -v/tau + sigma*(2/tau)**.5*xi : volt",
        method="euler",
        namespace={"tau": 2 * ms, "sigma": 3 * mV},
        name="noisy",
    )
    network = DifferentiableNetwork(Network(group), {}, 20 * ms, record={group: "v"})
    first, again, other = (network.run(seed=s)["noisy.v"] for s in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    # discretised: sigma^2/(1 - dt/2 tau)
    assert_allclose(first[-1].std(), 3e-3 / np.sqrt(1 - 0.025), rtol=0.05)
    trials = network.run(seed=[1, 2])["noisy.v"]
    assert_allclose(trials, [first, other], rtol=1e-12)


def test_drawn_spikes():
    source = PoissonGroup(1000, "(100 + 400*int(i < 500))*Hz", name="source")
    group = NeuronGroup(1000, "x : 1\ny : 1", name="sink")
    synapses = Synapses(source, group, on_pre="x_post += 1")
    synapses.connect(j="i")
    drive = PoissonInput(group, "y", 20, 50 * 1e3 / ms / 1e3 * 0.02, 0.5)
    network = Network(source, group, synapses, drive)
    found = DifferentiableNetwork(
        network, {}, 100 * ms, record={group: ["x", "y"]}
    ).run(seed=3)
    assert_allclose(found["sink.x"][-1, 500:].mean(), 10, rtol=0.05)
    assert_allclose(found["sink.x"][-1, :500].mean(), 50, rtol=0.05)
    assert_allclose(found["sink.y"][-1].mean(), 0.5 * 20 * 100, rtol=0.02)


def test_single_precision():
    objects, record = MODELS["lif"]()
    seed(4)
    both = [
        DifferentiableNetwork(
            Network(*objects), {}, 20 * ms, record=record, dtype=t
        ).run()
        for t in (float, np.float32)
    ]
    assert both[1]["lif.v"].dtype == np.float32
    assert np.array_equal(both[0]["lif.spikes"], both[1]["lif.spikes"])
    assert_allclose(both[0]["lif.v"], both[1]["lif.v"], atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 7, 97, 100])
def test_any_number_of_steps(steps):
    group = NeuronGroup(1, "dv/dt = 1/ms : 1", method="euler", name="counter")
    for checkpoint in (True, False):
        network = DifferentiableNetwork(
            Network(group),
            {},
            steps * 0.1 * ms,
            record={group: "v"},
            checkpoint=checkpoint,
        )
        assert_allclose(network.run()["counter.v"][:, 0], 0.1 * np.arange(steps))


def test_spikes_that_repeat_from_any_time_on():
    source = SpikeGeneratorGroup(
        2, [0, 1, 0], [0, 0.3, 1.1] * ms, period=1.5 * ms, name="source"
    )
    group = NeuronGroup(2, "x : 1\ny : 1 (shared)", name="sink")
    group.run_regularly("y = y**2", when="end")
    group.run_regularly("x = x % 3.5")
    group.y = 0.99
    synapses = Synapses(source, group, on_pre="x_post += 1", delay=0.2 * ms)
    synapses.connect(j="i")
    network = Network(source, group, synapses)
    network.run(2.5 * ms)  # nothing is under way at this time
    record = {group: ["x", "y"], source: ["spikes"]}
    found = DifferentiableNetwork(network, {}, 4 * ms, record=record).run()
    monitors = monitors_of({group: ["x", "y"]})
    network.add(*monitors.values())
    network.run(4 * ms)
    for name, monitor in monitors.items():
        values = found[name]
        expected = recorded(monitor, name, values.shape, 1e-4)
        assert_allclose(values, np.broadcast_to(expected, values.shape), rtol=1e-12)
    assert found["source.spikes"].sum() == 9


@pytest.mark.parametrize("summed", [True, False])
def test_few_synapses_of_many_neurons(summed):
    """They are kept as a list."""
    number = 100
    model = "w : 1\ntotal_post = w*v_pre : 1 (summed)" if summed else "w : 1"
    group = NeuronGroup(
        number,
        "dv/dt = (total - v)/(5*ms) : 1\ntotal : 1",
        threshold="v > 0.8",
        reset="v = 0",
        method="euler",
        name="chain",
    )
    group.v = np.linspace(0, 1, number)
    on_pre = {} if summed else {"on_pre": "total_post += w*v_pre*(1 - v_post)"}
    synapses = Synapses(group, group, model, **on_pre)
    synapses.connect(j="(i + 1) % N_post")
    synapses.w = np.linspace(-1, 1, number)
    _agree([group, synapses], {group: ["v", "total", "spikes"]}, 3 * ms)


def test_delays_of_half_a_step():
    """They are rounded as Brian2's queue rounds them."""
    defaultclock.dt = 1 * ms
    source = SpikeGeneratorGroup(1, [0], [1] * ms)
    group = NeuronGroup(6, "v : 1\nu : 1", name="late")
    several = Synapses(source, group, on_pre="v_post += 1")
    several.connect()
    several.delay = (np.arange(6) + 0.5) * ms
    one = Synapses(source, group, on_pre="u_post += 1", delay=2.5 * ms)
    one.connect()
    _agree([source, group, several, one], {group: ["v", "u"]}, 10 * ms)


def test_whole_numbers_in_formulas():
    """What is computed of them is not whole, and in double precision."""
    group = NeuronGroup(
        7,
        """part = i/N + n/3 : 1
           curve = sqrt(i) + sin(n) + exp(-i) + 2**(n/7) : 1
           whole = i//2 + n%3 : 1
           n : integer
           v : 1""",
        name="counted",
    )
    group.n = "i + 1"
    group.run_regularly("v /= n + 1")
    source = SpikeGeneratorGroup(3, [0, 1, 2], [0.1, 0.2, 0.3] * ms)
    on_pre = "v_post += w*exp(-abs(i - j))*exp(1)*arccos(-1)/N_post"
    synapses = Synapses(source, group, "w : 1", on_pre=on_pre)
    synapses.connect()
    synapses.w = "0.1 + i*j"
    record = {group: ["part", "curve", "whole", "v"]}
    network = Network(source, group, synapses)
    found = DifferentiableNetwork(network, {}, 0.6 * ms, record=record).run()
    monitors = monitors_of(record)
    network.add(*monitors.values())
    network.run(0.6 * ms)
    for name, values in found.items():
        expected = recorded(monitors[name], name, values.shape, 1e-4)
        assert_allclose(values, expected, rtol=1e-14, atol=1e-300, err_msg=name)


def test_beside_a_table_there_is_nothing():
    """Brian2 has nan there, or stops with an error (numpy)."""
    defaultclock.dt = 1 * ms
    table = TimedArray(np.arange(6.0).reshape(3, 2), dt=1 * ms)
    group = NeuronGroup(3, "x = table(t, i) : 1", name="wave")
    network = DifferentiableNetwork(Network(group), {}, 3 * ms, record={group: "x"})
    found = network.run()["wave.x"]
    assert_allclose(found[:, :2], table.values)
    assert np.all(np.isnan(found[:, 2]))


def test_truth_values_and_sums_over_nothing():
    defaultclock.dt = 1 * ms
    source = SpikeGeneratorGroup(2, [0, 1, 0, 1], [1, 3, 5, 6] * ms)
    group = NeuronGroup(
        3,
        """on : boolean
           off : boolean
           odd : boolean
           total : 1""",
        name="switches",
    )
    group.off, group.total = True, 3
    meeting = Synapses(source, group, on_pre="on_post = True; off_post = False")
    meeting.connect(i=[0, 1, 1], j=[1, 1, 0])
    back = Synapses(source, group, on_pre="on_post = False", delay=1 * ms)
    back.connect()
    alone = Synapses(source, group, on_pre="odd_post = not odd_post")
    alone.connect(j="i")
    empty = Synapses(source, group, "total_post = 1 : 1 (summed)")
    empty.connect(False)
    objects = [source, group, meeting, back, alone, empty]
    found = _agree(objects, {group: ["on", "off", "odd", "total"]}, 9 * ms)
    assert found["switches.on"].any() and found["switches.total"][0, 0] == 3
