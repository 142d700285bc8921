"""What a differentiable network refuses, is given, and gives back."""

import sys

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Function,
    Hz,
    Network,
    NeuronGroup,
    PoissonGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    check_units,
    get_device,
    ms,
    mV,
    network_operation,
    set_device,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from brian2_multiscale import MesoscopicGroup
from brian2_multiscale.gradients.network.network import DifferentiableNetwork
from brian2_multiscale.gradients.surrogate_gradient import SurrogateGradient
from brian2_multiscale.kinetics.differentiation import NotDifferentiableError

MODEL = """
dv/dt = (I - v)/tau : volt (unless refractory)
tau : second
I : volt
rest : second
k : integer
rate : Hz
twice = 2*v : volt
"""


def _cells(name="cells", **changes):
    options = {
        "threshold": "v > 10*mV",
        "reset": "v = 0*mV",
        "refractory": "rest",
        "method": "euler",
        **changes,
    }
    group = NeuronGroup(3, MODEL, name=name, **options)
    group.tau, group.I = 10 * ms, [5, 15, 25] * mV
    return group


def _pair(on_pre="v_post += w", **changes):
    group = _cells(**changes)
    synapses = Synapses(group, group, "w : volt", on_pre=on_pre, name="links")
    synapses.connect()
    return group, synapses


def _network(trainable, duration=5 * ms, **options):
    group, synapses = _pair()
    objects = {"cells": group, "links": synapses}
    named = {objects[k]: v for k, v in trainable.items()}
    for argument in ("inputs", "record", "spike"):
        value = options.get(argument)
        if isinstance(value, dict):
            options[argument] = {objects[k]: v for k, v in value.items()}
    return DifferentiableNetwork(Network(group, synapses), named, duration, **options)


# -- what has no derivative ------------------------------------------------------------
@pytest.mark.parametrize(
    ("trainable", "words"),
    [
        ({"links": "delay"}, ["'delay' of 'links'", "whole numbers of steps"]),
        ({"cells": "rest"}, ["'rest' of 'cells'", "refractory period"]),
        ({"cells": "k"}, ["'k' of 'cells'", "whole numbers"]),
        ({"links": "i"}, ["'i' of 'links'", "connectivity"]),
    ],
)
def test_parameters_without_derivative(trainable, words):
    with pytest.raises(NotDifferentiableError) as error:
        _network(trainable)
    assert all(word in str(error.value) for word in words)


def _drawn():
    group = _cells(threshold="rand() < rate*dt")
    return [group], {group: "rate"}


def _poisson():
    group = PoissonGroup(3, 10 * Hz, name="source")
    return [group], {group: "rates"}


def _two_clocks():
    group = _cells()
    return [group, _cells("slow", dt=1 * ms)], {group: "I"}


def _operation():
    group = _cells()

    @network_operation(name="python")
    def operation():
        pass

    return [group, operation], {group: "I"}


def _gsl():
    group = _cells(method="gsl_rkf45", name="adaptive")
    return [group], {group: "I"}


def _function():
    @check_units(x=1, result=1)
    def own(x):
        return x**2

    model = "dv/dt = own(I)/ms : 1\nI : 1"
    namespace = {"own": Function(own)}
    group = NeuronGroup(1, model, method="euler", namespace=namespace)
    return [group], {group: "I"}


def _product():
    group, synapses = _pair("v_post *= 2")
    return [group, synapses], {synapses: "w"}


def _own_template():
    population = MesoscopicGroup(
        [100], "dv/dt = -v/(10*ms) + 1/ms : 1", hazard="10*Hz*exp(v)", name="population"
    )
    group = _cells()
    return [population, group], {group: "I"}


