"""Neurons in place of a density: sampling, deposit, bridges, cascades, steps."""

import ctypes
import os
import shutil
import subprocess
from importlib.resources import files

import numpy as np
import pytest
import sympy as sp
from density_models import Density
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erfc, roots_hermitenorm
from scipy.stats import kstest
from scipy.stats import t as student

from brian2_multiscale.hybrid.program import neuron_step
from brian2_multiscale.numerics import particles
from brian2_multiscale.numerics.density import siegert_rate
from brian2_multiscale.numerics.particles import FIRED, NEVER

SEEDS = st.integers(0, 2**32 - 1)


# -- from a density to neurons and back ------------------------------------------------
def quiet_density(silent=0):
    """The stationary state of problem B; a tenth is refractory if there is a period."""
    arguments = dict(diffusion=0.02, coupling=0.7, drive=0.6, silent=silent)
    model = Density(**arguments, physical=int(silent == 0))
    model.settled()
    if silent:  # not in proportion, to see where everybody goes
        model.ring = np.zeros(silent + 1)
        model.ring[:silent] = np.arange(1, silent + 1) / (5 * silent * (silent + 1))
        model.density *= 0.9 / (model.density.sum() * model.h)
    return model


def sampled(model, size, position=0):
    return particles.sample(
        model.density, model.h, 1.0, 0.0, model.ring, position, size
    )


def deposited(model, voltage, waiting, position=0):
    return particles.deposit(
        voltage, waiting, len(model.density), model.h, 1.0, model.ring, position
    )


def mean(model, density):
    return np.sum(density * model.centres) * model.h


@pytest.mark.parametrize("size", [100, 1000, 30_000])
def test_samples_are_quantiles(size):
    """Fractions below any face are right to half a neuron; so is the mean."""
    model = quiet_density()
    voltage, waiting = sampled(model, size)
    assert voltage.shape == waiting.shape == (size,)
    assert not waiting.any()
    below = np.searchsorted(np.sort(voltage), model.faces, side="right") / size
    exact = np.cumsum(model.density) * model.h
    assert np.abs(below - exact).max() <= 0.5 / size + 1e-9
    # The rule of midpoints for the quantile function
    assert voltage.mean() == pytest.approx(mean(model, model.density), abs=1 / size)
    # Neighbours have nothing in common
    assert abs(np.corrcoef(voltage[1:], voltage[:-1])[0, 1]) < 5 / size**0.5


@pytest.mark.parametrize("position", [0, 3, 6, 20])
def test_refractory_neurons_return_when_they_should(position):
    model = quiet_density(silent=5)
    # By the time until they return, the step `position` first
    shares = np.append(np.arange(1, 6) / 150, 0)
    model.ring = np.roll(shares, position % 6)
    voltage, waiting = sampled(model, 30_000, position)
    numbers = np.bincount(waiting[voltage == 0.0], minlength=6)
    np.testing.assert_allclose(numbers[:5], 30_000 * shares[:5], atol=1)
    assert not numbers[5]
    assert np.all(voltage[waiting > 0] == 0)
    before, sleeping = model.ring.copy(), shares[1:].sum()
    density = deposited(model, voltage, waiting, position)
    # Who returns at once is already in the cell of the reset
    before[position % 6] = 0
    np.testing.assert_allclose(model.ring, before, atol=1e-4)
    assert density.sum() * model.h == pytest.approx(1 - model.ring.sum(), abs=1e-12)
    assert model.ring.sum() == pytest.approx(sleeping, abs=1e-4)


@given(seed=SEEDS, size=st.integers(1, 300))
def test_deposit_keeps_mass_and_mean(seed, size):
    """But for neurons beyond the centre of the last cell on either side."""
    model, rng = quiet_density(), np.random.default_rng(seed)
    voltage = rng.uniform(model.centres[0], model.centres[-1], size)
    density = deposited(model, voltage, np.zeros(size, dtype=np.int32))
    assert np.all(density >= 0)
    assert density.sum() * model.h == pytest.approx(1, abs=1e-13)
    assert mean(model, density) == pytest.approx(voltage.mean(), abs=1e-13)
    voltage = np.array([model.faces[-1], model.centres[0] - 1])
    density = deposited(model, voltage, np.zeros(2, dtype=np.int32))
    assert density[0] == density[-1] == pytest.approx(0.5 / model.h)


