"""Measures of activity against closed forms; intervals, verdicts, report of scales.

Statistical tests have fixed seeds and compare at 4.5 standard errors, or state how
often they would fail by chance.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.signal import lfilter

from brian2_multiscale.measures import Recording
from brian2_multiscale.measures.distance import distance
from brian2_multiscale.measures.kinds import MEASURES
from brian2_multiscale.measures.measuring import measure, settings
from brian2_multiscale.numerics import activity as numerics
from brian2_multiscale.numerics import equivalence
from brian2_multiscale.numerics.population_events import (
    EventRule,
    event_rule,
    event_starts,
    interval_law,
    two_levels,
)

BIN = 0.005


def recording(counts, sizes=100, **changed):
    counts = np.asarray(counts, float)
    counts = counts[:, None] if counts.ndim == 1 else counts
    sizes = np.broadcast_to(sizes, counts.shape[1])
    seconds = len(counts) * BIN
    arguments = {"bin": BIN, "cpu_time": 2 * seconds, "duration": seconds}
    return Recording(counts, sizes, **(arguments | changed))


def within(found, expected, standard_error):
    assert np.all(np.abs(found - expected) < 4.5 * np.asarray(standard_error))


# -- closed forms ----------------------------------------------------------------------
BINS = 40_000


@pytest.fixture(scope="module")
def independent():
    """Populations of Poisson (10 Hz, N = 50) and binomial (20 Hz, N = 200) neurons."""
    rng = np.random.default_rng(1)
    counts = [rng.poisson(50 * 10 * BIN, BINS), rng.binomial(200, 20 * BIN, BINS)]
    run = recording(np.transpose(counts), [50, 200])
    return {name: v[0] for name, v in measure([run], settings([run], 1.0)).items()}


#: of one neuron in one bin
POISSON, BINOMIAL = 10 * BIN, 20 * BIN * (1 - 20 * BIN)


def test_rate_and_variance_of_independent_neurons(independent):
    variance = np.array([POISSON / 50, BINOMIAL / 200]) / BIN**2
    within(independent["rate"], [10, 20], np.sqrt(variance / BINS))
    # the fourth moment of Poisson counts adds 1/mean to 2
    relative = np.sqrt((2 + 1 / 2.5) / BINS)
    within(independent["variance"] / variance, 1, relative)


def test_spectrum_of_independent_neurons_is_flat(independent):
    white = np.array([2 * 10 / 50, 2 * 20 / 200 * (1 - 20 * BIN)])
    bands = independent["spectrum"] / white[:, None]
    # octaves from 2 Hz; half-overlapping Hann segments are worth 1.9/2 as many
    points = np.array([2, 4, 8, 16, 32, 36])
    within(bands, 1, 1.5 / np.sqrt(points * BINS * BIN))
    assert bands.shape == (2, 6)


def test_independent_neurons_have_no_correlations(independent):
    within(independent["autocorrelation"], 0, 1 / np.sqrt(BINS))
    within(independent["correlation"], 0, 1 / np.sqrt(BINS))
    assert np.all(np.isnan(independent["event_rate"]))


def test_power_is_the_windowed_variance_of_segments():
    rates = np.random.default_rng(2).gamma(2, size=(1024, 3))
    frequency, spectrum = numerics.power_spectrum(rates, BIN, 256)
    window = np.sin(np.pi * np.arange(256) / 256)[:, None] ** 4
    segments = [rates[k : k + 256] for k in range(0, 1024 - 128, 128)]
    expected = [((s - s.mean(0)) ** 2 * window).sum(0) / window.sum() for s in segments]
    assert_allclose(spectrum.sum(0) * frequency[1], np.mean(expected, 0), rtol=1e-12)


@given(st.integers(1, 700), st.floats(1e-4, 10))
def test_octaves_have_points_and_cover_the_spectrum(segment, width):
    edges = numerics.octaves(width, segment)
    if segment < 7:
        assert len(edges) == 0
        return
    frequency = np.arange(segment // 2 + 1) / (segment * width)
    means = numerics.band_means(frequency, frequency[:, None], edges)[0]
    assert np.all((edges[:-1] <= means * (1 + 1e-9)) & (means <= edges[1:]))
    ratios = edges[1:] / edges[:-1]
    assert_allclose(ratios[:-1], 2)
    assert np.sqrt(2) * 0.99 < ratios[-1] < 2 * np.sqrt(2) * 1.2
    assert_allclose([edges[0], edges[-1]], [2 / (segment * width), 0.5 / width])


def test_bands_are_means_of_points():
    frequency = np.arange(9) / 16  # resolution 1/16, Nyquist frequency 1/2
    spectrum = np.arange(9.0)[:, None] ** 2
    found = numerics.band_means(frequency, spectrum, numerics.octaves(1, 16))
    assert_allclose(found, [[(4 + 9) / 2, (16 + 25 + 36 + 49) / 4]])


def test_constant_activity_has_no_fluctuation():
    rates = np.cumsum(np.full((1000, 2), [0.1, 1e6 + 0.1]), 0)
    rates = np.diff(rates, axis=0)  # equal up to rounding
    assert rates.var(0).all()
    assert not numerics.variance(rates).any()
    assert np.all(np.isnan(numerics.autocorrelation(rates, [1, 2])))
    assert not numerics.variance(np.zeros((10, 1))).any()


def test_correlation_of_mixed_populations():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 20_000))
    rates = 100 + np.array([a, 0.6 * a + 0.8 * b, -a]).T
    found = numerics.correlation(rates)
    within(found[0], 0.6, (1 - 0.36) / np.sqrt(20_000))
    assert_allclose(found[1], -1)
    assert_allclose(found[2], -found[0])


# -- populations with a common autoregressive rate -------------------------------------
RATE, SIZE, DECAY = 20.0, 200, np.exp(-BIN / 0.02)


def autoregressive_counts(rng, gain, bins, populations):
    x = rng.normal(size=(bins + 200, populations))
    x = lfilter([np.sqrt(1 - DECAY**2)], [1, -DECAY], x, axis=0)[200:]
    rate = np.maximum(RATE * (1 + gain * x), 0)  # negative once in 3.5 million
    return rng.poisson(rate * SIZE * BIN)


def autoregressive_truth(gain, edges, segment):
    """Variance, spectrum in bands, autocorrelation at 20 lags."""
    common = (RATE * gain) ** 2
    variance = common + RATE / (SIZE * BIN)
    frequency = np.arange(segment // 2 + 1) / (segment * BIN)
    size = np.abs(1 - DECAY * np.exp(-2j * np.pi * frequency * BIN)) ** 2
    spectrum = 2 * BIN * common * (1 - DECAY**2) / size + 2 * RATE / SIZE
    return {
        "rate": np.array([RATE]),
        "variance": np.array([variance]),
        "spectrum": numerics.band_means(frequency, spectrum[:, None], edges),
        "autocorrelation": (common / variance * DECAY ** np.arange(1, 21))[None],
    }


GAINS = {"reference": 0.2, "other": 0.19}
COMPARISONS, SEEDS = 400, 8


@pytest.fixture(scope="module")
def repeated():
    """Measures of 8 runs of 400 populations each, at two gains."""
    rng = np.random.default_rng(4)
    runs = {
        name: [
            recording(autoregressive_counts(rng, gain, 1000, COMPARISONS), SIZE)
            for _ in range(SEEDS)
        ]
        for name, gain in GAINS.items()
    }
    fixed = settings(runs["reference"], 1.0)
    truth = {
        name: autoregressive_truth(gain, fixed.edges, fixed.segment)
        for name, gain in GAINS.items()
    }
    return {name: measure(found, fixed) for name, found in runs.items()}, truth


@pytest.mark.parametrize("name", ["rate", "variance", "spectrum", "autocorrelation"])
def test_autoregressive_rates(repeated, name):
    values, truth = repeated
    found = values["reference"][name]
    mean = found.mean((0, 1))
    error = found.std((0, 1)) / np.sqrt(SEEDS * COMPARISONS)
    # in 5 s the mean over time takes 2*20 ms/5 s of the fluctuations with it
    bias = 0 if name == "rate" else 0.012 if name == "autocorrelation" else 0.01
    expected = truth["reference"][name][0]
    scale = 1 if name == "autocorrelation" else expected
    assert np.all(np.abs(mean - expected) < 4.5 * error + bias * scale)


def _misses(repeated, name):
    """Comparisons in which any interval of the family misses the truth."""
    values, truth = repeated
    kind = MEASURES[name]
    true, reference = truth["other"][name], truth["reference"][name]
    expected = true / reference - 1 if kind.relative else true - reference
    found = [
        distance(
            values["other"][name][:, [k]],
            values["reference"][name][:, [k]],
            kind.relative,
            kind.tolerance,
            0.95,
            (False, False),
        )
        for k in range(COMPARISONS)
    ]
    return sum(np.any((d.low > expected) | (d.high < expected)) for d in found)


#: a correct test fails with this probability on each side
CHANCE = 1e-4


@pytest.mark.parametrize("name", ["rate", "variance"])
def test_intervals_cover_the_truth(repeated, name):
    low, high = stats.binom.ppf([CHANCE, 1 - CHANCE], COMPARISONS, 0.05)
    assert low <= _misses(repeated, name) <= high


@pytest.mark.parametrize("name", ["spectrum", "autocorrelation"])
def test_intervals_of_a_measure_hold_together(repeated, name):
    """Bonferroni's are wider than need be where values are correlated."""
    misses = _misses(repeated, name)
    assert 0 < misses <= stats.binom.ppf(1 - CHANCE, COMPARISONS, 0.05)


