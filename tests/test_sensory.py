"""The inner hair cell and the auditory nerve fibre against published numbers.

Numbers are facts from the source data of Drakopoulos, Baby and Verhulst (2021),
https://doi.org/10.1038/s42003-021-02341-5, obtained there with the authors' model of
the cochlea. Ours is a simple filter bank: where the cochlea matters, tests say how
much is left. Not reproduced: rates 20 ms after an onset (ours are 9-15 % lower).
"""

import numpy as np
import pytest
from brian2 import (
    Equations,
    Network,
    NeuronGroup,
    SpikeMonitor,
    StateMonitor,
    TimedArray,
    linked_var,
)
from brian2.units import Hz, kHz, ms, mV, pascal, second, us
from scipy.stats import chi2
from sensory_models import (
    FIBRES,
    cochlea,
    explicit_delay,
    fibres_and_rate,
    hair_cell_loop,
)
from targets import assert_targets_agree, run_on_targets

from brian2_multiscale import Mechanism
from brian2_multiscale.surrogates.sound import (
    PLACE_GROWTH,
    basilar_membrane_velocity,
    tone,
)

RATE = 100 * kHz
#: Ratio of alternating to direct potential at 80 dB, by frequency (Hz)
AC_DC = {
    226: 7.94,
    349: 5.01,
    527: 3.91,
    805: 3.25,
    1225: 2.51,
    1832: 1.58,
    2820: 0.826,
    4304: 0.402,
    6530: 0.190,
    7954: 0.133,
}
#: Velocities (um/s) at which the ratio is that; the authors do not tell theirs
VELOCITIES = [1.10, 1.19, 1.13, 1.00, 0.83, 0.777, 0.772, 0.854, 0.81, 0.72]
#: What the growth at 4 kHz implies for 80 dB
AT_80_DB = 0.887
LEVELS = list(range(0, 101, 10))
GROWTH_4K = [0.0245, 0.078, 0.271, 1.148, 2.422, 3.734]
GROWTH_4K += [4.966, 6.104, 7.209, 8.423, 9.018]
RATE_LEVEL = [50.1, 51.0, 60.8, 171.7, 286.4, 291.9, 292.8, 294.4, 298.3, 303.4, 302.3]
#: Largest synchrony to a modulation at 100 Hz: 1 kHz, 4 kHz
SYNCHRONY = {"H": (0.300, 0.485), "M": (0.402, 0.530), "L": (0.561, 0.567)}
#: 1 kHz, 70 dB: rate at 100 ms and 1 s, largest rate
ADAPTATION = {"H": (198, 137, 1396), "M": (144, 96, 639), "L": (110, 79, 503)}
#: Onset after a pause of 0.1, 0.5 and 1 s, relative to the first one
RECOVERY = {
    "H": (0.728, 0.950, 0.994),
    "M": (0.851, 0.958, 0.991),
    "L": (0.897, 0.969, 0.993),
}


# -- stimuli: velocities of the basilar membrane, one column each ----------------------
def steady_tones(frequencies, velocities, count):
    t = (np.arange(count) * 1e-5 - 0.02)[:, None]
    rise = np.clip(t / 5e-3, 0, 1)
    return 1e-6 * np.array(velocities) * rise * np.sin(2 * np.pi * frequencies * t)


def heard(frequency, sound, growth=PLACE_GROWTH):
    return np.asarray(basilar_membrane_velocity(sound, RATE, frequency, growth))


def modulated(frequency, level, duration):
    sound = tone(frequency, level, duration, RATE, before=20 * ms)
    phase = 2 * np.pi * 100 * (np.arange(len(sound)) / 1e5 - 0.02)
    return sound * (1 - np.cos(phase))


