"""Short-term plasticity spike by spike, and populations, against NEST's numbers."""

from pathlib import Path

import numpy as np
import pytest
from brian2 import (
    Network,
    NeuronGroup,
    SpikeGeneratorGroup,
    StateMonitor,
    TimedArray,
    defaultclock,
    ms,
    mV,
    pA,
    pF,
    second,
)
from scipy.signal import welch
from targets import run_on_targets

from brian2_multiscale import Mechanism, MesoscopicGroup, Projection


def load(name):
    path = Path(__file__).parent / "reference" / f"nest_{name}.npz"
    with np.load(path) as data:
        return dict(data)


# -- plasticity, spike by spike -------------------------------------------------------
TRAINS = ("regular20Hz+recovery", "regular50Hz", "poisson20Hz")
SETS = ("depressing", "facilitating", "dep_fac_mix")
#: NEST's models: without state of active resources, and with it
MODELS = {
    "tsodyks2_synapse": ("tsodyks_markram", "tsodyks_markram_u_first"),
    "tsodyks_synapse": ("tsodyks_uziel_markram",),
}
NAMES = {ours: nest for nest, names in MODELS.items() for ours in names}
PAIRS = [(train, values) for train in TRAINS for values in SETS]
STEP = 0.1  # ms
SOON = 0.05  # ms: NEST's tau_fac = 0, where u is at rest when the next spike comes


@pytest.fixture(scope="module")
def synapses():
    data = load("tsodyks")
    for values in SETS:
        numbers = data[f"{values}/parameters"]
        numbers[2] = numbers[2] or SOON
    return data


def jumps(trace, spikes):
    """What arrives 1 ms after every spike, and nothing else does."""
    gains = np.diff(np.asarray(trace), prepend=0)
    arrivals = np.round(spikes / STEP).astype(int) + 10
    np.testing.assert_array_equal(np.flatnonzero(gains), arrivals)
    return gains[arrivals]


@pytest.mark.parametrize("train, values", PAIRS)
@pytest.mark.parametrize("ours", NAMES)
def test_releases_of_a_neuron(synapses, ours, train, values):
    """Every release to 1e-6. With y, the active resources, equations are coupled."""
    defaultclock.dt = STEP * ms
    spikes = synapses[f"{train}/spikes"]
    U, tau_d, tau_f = synapses[f"{values}/parameters"]
    mechanism = Mechanism(ours, U=U, tau_d=tau_d * ms, tau_f=tau_f * ms)
    source = SpikeGeneratorGroup(1, np.zeros(len(spikes), int), spikes * ms)
    target = NeuronGroup(1, "h : 1")
    projection = Projection(
        source,
        target,
        mechanism.equations,
        mechanism.on_pre + "\nh_post += w*release",
        weights=1.0,
        delay=1 * ms,
        namespace=mechanism.namespace,
    )
    monitor = StateMonitor(target, "h", record=True, when="end")
    network = Network(source, target, projection, monitor)
    network.run(spikes[-1] * ms + 2 * ms, namespace={})
    expected = synapses[f"{train}/{values}/{NAMES[ours]}"]
    np.testing.assert_allclose(jumps(monitor.h[0], spikes), expected, rtol=1e-6)


def volleys(trains):
    """Populations, all neurons of which fire at these times: cohorts are neurons."""
    table = np.zeros((round(max(t[-1] for t in trains) / STEP) + 30, len(trains)))
    for k, train in enumerate(trains):
        table[np.round(train / STEP).astype(int), k] = 1
    return MesoscopicGroup(
        [20] * len(trains),
        "dv/dt = -v/(2*ms) : 1\nrho = train(t, i)/dt : Hz",
        threshold="rand() < rho*dt",
        reset="v = 0",
        method="exact",
        memory=5 * ms,
        noise=False,
        namespace={"train": TimedArray(table, dt=STEP * ms)},
    ), len(table)


@pytest.mark.parametrize(
    "ours",
    [
        n if k == 0 else pytest.param(n, marks=pytest.mark.long)
        for k, n in enumerate(NAMES)
    ],
)
def test_releases_carried_by_cohorts(synapses, ours):
    """The same, one population for each train and set of parameters."""
    defaultclock.dt = STEP * ms
    trains = [synapses[f"{train}/spikes"] for train, _ in PAIRS]
    trains = [spikes[spikes < 1000] for spikes in trains]
    source, steps = volleys(trains)
    values = np.array([synapses[f"{values}/parameters"] for _, values in PAIRS]).T
    varied = {"U": values[0], "tau_d": values[1] * ms, "tau_f": values[2] * ms}
    mechanism = Mechanism(ours, vary=list(varied))
    target = MesoscopicGroup(
        [5] * len(PAIRS),
        "dv/dt = -v/ms : 1\nh : 1",
        hazard="0*Hz",
        reset="v = 0",
        method="exact",
    )
    projection = Projection(
        source,
        target,
        mechanism.equations,
        mechanism.on_pre + "\nh_post += w*release",
        weights=np.eye(len(PAIRS)) / 20,
        delay=1 * ms,
        parameters=varied,
        namespace=mechanism.namespace,
    )
    monitor = StateMonitor(target, "h", record=True, when="end")
    network = Network(source, target, projection, monitor)
    network.run(steps * STEP * ms, namespace={})
    for k, (train, name) in enumerate(PAIRS):
        expected = synapses[f"{train}/{name}/{NAMES[ours]}"][: len(trains[k])]
        found = jumps(monitor.h[k], trains[k])
        np.testing.assert_allclose(
            found, expected, rtol=1e-6, err_msg=f"{train}, {name}"
        )