def test_a_difference_at_the_tolerance_rarely_agrees(repeated):
    """In 2.5 % of cases, because one end of the interval is as likely as the other."""
    values, truth = repeated
    true = truth["other"]["variance"] / truth["reference"]["variance"] - 1
    found = equivalence.relative_difference(
        values["other"]["variance"], values["reference"]["variance"], 0.95
    )
    verdicts = equivalence.judge(found, abs(float(true[0])))
    limit = stats.binom.ppf(1 - CHANCE, COMPARISONS, 0.025)
    assert np.sum(verdicts == "agrees") <= limit
    assert np.sum(verdicts == "differs") <= limit


def test_more_runs_decide_as_announced():
    """With `runs_needed` runs the end of the interval is at the tolerance."""
    half = stats.t.ppf(0.975, 14) * np.sqrt(2 / SEEDS)  # standard deviation 1
    first = equivalence.Interval(0.0, -half, half, 14.0)
    needed = equivalence.runs_needed(first, half / 5, 0.95, SEEDS)
    quantile = stats.t.ppf(0.975, 2 * needed - 2)
    assert_allclose(quantile * np.sqrt(2 / needed), half / 5, rtol=0.01)


# -- events ----------------------------------------------------------------------------
@given(st.lists(st.integers(0, 20), min_size=2, max_size=30))
def test_two_levels_explain_most(values):
    values = np.array(values, float)
    low, high, explained = two_levels(values)
    parts = [values > cut for cut in np.unique(values)[:-1]]
    best = (
        max(
            (p.mean() * (1 - p.mean()) * (values[p].mean() - values[~p].mean()) ** 2)
            for p in parts
        )
        if parts
        else 0.0
    )
    assert_allclose(explained * values.var(), best, atol=1e-12)
    if best:
        assert np.any([np.isclose(values[p].mean(), high) for p in parts])
        assert low < values.mean() < high