def rates_after(model, steps):
    """Rates in some steps, relative to the stationary ones."""
    density = model.density.copy()
    rates = np.array([model.step() for _ in range(max(steps))]) / model.dt
    model.density = density
    return rates[np.array(steps) - 1]


def test_rate_after_a_round_trip():
    """Midpoint quantiles against independent draws; 1000 neurons, problem A.

    Where the rate is low the first figure is larger (35 % in problem B), because hardly
    any neuron is close to the threshold.
    """
    steps = [3, 11, 101]
    model = Density(2.0, 1.0, 1.0, 0.5)
    model.settled()
    expected, original = rates_after(model, steps), model.density.copy()
    limits = model.density, model.h, 2.0, 1.0, model.ring, 0
    voltage, waiting = particles.sample(*limits, 1000)
    cells = model.h, 2.0, model.ring, 0
    model.density = particles.deposit(voltage, waiting, len(original), *cells)
    error = np.abs(rates_after(model, steps) / expected - 1)
    np.testing.assert_array_less(error, [0.01, 0.014, 0.001])
    rng, others = np.random.default_rng(1), []
    for _ in range(30):
        place = rng.choice(len(original), 1000, p=original / original.sum())
        voltage = model.centres[place] + model.h * (rng.random(1000) - 0.5)
        model.density = particles.deposit(voltage, waiting, len(original), *cells)
        others.append(rates_after(model, steps) / expected - 1)
    independent = np.sqrt(np.mean(np.square(others), axis=0))
    assert np.all(independent > 10 * error)


# -- crossings within a step -----------------------------------------------------------
@pytest.mark.parametrize("before", [0.3, 0.8, 0.95, 0.999])
@pytest.mark.parametrize("parts", [1, 3])
def test_bridges_give_the_first_passage(before, parts):
    """Brownian motion reaches 1 with a known probability, in however many steps."""
    diffusion, duration, size = 0.05, 1.0, 200_000
    rng, dt = np.random.default_rng(7), 1.0 / parts
    v, passed = np.full(size, before), np.zeros(size, dtype=bool)
    for _ in range(parts):
        after = v + np.sqrt(2 * diffusion * dt) * rng.standard_normal(size)
        gap = particles.gaps(v, after, 1.0, diffusion * dt, rng.random(size))
        assert np.all(gap[gap != FIRED] == 1 - after[gap != FIRED])
        passed, v = passed | (gap == FIRED), after
    expected = erfc((1 - before) / np.sqrt(4 * diffusion * duration))
    # One false alarm in 10^6
    error = 4.9 * np.sqrt(expected * (1 - expected) / size)
    assert passed.mean() == pytest.approx(expected, abs=error)


# -- who fires -------------------------------------------------------------------------
def random_neurons(rng, physical):
    """Arguments of `particles.fire` for a network in a random state."""
    count = rng.integers(1, 4)
    sizes = rng.integers(1, 120, count)
    first = np.append(0, np.cumsum(sizes)).astype(np.int32)
    total = int(first[-1])
    top, reset = rng.uniform(1, 2, count), rng.uniform(-0.5, 0.5, count)
    waiting = (rng.integers(0, 12, total) * (rng.random(total) < 0.2)).astype(np.int32)
    own = np.repeat(np.arange(count), sizes)
    distance = rng.exponential(0.3, total) * (rng.random(total) < 0.95)
    # Who has crossed the threshold may be on either side of it
    beyond = np.where(distance > 0, -distance, rng.normal(0, 0.1, total))
    voltage = np.where(waiting > 0, reset[own], top[own] + beyond)
    strength = rng.normal(0.2, 0.3, (count, count)) * (rng.random((count, count)) < 0.8)
    return dict(
        first=first,
        gap=np.where(waiting > 0, NEVER, np.where(distance > 0, distance, FIRED)),
        voltage=voltage,
        waiting=waiting,
        top=top,
        reset=reset,
        width=np.full(count, 0.02),
        strength=strength.ravel(),
        silent=(rng.integers(0, 5, count) * (1 - physical)).astype(np.int32),
        physical=physical,
    )


def copies(arguments):
    return {k: v.copy() if np.ndim(v) else v for k, v in arguments.items()}