@pytest.mark.parametrize("train", TRAINS)
def test_the_two_synapses_of_nest_differ(synapses, train):
    """A test of the tests above: 1e-6 tells the models apart."""
    for values in SETS:
        one, two = (synapses[f"{train}/{values}/{nest}"] for nest in MODELS)
        assert np.abs(one / two - 1).max() > 1e-3


# -- populations ----------------------------------------------------------------------
# Spikes at the end of a step with the hazard of its end, and one time step more than
# NEST's t_ref: NEST counts that many steps in which the potential stands still
RULE = {
    "threshold": "rand() < 1 - exp(-rho*dt)",
    "refractory": 4.5 * ms,
    "method": "exact",
}
GIF = """
dv/dt = (mu - v + h_e + h_i)/(20*ms) : volt (unless refractory)
dh_e/dt = -h_e/(3*ms) : volt
dh_i/dt = -h_i/(6*ms) : volt
rho = 10*Hz*exp((v - 15*mV)/width) : Hz
mu : volt (constant)
width : volt (constant)
"""
ADAPTIVE = """
dv/dt = (40*mV - v + h)/(20*ms) : volt (unless refractory)
dh/dt = -h/(2*ms) : volt
dtheta/dt = (10*mV - theta)/(500*ms) : volt
rho = 10*Hz*exp((v - theta)/(2*mV)) : Hz
"""
DURATION, DISCARD = 402 * second, 2 * second
SIZES = {"uncoupled": [500], "pair": [800, 200], "adaptive": [500]}


def uncoupled():
    defaultclock.dt = 0.5 * ms
    group = MesoscopicGroup(500, GIF, reset="v = 0*mV", name="nest_uncoupled", **RULE)
    group.mu, group.width = 18 * mV, 2 * mV
    return counted([group])


def pair():
    """Excitatory and inhibitory neurons with fixed in-degree 0.2 N, multapses too.

    NEST's currents: a spike adds J (mV) to the potential in the end, hence the kick of
    the potential that the current alone would reach is J tau_m/tau_syn.
    """
    group = MesoscopicGroup([800, 200], GIF, reset="v = 0*mV", name="nest_pair", **RULE)
    group.mu, group.width = 24 * mV, 2.5 * mV
    sparse = {"p": 0.2, "multapses": True, "delay": 1 * ms}
    weights = {"e": 0.3 * mV * 20 / 3, "i": -1.5 * mV * 20 / 6}
    projections = [
        Projection(
            group[k : k + 1],
            group,
            on_pre=f"h_{x}_post += w",
            weights=weights[x],
            name=f"nest_pair_{x}",
            **sparse,
        )
        for k, x in enumerate("ei")
    ]
    return counted([group, *projections])


def adaptive():
    """NEST's acceptance test of gif_pop_psc_exp: inhibition and adaptation."""
    reset = "v = 0*mV\ntheta += 1*mV"
    group = MesoscopicGroup(500, ADAPTIVE, reset=reset, name="nest_adaptive", **RULE)
    group.theta = 10 * mV
    loop = Projection(
        group,
        group,
        on_pre="h_post += w",
        weights=-6.25 * pA / (250 * pF) * 20 * ms,
        delay=1 * ms,
        name="nest_adaptive_loop",
    )
    return counted([group, loop])


def counted(objects):
    key = objects[0].name.removeprefix("nest_")
    monitor = StateMonitor(objects[0], "n", record=True, name=f"nest_monitor_{key}")
    return [*objects, monitor], {key: lambda: monitor.n}


@pytest.fixture(scope="module")
def nest():
    return load("populations")


@pytest.fixture(scope="module")
def activities():
    """A(t) of all populations (Hz), 400 s in steps of 0.5 ms; takes 5 s to run."""
    models = [uncoupled, pair, adaptive]
    results = run_on_targets(models, DURATION, ["cpp_standalone"], seed=20)
    start = round(DISCARD / (0.5 * ms))
    return {
        key: n[:, start:] / np.array(SIZES[key])[:, None] / 0.5e-3
        for key, n in results["cpp_standalone"].items()
    }


def binned(activity, duration):
    steps = round(duration / 0.5)
    return activity.reshape(len(activity), -1, steps).mean(axis=-1)