def _unit_of_threshold():
    group = _cells()
    return [group], {group: "I"}, SurrogateGradient(scale=1 * ms)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (_drawn, ["'rate' of 'cells'", "rand()"]),
        (_poisson, ["'rates' of 'source'", "rand()"]),
        (_two_clocks, ["one clock", "'slow_stateupdater': 1. ms"]),
        (_operation, ["'python'", "network operation", "run_regularly"]),
        (_gsl, ["'adaptive", "gsl_rkf45", "'rk4'"]),
        (_function, ["'own'", "@implementation('jax'"]),
        (_product, ["'v_post *= 2'", "'links_pre'", "+="]),
        (_own_template, ["'population", "way of its own"]),
        (_unit_of_threshold, ["'cells'", "unit second", "scale=..."]),
    ],
)
def test_objects_without_derivative(case, words):
    objects, trainable, *spike = case()
    with pytest.raises(NotDifferentiableError) as error:
        DifferentiableNetwork(Network(*objects), trainable, 5 * ms, None, None, *spike)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_spikes_under_way():
    group, synapses = _pair()
    synapses.delay = 2 * ms
    network = Network(group, synapses)
    network.store()
    network.run(12 * ms)  # there are spikes every 5 and 11 ms
    with pytest.raises(NotDifferentiableError, match="under way in 'links_pre'"):
        DifferentiableNetwork(network, {synapses: "w"}, 5 * ms)
    network.restore()
    DifferentiableNetwork(network, {synapses: "w"}, 5 * ms)


# -- bad input -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"trainable": {"cells": "zz"}}, ValueError, "'zz' of 'cells'.*'tau'.*zz : 1"),
        ({"trainable": {"cells": "twice"}}, ValueError, "'twice'.*expression"),
        ({"trainable": {"cells": 5}}, TypeError, r"trainable\[cells\]"),
        ({"trainable": {"links": "v_post"}}, ValueError, "'v' of 'cells'; name it"),
        ({"duration": 5}, DimensionMismatchError, "duration"),
        ({"duration": 0 * ms}, ValueError, "duration"),
        ({"record": {"cells": "zz"}}, ValueError, "record.*'zz'.*'cells'"),
        ({"inputs": {"cells": "v"}}, ValueError, "'cells.v' is also written"),
        ({"inputs": {"cells": "twice"}}, ValueError, "'cells.twice' must be"),
        ({"inputs": {"links": "spikes"}}, ValueError, "'links.spikes'"),
        ({"spike": "triangle"}, TypeError, "spike"),
        ({"spike": {"cells": 5}}, ValueError, "spike.*5"),
        ({"dtype": int}, ValueError, "dtype"),
        ({"dtype": "half"}, ValueError, "dtype"),
        ({"checkpoint": 1}, TypeError, "checkpoint"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        _network(**{"trainable": {}, **arguments})


def test_bad_objects():
    group = _cells()
    with pytest.raises(TypeError, match="network must be a Network"):
        DifferentiableNetwork(group, {}, 5 * ms)
    network = Network(group)
    with pytest.raises(TypeError, match="trainable must be a dict"):
        DifferentiableNetwork(network, ["I"], 5 * ms)
    with pytest.raises(ValueError, match="not an object of the network"):
        DifferentiableNetwork(network, {_cells("others"): "I"}, 5 * ms)
    with pytest.raises(ValueError, match="'cell' is not an object of the network"):
        DifferentiableNetwork(network, {"cell": "I"}, 5 * ms)
    with pytest.raises(ValueError, match="whole group 'cells'"):
        DifferentiableNetwork(network, {group[:2]: "I"}, 5 * ms)
    with pytest.raises(ValueError, match="'t' of 'cells' is the time"):
        DifferentiableNetwork(network, {group: "t"}, 5 * ms)
    with pytest.raises(ValueError, match="no objects that could be simulated"):
        DifferentiableNetwork(Network(), {}, 5 * ms)
    unconnected = Synapses(group, group, on_pre="v_post += 1*mV", name="empty")
    with pytest.raises(TypeError, match="'empty' has not created synapses"):
        DifferentiableNetwork(Network(group, unconnected), {}, 5 * ms)


@pytest.fixture(scope="module")
def forced():
    return _network({"cells": "I"}, record={"cells": ["v"]}, inputs={"cells": "spikes"})


GOOD = {"cells.spikes": np.zeros((50, 3))}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, r"inputs must give \['cells.spikes'\]"),
        ({"inputs": {"cells.v": np.zeros((50, 3))}}, ValueError, "cells.v"),
        ({"inputs": {"cells.spikes": np.zeros((5, 3))}}, ValueError, r"\(5, 3\)"),
        ({"inputs": {"cells.spikes": np.zeros(50)}}, ValueError, r"\(50,\)"),
        ({"inputs": {"cells.spikes": "none"}}, TypeError, "cells.spikes"),
        ({"inputs": {5: np.zeros((50, 3))}}, ValueError, "5 has 0 inputs"),
        (
            {"inputs": {"cells": np.ones((50, 3)) * mV}},
            DimensionMismatchError,
            r"inputs\['cells.spikes'\] must be numbers without unit",
        ),
        (
            {"params": {"cells.I": np.ones(3) * ms}, "inputs": GOOD},
            DimensionMismatchError,
            r"params\['cells.I'\] must have the unit volt",
        ),
        (
            {"params": {"cells.I": [1 * mV, 1 * ms, 1 * mV]}, "inputs": GOOD},
            TypeError,
            r"params\['cells.I'\] must be numbers of one unit",
        ),
        ({"params": {"cells.v": 1}, "inputs": GOOD}, ValueError, "cells.v"),
        ({"params": {"cells.I": 1}, "inputs": GOOD}, ValueError, r"shape \(3,\)"),
        ({"seed": "x", "inputs": GOOD}, TypeError, "seed"),
        ({"seed": -1, "inputs": GOOD}, ValueError, "seed"),
        (
            {"seed": [1, 2], "inputs": {"cells.spikes": np.zeros((3, 50, 3))}},
            ValueError,
            "seed has 2 numbers for 3 trials",
        ),
    ],
)
def test_bad_calls(forced, arguments, error, message):
    with pytest.raises(error, match=message):
        forced.run(**arguments)