def by_hand(g, later, kicks=None):
    """Generation by generation; what `fire` and `kick` should do."""
    count, first = len(g["top"]), g["first"]
    sizes = np.diff(first)
    own = np.repeat(np.arange(count), sizes)
    index = np.concatenate([np.arange(n) for n in sizes])
    able = g["waiting"] <= 0
    direct = able & (g["gap"] == FIRED)
    if kicks is not None:
        g["voltage"][able] += kicks[own[able]]
        direct = able & (g["voltage"] >= g["top"][own])
    gap = np.where(direct, FIRED, np.where(able, g["top"][own] - g["voltage"], NEVER))
    matrix = g["strength"].reshape(count, count)
    fires, before = direct, None
    while before is None or np.any(fires != before):
        before = fires
        share = np.bincount(own[fires], minlength=count) / sizes
        reach = np.maximum(matrix, 0) @ share
        fires = direct | (able & (gap <= reach[own]) & (reach[own] > 0))
    shift = reach + np.minimum(matrix, 0) @ share
    for i in np.flatnonzero(able):
        a = own[i]
        drop = g["top"][a] - g["reset"][a]
        if not fires[i]:
            g["voltage"][i] += shift[a]
        elif g["silent"][a]:
            g["voltage"][i] = g["reset"][a]
            g["waiting"][i] = g["silent"][a] - 1 + (1 if later else index[i] % 2)
        elif g["physical"]:
            g["voltage"][i] += shift[a] - drop
        elif direct[i] and kicks is None:
            g["voltage"][i] -= drop
        else:
            g["voltage"][i] = g["reset"][a]
    alone = np.bincount(own[direct], minlength=count) / sizes
    start = alone if kicks is None else 0 * alone
    moved = reach + (0 if kicks is None else kicks)
    event = np.where((moved > 0.04) & (share > 2 * start), share, 0)
    return np.array([share, start, event])


def outcome(g, *counts):
    return np.concatenate([*counts, g["voltage"], g["waiting"]])


@given(seed=SEEDS, physical=st.integers(0, 1))
@settings(max_examples=200)
def test_fire_against_generations(seed, physical):
    given_state = random_neurons(np.random.default_rng(seed), physical)
    counts = np.zeros((3, len(given_state["top"])))
    found, expected = copies(given_state), copies(given_state)
    particles.fire(
        **found,
        later=0,
        kick=None,
        fired=counts[0],
        direct=counts[1],
        event=counts[2],
    )
    by_definition = by_hand(expected, 0)
    np.testing.assert_allclose(
        outcome(found, *counts), outcome(expected, *by_definition), atol=1e-12
    )


@given(seed=SEEDS, physical=st.integers(0, 1))
@settings(max_examples=200)
def test_kicks_against_generations(seed, physical):
    rng = np.random.default_rng(seed)
    given_state = random_neurons(rng, physical)
    kicks = rng.normal(0, 0.3, len(given_state["top"]))
    own = np.repeat(np.arange(len(kicks)), np.diff(given_state["first"]))
    # Nobody was above threshold
    below = np.minimum(given_state["voltage"], given_state["top"][own] - 1e-3)
    given_state["voltage"] = below
    counts = np.zeros((3, len(kicks)))
    found, expected = copies(given_state), copies(given_state)
    particles.kick(*found.values(), kicks, *counts)
    by_definition = by_hand(expected, 1, kicks)
    np.testing.assert_allclose(
        outcome(found, *counts), outcome(expected, *by_definition), atol=1e-12
    )


def test_refractory_periods_are_right_on_average():
    """Who crosses within a step has spent half of it; who is kicked, nothing."""
    waiting = {}
    for kicks in (None, np.array([0.5])):
        g = dict(
            first=np.array([0, 6], dtype=np.int32),
            gap=np.full(6, FIRED),
            voltage=np.full(6, 0.8 if kicks is not None else 1.1),
            waiting=np.zeros(6, dtype=np.int32),
            top=np.ones(1),
            reset=np.zeros(1),
            width=np.full(1, 0.01),
            strength=np.zeros(1),
            silent=np.array([4]),
            physical=0,
        )
        counts = np.zeros((3, 1))
        if kicks is None:
            particles.fire(*g.values(), 0, None, *counts)
        else:
            particles.kick(*g.values(), kicks, *counts)
        waiting[kicks is None] = g["waiting"]
    assert waiting[True].mean() == 3.5
    assert set(waiting[False]) == {4}


# -- when to change --------------------------------------------------------------------
def test_rates_of_change():
    """By default sqrt(0.1*a/dt)/b; what is given; nothing is below zero."""
    found = particles.rate_limit(
        np.array([-1, -1, 7, 0.0]), 0.02, 1e-3, np.array([0.7, 0, 0.7, 0.7])
    )
    np.testing.assert_allclose(found, [2**0.5 / 0.7, 1e300, 7, -1])


