"""The binomial sampler: its law, its limits, and equal numbers in Cython and C++."""

import numpy as np
import pytest
from codegen_models import BINOMIALS, DRAWS, shared_results
from scipy import stats
from targets import TARGETS

from brian2_multiscale.codegen.binomial import binomial_draw


@pytest.fixture(scope="module")
def results():
    return shared_results()


FALSE_ALARM = 1e-3
SAMPLED = [(n, p) for n, p in BINOMIALS if n > 0 and 0 < p < 1]


def chi_square_pvalue(draws, n, p):
    """Goodness of fit, with cells that expect at least 20 draws."""
    quantiles = np.unique(stats.binom.ppf(np.linspace(0, 1, 201)[1:-1], n, p))
    edges = np.concatenate([[-1], quantiles, [n]])
    probabilities = np.diff(stats.binom.cdf(edges, n, p))
    keep = probabilities * len(draws) > 20
    edges = np.concatenate([[-1], edges[1:][keep]])
    edges[-1] = n
    expected = np.diff(stats.binom.cdf(edges, n, p)) * len(draws)
    found = np.histogram(draws, edges + 0.5)[0]
    return stats.chisquare(found, expected * found.sum() / expected.sum()).pvalue


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("n, p", SAMPLED)
def test_binomial_draws_follow_the_law(results, target, n, p):
    draws = results[target]["draws"][BINOMIALS.index((n, p))]
    assert len(draws) == 20 * DRAWS
    assert draws.min() >= 0 and draws.max() <= n
    assert chi_square_pvalue(draws, n, p) > FALSE_ALARM / (len(TARGETS) * len(SAMPLED))


def test_the_binomial_test_sees_a_wrong_sampler():
    # what Brian2's BinomialFunction gives with Cython for n = 5, p = 0.8
    wrong = np.random.default_rng(1).binomial(5, 0.866, size=20 * DRAWS)
    assert chi_square_pvalue(wrong, 5, 0.8) < 1e-12
    shifted = np.random.default_rng(1).binomial(10**9, 0.5, size=20 * DRAWS) + 1000
    assert chi_square_pvalue(shifted, 10**9, 0.5) < 1e-12


@pytest.mark.parametrize("target", TARGETS)
def test_binomial_limits_and_impossible_arguments(results, target):
    draws = dict(zip(map(str, BINOMIALS), results[target]["draws"], strict=True))
    assert np.all(draws["(0, 0.5)"] == 0)
    assert np.all(draws["(10, 0)"] == 0)
    assert np.all(draws["(10, 1)"] == 10)
    assert np.all(draws[str((10, 1 + 1e-10))] == 10)
    for impossible in ["(-1, 0.5)", "(5, 1.2)", "(5, nan)"]:
        assert np.all(draws[impossible] == -1)


def test_binomial_draws_are_independent_and_reproducible(results):
    compiled = results["cython"], results["cpp_standalone"]
    np.testing.assert_array_equal(*(values["draws"] for values in compiled))
    for values in results.values():
        last = values["draws"][:, -DRAWS:]
        correlation = np.corrcoef(last[2], values["second_draws"][2])[0, 1]
        assert abs(correlation) < 5 / np.sqrt(DRAWS)


def test_binomial_from_python():
    draws = binomial_draw(np.full(1000, 10), np.linspace(0, 1, 1000))
    assert draws[0] == 0 and draws[-1] == 10
    with pytest.raises(ValueError, match="n >= 0 and 0 <= p <= 1, got n = 3 and p = 2"):
        binomial_draw(3, 2)