def test_periodic_events():
    counts = np.zeros(2000)
    for k in range(5):
        counts[3 + k :: 40] = 30 * (1 + k % 3)
    rule = event_rule([counts])
    starts = event_starts(counts, rule)
    assert_array_equal(np.diff(starts), 40)
    assert interval_law(starts, BIN) == pytest.approx((0.2, 0), abs=1e-12)
    run = recording(counts)
    values = measure([run], settings([run], 1.0))
    assert_allclose(values["event_rate"], 50 / 10)
    assert_allclose(values["event_interval"], 0.2)
    assert_allclose(values["event_cv"], 0, atol=1e-12)


def test_intervals_between_events():
    assert interval_law(np.array([0, 10, 40]), 0.1) == (
        pytest.approx(2),
        pytest.approx(np.std([1, 3], ddof=1) / 2),
    )
    assert np.isnan(interval_law(np.array([5]), 0.1)).all()
    assert np.isnan(interval_law(np.array([5, 9]), 0.1)[1])


def test_an_event_ends_before_the_next_begins():
    counts = np.array([9, 1, 9, 6, 9, 4, 8, 3, 2, 8, 9.0])
    assert_array_equal(event_starts(counts, EventRule(1, 3, 8)), [2, 9])


def test_up_states_and_oscillations_are_events():
    rng = np.random.default_rng(5)
    states = np.repeat(np.tile([1, 9], 40), 25)  # few spikes: bins are joined
    rule = event_rule([rng.poisson(states)])
    assert rule.window > 1
    assert len(event_starts(rng.poisson(states), rule)) == 40
    wave = rng.poisson(500 * (1 + 0.5 * np.sin(np.arange(2000) * 2 * np.pi / 25)))
    assert len(event_starts(wave, event_rule([wave]))) in (79, 80)


