"""Every file in equations/ loads, has sources, and gives its [figure] number."""

import re

import numpy as np
import pytest
from brian2.core.network import Network
from brian2.core.preferences import prefs
from brian2.devices.device import seed
from brian2.equations.equations import Equations
from brian2.groups.neurongroup import NeuronGroup
from brian2.input.spikegeneratorgroup import SpikeGeneratorGroup
from brian2.monitors.spikemonitor import SpikeMonitor
from brian2.monitors.statemonitor import StateMonitor
from brian2.synapses.synapses import Synapses
from brian2.units.allunits import second
from brian2.units.fundamentalunits import get_unit
from brian2.units.stdunits import mM, ms
from closed_forms import CLOSED_FORMS
from targets import assert_targets_agree, run_on_targets

from brian2_multiscale._equations_path import builtin_equations
from brian2_multiscale.mechanisms import Mechanism, list_mechanisms
from brian2_multiscale.mechanisms.values import evaluate

FILES = sorted(builtin_equations().rglob("*.eqs"))
NAMES = [path.stem for path in FILES]


@pytest.fixture(autouse=True)
def _clean_device():
    # Every network here runs in numpy: nothing of a device has to be cleaned.
    prefs.codegen.target = "numpy"
    yield


def quantity(value):
    return evaluate(value) if isinstance(value, str) else value


def quantities(table):
    return {name: quantity(value) for name, value in table.items()}


# -- measures: each runs a mechanism as its figure says and returns one number -------
def rate(mechanism, figure):
    dt, duration = quantity(figure["dt"]), quantity(figure["duration"])
    discard = quantity(figure.get("discard", "0*second"))
    number = figure.get("neurons", 1)
    group = NeuronGroup(
        number,
        mechanism.equations,
        threshold=mechanism.threshold,
        reset=mechanism.reset,
        refractory=mechanism.refractory or False,
        method=figure.get("method", mechanism.method),
        namespace={**mechanism.namespace, **quantities(figure.get("external", {}))},
        dt=dt,
    )
    mechanism.initialise(group)
    group.set_states(quantities(figure.get("set", {})))
    network = Network(group)
    network.run(discard, namespace={})
    spikes = SpikeMonitor(group)
    network.add(spikes)
    network.run(duration, namespace={})
    if number == 1:
        return (spikes.num_spikes - 1) / (spikes.t[-1] - spikes.t[0])
    return spikes.num_spikes / (number * duration)


def response(mechanism, figure, spike_times=(0,), duration=None):
    """Times since the effect of the first spike and the trace of a variable."""
    dt = quantity(figure["dt"])
    transmitter = mechanism.transmitter
    equations, on_pre = mechanism.synaptic_equations, [mechanism.on_pre]
    namespace = dict(mechanism.namespace)
    if transmitter is not None:
        equations = equations + transmitter.synaptic_equations
        on_pre.append(transmitter.on_pre)
        namespace.update(transmitter.namespace)
    for name, dimensions in mechanism.external.items():
        if name not in equations:
            namespace[name] = 0 * get_unit(dimensions)
    namespace.update(quantities(figure.get("external", {})))
    kinetic = mechanism.method == "kinetic"
    source = SpikeGeneratorGroup(
        1, np.zeros(len(spike_times), int), np.asarray(spike_times) * second, dt=dt
    )
    target = NeuronGroup(1, "dummy : 1", dt=dt)
    synapses = Synapses(
        source,
        target,
        equations,
        on_pre="\n".join(code for code in on_pre if code),
        method=mechanism.method,
        method_options={"order": 2} if kinetic else None,
        namespace=namespace,
        dt=dt,
    )
    synapses.connect()
    mechanism.initialise(synapses)
    variable = figure.get("variable", mechanism.output)
    monitor = StateMonitor(synapses, variable, record=[0], dt=dt)
    network = Network(source, target, synapses, monitor)
    network.run(duration + 2 * dt, namespace={})
    # What a spike does at t is seen from t + dt on.
    return monitor.t[1:] - dt, getattr(monitor, variable)[0][1:]