@pytest.mark.parametrize(
    "fired, direct, kick, expected",
    [
        (2.1e-3, 2.1e-3, 0, True),  # a rate above 2
        (1.9e-3, 1.9e-3, 0, False),
        (1.9e-3, 1.9e-3, 0.021, True),  # a kick of more than a cell
        (1.9e-3, 1.9e-3, -0.021, True),
        (1.9e-3, 1.9e-3, 0.019, False),
        (1.9e-3, 0.9e-3, 0, True),  # spikes that cause others
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_what_makes_neurons(fired, direct, kick, expected, place):
    values = np.zeros((3, 2))
    values[:, place] = fired, direct, kick
    width, strength = np.full(2, 0.02), np.full(2, 5.0)
    given_rest = width, strength, np.full(2, 0.1), 1e-3, np.full(2, 2.0)
    if fired != direct:
        given_rest = width, strength, np.full(2, 1e-4), 1e-3, np.full(2, 2.0)
    assert particles.is_synchronous(*values, *given_rest) is expected


# -- one step of a neuron --------------------------------------------------------------
V = sp.Symbol("v", real=True)
DT = sp.Symbol("dt", real=True)


def compiled(drift, diffusion):
    """``step(v, dt, normal, threshold)`` from the abstract code."""
    drift, diffusion = sp.sympify(drift), sp.sympify(diffusion)
    symbol = sp.Symbol("_now", real=True)
    plain = {V: symbol, sp.Symbol("v"): symbol}
    statements = neuron_step(drift.subs(plain), diffusion.subs(plain), symbol)

    functions = []
    for name, value in statements:
        symbols = sorted(value.free_symbols, key=str)
        function = sp.lambdify(symbols, value, ["numpy", {"clip": np.clip}])
        functions.append((name, [s.name for s in symbols], function))

    def step(v, dt, normal, above=1e300):
        values = {"dt": dt, "_normal": normal, "_barrier": above, "_now": v}
        for name, needed, function in functions:
            values[name] = function(*(values[n] for n in needed))
        return values["_next"]

    return step


def expectation(step, v, dt, power, above=1e300):
    """Of a power of the voltage after a step, without error."""
    normal, weight = roots_hermitenorm(40)
    after = step(v, dt, normal, above) + 0 * normal
    return weight @ after**power / weight.sum()


@pytest.mark.parametrize("rate", [-3.0, 0.0, 0.7])
@pytest.mark.parametrize("dt", [1e-6, 0.01, 0.7])
def test_linear_drift_is_exact(rate, dt):
    step = compiled(2 + rate * V, 0.3)
    exact = 0.4 + 2 * dt
    variance = 0.6 * dt
    if rate:
        exact = (0.4 + 2 / rate) * np.exp(rate * dt) - 2 / rate
        variance = 0.3 * np.expm1(2 * rate * dt) / rate
    first = expectation(step, 0.4, dt, 1)
    assert first == pytest.approx(exact, rel=2e-7)
    spread = expectation(lambda *a: step(*a) - first, 0.4, dt, 2)
    assert spread == pytest.approx(variance, rel=1e-6)


def generator_series(drift, diffusion, power, v, dt, order):
    """Expectation by powers of the generator; arguments as those of the density."""
    b, d = drift + sp.diff(diffusion, V), diffusion
    term = total = V**power
    for k in range(1, order + 1):
        term = sp.expand(b * sp.diff(term, V) + d * sp.diff(term, V, 2))
        total += term * DT**k / sp.factorial(k)
    return float(total.subs({V: v, DT: dt}).evalf(30))


@pytest.mark.parametrize(
    "drift, diffusion, order",
    [
        (sp.sin(2 * V) - V**2, sp.Rational(1, 3), 3),
        (sp.exp(V) - 2 * V, sp.Rational(1, 5), 3),
        (1 - V, (1 + V**2) / 4, 2),
        (sp.cos(V), (2 + sp.sin(V)) / 5, 2),
    ],
    ids=str,
)
@pytest.mark.parametrize("power", [1, 2])
def test_order_of_a_step(drift, diffusion, order, power):
    """Local errors of moments: one order more than the order of the method."""
    step, errors = compiled(drift, diffusion), []
    for dt in (0.02, 0.01, 0.005):
        exact = generator_series(drift, diffusion, power, 0.6, dt, 5)
        errors.append(abs(expectation(step, 0.6, dt, power) - exact))
    assert errors[0] < 50 * 0.02**order
    found = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(found > order - 0.35)


def test_noise_that_depends_on_the_voltage():
    """dv = -v dt + sqrt(1 + v^2) o dW has the stationary density (1 + v^2)^-1.5 / 2."""
    drift = -V - V / 2  # of the density: f - g g'/2
    step = compiled(drift, (1 + V**2) / 2)
    size, dt = 20_000, 0.01
    rng = np.random.default_rng(3)
    v = rng.standard_normal(size)
    for _ in range(500):
        v = step(v, dt, rng.standard_normal(size))
    # One false alarm in 10^6, and the bias of a step
    distance = kstest(v, lambda x: (1 + x / np.sqrt(1 + x * x)) / 2).statistic
    assert distance < np.sqrt(np.log(2e6) / (2 * size)) + 2e-3


def test_upstroke_beyond_the_threshold_stays_a_number():
    """An exponential upstroke in a step that is far too long for it."""
    step = compiled(sp.exp((V - 1) / sp.Rational(1, 50)), sp.Rational(1, 10))
    with np.errstate(all="raise"):
        after = step(np.array([0.5, 1.2, 1.49]), 0.1, np.array([0.3, 1.0, 4.0]), 1.5)
    assert np.all(np.isfinite(after))
    assert after[0] == pytest.approx(0.5 + 0.3 * np.sqrt(0.02), abs=1e-6)
    assert np.all(after[1:] > 1.5)


# -- rates of neurons ------------------------------------------------------------------
@pytest.mark.parametrize("silent", [0, 10])
def test_rate_does_not_depend_on_the_step(silent):
    """Long steps, exact law, bridges and resets against the closed form.

    Without bridges the rate would be 15 % lower.
    """
    dt, size, steps = 0.02, 4000, 1375
    rng, counts = np.random.default_rng(11), []
    step = compiled(sp.Float(0.9) - V, sp.Float(0.1))
    g = dict(
        first=np.array([0, size], dtype=np.int32),
        gap=np.zeros(size),
        voltage=rng.uniform(0, 0.8, size),
        waiting=np.zeros(size, dtype=np.int32),
        top=np.ones(1),
        reset=np.zeros(1),
        width=np.full(1, 0.01),
        strength=np.zeros(1),
        silent=np.array([silent]),
        physical=int(silent == 0),
    )
    normal = rng.standard_normal((steps, size))
    grown, spread = step(0.0, dt, 0.0), step(0.0, dt, 1.0) - step(0.0, dt, 0.0)
    for row in normal:
        awake = g["waiting"] <= 0
        g["waiting"] = np.maximum(g["waiting"] - 1, 0)
        now = g["voltage"]
        after = grown + np.exp(-dt) * now + spread * row
        gap = particles.gaps(now, after, 1.0, 0.1 * dt, rng.random(size))
        g["gap"][:] = np.where(awake, gap, NEVER)
        g["voltage"] = np.where(awake, after, now)
        fired = np.zeros((3, 1))
        particles.fire(*g.values(), 0, None, *fired)
        counts.append(fired[0, 0])
    parts = np.reshape(counts[125:], (25, 50)).mean(axis=1) / dt
    expected = siegert_rate(0.9, 0.1**0.5, 1, 0, 1, silent * dt)
    # One false alarm in 10^5
    error = student.ppf(1 - 5e-6, 24) * parts.std(ddof=1) / 5
    assert error < 0.03 * expected
    assert parts.mean() == pytest.approx(expected, abs=error)


# -- the same in C++ -------------------------------------------------------------------
WRAPPED = r"""
#include <cmath>
static unsigned long long state = 1;
static double uniform(int)
{
    state = state*6364136223846793005ULL + 1442695040888963407ULL;
    return (state >> 11)*(1./9007199254740992.);
}
extern "C" {
void fire(int populations, const int32_t* first, const int32_t* silent, double* gap,
          double* voltage, int32_t* waiting, const double* top, const double* reset,
          const double* width, const double* strength, int physical,
          const double* kick, double* counts)
{
    const ms_neurons n = {populations, first, silent, gap, voltage, waiting,
                          top, reset, width, strength, physical};
    double *direct = counts + populations, *event = direct + populations;
    if (kick)
        ms_kick_neurons(n, kick, counts, direct, event);
    else
        ms_fire(n, 0, 0, counts, direct, event);
}
void sample(int cells, int reset_cell, double width, double top, double* density,
            const double* ring, int length, int position, int size, double* voltage,
            int32_t* waiting)
{
    ms_sample(cells, reset_cell, width, top, density, ring, length, position, size,
              voltage, waiting, uniform);
}
void deposit(int cells, double width, double top, double* density, double* ring,
             int length, int position, int size, const double* voltage,
             const int32_t* waiting)
{
    ms_deposit(cells, width, top, density, ring, length, position, size, voltage,
               waiting);
}
double limit(double given, double diffusion, double dt, double excitation)
{
    return ms_rate_limit(given, diffusion, dt, excitation);
}
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The headers of the generated code, compiled by themselves."""
    found = map(shutil.which, [os.environ.get("CXX", "c++"), "g++", "clang++"])
    compiler = next(filter(None, found), None)
    if compiler is None or os.name == "nt":
        pytest.skip("no compiler for a shared library")
    folder = files("brian2_multiscale.codegen") / "cpp"
    headers = ("guard.h", "density.h", "cascade.h", "hybrid.h", "particles.h")
    text = "\n".join((folder / name).read_text("utf-8") for name in headers)
    place = tmp_path_factory.mktemp("particles")
    (place / "all.cpp").write_text(text + WRAPPED, "utf-8")
    command = [compiler, "-O1", "-std=c++11", "-shared", "-fPIC"]
    output = place / "all.so"
    subprocess.run([*command, place / "all.cpp", "-o", output], check=True)
    loaded = ctypes.CDLL(str(output))
    loaded.limit.restype = ctypes.c_double
    return loaded


def pointers(*values):
    """Arguments for C: arrays as pointers, numbers by their kind."""
    result = []
    for value in values:
        if isinstance(value, np.ndarray):
            assert value.dtype in (np.float64, np.int32)
            result.append(value.ctypes.data_as(ctypes.c_void_p))
        elif value is None or isinstance(value, int):
            result.append(value)
        else:
            result.append(ctypes.c_double(value))
    return result


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("kicked", [False, True])
def test_fire_in_cpp(library, seed, kicked):
    rng = np.random.default_rng(seed)
    g = random_neurons(rng, physical=seed % 2)
    kicks = rng.normal(0, 0.3, len(g["top"])) if kicked else None
    expected, counts = copies(g), np.zeros((2, 3, len(g["top"])))
    if kicked:
        particles.kick(*expected.values(), kicks, *counts[0])
    else:
        particles.fire(*expected.values(), 0, None, *counts[0])
    order = "first silent gap voltage waiting top reset width strength physical".split()
    library.fire(
        len(g["top"]), *pointers(*(g[n] for n in order), kicks, counts[1].ravel())
    )
    np.testing.assert_allclose(counts[1], counts[0], atol=1e-12)
    np.testing.assert_allclose(g["voltage"], expected["voltage"], atol=1e-12)
    np.testing.assert_array_equal(g["waiting"], expected["waiting"])


@pytest.mark.parametrize("silent", [0, 5])
@pytest.mark.parametrize("size", [1, 17, 1000])
def test_sample_and_deposit_in_cpp(library, silent, size):
    model = quiet_density(silent)
    ring, position = model.ring.copy(), 4
    expected = np.array(sampled(model, size, position))
    voltage, waiting = np.zeros(size), np.zeros(size, dtype=np.int32)
    fixed = len(model.density), model.reset_cell, float(model.h), 1.0
    state = model.density, ring, len(ring), position, size, voltage, waiting
    library.sample(*pointers(*fixed, *state))
    # Each in an order of its own
    for found, other in zip((voltage, waiting), expected, strict=True):
        np.testing.assert_allclose(np.sort(found), np.sort(other), atol=1e-9)
    density = np.zeros_like(model.density)
    wanted = deposited(model, voltage, waiting, position + 1)
    library.deposit(
        *pointers(fixed[0], *fixed[2:], density, ring, len(ring), position + 1),
        *pointers(size, voltage, waiting),
    )
    np.testing.assert_allclose(density, wanted, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(ring, model.ring, atol=1e-14)


@pytest.mark.parametrize("given_rate", [-1.0, 0.0, 3.0])
@pytest.mark.parametrize("excitation", [0.0, 0.7])
def test_limits_in_cpp(library, given_rate, excitation):
    values = given_rate, 0.02, 1e-3, excitation
    expected = particles.rate_limit(*values)
    assert library.limit(*pointers(*values)) == pytest.approx(float(expected))