def test_fluctuations_around_one_level_are_no_events():
    rng = np.random.default_rng(6)
    for mean in (0.01, 0.3, 5, 500):
        assert event_rule([rng.poisson(mean, 4000)]) is None
    for tau in (1, 10, 50):
        decay = np.exp(-1 / tau)
        x = lfilter([np.sqrt(1 - decay**2)], [1, -decay], rng.normal(size=16_000))
        assert event_rule([1e5 * (1 + 0.2 * x)]) is None
    assert event_rule([1e4 * rng.exponential(size=4000)]) is None
    assert event_rule([np.full(100, 7.0)]) is None


def test_too_few_events_are_not_defined():
    counts = np.zeros(2000)
    counts[100:2000:480] = 500
    run = recording(counts)
    assert event_rule([counts]) is not None
    assert settings([run], 1.0).rules == [None]


# -- differences -----------------------------------------------------------------------
def test_absolute_difference_is_welch():
    rng = np.random.default_rng(7)
    x, y = rng.normal(3, 1, 5), rng.normal(1, 4, 9)
    found = equivalence.absolute_difference(x, y, 0.9)
    expected = stats.ttest_ind(x, y, equal_var=False).confidence_interval(0.9)
    assert_allclose([found.low, found.high], [expected.low, expected.high])
    # no spread on one side: the interval of a mean
    one = equivalence.absolute_difference(x, np.full(4, 2.0), 0.9)
    expected = stats.ttest_1samp(x, 2.0).confidence_interval(0.9)
    assert_allclose([one.low + 2, one.high + 2], [expected.low, expected.high])


def test_relative_difference_does_not_depend_on_units_or_order():
    rng = np.random.default_rng(8)
    x, y = rng.gamma(20, size=6), rng.gamma(30, size=8)
    found = equivalence.relative_difference(x, y, 0.95)
    scaled = equivalence.relative_difference(1e-7 * x, 1e-7 * y, 0.95)
    swapped = equivalence.relative_difference(y, x, 0.95)
    assert_allclose(scaled, found)
    assert_allclose(found.estimate, x.mean() / y.mean() - 1)
    assert_allclose(1 / (1 + swapped.low) - 1, found.high)
    # for small errors it is the delta method with Welch's degrees of freedom
    x, y = 10 + 1e-4 * x, 20 + 1e-4 * y
    found = equivalence.relative_difference(x, y, 0.95)
    absolute = equivalence.absolute_difference(x / 10, y / 20, 0.95)
    width = (absolute.high - absolute.low) * (1 + found.estimate)
    assert_allclose(found.high - found.low, width, rtol=1e-3)


