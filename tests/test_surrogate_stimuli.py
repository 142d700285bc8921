"""Recipes for stimuli: what they promise about levels, spectra and times."""

import dataclasses
import json
import math

import numpy as np
import pytest
from brian2 import DimensionMismatchError, Hz, Quantity, kHz, ms, mV, nA, nmetre, second
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import welch

from brian2_multiscale.surrogates import stimuli

STEP, COUNT = 50e-6, 40_000
LEVEL = {"amplitude": (1 * nmetre, 100 * nmetre)}
ALL = [
    stimuli.ModulatedNoise(**LEVEL),
    stimuli.Tones(**LEVEL),
    stimuli.ModulatedTones(**LEVEL),
    stimuli.HarmonicComplex(**LEVEL),
    stimuli.SpeechLike(**LEVEL),
    stimuli.Steps(**LEVEL),
    stimuli.Ramps(**LEVEL),
    stimuli.OrnsteinUhlenbeck(**LEVEL),
    stimuli.Pulses(**LEVEL),
    stimuli.Custom(**LEVEL, function=lambda random, times: np.sin(times)),
    stimuli.Tones(**LEVEL) + stimuli.Steps(**LEVEL) + stimuli.Pulses(**LEVEL),
]


def draw(recipe, seed=1, count=COUNT, step=STEP):
    return recipe.draw(np.random.default_rng(seed), count, step)


def one(kind, **kwds):
    """With a fixed amplitude of one."""
    return getattr(stimuli, kind)(amplitude=1.0, **kwds)


def power_inside(signal, low, high, step=STEP):
    frequencies, power = welch(signal, 1 / step, nperseg=8192)
    return power[(frequencies >= low) & (frequencies <= high)].sum() / power.sum()


def lengths_of_runs(values):
    edges = np.flatnonzero(np.diff(values)) + 1
    return np.diff(edges)


@pytest.mark.parametrize("recipe", ALL, ids=lambda r: type(r).__name__)
def test_every_recipe(recipe):
    signal = draw(recipe)
    assert signal.shape == (COUNT,) and np.isfinite(signal).all()
    assert 0 < np.abs(signal).max() < 2e-6
    assert_array_equal(signal, draw(recipe))
    assert not np.array_equal(signal, draw(recipe, seed=2))
    assert recipe.dim is nmetre.dim
    assert json.loads(json.dumps(recipe.recipe()))["kind"] == type(recipe).__name__
    assert recipe == recipe and hash(recipe) == hash(recipe)
    assert type(recipe).__name__ in repr(recipe) or "+" in repr(recipe)
    assert draw(recipe, count=2).shape == (2,)  # also of two samples


@pytest.mark.parametrize("recipe", ALL[:-2], ids=lambda r: type(r).__name__)
def test_recipe_tells_everything(recipe):
    made = recipe.recipe()
    values = {}
    for name, value in made.items():
        if isinstance(value, list):
            low, high, unit = value
            unit = {"metre": 1e9 * nmetre, "hertz": Hz, "second": second, "1": 1}[unit]
            value = (low * unit, high * unit)
        values[name] = value
    again = getattr(stimuli, values.pop("kind"))(**values)
    assert again == recipe
    assert_array_equal(draw(again), draw(recipe))


def test_levels_are_log_uniform_or_uniform():
    random = np.random.default_rng(3)
    log = stimuli.Steps(amplitude=(1.0, 100.0)).level(random, 20_000)
    assert 1 <= log.min() and log.max() <= 100
    # standard errors: 0.003 and 0.2
    assert np.mean(log < 10) == pytest.approx(0.5, abs=0.02)
    plain = stimuli.Steps(amplitude=(1.0, 100.0), spread="uniform").level(
        random, 20_000
    )
    assert plain.mean() == pytest.approx(50.5, abs=1.2)


def test_noise_has_its_band_and_level():
    noise = one("ModulatedNoise", band=(500 * Hz, 2 * kHz), depth=0)
    signals = [draw(noise, seed) for seed in range(20)]
    assert np.mean(np.square(signals)) == pytest.approx(1, rel=0.05)
    assert power_inside(signals[0], 495, 2005) > 0.999
    spoken = draw(dataclasses.replace(noise, depth=30.0, modulation=(2 * Hz, 8 * Hz)))
    envelope = np.sqrt(np.convolve(spoken**2, np.full(400, 1 / 400), "same"))
    assert np.percentile(envelope, 90) > 4 * np.percentile(envelope, 10)
    assert np.sqrt(np.mean(spoken**2)) < 0.8