@settings(max_examples=40)
@given(
    st.one_of(
        st.lists(st.integers(-2, 60), max_size=4).map(
            lambda shape: np.zeros([max(n, 0) for n in shape])
        ),
        st.text(),
        st.none(),
        st.lists(st.text()),
    )
)
def test_nonsense_as_input_is_refused_by_name(forced, value):
    with pytest.raises((ValueError, TypeError), match="cells.spikes"):
        forced.run(inputs={"cells.spikes": value})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("square",), ValueError, "shape"),
        (("triangle", 1, 2, 3), TypeError, "alpha, width"),
        (("triangle", -1), ValueError, "alpha"),
        (("gaussian", 1 * mV), DimensionMismatchError, "width"),
        (("none", 1), TypeError, "no numbers"),
    ],
)
def test_bad_surrogates(arguments, error, message):
    with pytest.raises(error, match=message):
        SurrogateGradient(*arguments)


def test_bad_scales():
    with pytest.raises(ValueError, match="scale"):
        SurrogateGradient(scale=0 * mV)
    with pytest.raises(ValueError, match="smooth"):
        SurrogateGradient("none", smooth=True)
    with pytest.raises(TypeError, match="smooth"):
        SurrogateGradient(smooth="yes")


def test_without_jax(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ImportError, match=r"brian2-multiscale\[gradients\]"):
        _network({})


# -- inputs and results ----------------------------------------------------------------
def test_forced_spikes_take_the_place_of_a_threshold(forced):
    """Reset and refractoriness follow them."""
    spikes = np.zeros((2, 50, 3), np.uint8)
    spikes[1, 20] = [1, 0, 1]
    v = forced.run(inputs={"cells.spikes": spikes})["cells.v"]
    assert np.all(np.diff(v[0], axis=0) > 0) and v[0, -1, 2] > 9e-3
    assert_allclose(v[1, 21], [0, v[0, 21, 1], 0])


