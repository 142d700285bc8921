"""``method='kinetic'``: exact limits, life inside of Brian2, refusals, targets."""

import importlib
import time

import brian2
import numpy as np
import pytest
from brian2 import (
    Equations,
    Function,
    Network,
    NeuronGroup,
    SpikeMonitor,
    Synapses,
    TimedArray,
    linked_var,
    mM,
    ms,
    mV,
    nA,
    prefs,
)
from brian2.stateupdaters.base import StateUpdateMethod, UnsupportedEquationsException
from markov_hh import MARKOV_HH, sodium_states
from published_receptors import RECEPTORS
from stepping import plain_step
from targets import assert_targets_agree, run_on_targets

from brian2_multiscale.kinetics import KineticScheme, kinetic

# ---- exact limits


@pytest.mark.parametrize("order", [1, 2])
def test_two_states_in_closed_form(order):
    """One relaxation: 1/(1 + z), and 1/(1 + z + z**2/2) for one-way decay."""
    step = plain_step("dA/dt = -k*A + l*B : 1\ndB/dt = k*A - l*B : 1", order)
    start = {"A": 0.9, "B": 0.1, "k": 3e3, "dt": 0.2e-3}
    if order == 1:
        after, rest = step({**start, "l": 1e3}), 0.25
        assert after["A"] == pytest.approx(rest + (0.9 - rest) / 1.8, rel=1e-14)
    z = 0.6
    factor = 1 / (1 + z) if order == 1 else 1 / (1 + z + z**2 / 2)
    assert step({**start, "l": 0.0})["A"] == pytest.approx(0.9 * factor, rel=1e-14)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("dt", [1e-6, 1e-3, 1.0, 1e3])
def test_single_linear_equations_are_exact(order, dt):
    step = plain_step(
        "dx/dt = (x0 - x)/tau : 1\ndy/dt = -y/tau : 1\ndz/dt = c : 1", order
    )
    values = {"x": 0.3, "y": 2.0, "z": 1.0, "x0": 5.0, "tau": 0.02, "c": 3.0, "dt": dt}
    after = step(values)
    assert after["x"] == pytest.approx(5 + (0.3 - 5) * np.exp(-dt / 0.02), rel=1e-13)
    assert after["y"] == pytest.approx(2 * np.exp(-dt / 0.02), rel=1e-13)
    assert after["z"] == pytest.approx(1 + 3 * dt, rel=1e-14)
    assert after["y"] >= 0


def test_rate_zero_is_no_division_by_zero():
    step = plain_step("dx/dt = a*(1 - x) - b*x : 1")
    assert step({"x": 0.3, "a": 0.0, "b": 0.0, "dt": 1.0})["x"] == 0.3
    for order in (1, 2):
        step = plain_step("dA/dt = -k*A + l*B : 1\ndB/dt = k*A - l*B : 1", order)
        empty = step({"A": 0.0, "B": 0.0, "k": 1.0, "l": 1.0, "dt": 1.0})
        assert empty == {"A": 0, "B": 0}
        kept = step({"A": 0.0, "B": 1.0, "k": 0.0, "l": 0.0, "dt": 1.0})
        assert kept == {"A": 0, "B": 1}


def test_coefficients_at_the_end_of_the_step():
    """Implicit Euler sees t + dt and the new values of single variables."""
    step = plain_step(
        """
        dA/dt = -k*A + l*B : 1
        dB/dt = k*A - l*B : 1
        k = x*(1 + t/second)*Hz : Hz
        dx/dt = -x/second : 1
        """
    )
    dt, t = 0.25, 2.0
    after = step({"A": 1.0, "B": 0.0, "l": 0.0, "x": 4.0, "dt": dt, "t": t})
    x = 4 * np.exp(-dt)
    assert after["x"] == pytest.approx(x)
    assert after["A"] == pytest.approx(1 / (1 + dt * x * (1 + t + dt)))


# ---- in Brian2


def test_refractory_variables_stay():
    """A block sees the voltage that is held, not the one that it would have had."""
    prefs.codegen.target = "numpy"
    model = """
    dv/dt = (200*mV - v)/(10*ms) : volt (unless refractory)
    dA/dt = -k*A + B/ms : 1
    dB/dt = k*A - B/ms : 1
    k = v/(10*mV)/ms : Hz
    """
    for order in (1, 2):
        group = NeuronGroup(
            1,
            model,
            threshold="v > 10*mV",
            reset="v = 0*mV",
            refractory=5 * ms,
            method="kinetic",
            method_options={"order": order},
        )
        group.A = 1
        spikes = SpikeMonitor(group)
        net = Network(group, spikes)
        net.run(4 * ms)
        assert spikes.num_spikes == 1
        assert group.v[0] == 0 * mV
        before = float(group.B[0])
        net.run(1 * ms)
        decay = 1 / 1.1 if order == 1 else 1 / 1.105
        assert group.B[0] == pytest.approx(before * decay**10, rel=1e-12)