INFINITE = np.inf


@pytest.mark.parametrize(
    ("values", "reference", "exact", "expected"),
    [
        ([2, 2], [1, 1], (False, False), (1, 1, 1)),
        ([0, 0], [0, 0], (False, False), (0, 0, 0)),
        ([0, 0], [1, 1.1], (False, False), (-1, -1, -1)),
        ([0, 0], [0, 1], (False, False), (-1, -1, INFINITE)),
        ([1, 1.1], [0, 0], (False, False), (INFINITE, INFINITE, INFINITE)),
        ([0, 1], [0, 0], (False, False), (INFINITE, -1, INFINITE)),
        ([2], [1, 1], (False, False), (1, -1, INFINITE)),
        ([2], [1, 1], (True, False), (1, 1, 1)),
        ([0], [0], (False, False), (0, -1, INFINITE)),
        ([0], [1], (True, True), (-1, -1, -1)),
    ],
)
def test_relative_difference_of_special_values(values, reference, exact, expected):
    found = equivalence.relative_difference(values, reference, 0.95, exact)
    assert_allclose(found[:3], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.05, 0.05, "agrees"),
        (0.02, 0.03, "agrees"),
        (0.04, 0.06, "undecided"),
        (-0.2, 0.2, "undecided"),
        (-INFINITE, INFINITE, "undecided"),
        (0.051, 0.2, "differs"),
        (-0.2, -0.06, "differs"),
        (INFINITE, INFINITE, "differs"),
        (0, 0, "agrees"),
    ],
)
def test_verdicts(low, high, verdict):
    interval = equivalence.Interval(*np.array([[(low + high) / 2], [low], [high], [9]]))
    assert equivalence.judge(interval, 0.05).tolist() == [verdict]


def _distance(centres, spread, tolerance=0.05, seeds=8):
    noise = np.array([-1, 1] * (seeds // 2))[:, None] * spread
    reference = np.ones((seeds, len(centres)))
    values = reference + np.array(centres) + noise
    return distance(values, reference, False, tolerance, 0.95, (False, False))


def test_verdict_of_several_elements():
    assert _distance([0.0, 0.01], 1e-4).verdict == "agrees"
    # one that differs is enough, one that is open leaves the others open
    assert _distance([0.0, 0.06, 0.2], 0.02).verdict == "differs"
    assert _distance([0.0, 0.1, -0.3, 0.2], 0.02).worst == (2,)
    assert _distance([0.0, 0.055], 0.02).verdict == "undecided"
    assert _distance([0.0, np.nan], 1e-4).verdict == "agrees"
    assert _distance([np.nan], 1e-4).verdict == "not defined"
    assert _distance([np.nan], 1e-4).worst is None


def test_intervals_widen_with_the_number_of_elements():
    one, ten = _distance([0.0], 0.02), _distance([0.0] * 10, 0.02)
    quantiles = stats.t.ppf([1 - 0.025, 1 - 0.0025], 7)
    assert_allclose(ten.high[0] / one.high[0], quantiles[1] / quantiles[0])
    # what is not defined does not count
    assert_allclose(_distance([0.0, np.nan], 0.02).high[0], one.high[0])


def test_runs_needed():
    assert _distance([0.0], 1e-4).seeds_needed is None
    assert _distance([0.0], 0.1, seeds=1 + 1).seeds_needed > 2
    sides = _distance([0.04, 0.07], 0.05)
    # one that differs decides: 0.02 beyond, while agreement would take 0.01 within
    assert sides.seeds_needed == sides.needed[1] < sides.needed[0]
    both = _distance([0.04, 0.02], 0.05)
    assert both.seeds_needed == both.needed[0] > both.needed[1]
    assert _distance([0.05], 0.05).seeds_needed > 1e6
