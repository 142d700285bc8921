"""Mathematics without Brian2: orders, exactness, conservation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

from brian2_multiscale.numerics.affine_flow import AffineFlow
from brian2_multiscale.numerics.cubic import cubic_weights
from brian2_multiscale.numerics.exponentials import (
    exponential_basis,
    exponential_coefficients,
    fit_time_constants,
)
from brian2_multiscale.numerics.polynomials import exponents, monomials
from brian2_multiscale.numerics.radau import NODES, radau_propagators
from brian2_multiscale.numerics.reduction import balanced_truncation
from brian2_multiscale.numerics.timegrid import event_grid


def _scheme(c):
    """Three states in a chain, with a rate that varies in time."""
    c = np.asarray(c)[..., None, None]
    fixed = np.array([[-0.0, 3.0, 0.0], [0.0, -5.0, 1.0], [0.0, 2.0, -1.0]])
    driven = np.array([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    return fixed + c * driven


def _driver(t):
    return 4 / (1 + t) + np.sin(3 * t)


def _end(steps):
    edges = np.linspace(0, 2, steps + 1)
    h = np.diff(edges)
    at = edges[:-1, None] + h[:, None] * NODES
    state = np.array([1.0, 0.0, 0.0])
    for propagator in radau_propagators(_scheme(_driver(at)), h):
        state = propagator @ state
    return state


def test_radau_has_order_five():
    reference = _end(1024)
    errors = [np.abs(_end(n) - reference).max() for n in (4, 8, 16, 32, 64)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    # the last halvings, where the asymptotic order shows
    assert np.all(np.abs(orders[-2:] - 5) < 0.1), orders


def test_radau_is_exact_for_conserved_sums_and_stiff_decay():
    assert abs(_end(7).sum() - 1) < 1e-14
    stiff = radau_propagators(np.full((1, 3, 1, 1), -1e9), np.ones(1))
    assert abs(stiff.item()) < 1e-8  # L-stable: not 1, not -1


def test_radau_agrees_with_the_matrix_exponential():
    matrices = np.broadcast_to(_scheme(2.0), (1, 3, 3, 3))
    found = radau_propagators(matrices, np.array([0.01]))[0]
    np.testing.assert_allclose(found, expm(0.01 * _scheme(2.0)), atol=1e-12)


@given(
    duration=st.floats(1e-6, 1e3),
    first=st.floats(1e-6, 1.0),
    ratio=st.floats(1.05, 2.0),
    breaks=st.lists(st.floats(1e-4, 1e3), max_size=3),
)
def test_event_grid_is_a_grid(duration, first, ratio, breaks):
    grid = event_grid(duration, first, ratio, breakpoints=breaks)
    assert grid[0] == 0 and grid[-1] == duration
    assert np.all(np.diff(grid) > 0)
    for b in set(breaks):
        if b < duration:
            assert np.abs(grid - b).min() <= 1e-12 * b
    assert np.diff(grid)[0] <= 1.5 * first + 1e-15


def test_balanced_truncation_is_exact_for_what_is_seen():
    rng = np.random.default_rng(0)
    # Only two of five directions are both reached and seen.
    states = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 5))
    rows = rng.normal(size=(30, 5))
    down, up, singular = balanced_truncation(rows, states, 4)
    assert len(down) == 2 and singular[2] < 1e-12 * singular[0]
    np.testing.assert_allclose(down @ up, np.eye(2), atol=1e-10)
    np.testing.assert_allclose(rows @ up @ down @ states.T, rows @ states.T, atol=1e-9)


def test_exponentials_are_recovered():
    times = np.append(0, np.geomspace(1e-4, 1, 80))
    true = np.array([2e-3, 0.05])
    curves = exponential_basis(times, true) @ np.array([[1.0, 0.3], [-1.0, 2.0]])
    weights = np.sqrt(np.gradient(times))
    found = fit_time_constants(times, curves, 2, weights, 1e-4, 1.0)
    np.testing.assert_allclose(found, true, rtol=1e-4)
    coefficients = exponential_coefficients(times, curves, true, weights)
    np.testing.assert_allclose(coefficients, [[1.0, 0.3], [-1.0, 2.0]], atol=1e-8)


def test_time_constants_stay_apart():
    times = np.linspace(0, 1, 50)
    curves = np.exp(-times / 0.1)[:, None]
    found = fit_time_constants(times, curves, 4, np.ones(50), 1e-3, 1.0)
    assert np.all(found[1:] / found[:-1] > 1.19)


@pytest.mark.parametrize("variables", [0, 1, 3])
def test_monomials_have_all_terms_up_to_the_degree(variables):
    from math import comb

    powers = exponents(variables, 3)
    assert powers.shape == (comb(variables + 3, 3) if variables else 1, variables)
    point = np.arange(2, 2 + variables)
    expected = [
        np.prod([float(x) ** e for x, e in zip(point, p, strict=True)]) for p in powers
    ]
    np.testing.assert_array_equal(monomials(point, powers), expected)


def test_cubic_interpolation_is_exact_for_cubics():
    position = np.linspace(0, 9, 57)
    first, weights = cubic_weights(position, 10)
    values = np.arange(10.0) ** 3 - 2 * np.arange(10.0)
    found = np.sum(values[first[:, None] + np.arange(4)] * weights, axis=1)
    np.testing.assert_allclose(found, position**3 - 2 * position, atol=1e-10)
    np.testing.assert_allclose(weights.sum(axis=1), 1)


@pytest.mark.parametrize(
    "generator",
    [
        [[-2.0, 0.5, 1.0], [0.0, -0.1, 3.0], [0.0, 0.0, 0.0]],
        [[0.0, 4.0], [-4.0, 0.0]],  # complex eigenvalues
        [[-1.0, 1.0], [0.0, -1.0]],  # no basis of eigenvectors
    ],
)
def test_affine_flow_is_the_exponential(generator):
    times = np.array([0.0, 0.3, 5.0])
    expected = [expm(np.array(generator) * t) for t in times]
    found = AffineFlow(generator).propagators(times)
    np.testing.assert_allclose(found, expected, atol=1e-9)
