"""Searches from many starts against problems whose answers are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import lsq_linear

from brian2_multiscale.numerics.box_step import box_step, expected_descent
from brian2_multiscale.numerics.levenberg_marquardt import minimise, squares
from brian2_multiscale.numerics.polish import polish
from brian2_multiscale.numerics.standard_errors import (
    degrees_of_freedom,
    errors_of_sum,
    standard_errors,
)
from brian2_multiscale.numerics.transforms import Box

TIMES = np.linspace(0, 1, 40)
SEEDS = st.integers(0, 2**32 - 1)


def _rosenbrock(x):
    """Minimum 0 at (1, 1), at the end of a bent valley."""
    a, b = x.T
    zero, one = np.zeros_like(a), np.ones_like(a)
    jacobian = np.stack([[-20 * a, 10 * one], [-one, zero]])
    return np.stack([10 * (b - a**2), 1 - a], axis=1), np.moveaxis(jacobian, 2, 0)


def _linear(seed, m=12, p=3):
    rng = np.random.default_rng(seed)
    design, data = rng.normal(size=(m, p)), rng.normal(size=m)

    def residuals(x):
        return x @ design.T - data, np.broadcast_to(design, (len(x), m, p))

    return design, data, residuals


def _decay(box, truth):
    """An exponential whose parameters are of sizes 1e-9 and 1e3."""

    def curve(values):
        amplitude, rate = values[:, :1], values[:, 1:]
        shape = 1e9 * np.exp(-rate * TIMES / 1e3)
        return amplitude * shape, shape, -amplitude * TIMES / 1e3 * shape

    data = curve(np.array([truth]))[0]

    def residuals(x):
        found, by_amplitude, by_rate = curve(box.values(x))
        jacobian = np.stack([by_amplitude, by_rate], axis=2)
        return found - data, jacobian * box.slopes(x)[:, None, :]

    return squares(residuals)


# -- bounds and scales -------------------------------------------------------------
def _bounds():
    size = st.floats(1e-300, 1e300) | st.floats(1e-12, 1e6)
    pair = st.tuples(size, size).filter(lambda b: b[0] < b[1] * (1 - 1e-6))
    return st.tuples(pair, st.sampled_from(["linear", "log", "negative"]))


@given(st.lists(_bounds(), min_size=1, max_size=4), SEEDS)
def test_values_stay_in_the_box_and_come_back(bounds, seed):
    low, high, log = [], [], []
    for (a, b), kind in bounds:
        low.append(a if kind != "negative" else -b)
        high.append(b if kind != "negative" else -a)
        log.append(kind != "linear")
    box = Box(low, high, log)
    x = np.random.default_rng(seed).random((5, 2, len(low)))
    values = box.values(x)
    assert values.shape == x.shape
    assert np.all((values >= box.low) & (values <= box.high))
    # A narrow interval far from zero holds few numbers
    narrow = np.abs(box.low) + np.abs(box.high)
    error = 1e-12 + 1e-13 * narrow / np.abs(box.high / 2 - box.low / 2)
    assert np.all(np.abs(box.coordinates(values) - x) <= error)
    assert_allclose(box.values(np.zeros(len(low))), box.low)
    assert_allclose(box.values(np.ones(len(low))), box.high)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("bounds", [(1e-9, 3e-7), (-65e-3, -50e-3)])
def test_slopes_are_differences_of_values(log, bounds):
    box = Box(*bounds, log)
    x, h = np.linspace(0.01, 0.99, 7)[:, None], 1e-6
    differences = (box.values(x + h) - box.values(x - h)) / (2 * h)
    assert_allclose(box.slopes(x), differences, rtol=1e-8)


def test_a_logarithmic_scale_has_its_geometric_mean_in_the_middle():
    assert_allclose(
        Box([1.0, 1.0], [100.0, 100.0], [True, False]).values([0.5, 0.5]), [10, 50.5]
    )


@given(st.integers(1, 30), st.integers(1, 5), SEEDS)
def test_starts_are_a_latin_hypercube(count, p, seed):
    box = Box(np.zeros(p), np.ones(p))
    starts = box.starts(count, seed)
    parts = np.sort(np.floor(starts * count), axis=0)
    assert np.all(parts == np.arange(count)[:, None])
    assert np.array_equal(starts, box.starts(count, seed))


@pytest.mark.parametrize(
    ("low", "high", "log", "message"),
    [
        ([0, 1], [1, 1], False, "order.*got 1 and 1 for parameter 1"),
        ([0.0], [1.0], True, "positive or both negative.*0 and 1"),
        ([-1.0], [1.0], True, "positive or both negative"),
        ([0.0], [np.inf], False, "finite"),
        ([np.nan], [1.0], False, "finite"),
        ([0.0, 1.0], [1.0], False, r"\(2,\) and \(1,\)"),
        ([], [], False, "one number per parameter"),
    ],
)
def test_bad_bounds_are_named(low, high, log, message):
    with pytest.raises(ValueError, match=message):
        Box(low, high, log)


# -- one step ----------------------------------------------------------------------
def _quadratic(seed, spread):
    """Six models of four parameters in boxes, some of them at a corner."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(6, 4, 4)) * 10.0 ** rng.integers(-spread, 1, (6, 1, 4))
    matrix = np.einsum("skp,skq->spq", root, root)
    gradient = np.einsum("skp,sk->sp", root, rng.normal(size=(6, 4)))
    below = -rng.random((6, 4)) * rng.integers(0, 2, (6, 4))
    damping = 10.0 ** rng.uniform(-12, 4, 6)
    return gradient, matrix, np.einsum("spp->sp", matrix), damping, below