def peak(mechanism, figure):
    return response(mechanism, figure, duration=quantity(figure["duration"]))[1].max()


def time_to_peak(mechanism, figure):
    t, trace = response(mechanism, figure, duration=quantity(figure["duration"]))
    return t[np.argmax(trace)]


def value(mechanism, figure):
    time = quantity(figure["time"])
    t, trace = response(mechanism, figure, duration=time)
    return trace[np.argmin(abs(t - time))]


def release(mechanism, figure):
    spikes = np.arange(figure["spikes"]) * quantity(figure["interval"])
    _, trace = response(mechanism, figure, spikes / second, spikes[-1] + 1 * ms)
    return trace[-1]


MEASURES = {f.__name__: f for f in (rate, peak, time_to_peak, value, release)}


# -- tests ----------------------------------------------------------------------------
def test_all_files_are_here():
    expected = {
        "neurons": "lif glif_escape glif_escape_adaptive exponential_if adex "
        "hodgkin_huxley nlif",
        "receptors": "ampa_robert_howe nmda_ambert ampa_destexhe nmda_destexhe "
        "gabaa_destexhe exponential biexponential",
        "synapses": "tsodyks_markram tsodyks_markram_u_first glutamate_diffusion "
        "transmitter_pulse gaba_pulse exponential_mg_block",
        "sensory": "ihc_verhulst2018 anf_three_store anf_spiking",
    }
    for folder, names in expected.items():
        found = {path.stem for path in FILES if path.parent.name == folder}
        assert found >= set(names.split())
        kind = folder.removesuffix("s")
        assert set(list_mechanisms(kind)) >= found


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_plain_brian2_reads_the_file(path):
    body = Equations(path.read_text(encoding="utf-8"))
    assert len(body) > 0


@pytest.mark.parametrize("name", NAMES)
def test_everything_has_a_source(name):
    mechanism = Mechanism(name)
    assert re.fullmatch(r"10\.\d+/\S+", mechanism.doi)
    assert all(len(p.source) > 10 for p in mechanism.parameters.values())
    assert mechanism.description
    missing = {"text", "source", "measure", "value", "tolerance", "dt"}
    assert not missing - set(mechanism.figure)
    assert all(dimensions is not None for dimensions in mechanism.external.values())


@pytest.mark.parametrize("name", NAMES)
def test_figure(name):
    seed(20240501)
    figure = Mechanism(name).figure
    mechanism = Mechanism(name, **quantities(figure.get("parameters", {})))
    found = MEASURES[figure["measure"]](mechanism, figure)
    expected = quantity(figure["value"])
    assert float(found) == pytest.approx(float(expected), rel=figure["tolerance"])
    # The same dimension, too:
    assert not np.isnan(float(found / expected))


@pytest.mark.parametrize("name", sorted(CLOSED_FORMS))
def test_figure_is_the_closed_form(name):
    mechanism = Mechanism(name)
    values = {n: float(v) for n, v in mechanism.namespace.items()}
    expected = CLOSED_FORMS[name](values, mechanism)
    found = float(quantity(mechanism.figure["value"]))
    assert found == pytest.approx(expected, rel=2e-5)


def test_every_figure_is_independent():
    # The two receptors are checked against NEURON, everything else by closed forms.
    assert set(NAMES) - set(CLOSED_FORMS) == {"ampa_robert_howe", "nmda_ambert"}


def glutamate(spikes, times, clearance=1.0, limit=9):
    """Concentration (mM) and live pulses, straight from the description; ms."""
    kappa = 0.06**2 / (4 * 0.33)

    def pulse(age):
        u = 1 / (1 + clearance * age)
        return u * np.exp(-kappa * u)

    live, trace, counts = [], np.zeros(len(times)), []
    for start, end in zip(spikes, [*spikes[1:], np.inf], strict=True):
        live = [start, *live][:limit]
        total, kept = 0.0, 0
        for origin in live:
            amount = pulse(start - origin)
            if amount < 1e-3 * total:
                break
            total, kept = total + amount, kept + 1
        live = live[:kept]
        counts.append(kept)
        inside = (times >= start - 1e-9) & (times < end - 1e-9)
        trace[inside] = sum(pulse(times[inside] - origin) for origin in live)
    return 0.0792848905 * trace, counts