def synapse_model(name, **options):
    """Receptors in Synapses with the transmitter of the presynaptic neuron."""
    text = "C <-> O : k*glu_pre, l\nO <-> D : m, n*w"
    scheme = KineticScheme(text, flags=["clock-driven"])
    pre = NeuronGroup(
        3, "dglu/dt = -glu/(2*ms) : mM", method="kinetic", name=f"pre_{name}"
    )
    pre.glu = "(1 + i)*mM"
    post = NeuronGroup(2, "g : 1", name=f"post_{name}")
    synapses = Synapses(
        pre,
        post,
        Equations(str(scheme.equations), **{})
        + Equations("w : 1\ng_post = O : 1 (summed)"),
        method="kinetic",
        method_options=options,
        namespace={"k": 1 / mM / ms, "l": 0.5 / ms, "m": 0.2 / ms, "n": 0.1 / ms},
        name=f"receptors_{name}",
    )
    synapses.connect(i=[0, 1, 2, 0, 1, 2], j=[0, 0, 0, 1, 1, 1])
    synapses.set_states({"w": np.arange(6) / 3, "C": np.ones(6)})
    return [pre, post, synapses], synapses


def test_synapses():
    """Each synapse is what a neuron with the same equations is."""
    prefs.codegen.target = "numpy"
    objects, synapses = synapse_model("numpy")
    scheme = KineticScheme("C <-> O : k*glu, l\nO <-> D : m, n*w")
    group = NeuronGroup(
        6,
        scheme.equations
        + Equations("glu = glu0*exp(-(t - now)/(2*ms)) : mM\nw : 1\nglu0 : mM"),
        method="kinetic",
        namespace={**synapses.namespace, "now": 0 * ms},
    )
    group.set_states(
        {"w": np.arange(6) / 3, "C": np.ones(6), "glu0": [1, 2, 3] * 2 * mM}
    )
    Network(objects).run(5 * ms)
    # the presynaptic update comes first: the synapses see its value at t + dt
    Network(group).run(5 * ms)
    for state in scheme.states:
        np.testing.assert_allclose(
            getattr(synapses, state), getattr(group, state), rtol=1e-12
        )
    assert np.abs(synapses.C[:] + synapses.O[:] + synapses.D[:] - 1).max() < 1e-15


def test_timed_array_is_taken_at_the_end_of_the_step():
    prefs.codegen.target = "numpy"
    drive = TimedArray([1, 5, 2, 7] / ms, dt=0.1 * ms)
    group = NeuronGroup(
        1,
        "dA/dt = -k*A + 0*B/ms : 1\ndB/dt = k*A - 0*B/ms : 1\nk = drive(t) : Hz",
        method="kinetic",
        namespace={"drive": drive},
    )
    group.A = 1
    Network(group).run(0.3 * ms)
    assert group.A[0] == pytest.approx(1 / (1.5 * 1.2 * 1.7), rel=1e-14)


@pytest.mark.parametrize(
    "equations, variable, hint",
    [
        ("dv/dt = -v/ms + xi*ms**-0.5 : 1", "v", "euler"),
        ("dv/dt = (rand() - v)/ms : 1", "v", "constant over dt"),
        ("dx/dt = -x/ms : 1\ndv/dt = foo(v)/ms : 1", "v", "rk4"),
        ("dx/dt = -x/ms : 1 (shared)\ndv/dt = -v/ms : 1", "x", "group of their own"),
    ],
)
def test_refusals(equations, variable, hint):
    functions = {
        "foo": Function(lambda x: x, arg_units=[1], return_unit=1),
        "rand": brian2.core.functions.DEFAULT_FUNCTIONS["rand"],
    }
    with pytest.raises(UnsupportedEquationsException, match=hint) as error:
        kinetic(Equations(equations), functions)
    assert f"'{variable}'" in str(error.value)


def test_functions_with_jumps_are_fine():
    step = plain_step(
        "dv/dt = (clip(v, 0, 1) - 2*v + int(v > 0) + sign(v) + floor(v))/ms : 1"
    )
    z = -0.1
    expected = 0.5 + 0.1 * (0.5 - 1 + 2) * np.expm1(z) / z
    assert step({"v": 0.5, "dt": 1e-4})["v"] == pytest.approx(expected, rel=1e-12)