@pytest.fixture(scope="module")
def responses():
    """One run of 135 ms: potentials (mV), rates (Hz) and where what is."""
    duration = 115 * ms
    columns, place = [], {}

    def add(name, *signals):
        start = sum(s.shape[1] for s in columns)
        columns.extend(s.reshape(len(s), -1) for s in signals)
        place[name] = slice(start, sum(s.shape[1] for s in columns))

    frequencies = np.array(list(AC_DC))
    add("ratio", steady_tones(frequencies, VELOCITIES, 13500))
    add("ratio, one velocity", steady_tones(frequencies, AT_80_DB, 13500))
    for name, cf in (("1 kHz", 1 * kHz), ("4 kHz", 4 * kHz)):
        sounds = [tone(cf, level, duration, RATE, before=20 * ms) for level in LEVELS]
        add(name, *(heard(cf, sound) for sound in sounds))
    for name, cf, levels in (("SAM 1", 1 * kHz, (30,)), ("SAM 4", 4 * kHz, (40, 50))):
        sounds = [modulated(cf, level, duration) for level in levels]
        add(name, *(heard(cf, sound) for sound in sounds))
    names = ("1 kHz", "SAM 1", "SAM 4")
    with_fibres = np.concatenate([np.r_[place[name]] for name in names])
    objects, potential, rates = cochlea(np.hstack(columns), with_fibres)
    Network(objects).run(135 * ms, namespace={})
    v = potential.v / mV
    traces = {name: v[where] for name, where in place.items()}
    for kind, monitor in rates.items():
        f = dict(zip(with_fibres, monitor.f / Hz, strict=True))
        for name in names:
            traces[name, kind] = np.array([f[i] for i in np.r_[place[name]]])
    return traces


def window(array, start, end, step=10e-6):
    """Between two times (ms) after the onset at 20 ms."""
    first, last = (round((time + 20) * 1e-3 / step) for time in (start, end))
    return array[..., first:last]


def ac_to_dc(v):
    late = window(v, 50, 70)
    high, low = late.max(axis=1), late.min(axis=1)
    return (high - low) / 2 / np.sqrt(2) / ((high + low) / 2 - v[:, 1900])


# -- inner hair cell -------------------------------------------------------------------
def test_the_cell_rests_where_published(responses):
    assert responses["ratio"][:, :1900] == pytest.approx(-57.6563, abs=5e-5)


def test_ratio_of_alternating_to_direct_potential(responses):
    found, expected = ac_to_dc(responses["ratio"]), np.array(list(AC_DC.values()))
    np.testing.assert_allclose(found, expected, rtol=0.02)


def test_ratio_and_growth_are_of_one_cochlea(responses):
    # With the velocity that the growth at 4 kHz asks for, the ratio follows, too
    found = ac_to_dc(responses["ratio, one velocity"])[3:]
    expected = np.array(list(AC_DC.values()))[3:]
    np.testing.assert_allclose(found, expected, rtol=0.03)


def test_growth_at_4_khz(responses):
    # PLACE_GROWTH is made for it: this is a test of filters, compression and cell
    v = responses["4 kHz"]
    late = window(v, 50, 70) - v[:, 1900:1901]
    found = np.sqrt(np.mean(late**2, axis=1))
    np.testing.assert_allclose(found, GROWTH_4K, rtol=0.015)


def test_order_of_integration_does_not_matter():
    frequencies, levels = np.array([500, 1000, 4000]), np.array([0.84, 7, 0.84])
    velocities = steady_tones(frequencies, levels, 5000)
    objects, potential, _ = cochlea(velocities)
    Network(objects).run(50 * ms, namespace={})
    v = potential.v / mV
    published = hair_cell_loop(0.118 * velocities, 1e-5).T * 1e3
    # Recorded before a step, and one step late: see the mechanism file
    difference = v[:, 2:] - published[:, :-2]
    spread = published.std(axis=1)
    assert np.all(np.sqrt(np.mean(difference**2, axis=1)) < 0.03 * spread)
    assert np.any(np.sqrt(np.mean((v - published) ** 2, axis=1)) > 0.1 * spread)


# -- synapse and fibre -----------------------------------------------------------------
@pytest.mark.parametrize(
    "kind, at_rest, held",
    [("L", 0.6600, 0.99935), ("M", 6.7162, 9.9354), ("H", 50.978, 65.580)],
)
def test_spontaneous_rates(kind, at_rest, held):
    anf = Mechanism("anf_three_store", **FIBRES[kind])
    fibres = NeuronGroup(
        2,
        anf.equations + Equations("v : volt (constant)"),
        method=anf.method,
        namespace=anf.namespace,
        dt=50 * us,
    )
    fibres.v = [-57.6563, -57.03] * mV
    anf.initialise(fibres)
    # Long enough to leave a state that is not steady
    Network(fibres).run(200 * ms, namespace={})
    np.testing.assert_allclose(fibres.f / Hz, [at_rest, held], rtol=5e-5)


