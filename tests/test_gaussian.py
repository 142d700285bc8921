"""Moments of polynomials of Gaussian variables against quadrature."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from brian2_multiscale.numerics.gaussian import covariance, expectation

X, Y = sp.symbols("x y", real=True)

# Exact for polynomials up to degree 23, of which the tests need 8
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(12)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()

_POWERS = [(a, b) for a in range(5) for b in range(5 - a)]
_POLYNOMIALS = st.dictionaries(
    st.sampled_from(_POWERS), st.integers(-3, 3), min_size=1, max_size=4
).map(lambda terms: sum(k * X**a * Y**b for (a, b), k in terms.items()))
_NUMBERS = st.floats(-2, 2)
_ROOTS = st.tuples(_NUMBERS, _NUMBERS, _NUMBERS)


def _points(means, root):
    """Places and weights of a quadrature with the covariance root*root'."""
    z = np.stack(np.meshgrid(_NODES, _NODES, indexing="ij")).reshape(2, -1)
    return np.array(means)[:, None] + root @ z, np.outer(_WEIGHTS, _WEIGHTS).ravel()


def _values(polynomial, points):
    values = sp.lambdify((X, Y), polynomial, "numpy")(*points)
    return np.broadcast_to(np.asarray(values, float), points.shape[1:])


def _arguments(means, entries):
    a, b, c = entries
    root = np.array([[a, 0.0], [b, c]])
    spread = root @ root.T
    known = {(X, X): spread[0, 0], (X, Y): spread[0, 1], (Y, Y): spread[1, 1]}
    return dict(zip((X, Y), means, strict=True)), known, _points(means, root)


@settings(max_examples=40)
@given(_POLYNOMIALS, st.tuples(_NUMBERS, _NUMBERS), _ROOTS)
def test_expectation_is_the_integral(polynomial, means, entries):
    centres, spread, (points, weights) = _arguments(means, entries)
    values = _values(polynomial, points)
    found = float(expectation(polynomial, centres, spread))
    scale = 1 + np.abs(values) @ weights
    assert abs(found - values @ weights) < 1e-10 * scale


@settings(max_examples=25)
@given(_POLYNOMIALS, _POLYNOMIALS, st.tuples(_NUMBERS, _NUMBERS), _ROOTS)
def test_covariance_is_the_integral(first, second, means, entries):
    centres, spread, (points, weights) = _arguments(means, entries)
    f, g = _values(first, points), _values(second, points)
    found = float(covariance(first, second, centres, spread))
    expected = (f * g) @ weights - (f @ weights) * (g @ weights)
    scale = 1 + np.abs(f * g) @ weights + np.abs(f) @ weights * (np.abs(g) @ weights)
    assert abs(found - expected) < 1e-10 * scale


def test_moments_of_depression_as_published():
    """E[ux] and var(ux) of Schmutz, Gerstner, Schwalger (2020)."""
    u, x, p, q, r = sp.symbols("u x P Q R")
    arguments = {X: u, Y: x}, {(X, X): p, (Y, Y): q, (X, Y): r}
    assert expectation(X * Y, *arguments) == u * x + r
    expected = u**2 * q + x**2 * p + 2 * u * x * r + p * q + r**2
    assert sp.expand(covariance(X * Y, X * Y, *arguments) - expected) == 0
    assert sp.expand(covariance(X, X * Y, *arguments) - x * p - u * r) == 0


def test_means_may_have_the_names_of_the_variables():
    found = expectation(X**2 * Y, {X: X, Y: X + Y}, {(X, X): Y})
    assert sp.expand(found - (X**2 + Y) * (X + Y)) == 0


def test_both_orders_of_a_pair_and_missing_ones():
    assert expectation(X * Y, {X: 0, Y: 0}, {(Y, X): 3}) == 3
    assert expectation(X * Y, {X: 2, Y: 5}, {}) == 10
    assert expectation(sp.Integer(7), {X: 1}, {(X, X): 1}) == 7
    assert covariance(sp.Integer(7), X, {X: 1}, {(X, X): 1}) == 0


@pytest.mark.parametrize(
    "expression", [sp.exp(X), 1 / (1 + X), sp.sqrt(X), sp.Abs(X), X**Y, sp.sin(X) * Y]
)
def test_only_polynomials(expression):
    with pytest.raises(ValueError, match="no polynomial"):
        expectation(expression, {X: 1.0, Y: 1.0}, {(X, X): 1.0})


def test_functions_of_constants_are_no_obstacle():
    found = expectation(X**2 * sp.exp(-Y), {X: 1}, {(X, X): 2})
    assert sp.simplify(found - 3 * sp.exp(-Y)) == 0