def test_options():
    equations = Equations("dv/dt = -v/ms : 1")
    with pytest.raises(ValueError, match="'order' must be 1 or 2, not 3"):
        kinetic(equations, None, {"order": 3})
    with pytest.raises(KeyError, match="oder"):
        kinetic(equations, None, {"oder": 2})


def test_registration_survives_a_reload():
    from brian2_multiscale.kinetics import method

    importlib.reload(method)
    assert StateUpdateMethod.stateupdaters["kinetic"] is method.kinetic


def test_writing_the_code_is_fast():
    """Both receptors with nine exponentials of transmitter: 2 s (0.2 s typical)."""
    pulses = " + ".join(f"u{k}*exp(-0.003*u{k})*mM" for k in range(9))
    pulses = f"glu = {pulses} : mM\n" + "\n".join(
        f"u{k} = exp(-(t - t{k})/ms) : 1\nt{k} : second" for k in range(9)
    )
    start = time.process_time()
    for reactions, _ in RECEPTORS.values():
        for order in (1, 2):
            equations = KineticScheme(reactions).equations + Equations(pulses)
            code = str(kinetic(equations, None, {"order": order}))
            assert code.count("exp(") == 18 * order  # once per moment
            assert code.count("1/(") <= 3 * 16
    assert time.process_time() - start < 2


def both_orders():
    """Everything at once, for comparing targets."""
    objects, readers = [], {}
    initial = {"v": -0.065, "n": 0.3177, **sodium_states(0.0529, 0.5961)}
    for order in (1, 2):
        group = NeuronGroup(
            3,
            MARKOV_HH + Equations("du/dt = -u/(3*ms) + 0.1*nA*sin(i + t/ms)/ms : amp"),
            method="kinetic",
            method_options={"order": order},
            name=f"hh_order{order}",
        )
        for name, value in initial.items():
            setattr(group, name, value * (brian2.volt if name == "v" else 1))
        group.u = 1 * nA
        more, synapses = synapse_model(f"order{order}", order=order)
        membrane = NeuronGroup(
            2,
            """
            dv/dt = (-65*mV - v - w + 10*mV*sin(t/ms))/(5*ms) : volt
            dw/dt = (2*(v + 65*mV) - w)/(7*ms) : volt
            """,
            method="kinetic",
            method_options={"order": order},
            name=f"linear_order{order}",
        )
        membrane.v = "-60*mV + i*mV"
        reduced = NeuronGroup(
            2,
            KineticScheme(
                "C <-> O : (i + 1)/ms, 1/ms\nO <-> D : 2/ms, 0/ms", "C"
            ).equations,
            method="kinetic",
            method_options={"order": order},
            name=f"reduced_order{order}",
        )
        objects += [group, membrane, reduced, *more]
        for owner, names in (
            (reduced, "OD"),
            (group, [*initial, "u"]),
            (synapses, "COD"),
            (membrane, "vw"),
        ):
            for name in names:
                readers[f"{order}_{owner.name}_{name}"] = lambda o=owner, n=name: (
                    getattr(o, n)[:]
                )
    return objects, readers


@pytest.mark.standalone
def test_targets_agree():
    results = run_on_targets(both_orders, duration=5 * ms)
    assert_targets_agree(results, rtol=1e-10)
    assert np.ptp(results["numpy"]["1_hh_order1_v"]) == 0


def test_loop_for_the_vectoriser_in_standalone_only():
    """Own template in C++, except where neurons read each other's states."""
    model = "dA/dt = -A/ms + B/ms : 1\ndB/dt = A/ms - B/ms : 1"
    brian2.set_device("cpp_standalone", build_on_run=False)
    alone = NeuronGroup(4, model, method="kinetic", name="alone")
    linked = NeuronGroup(4, model + "\nC : 1 (linked)", method="kinetic", name="linked")
    linked.C = linked_var(linked, "A", index=np.array([1, 2, 3, 0]))
    Network(alone, linked).run(1 * ms)
    own = "multiscale_independent_stateupdate"
    assert alone.state_updater.template == own
    assert linked.state_updater.template == "stateupdate"
    assert "ivdep" in str(alone.state_updater.codeobj.code.cpp_file)
    brian2.device.reinit()
    brian2.set_device("runtime")
    prefs.codegen.target = "numpy"
    group = NeuronGroup(4, model, method="kinetic")
    Network(group).run(1 * ms)
    assert group.state_updater.template == "stateupdate"