@pytest.mark.parametrize("kind", FIBRES)
@pytest.mark.parametrize("dt_ref", [50 * us, 0.6 * ms])
def test_stages_are_an_exact_delay(kind, dt_ref):
    anf = Mechanism("anf_three_store", **FIBRES[kind], dt_ref=dt_ref)
    t = np.arange(1200) * 50e-6
    v = -57.6563e-3 + (t > 10e-3) * (12e-3 + 6e-3 * np.sin(2 * np.pi * 500 * t))
    potential = TimedArray(v, dt=50 * us, name="sensory_delay_v")
    fibre = NeuronGroup(
        1,
        anf.equations + Equations("v = potential(t)*volt : volt (shared)"),
        method=anf.method,
        namespace={**anf.namespace, "potential": potential},
        dt=50 * us,
    )
    anf.initialise(fibre)
    monitor = StateMonitor(fibre, ["f", "A"], record=[0])
    Network(fibre, monitor).run(60 * ms, namespace={})
    expected = explicit_delay(v, **FIBRES[kind], dt_ref=dt_ref)
    np.testing.assert_allclose(monitor.f[0] / Hz, expected, rtol=1e-9)
    assert expected.max() > 3 * expected[-1]  # there was an onset


def test_rate_by_level(responses):
    found = window(responses["1 kHz", "H"], 10, 50, 50e-6).mean(axis=1)
    published = np.array(RATE_LEVEL)
    np.testing.assert_allclose(found[:2], published[:2], rtol=0.04)
    np.testing.assert_allclose(found[4:], published[4:], rtol=0.04)
    # On the steep part a cochlea shows: without a middle ear ours is a bit sensitive
    levels = np.interp(published[2:4], found, LEVELS)
    assert np.all(np.abs(levels - [20, 30]) < 6)


@pytest.mark.parametrize("kind", FIBRES)
def test_synchrony_to_a_modulation(responses, kind):
    found = []
    for name in ("SAM 1", "SAM 4"):
        rate = window(responses[name, kind], 30, 110, 50e-6)
        phase = np.exp(2j * np.pi * np.arange(rate.shape[1]) / 200)
        found.append(np.max(np.abs(rate @ phase) / rate.sum(axis=1)))
    # The modulation that reaches the cell is the cochlea's: a fifth is left
    np.testing.assert_allclose(found, SYNCHRONY[kind], rtol=0.2)


@pytest.mark.parametrize("kind", FIBRES)
def test_onset_and_adaptation(responses, kind):
    rate = responses["1 kHz", kind][LEVELS.index(70)]
    at_100_ms, _, peak = ADAPTATION[kind]
    # The largest value of an onset hangs on the fine structure of the velocity
    assert rate.max() == pytest.approx(peak, rel=0.2 if kind == "H" else 0.05)
    assert window(rate, 97, 102, 50e-6).mean() == pytest.approx(at_100_ms, rel=0.04)


@pytest.fixture(scope="module")
def slow_responses():
    """Rates (Hz) for a tone of 1.03 s, and for two tones with a pause between."""
    masker = tone(1 * kHz, 70, 100 * ms, RATE, before=20 * ms)
    probe = tone(1 * kHz, 70, 50 * ms, RATE)
    sounds = np.zeros((117000, 4))
    sounds[:105000, 0] = tone(1 * kHz, 70, 1030 * ms, RATE, before=20 * ms)
    for column, pause in enumerate((0.1, 0.5, 1.0), 1):
        start = len(masker) + round(pause * 1e5)
        sounds[: len(masker), column] = masker
        sounds[start : start + len(probe), column] = probe
    columns = [heard(1 * kHz, sound * pascal) for sound in sounds.T]
    objects, _, rates = cochlea(np.stack(columns, 1), range(4))
    Network([o for o in objects if o.name != "sensory_potential"]).run(1.17 * second)
    return {kind: monitor.f / Hz for kind, monitor in rates.items()}


@pytest.mark.long
@pytest.mark.parametrize("kind", FIBRES)
def test_adaptation_and_recovery(slow_responses, kind):
    rates = slow_responses[kind]
    late = window(rates[0], 997, 1002, 50e-6).mean()
    assert late == pytest.approx(ADAPTATION[kind][1], rel=0.03)
    for rate, pause, expected in zip(
        rates[1:], (0.1, 0.5, 1.0), RECOVERY[kind], strict=True
    ):
        first = window(rate, 0, 100, 50e-6).max()
        second_onset = window(rate, 100 + 900 * pause, 1150, 50e-6).max()
        assert second_onset / first == pytest.approx(expected, abs=0.03)