def test_tones():
    tone = one("Tones", frequency=1 * kHz, length=100 * ms, pause=50 * ms, ramp=5 * ms)
    signal = draw(tone)
    assert power_inside(signal, 930, 1070) > 0.99
    assert np.abs(signal).max() == pytest.approx(1, abs=1e-3)
    silent = np.mean(np.abs(signal) < 1e-12)
    assert 0.25 < silent < 0.4  # 50 of 150 ms
    assert np.abs(np.diff(signal)).max() < 2 * np.pi * 1000 * STEP  # no clicks


def test_tones_have_levels_of_their_own():
    tones = stimuli.Tones(amplitude=(0.01, 1.0), frequency=(1 * kHz, 4 * kHz))
    blocks = np.abs(draw(tones).reshape(-1, 400)).max(axis=1)
    loud = blocks[blocks > 0]
    assert loud.min() < 0.1 and loud.max() > 0.3


def test_modulated_tones():
    tone = one(
        "ModulatedTones",
        frequency=2 * kHz,
        rate=50 * Hz,
        depth=1.0,
        length=2 * second,
        pause=0 * ms,
        ramp=0 * ms,
    )
    signal = draw(tone)
    lines = np.abs(np.fft.rfft(signal)) / COUNT * 2  # lines of 0.5 Hz
    assert_allclose(lines[[3900, 4000, 4100]], [0.5, 1, 0.5], rtol=1e-6)
    assert np.abs(signal).max() == pytest.approx(2, rel=0.05)  # 10 samples a cycle


def test_harmonic_complex():
    kwds = {"length": 2 * second, "pause": 0 * ms, "ramp": 0 * ms, "tilt": 6.0}
    band = (150 * Hz, 1050 * Hz)
    signal = draw(one("HarmonicComplex", frequency=100 * Hz, band=band, **kwds))
    lines = np.abs(np.fft.rfft(signal)) / COUNT * 2
    harmonics = lines[::200]
    assert np.flatnonzero(harmonics > 1e-6).tolist() == list(range(2, 11))
    assert np.sum(harmonics**2) == pytest.approx(np.sum(lines**2))
    assert harmonics[8] / harmonics[4] == pytest.approx(10 ** (-6 / 20))
    assert np.mean(signal**2) == pytest.approx(1)


def test_speech_like_sound_has_formants_and_a_rhythm():
    speech = one("SpeechLike")
    signals = np.array([draw(speech, seed) for seed in range(10)])
    assert power_inside(signals.ravel(), 200, 3200) > 0.9
    assert 0.1 < np.sqrt(np.mean(signals**2)) < 1
    slow = np.sqrt(np.mean(signals.reshape(10, -1, 100) ** 2, axis=2))
    frequencies, power = welch(slow - slow.mean(), 200, nperseg=400)
    power = power.mean(axis=0)
    slow_ones = power[(frequencies >= 1) & (frequencies <= 10)].sum()
    assert slow_ones > 0.6 * power.sum()  # syllables per second


def test_steps():
    recipe = stimuli.Steps(amplitude=(1.0, 2.0), length=(5 * ms, 20 * ms), zero=0.25)
    signal = draw(recipe)
    levels = np.unique(signal)
    assert levels[0] == 0 and 1 <= levels[1] and levels[-1] <= 2
    runs = lengths_of_runs(signal) * STEP
    assert runs.min() >= 5e-3 - STEP and len(runs) > 50
    both = draw(dataclasses.replace(recipe, sign=0, zero=0.0))
    assert both.min() < -1 and both.max() > 1 and np.abs(both).min() >= 1
    assert draw(dataclasses.replace(recipe, sign=-1)).max() == 0


def test_ramps_are_continuous():
    signal = draw(one("Ramps", length=50 * ms, zero=0.5))
    assert signal[0] == 0 and 0 <= signal.min() and signal.max() <= 1
    assert np.abs(np.diff(signal)).max() <= 1.001 * STEP / 50e-3