def octaves(spectrum):
    """Mean power from 1, 2, 4, ... to 256 Hz; the spectrum begins at 1 Hz."""
    edges = [slice(2**k - 1, 2 ** (k + 1) - 1) for k in range(9)]
    return np.stack([spectrum[..., e].mean(axis=-1) for e in edges], axis=-1)


def power(activity, parts=10):
    """Octaves of ours and their standard errors, from 40 s each."""
    pieces = activity.reshape(len(activity), parts, -1)
    spectra = welch(pieces, 2000, nperseg=2000)[1][..., 1:1001] / 2
    bands = octaves(spectra)
    return bands.mean(axis=1), bands.std(axis=1, ddof=1) / parts**0.5


def renewal():
    """Rate (Hz) and power of independent neurons, exactly: their intervals' law."""
    steps, active = np.arange(1, 4000), np.maximum(np.arange(1, 4000) - 8, 0)
    v = 18 * (1 - np.exp(-active * 0.5 / 20))
    fire = np.where(active > 0, 1 - np.exp(-10 * np.exp((v - 15) / 2) * 0.5e-3), 0)
    law = fire * np.concatenate([[1], np.cumprod(1 - fire)[:-1]])
    rate = 1 / (steps @ law * 0.5e-3)
    phases = np.exp(-2j * np.pi * np.arange(1, 1001)[:, None] * steps * 0.5e-3)
    wave = phases @ law
    return rate, rate / 500 * (1 - np.abs(wave) ** 2) / np.abs(1 - wave) ** 2


# Deviations of the theory that are allowed, plus 4.5 standard errors: with the 31
# numbers below that is 2e-4 if the theory is as far off as it may be.
SURE = 4.5


@pytest.mark.standalone
def test_uncoupled_neurons(activities, nest):
    """Exact renewal theory, which NEST's spiking neurons meet as well."""
    rate, spectrum = renewal()
    key = "uncoupled/spiking"
    theirs, error = (float(nest[f"{key}/{n}"][0]) for n in ("rate", "rate_sem"))
    assert theirs == pytest.approx(rate, abs=4 * error)
    assert activities["uncoupled"].mean() == pytest.approx(rate, rel=0.002)
    found, error = power(activities["uncoupled"])
    expected = octaves(spectrum)
    ratio = found[0] / expected
    assert np.all(np.abs(ratio - 1) < 0.1 + SURE * error[0] / expected), ratio
    for duration, tolerance in ((1, 0.02), (5, 0.02), (20, 0.06)):
        std = binned(activities["uncoupled"], duration).std()
        reference = nest[f"{key}/std_{duration}ms"][0]
        assert std == pytest.approx(reference, rel=tolerance)


@pytest.mark.standalone
def test_rates_and_fluctuations_of_the_pair(activities, nest):
    """Rates to 1 %, sd of 5-ms bins to 5 % of those of spiking neurons in NEST.

    NEST's own mesoscopic model has 13 % too much.
    """
    key = "pair/spiking"
    found = activities["pair"].mean(axis=1)
    np.testing.assert_allclose(found, nest[f"{key}/rate"], rtol=0.01)
    for duration in (1, 5, 20):
        std = binned(activities["pair"], duration).std(axis=1)
        np.testing.assert_allclose(std, nest[f"{key}/std_{duration}ms"], rtol=0.05)
    theirs = nest["pair/mesoscopic/std_5ms"] / nest[f"{key}/std_5ms"]
    assert theirs.min() > 1.12


@pytest.mark.standalone
def test_spectra_of_the_pair(activities, nest):
    """15 % in every octave, and closer than NEST's mesoscopic model on the whole."""
    found, error = power(activities["pair"])
    spiking = octaves(nest["pair/spiking/psd"])
    seeds = nest["pair/spiking/octaves_of_seeds"]
    error = np.hypot(error, seeds.std(axis=0, ddof=1) / len(seeds) ** 0.5)
    ratio = found / spiking
    assert np.all(np.abs(ratio - 1) < 0.15 + SURE * error / spiking), ratio
    theirs = octaves(nest["pair/mesoscopic/psd"]) / spiking
    distance = np.abs(np.log(ratio)).mean(axis=1)
    assert np.all(distance < 0.75 * np.abs(np.log(theirs)).mean(axis=1)), distance


@pytest.mark.standalone
def test_acceptance_of_the_mesoscopic_model_of_nest(activities):
    """Rate within NEST's 22 +- 1 Hz; the variance is another matter.

    It should be 102 +- 6 Hz^2, but NEST 3.10 itself gives 97.33 +- 0.43 (and 22.67 Hz).
    500 spiking neurons with the strings above, in Brian2, give 22.273 +- 0.003 Hz
    and 92.2 +- 0.25 Hz^2.
    """
    activity = activities["adaptive"][0]
    assert activity.mean() == pytest.approx(22, abs=1)
    assert activity.mean() == pytest.approx(22.273, rel=0.002)
    assert activity.var() == pytest.approx(97.33, rel=0.04)
    assert activity.var() == pytest.approx(92.2, rel=0.05)