@settings(max_examples=50)
@given(SEEDS)
def test_a_step_stays_in_the_box_and_goes_down(seed):
    gradient, matrix, scale, damping, below = _quadratic(seed, spread=8)
    step = box_step(gradient, matrix, scale, damping, below, 1 + below)
    assert np.all((step >= below) & (step <= 1 + below))
    inside = (below < 0) & (below > -1)
    possible = (gradient**2 / (2 * (1 + damping[:, None]) * scale) * inside).max(axis=1)
    assert np.all(expected_descent(gradient, matrix, step)[possible > 0] > 0)


@settings(max_examples=20)
@given(SEEDS)
def test_a_step_is_near_the_lowest_point_of_the_box(seed):
    gradient, matrix, scale, damping, below = _quadratic(seed, spread=1)
    step = box_step(gradient, matrix, scale, damping, below, 1 + below)
    for k in range(6):
        damped = matrix[k] + damping[k] * np.diag(scale[k])
        root = np.linalg.cholesky(damped + 1e-12 * np.diag(scale[k])).T
        wanted = -np.linalg.solve(root.T, gradient[k])
        exact = lsq_linear(root, wanted, (below[k] - 1e-15, 1 + below[k]), "bvls").x
        least, found = (s @ gradient[k] + s @ damped @ s / 2 for s in (exact, step[k]))
        assert found <= least + 0.01 * abs(least) + 1e-12


@settings(max_examples=30)
@given(SEEDS)
def test_linear_least_squares_takes_one_step(seed):
    design, data, residuals = _linear(seed)
    expected = np.linalg.lstsq(design, data)[0]
    found = minimise(
        squares(residuals), np.zeros((2, 3)), -np.inf, np.inf, damping=0, steps=1
    )
    assert_allclose(found.points, [expected, expected], rtol=1e-7, atol=1e-9)
    assert found.calls == 2 and found.reasons == ["gradient"] * 2


# -- whole searches ----------------------------------------------------------------
@settings(max_examples=40)
@given(SEEDS)
def test_bounded_least_squares_ends_at_the_bounded_optimum(seed):
    design, data, residuals = _linear(seed)
    rng = np.random.default_rng(seed)
    starts = rng.uniform(-0.1, 0.1, (4, 3))
    found = minimise(squares(residuals), starts, -0.1, 0.1, tolerance=1e-14)
    expected = lsq_linear(design, data, (-0.1, 0.1), tol=1e-14)
    # The problem is convex: every start ends there
    assert_allclose(found.losses, 2 * expected.cost, rtol=1e-8)
    assert set(found.reasons) <= {"gradient", "loss"}
    assert np.abs(found.points).max() <= 0.1


