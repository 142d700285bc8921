"""The surrogates that come with the package against the models that taught them.

The models answer in Brian2, in the same samples. Velocities of the basilar membrane
are those of a 1-kHz tone by level (facts from the source data of Drakopoulos et al.
2021, https://doi.org/10.1038/s42003-021-02341-5), sound is synthetic.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from brian2 import Hz, metre, ms, mV, second, us, volt

from brian2_multiscale.surrogates import Surrogate
from brian2_multiscale.surrogates.files import find, shipped
from brian2_multiscale.surrogates.weights.recipes import (
    FIBRES,
    RECIPES,
    fibre_task,
    hair_cell_task,
    speech_motion,
)

#: dB SPL: largest velocity (um/s) for a tone of 1 kHz
VELOCITIES = {20: 0.049, 40: 0.32, 60: 0.84, 80: 2.5, 90: 7.0}
RATE = 20_000


def rms(x, axis=None):
    return np.sqrt(np.mean(np.square(x), axis=axis))


def tone(frequency, velocities, duration, before=0.02, modulation=0.0):
    """Displacements of hair bundles (m), one column per velocity (um/s)."""
    t = np.arange(round((duration + before) * RATE))[:, None] / RATE - before
    ramp = np.clip(t / 5e-3, 0, 1)
    envelope = 1 - np.cos(2 * np.pi * modulation * t) if modulation else 1.0
    wave = envelope * np.sin(2 * np.pi * frequency * t)
    return 0.118e-6 * np.atleast_1d(velocities) * ramp * wave


def at_level(level):
    """Velocity (um/s), between the levels of `VELOCITIES` and beyond."""
    levels, decibels = list(VELOCITIES), 20 * np.log10(list(VELOCITIES.values()))
    return 10 ** (np.interp(level, levels, decibels) / 20)


@pytest.fixture(scope="module")
def hair_cell():
    """Function of displacements (m) to potentials (mV): model, surrogate."""
    task, surrogate = hair_cell_task(trials=1), Surrogate.load("ihc_verhulst2018")

    def answers(x):
        model = task.simulate(x[..., None])[..., 0] * volt
        return model / mV, surrogate.response(x * metre) / mV

    return answers


@pytest.fixture(scope="module")
def potentials():
    """Potentials of the hair cell (V) for displacements; one run for all tests."""
    levels = np.arange(0, 101, 10)
    parts = {
        "levels": tone(1000, at_level(levels), 0.06),
        "70 dB": tone(1000, at_level(70), 0.06),
        "modulated": tone(1000, at_level([30, 40, 50]), 0.06, modulation=100),
    }
    found = hair_cell_task(trials=1).simulate(
        np.hstack(list(parts.values()))[..., None]
    )
    ends = np.cumsum([p.shape[1] for p in parts.values()])[:-1]
    return dict(zip(parts, np.split(found, ends, axis=1), strict=True))


@pytest.fixture(scope="module", params=list(FIBRES))
def fibre(request):
    """Function of potentials (V) to rates (Hz): model, surrogate."""
    task, surrogate = fibre_task(request.param, trials=1), Surrogate.load(request.param)
    assert task.rest["f"] == pytest.approx(surrogate.outputs[0].rest, abs=1e-6)

    def answers(v):
        model = task.simulate(v)[..., 0] * Hz
        return model / Hz, surrogate.response(v[..., 0] * volt) / Hz

    answers.name = request.param
    return answers


# -- the files -------------------------------------------------------------------------
def test_all_are_there_and_small():
    assert set(shipped()) == set(RECIPES)
    for name in RECIPES:
        surrogate = Surrogate.load(name)
        assert find(name).stat().st_size < 40_000
        assert float(surrogate.step) == pytest.approx(float(50 * us))
        assert {"model_hash", "task", "training", "metrics"} <= set(surrogate.meta)
    assert Surrogate.load("ihc_verhulst2018").size == 456
    assert Surrogate.load("anf_hsr").size == 1048


@pytest.mark.parametrize("name", list(RECIPES))
def test_they_were_taught_by_the_mechanisms_as_they_are(name):
    """Otherwise run `make weights`."""
    task = RECIPES[name][0]()
    surrogate = Surrogate.load(name)
    assert surrogate.meta["model_hash"] == task.hash
    assert surrogate.meta["training"]["stopped"] == "steps"


def test_they_are_used_without_jax():
    code = (
        "import sys; sys.modules['jax'] = None\n"
        "import numpy as np\n"
        "from brian2 import metre\n"
        "from brian2_multiscale.surrogates import Surrogate\n"
        "s = Surrogate.load('ihc_verhulst2018')\n"
        "print(float(s.response(np.full(2000, 1e-7)*metre)[-1]))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert -0.057 < float(found.stdout) < 0


# -- inner hair cell -------------------------------------------------------------------
def test_rest_is_exact(hair_cell):
    model, found = hair_cell(np.zeros((200, 1)))
    assert np.abs(found - model).max() < 1e-6
    assert found[-1] == pytest.approx(-57.6563, abs=1e-4)


def test_mean_potential_by_level(hair_cell):
    """Over channels that a tone of 1 kHz moves by its velocity and down to 1 %."""
    channels = np.logspace(-2, 0, 13)
    velocities = np.concatenate([v * channels for v in VELOCITIES.values()])
    model, found = hair_cell(tone(1000, velocities, 0.08))
    error = (found - model)[800:].mean(axis=0).reshape(len(VELOCITIES), -1)
    errors = dict(zip(VELOCITIES, rms(error, axis=1), strict=True))
    assert all(errors[level] <= 0.05 for level in (20, 40, 60)), errors
    assert errors[80] <= 0.12 and errors[90] <= 0.12, errors


def test_speech(hair_cell):
    times = np.arange(10_000) / RATE
    x = [speech_motion(np.random.default_rng([7, k]), times) for k in range(12)]
    model, found = hair_cell(np.stack(x, axis=1))
    assert rms(found - model) < 0.06 * rms(model - model[0])


def test_ripple_and_shift_of_the_potential(hair_cell):
    """Their ratio falls more than twentyfold from 226 Hz to 4.3 kHz."""
    ripple, shift = [], []
    for frequency in (226, 527, 1225, 2820, 4304):
        for v in hair_cell(tone(frequency, at_level(60), 0.08)):
            high, low = v[1400:].max(), v[1400:].min()
            ripple.append(high - low)
            shift.append((high + low) / 2 - v[0, 0])
    (model, found), (mean, found_mean) = (
        np.reshape(x, (-1, 2)).T for x in (ripple, shift)
    )
    np.testing.assert_allclose(found, model, rtol=0.04)
    # At 226 Hz it is a small difference of large numbers
    assert np.all(np.abs(found_mean - mean) < np.maximum(0.05 * mean, 0.02 * model))
    assert model[0] / mean[0] > 20 * model[-1] / mean[-1]


# -- nerve fibres ----------------------------------------------------------------------
def test_spontaneous_rate(fibre):
    model, found = fibre(np.full((400, 1, 1), fibre_rest()))
    assert np.abs(found - model).max() < 0.5


def fibre_rest():
    return Surrogate.load("anf_hsr").inputs[0].rest


def test_rate_by_level(fibre, potentials):
    model, found = (f[600:].mean(axis=0) for f in fibre(potentials["levels"]))
    allowed = np.maximum(0.03 * model, 3)
    assert np.all(np.abs(found - model) <= allowed), (found - model) / allowed
    assert model[-1] > 1.5 * model[0]


def test_onset(fibre, potentials):
    model, found = (f.max(axis=0) for f in fibre(potentials["levels"][:, 4:]))
    np.testing.assert_allclose(found, model, rtol=0.1)


def test_waveform(fibre, potentials):
    model, found = fibre(potentials["70 dB"])
    assert rms(found - model) <= 10
    assert rms(model - model[0]) > 50


def test_vector_strength(fibre, potentials):
    """Synchrony to a modulation at 100 Hz."""
    phase = np.exp(2j * np.pi * np.arange(800) / 200)
    model, found = (
        np.abs(phase @ f[-800:]) / f[-800:].sum(axis=0)
        for f in fibre(potentials["modulated"])
    )
    np.testing.assert_allclose(found, model, atol=0.02)


@pytest.mark.long
def test_adaptation_over_a_second(fibre):
    v = hair_cell_task(trials=1).simulate(tone(1000, at_level(70), 1.01)[..., None])
    model, found = fibre(v)
    for time in (0.1, 1.0):
        part = slice(round((time + 0.015) * RATE), round((time + 0.025) * RATE))
        assert found[part].mean() == pytest.approx(model[part].mean(), rel=0.03)


@pytest.mark.long
@pytest.mark.parametrize("pause", [0.1, 0.5, 1.0])
def test_recovery(fibre, pause):
    """The second onset relative to the first one."""
    first = tone(1000, at_level(70), 0.1)
    silence = np.zeros((round(pause * RATE) - 400, 1))
    x = np.concatenate([first, silence, first[:1400]])
    rates = fibre(hair_cell_task(trials=1).simulate(x[..., None]))
    model, found = (f[-1100:].max() / f[:1400].max() for f in rates)
    assert found == pytest.approx(model, abs=0.05)


@pytest.mark.long
def test_speech_through_hair_cell_and_fibre(fibre):
    """Held out: fibres have not been trained with it."""
    times = np.arange(RATE) / RATE
    x = [speech_motion(np.random.default_rng([7, k]), times) for k in range(12)]
    v = hair_cell_task(trials=1).simulate(np.stack(x, axis=1)[..., None])
    model, found = fibre(v)
    assert rms(found - model) < 0.06 * rms(model - model[0])
    # and the two surrogates one after the other
    chain = Surrogate.load("ihc_verhulst2018").response(np.stack(x, axis=1) * metre)
    found = Surrogate.load(fibre.name).response(chain) / Hz
    assert rms(found - model) < 0.1 * rms(model - model[0])


@pytest.mark.long
def test_same_seed_same_weights():
    """A short training, twice, of the recipe of the hair cell."""
    pytest.importorskip("jax")
    from brian2_multiscale.surrogates.training import train

    task = hair_cell_task(trials=32, duration=50 * ms)
    _, architecture, options = RECIPES["ihc_verhulst2018"]
    options = {**options, "steps": 30, "batch": 8, "slowest": 0.02 * second}
    one, two = (train(task, architecture, **options) for _ in range(2))
    for name in one.parameters:
        np.testing.assert_array_equal(one.parameters[name], two.parameters[name])