def test_an_input_for_every_step():
    group = NeuronGroup(2, "dv/dt = I/ms : 1\nI : 1", method="euler", name="sum")
    network = DifferentiableNetwork(
        Network(group), {}, 1 * ms, inputs={group: "I"}, record={group: ["v", "I"]}
    )
    current = np.arange(20.0).reshape(10, 2)
    found = network.run(inputs={group: current})
    assert_allclose(found["sum.I"], current)
    total = np.cumsum(current, axis=0) / 10
    assert_allclose(found["sum.v"], np.vstack([[0, 0], total[:-1]]))


def test_names_may_stand_for_objects():
    """In a network without any code, too; what has a unit has the right one."""
    group = NeuronGroup(2, "I : volt\nx : 1", name="still")
    network = DifferentiableNetwork(
        Network(group),
        {"still": "x"},
        1 * ms,
        inputs={"still": "I"},
        record={"still": ["I", "x"]},
        spike={"still": SurrogateGradient()},
    )
    assert network.owners == {"still.x": group}
    given = np.arange(20.0).reshape(10, 2)
    plain = network.run({"still.x": [1, 2]}, inputs={"still": given / 1000})
    found = network.run({"still.x": [1, 2]}, inputs={group: given * mV})
    assert_allclose(found["still.I"], given / 1000)
    assert_allclose(plain["still.I"], given / 1000)
    assert_allclose(found["still.x"][-1], [1, 2])


def test_other_events_need_not_have_the_unit_of_spikes():
    group = _cells(events={"late": "t > 3*ms"})
    spike = SurrogateGradient(scale=1 * mV)
    DifferentiableNetwork(Network(group), {group: "I"}, 5 * ms, spike=spike)


def test_parts_of_groups_are_recorded():
    group = _cells()
    part = group[1:]
    network = DifferentiableNetwork(
        Network(group),
        {},
        12 * ms,
        record={group: ["v", "spikes"], part: ["v", "spikes"]},
    )
    found = network.run()
    for name in ("v", "spikes"):
        whole, some = found[f"cells.{name}"], found[f"{part.name}.{name}"]
        assert np.array_equal(whole[:, 1:], some)
    assert found["cells.spikes"].sum() >= 2


def test_a_function_is_compiled_once():
    network, calls = _network({"cells": "I"}, record={"cells": "v"}), []

    def loss(outputs):
        calls.append(1)
        return outputs["cells.v"].sum()

    first = network.value_and_grad(loss)()
    second = network.value_and_grad(loss)({"cells.I": np.zeros(3)})
    assert len(calls) == 1 and first[0] != second[0]


def test_the_network_is_as_before():
    """What was captured leaves no trace in the user's own objects."""
    found = []
    for translated in (False, True):
        group, synapses = _pair()
        synapses.w = 1 * mV
        monitor = SpikeMonitor(group)
        network = Network(group, synapses, monitor)
        if translated:
            DifferentiableNetwork(network, {synapses: "w"}, 5 * ms).run()
        network.run(30 * ms)
        found.append(np.array(monitor.t_))
    assert len(found[0]) > 2 and np.array_equal(*found)


def test_write_back():
    group, synapses = _pair()
    network = Network(group, synapses)
    translated = DifferentiableNetwork(
        network, {synapses: "w", group: "I"}, 30 * ms, record={group: "v"}
    )
    values = {"links.w": np.linspace(0, 2e-3, 9), "cells.I": [0.02, 0.01, 0.03]}
    expected = translated.run(values)["cells.v"]
    translated.write_back(values)
    assert_allclose(synapses.w_, values["links.w"])
    monitor = StateMonitor(group, "v", record=True)
    network.add(monitor)
    network.run(30 * ms)
    assert_allclose(monitor.v_.T, expected, atol=1e-13)
    translated.write_back()
    assert_allclose(group.I_, [0.005, 0.015, 0.025])
    with pytest.raises(ValueError, match="links.v"):
        translated.write_back({"links.v": 1})
    with pytest.raises(ValueError, match="no objects named"):
        translated.write_back(network=Network())
    with pytest.raises(DimensionMismatchError, match=r"params\['cells.I'\]"):
        translated.write_back({"links.w": np.zeros(9), "cells.I": [1, 2, 3] * ms})
    assert_allclose(group.I_, [0.005, 0.015, 0.025])