def test_rosenbrock_from_everywhere():
    starts = np.random.default_rng(1).uniform(-3, 3, (30, 2))
    found = minimise(squares(_rosenbrock), starts, -np.inf, np.inf)
    assert_allclose(found.points, 1, atol=1e-8)
    assert found.losses.max() < 1e-15 and found.calls < 40
    assert np.all(np.diff(found.history, axis=0) <= 0)
    bounded = minimise(squares(_rosenbrock), starts, -3, 0.5)
    assert_allclose(bounded.points, [[0.5, 0.25]] * 30, atol=1e-6)
    assert_allclose(bounded.losses, 0.25)


@pytest.mark.parametrize("log", [False, True])
def test_parameters_of_very_different_sizes(log):
    box = Box([1e-11, 1e1], [1e-7, 1e4], log)
    found = minimise(_decay(box, [1e-9, 2e3]), box.starts(10, seed=3), target=1e-24)
    assert "target" in found.reasons and found.loss <= 1e-24
    assert_allclose(box.values(found.x), [1e-9, 2e3], rtol=1e-10)


def test_a_parameter_without_effect_does_not_matter():
    def function(x):
        r, jacobian = _rosenbrock(x[:, :2])
        return r, np.concatenate([jacobian, np.zeros((len(x), 2, 1))], axis=2)

    found = minimise(squares(function), np.full((1, 3), 0.3), -2, 2)
    assert_allclose(found.x, [1, 1, 0.3], atol=1e-8)


def test_a_likelihood_with_its_fisher_matrix():
    # Counts with the rate exp(a + b*t): the maximum has a gradient of zero
    counts = np.random.default_rng(2).poisson(np.exp(1 + 2 * TIMES))
    design = np.stack([np.ones_like(TIMES), TIMES], axis=1)

    def function(x):
        rate = np.exp(x @ design.T)
        loss = (rate - counts * (x @ design.T)).sum(axis=1)
        return (
            loss,
            (rate - counts) @ design,
            np.einsum("st,tp,tq->spq", rate, design, design),
        )

    found = minimise(function, np.array([[0.0, 0.0], [3.0, -2.0]]), -5, 5)
    assert_allclose(function(found.points)[1], 0, atol=1e-3)
    assert_allclose(found.points[0], found.points[1], rtol=1e-5)
    assert found.loss < 0


# -- what goes wrong ---------------------------------------------------------------
def test_starts_that_are_not_finite_never_touch_the_others():
    def holes(x):
        r, jacobian = _rosenbrock(x)
        r[x[:, 0] < -1] = np.nan
        jacobian[x[:, 1] > 2.5] = np.inf
        return r, jacobian

    good = np.array([[0.5, 2.0], [2.0, 0.0], [0.0, 0.0]])
    bad = np.array([[-2.0, 0.0], [0.0, 2.9], [-2.0, 2.9]])
    alone = minimise(squares(holes), good, -3, 3)
    found = minimise(squares(holes), np.concatenate([bad, good]), -3, 3)
    assert found.reasons[:3] == ["not finite"] * 3
    assert np.all(np.isinf(found.losses[:3])) and np.all(found.not_finite[:3] == 1)
    assert alone.losses.max() < 1e-15 and found.losses[3:].max() < 1e-15
    nowhere = minimise(squares(holes), bad, -3, 3)
    assert nowhere.loss == np.inf and nowhere.calls == 1


def test_steps_into_nan_are_refused_and_counted():
    # From 4, the first undamped step for log(x)^2 = 0 goes below zero
    def function(x):
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log(x), 1 / x[:, :, None]

    found = minimise(squares(function), [[4.0]], -10, 10, damping=1e-6)
    assert_allclose(found.x, 1, atol=1e-6)
    assert found.not_finite[0] >= 1


