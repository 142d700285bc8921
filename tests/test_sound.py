"""The front end: calibrated tones, filters, compression."""

import numpy as np
import pytest
from brian2 import DimensionMismatchError
from brian2.units import Hz, kHz, metre, ms, mV, pascal, second

from brian2_multiscale.surrogates.sound import (
    BM_GROWTH,
    PLACE_GROWTH,
    basilar_membrane_velocity,
    characteristic_frequencies,
    sound_pressure,
    tone,
)

RATE = 100 * kHz


def velocity(frequency, sound, growth=PLACE_GROWTH):
    return np.asarray(basilar_membrane_velocity(sound, RATE, frequency, growth))


@pytest.mark.parametrize("growth", [BM_GROWTH, PLACE_GROWTH], ids=["pattern", "place"])
@pytest.mark.parametrize("frequency", [113 * Hz, 1 * kHz, 12 * kHz])
def test_velocity_of_a_tone_is_calibrated(growth, frequency):
    for level, velocity in growth.items():
        sound = tone(frequency, level, 120 * ms, RATE)
        found = basilar_membrane_velocity(sound, RATE, frequency, growth)
        peak = np.max(np.abs(found[6000:10000]))
        assert float(peak / velocity) == pytest.approx(1, rel=0.01)


def test_steady_tones_are_not_distorted():
    sound = tone(1 * kHz, 80, 150 * ms, RATE)
    heard = velocity([700, 1000, 1400] * Hz, sound, BM_GROWTH)[4000:14000]
    spectrum = np.abs(np.fft.rfft(heard, axis=0))
    others = np.delete(spectrum, 100, axis=0).max(axis=0)
    assert np.all(others < 1e-3 * spectrum[100])


def test_soft_sounds_are_filtered_linearly():
    rng = np.random.default_rng(3)
    noise = 1e-7 * rng.normal(size=4000) * pascal
    one, three = (velocity(1 * kHz, factor * noise) for factor in (1, 3))
    np.testing.assert_allclose(three, 3 * one, rtol=1e-9)


def test_filters_have_human_bandwidth():
    click = np.zeros(200_000)
    click[0] = 1e-9
    cf = np.array([250, 1000, 4000])
    power = np.abs(np.fft.rfft(velocity(cf * Hz, click * pascal), axis=0)) ** 2
    width = power.sum(axis=0) * 0.5 / power.max(axis=0)
    np.testing.assert_allclose(width, 24.7 * (4.37 * cf / 1000 + 1), rtol=0.01)


def test_the_front_end_is_causal():
    sound = tone(1 * kHz, 60, 20 * ms, RATE)
    cf = characteristic_frequencies(5)
    whole, part = velocity(cf, sound), velocity(cf, sound[:900])
    np.testing.assert_array_equal(whole[:900], part)


def test_levels_and_places():
    assert float(sound_pressure(94) / pascal) == pytest.approx(1.0024, rel=1e-4)
    sound = tone(500 * Hz, 60, 100 * ms, RATE, before=10 * ms, after=5 * ms)
    assert sound.shape == (11500,)
    assert not np.any(sound[:1000]) and not np.any(sound[-500:])
    steady = np.sqrt(np.mean(np.asarray(sound[2000:10000]) ** 2))
    assert steady == pytest.approx(float(sound_pressure(60)), rel=1e-3)
    cf = characteristic_frequencies(201)
    assert cf[0] / Hz == pytest.approx(113) and cf[-1] / kHz == pytest.approx(12)
    assert np.all(np.diff(cf) > 0)


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"sound": np.zeros(5)}, None, None),
        ({"sound": np.ones(5)}, DimensionMismatchError, "sound must be a sound pres"),
        ({"sound": np.zeros((5, 2))}, ValueError, "one axis"),
        ({"sound": np.array([0, np.nan]) * pascal}, ValueError, "sound must be finite"),
        ({"sample_rate": 10 * kHz}, ValueError, "below half the sample_rate"),
        ({"sample_rate": -1 * kHz}, ValueError, "sample_rate must be positive"),
        ({"sample_rate": 10 * ms}, DimensionMismatchError, "sample_rate"),
        ({"cf": [0, 100] * Hz}, ValueError, "cf must be positive"),
        ({"cf": 5 * ms}, DimensionMismatchError, "cf"),
        ({"growth": {0: 1 * metre / second}}, TypeError, "growth must be a dict"),
        (
            {"growth": {0: 2 * metre / second, 20: 1 * metre / second}},
            ValueError,
            "must ascend",
        ),
        ({"growth": {0: 2, 20: 3}}, DimensionMismatchError, "velocity of growth"),
    ],
)
def test_bad_arguments_of_the_front_end(change, error, message):
    arguments = {"sound": np.zeros(5) * pascal, "sample_rate": 20 * kHz, "cf": 5 * kHz}
    arguments |= change
    if error is None:
        assert not np.any(basilar_membrane_velocity(**arguments))
        return
    with pytest.raises(error, match=message):
        basilar_membrane_velocity(**arguments)


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"frequency": 30 * kHz}, ValueError, "frequency must be below half"),
        ({"level": 60 * mV}, DimensionMismatchError, "level"),
        ({"level": np.inf}, ValueError, "level must be finite"),
        ({"ramp": 30 * ms}, ValueError, "at most half the duration"),
        ({"before": -1 * ms}, ValueError, "before must not be negative"),
        ({"duration": 0 * ms}, ValueError, "duration must be positive"),
    ],
)
def test_bad_arguments_of_a_tone(change, error, message):
    arguments = {"frequency": 1 * kHz, "level": 60, "duration": 50 * ms}
    arguments |= {"sample_rate": 50 * kHz, **change}
    with pytest.raises(error, match=message):
        tone(**arguments)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0,), "count must be positive"),
        ((3, 2 * kHz, 1 * kHz), "high must be above low"),
        ((3, -1 * Hz), "low must be positive"),
    ],
)
def test_bad_arguments_of_places(arguments, message):
    with pytest.raises(ValueError, match=message):
        characteristic_frequencies(*arguments)