@pytest.mark.parametrize("clearance", [10, 20])
def test_glutamate_pulses_add_and_are_forgotten(clearance):
    rng = np.random.default_rng(5)
    gaps = np.concatenate([0.3 + rng.exponential(30, 30), [90, 300, 150], [1] * 14])
    spikes = np.round(np.cumsum(gaps), 1)
    mechanism = Mechanism("glutamate_diffusion", clearance=clearance / ms)
    figure = {"dt": "0.1*ms"}
    duration = (spikes[-1] + 20) * ms
    t, trace = response(mechanism, figure, spikes / 1000, duration)
    expected, counts = glutamate(list(spikes), np.asarray(t / ms), clearance)
    assert min(counts[1:]) < 3 and max(counts) == 9
    assert np.allclose(np.asarray(trace / mM), expected, rtol=1e-8, atol=1e-12)


def test_pulse_has_its_length_at_every_dt():
    for dt in ("0.1*ms", "0.05*ms", "0.025*ms", "0.04*ms"):
        mechanism = Mechanism("transmitter_pulse")
        figure = {"dt": dt}
        t, trace = response(mechanism, figure, (0.0137 * 10,), 145 * ms)
        length = np.count_nonzero(trace) * quantity(dt)
        assert float(length / ms) == pytest.approx(1)


def test_no_transmitter_before_the_first_spike():
    for name in ("transmitter_pulse", "glutamate_diffusion"):
        _, trace = response(Mechanism(name), {"dt": "0.1*ms"}, (0.01,), 9 * ms)
        assert not np.any(trace)


def test_both_conventions_release_the_same():
    reference = Mechanism("tsodyks_markram", U=0.3, tau_f=0.2 * second)
    other = Mechanism("tsodyks_markram_u_first", U=0.3, tau_f=0.2 * second)
    mongillo = Mechanism("tsodyks_markram_u_first", U=0.3, u_rest=0.3)
    figure = {"dt": "0.1*ms", "spikes": 5, "interval": "13*ms"}
    assert release(other, figure) == pytest.approx(release(reference, figure))
    first = release(mongillo, {**figure, "spikes": 1})
    assert first == pytest.approx(0.3 + 0.3 * 0.7)


def event_driven_synapses():
    """All that a spike does at once: glutamate, a pulse, plasticity."""
    parts = [Mechanism(n) for n in ("glutamate_diffusion", "gaba_pulse")]
    parts.append(Mechanism("tsodyks_markram", suffix="_s"))
    equations, namespace = parts[0].equations, {}
    for part in parts:
        namespace.update(part.namespace)
        equations = equations if part is parts[0] else equations + part.equations
    times = np.array([0.3, 1.1, 1.9, 2.1, 4.0, 4.2, 5.0, 5.3, 6.0, 6.2, 7.0, 8.1])
    source = SpikeGeneratorGroup(1, np.zeros(12, int), times * ms, name="mech_source")
    target = NeuronGroup(1, "dummy : 1", name="mech_target")
    synapses = Synapses(
        source,
        target,
        equations,
        on_pre="\n".join(part.on_pre for part in parts),
        namespace=namespace,
        name="mech_synapses",
    )
    synapses.connect()
    synapses.x_s, synapses.u_s = 1, parts[2].namespace["U_s"]
    names = ["glu", "gaba", "release_s", "n_pulses"]
    monitor = StateMonitor(synapses, names, record=[0], name="mech_monitor")
    readers = {n: (lambda n=n: getattr(monitor, n)) for n in names}
    return [source, target, synapses, monitor], readers


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("cpp_standalone", marks=pytest.mark.standalone),
        pytest.param("cython", marks=pytest.mark.long),
    ],
)
def test_synapses_on_other_targets(target):
    results = run_on_targets(
        event_driven_synapses, targets=("numpy", target), name="mechanism_synapses"
    )
    assert results["numpy"]["n_pulses"].max() == 9
    assert_targets_agree(results)