def test_ornstein_uhlenbeck():
    recipe = one("OrnsteinUhlenbeck", mean=3.0, time_constant=5 * ms)
    signal = np.array([draw(recipe, seed) for seed in range(40)]) - 3
    # 40 * 200 independent values: standard errors about 0.02
    assert signal.var() == pytest.approx(1, abs=0.08)
    assert signal.mean() == pytest.approx(0, abs=0.1)
    assert np.mean(signal[:, 0] ** 2) == pytest.approx(1, abs=0.9)  # stationary at once
    lag = np.mean(signal[:, 100:] * signal[:, :-100]) / signal.var()
    assert lag == pytest.approx(math.exp(-1), abs=0.06)


def test_pulses():
    recipe = one("Pulses", rate=20 * Hz, width=2 * ms)
    signals = np.array([draw(recipe, seed) for seed in range(30)])
    onsets = np.sum(np.diff(signals, axis=1) > 0)
    assert onsets == pytest.approx(20 * 2 * 30, abs=5 * math.sqrt(1200))
    assert_allclose(signals, np.round(signals), atol=1e-9)  # they add up
    assert signals.min() == 0 and np.all(lengths_of_runs(signals[0]) <= 40_000)
    alone = one("Pulses", rate=1 * Hz, width=2 * ms)
    runs = [lengths_of_runs(draw(alone, seed)) for seed in range(5)]
    assert all(40 in run for run in runs if len(run))


def test_custom():
    recipe = one("Custom", function=lambda random, times: times + random.integers(2))
    added = draw(recipe) - np.arange(COUNT) * STEP
    assert_allclose(added, round(added[0]), atol=1e-12)
    wrong = one("Custom", function=lambda random, times: times[1:])
    with pytest.raises(ValueError, match="40000 numbers"):
        draw(wrong)


def test_sum_has_independent_parts():
    a, b = one("Steps"), one("ModulatedNoise")
    both = a + b
    assert (a + b) == both and (b + a) != both
    assert both.recipe()["parts"] == [a.recipe(), b.recipe()]
    assert np.ptp(draw(both)) > np.ptp(draw(a))
    with pytest.raises(TypeError, match="one unit"):
        a + stimuli.Steps(amplitude=1 * mV)
    with pytest.raises(TypeError):
        a + 3


@pytest.mark.parametrize(
    "kind, kwds, error, message",
    [
        ("Steps", {"amplitude": (2 * mV, 1 * mV)}, ValueError, "lowest, highest"),
        ("Steps", {"amplitude": (0 * mV, 1 * mV)}, ValueError, "begins at 0"),
        ("Steps", {"amplitude": -1 * mV}, ValueError, "amplitude"),
        ("Steps", {"amplitude": np.nan * mV}, ValueError, "finite"),
        ("Steps", {"amplitude": "loud"}, TypeError, "amplitude"),
        ("Steps", {"amplitude": (1 * mV, 2 * nA)}, DimensionMismatchError, "mixes"),
        ("Steps", {"amplitude": [1, 2, 3] * mV}, ValueError, "pair"),
        ("Steps", {"spread": "normal"}, ValueError, "spread must be"),
        ("Steps", {"length": 3}, DimensionMismatchError, "length"),
        ("Steps", {"length": 0 * ms}, ValueError, "length"),
        ("Steps", {"zero": 1.5}, ValueError, "from 0 to 1"),
        ("Steps", {"sign": 2}, ValueError, "sign must be"),
        ("Tones", {"frequency": 0 * Hz}, ValueError, "frequency"),
        ("Tones", {"ramp": -1 * ms}, ValueError, "ramp"),
        ("ModulatedTones", {"depth": 1.5}, ValueError, "depth"),
        ("SpeechLike", {"unvoiced": 2.0}, ValueError, "from 0 to 1"),
        ("OrnsteinUhlenbeck", {"mean": 1 * nA}, DimensionMismatchError, "mean"),
        ("Pulses", {"rate": 3}, DimensionMismatchError, "rate"),
        ("Custom", {"function": 3}, TypeError, "function"),
    ],
)
def test_refused(kind, kwds, error, message):
    with pytest.raises(error, match=message):
        getattr(stimuli, kind)(**{"amplitude": 1 * mV, **kwds})


def test_ranges_in_every_form():
    forms = [(1 * mV, 2 * mV), [1 * mV, 2 * mV], [1, 2] * mV, Quantity([1, 2] * mV)]
    recipes = [stimuli.Steps(amplitude=form) for form in forms]
    assert len(set(recipes)) == 1
    assert recipes[0].amplitude.to_list() == [1e-3, 2e-3, "volt"]
    zero = stimuli.Steps(amplitude=(0, 2 * mV), spread="uniform")
    assert zero.dim is mV.dim