# -- fibres that fire ------------------------------------------------------------------
@pytest.mark.parametrize(
    "kind, dt_ref", [("H", 0 * ms), ("H", 0.6 * ms), ("L", 50 * us)]
)
def test_spiking_fibres_follow_the_mean_rate(kind, dt_ref):
    """Counts in bins of 1 ms: false alarms below 1e-6, as spikes repel each other."""
    number, step = 20_000, 50e-6
    network, mean, spikes = fibres_and_rate(number, kind, dt_ref)
    network.run(60 * ms, namespace={})
    steps = np.round(spikes.t / (step * second)).astype(int)
    counts = np.bincount(steps // 20, minlength=60)[5:]
    expected = number * step * (mean.f[0] / Hz)[100:].reshape(-1, 20).sum(axis=1)
    surprise = np.sum((counts - expected) ** 2 / expected)
    assert surprise < chi2.isf(1e-6, len(counts))
    # The same test sees a delay of one step in the onset
    shifted = number * step * (mean.f[0] / Hz)[98:-2].reshape(-1, 20).sum(axis=1)
    assert np.sum((counts - shifted) ** 2 / shifted) > chi2.isf(1e-6, len(counts))


def test_no_interval_is_shorter_than_the_refractory_period():
    network, _, spikes = fibres_and_rate(2000, "H", 0.6 * ms)
    network.run(30 * ms, namespace={})
    times = spikes.spike_trains()
    intervals = np.concatenate([np.diff(t / ms) for t in times.values()])
    assert 0.6 < intervals.min() < 0.8
    assert len(intervals) > 1000


@pytest.mark.parametrize("dt", [25 * us, 100 * us])
def test_the_rate_of_spiking_fibres_does_not_depend_on_the_step(dt):
    fibre = Mechanism("anf_spiking", dt_ref=0.6 * ms)
    number, duration = 4000, 300 * ms
    group = NeuronGroup(
        number,
        fibre.equations,
        threshold=fibre.threshold,
        reset=fibre.reset,
        refractory=fibre.refractory,
        method=fibre.method,
        namespace={**fibre.namespace, "v": -50 * mV},
        dt=dt,
    )
    fibre.initialise(group)
    network = Network(group)
    network.run(5 * ms, namespace={})
    spikes = SpikeMonitor(group, record=False)
    network.add(spikes)
    network.run(duration, namespace={})
    release = float((group.get_states(["q"])["q"] * group.rho)[0])
    rate = 1 / (1 / release + 1.2e-3)
    # Counts are less random than Poisson's: five standard deviations, or 6e-7
    mean = number * float(duration) * rate
    assert spikes.num_spikes == pytest.approx(mean, abs=5 * np.sqrt(mean))


# -- targets ---------------------------------------------------------------------------
def hearing():
    """A cell with a mean rate, and fibres that fire."""
    sound = tone(1 * kHz, 60, 8 * ms, RATE, ramp=1 * ms)
    objects, potential, rates = cochlea(heard(1 * kHz, sound)[:, None], [0], "H")
    fibre = Mechanism("anf_spiking")
    fibres = NeuronGroup(
        50,
        fibre.equations + Equations("v : volt (linked)"),
        threshold=fibre.threshold,
        reset=fibre.reset,
        refractory=fibre.refractory,
        method=fibre.method,
        namespace=fibre.namespace,
        dt=50 * us,
        name="sensory_firing",
    )
    fibres.v = linked_var(objects[0], "v", index=np.zeros(50, int))
    fibre.initialise(fibres)
    spikes = SpikeMonitor(fibres, name="sensory_fired")
    readers = {f"f_{kind}": (lambda m=m: m.f) for kind, m in rates.items()}
    readers |= {"v": lambda: potential.v, "i": lambda: spikes.i, "t": lambda: spikes.t}
    return [*objects, fibres, spikes], readers


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("cpp_standalone", marks=pytest.mark.standalone),
        pytest.param("cython", marks=pytest.mark.long),
    ],
)
def test_targets_agree(target):
    results = run_on_targets(hearing, 8 * ms, targets=("numpy", target), name="sensory")
    assert len(results["numpy"]["i"]) > 50
    assert_targets_agree(results, rtol=1e-9)