def _wired(i, j, name="links"):
    group = _cells()
    synapses = Synapses(group, group, "w : volt", on_pre="v_post += w", name=name)
    synapses.connect(i=i, j=j)
    return Network(group, synapses), synapses


def test_write_back_to_synapses_in_another_order():
    """Each gets the weight of the one between the same neurons."""
    i, j = np.array([[0, 1, 2, 1, 1], [2, 0, 1, 0, 2]])
    network, synapses = _wired(i, j)
    synapses.w = [1, 2, 3, 4, 5] * mV
    translated = DifferentiableNetwork(network, {synapses: "w"}, 5 * ms)
    order = [3, 4, 0, 2, 1]
    other, found = _wired(i[order], j[order])
    translated.write_back(network=other)
    # two are between the same neurons: they stay as they were
    assert_allclose(found.w / mV, [2, 5, 1, 3, 4])
    for one in ([1, 0, 1, 2, 2], [0, 1, 2, 1]):
        other, found = _wired(one, j[: len(one)])
        with pytest.raises(ValueError, match="5 that were trained. Connect both by"):
            translated.write_back(network=other)
        assert not np.any(found.w_)
    group = NeuronGroup(2, MODEL, name="cells")
    translated = DifferentiableNetwork(network, {"cells": "I"}, 5 * ms)
    with pytest.raises(ValueError, match="'cells' has 2 elements, but 3 were"):
        translated.write_back(network=Network(group))
    with pytest.raises(
        ValueError, match="'cells' has no variable 'I' of the unit volt"
    ):
        other = NeuronGroup(3, "I : 1", name="cells")
        translated.write_back(network=Network(other))


def _last_given():
    """The last array that the standalone device was given."""
    return list(get_device().static_arrays.values())[-1]


def test_networks_to_be_compiled():
    """They are given values; what they will contain is not known yet."""
    translated = _network({"links": "w"})
    set_device("cpp_standalone", build_on_run=False)
    group = _cells()
    synapses = Synapses(group, group, "w : volt", on_pre="v_post += w", name="links")
    synapses.connect(i=np.repeat(range(3), 3), j=np.tile(range(3), 3))
    network = Network(group, synapses)
    with pytest.raises(NotImplementedError, match="write_back"):
        DifferentiableNetwork(network, {synapses: "w"}, 5 * ms)
    translated.write_back({"links.w": np.arange(9.0)}, network=network)
    assert_allclose(_last_given(), np.arange(9))
    # of arrays, synapses are known before the build
    network, synapses = _wired(np.tile(range(3), 3), np.repeat(range(3), 3))
    translated.write_back({"links.w": np.arange(9.0)}, network=network)
    assert_allclose(_last_given(), np.arange(9).reshape(3, 3).T.ravel())
    network, synapses = _wired([0, 1], [1, 0])
    with pytest.raises(ValueError, match="the 2 synapses of 'links'"):
        translated.write_back({"links.w": np.arange(9.0)}, network=network)
    # of conditions they are not
    synapses = Synapses(synapses.source, synapses.source, "w : volt", name="links")
    synapses.connect(condition="i != j")
    network = Network(synapses.source, synapses)
    translated.write_back({"links.w": np.arange(9.0)}, network=network)
    assert_allclose(_last_given(), np.arange(9))


def test_what_depends_on_the_order_of_synapses_is_said(caplog):
    group, synapses = _pair("v_post += w*(1 - v_post/(20*mV))")
    DifferentiableNetwork(Network(group, synapses), {synapses: "w"}, 5 * ms)
    assert "'links_pre' may depend on the order" in caplog.text