def test_reasons_and_early_ends():
    starts = np.array([[0.9, 0.9], [-2.5, 2.5], [-3.0, -3.0]])
    first = minimise(squares(_rosenbrock), starts, -3, 3, target=1e-6)
    assert first.reasons[0] == "target"
    assert set(first.reasons) <= {"target", "another"}
    few = minimise(squares(_rosenbrock), starts, -3, 3, steps=2)
    assert few.reasons == ["steps"] * 3 and few.calls == 3 and few.evaluations == 9
    seen = []
    stopped = minimise(
        squares(_rosenbrock),
        starts,
        -3,
        3,
        report=lambda k, loss: seen.append(k) or k == 4,
    )
    assert seen == [1, 2, 3, 4] and stopped.calls == 5
    assert "loss" in str(few) and "3 x steps" in str(few)


def test_the_places_of_dropped_starts_are_used():
    starts = np.random.default_rng(5).uniform(-3, 3, (16, 2))
    shapes = set()

    def function(x):
        shapes.add(x.shape)
        return squares(_rosenbrock)(x)

    settings = {"low": -3, "high": 3, "target": 1e-20, "tolerance": 0.0}
    plain = minimise(function, starts, **settings)
    halved = minimise(function, starts, halve_every=2, **settings)
    assert shapes == {(16, 2)}
    assert "dropped" in halved.reasons and halved.loss <= 1e-20
    assert halved.calls <= plain.calls


@pytest.mark.parametrize(
    ("starts", "low", "high", "message"),
    [
        ([0.0, 0.0], 0, 1, r"shape \(starts, parameters\).*\(2,\)"),
        ([[0.0, np.nan]], 0, 1, "not finite"),
        (np.zeros((0, 2)), 0, 1, r"\(0, 2\)"),
        ([[0.0, 0.0]], 1, 0, "low must be below high"),
    ],
)
def test_bad_starts_are_named(starts, low, high, message):
    with pytest.raises(ValueError, match=message):
        minimise(squares(_rosenbrock), starts, low, high)


def test_a_function_with_other_shapes_is_named():
    with pytest.raises(ValueError, match="must return losses, gradients and matrices"):
        minimise(lambda x: (np.zeros(2), np.zeros(2), np.zeros(2)), [[0.0, 0.0]])


# -- without derivatives -----------------------------------------------------------
def _stairs(d, seed=0):
    """A narrow valley of stairs with bumps; 0 where it is lowest, nowhere smooth."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(d, d)))[0] * 10 ** np.linspace(0, 1.5, d)
    lowest = rng.uniform(0.3, 0.7, d)

    def function(x):
        away = (x - lowest) @ axes
        square = np.sum(away**2, axis=1)
        bumps = np.abs(np.sin(40 * away)).mean(axis=1)
        return np.floor(50 * (square + 0.3 * np.sqrt(square) * bumps)) / 50

    return function, lowest


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_polish_reaches_the_lowest_stair(d, seed):
    function, lowest = _stairs(d)
    starts = lowest + np.random.default_rng(seed).normal(size=(4, d)) * 0.05
    found = polish(function, starts, target=0.0, seed=seed)
    assert found.loss == 0 and function(found.x[None])[0] == 0
    assert "target" in found.reasons and found.calls < 40
    assert found.evaluations == 60 * found.calls
    assert np.all(np.diff(found.history, axis=0) <= 0)


def test_polish_of_a_smooth_function_ends_by_itself():
    found = polish(
        lambda x: np.sum((x - 0.2) ** 2, axis=1), [[0.25, 0.1, 0.3]], calls=200, seed=1
    )
    assert found.reasons == ["spread"] and found.calls < 200
    assert_allclose(found.x, 0.2, atol=1e-8)


def test_polish_finds_an_optimum_at_the_bound():
    found = polish(lambda x: x.sum(axis=1), [[0.05, 0.05]], seed=1, calls=60)
    assert 0 <= found.x.min() and found.loss < 1e-6


@settings(max_examples=20)
@given(SEEDS, st.integers(1, 4), st.integers(6, 40), st.integers(1, 5))
def test_polish_never_loses_a_start(seed, d, points, count):
    rng = np.random.default_rng(seed)
    starts, shapes = rng.random((count, d)), set()

    def noisy(x):
        shapes.add(x.shape)
        assert np.all((x >= 0) & (x <= 1))
        loss = rng.normal(size=len(x))
        return np.where(rng.random(len(x)) < 0.2, np.nan, loss)

    values = {}

    def remembered(x):
        loss = noisy(x)
        values.update({tuple(row): value for row, value in zip(x, loss, strict=True)})
        return loss

    found = polish(remembered, starts, points=points, calls=6, seed=seed)
    assert shapes == {(points, d)}
    for x, loss in zip(found.points, found.losses, strict=True):
        if np.isfinite(loss):
            assert values[tuple(x)] == loss
    finite = [v for v in values.values() if np.isfinite(v)]
    assert found.loss == min(finite, default=np.inf)
    left_out = max(count - points // 6, 0)
    assert found.reasons.count("dropped") >= left_out


def test_polish_is_repeatable_and_can_be_stopped():
    function, lowest = _stairs(3)
    starts = lowest[None] + 0.1
    first, second = (polish(function, starts, seed=5, calls=7) for _ in range(2))
    assert np.array_equal(first.history, second.history)
    stopped = polish(function, starts, seed=5, report=lambda k, loss: k == 3)
    assert stopped.calls == 3 and stopped.reasons == ["steps"]


def test_bad_arguments_of_polish_are_named():
    with pytest.raises(ValueError, match="at least 6, got 5"):
        polish(lambda x: x[:, 0], [[0.5]], points=5)
    with pytest.raises(ValueError, match=r"shape \(starts, parameters\)"):
        polish(lambda x: x[:, 0], [0.5])
    with pytest.raises(ValueError, match=r"shape \(60,\), got \(60, 1\)"):
        polish(lambda x: x, [[0.5]])


# Standard errors


def test_errors_of_a_sum_are_those_of_repetitions():
    """Linear regression on two recordings with noise of their own."""
    rng = np.random.default_rng(5)
    designs, sizes, scales = rng.normal(size=(2, 40, 3)), (0.1, 2.0), (0.5, 1.0)
    truth, estimates, errors = np.array([1.0, -2.0, 0.5]), [], []
    matrices = [
        2 * x.T @ x / (len(x) * s**2) for x, s in zip(designs, scales, strict=True)
    ]
    free = degrees_of_freedom(matrices)
    assert_allclose(free.sum(), 3)
    for _ in range(300):
        data = [
            x @ truth + size * rng.normal(size=40)
            for x, size in zip(designs, sizes, strict=True)
        ]
        pull = sum(
            x.T @ y / s**2 for x, y, s in zip(designs, data, scales, strict=True)
        )
        found = np.linalg.solve(sum(matrices) * 20, pull)
        losses = [
            np.mean((y - x @ found) ** 2) / s**2
            for x, y, s in zip(designs, data, scales, strict=True)
        ]
        noises = np.array(losses) / (40 - free)
        estimates.append(found)
        errors.append(errors_of_sum(matrices, noises))
    assert_allclose(np.mean(errors, axis=0), np.std(estimates, axis=0), rtol=0.15)


def test_errors_of_what_cannot_be_told_apart():
    matrix = np.zeros((4, 4))
    matrix[1, 1], matrix[2:, 2:] = 8, 2  # the first does nothing, the last two the same
    found = standard_errors(matrix, 0.01)
    assert_allclose(found, [np.nan, 0.05, np.nan, np.nan])
    assert np.isnan(standard_errors(np.full((2, 2), np.nan), 1)).all()
    assert_allclose(degrees_of_freedom([matrix]), 2)
