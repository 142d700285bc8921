"""The search of a fit: from many starts down, then around the best ends."""

import os
import sys
import time
from dataclasses import dataclass, replace

import numpy as np

from ...arguments import check_whole
from ...numerics.levenberg_marquardt import minimise
from ...numerics.polish import polish
from ...numerics.standard_errors import degrees_of_freedom, errors_of_sum
from ...parallel import map_jobs
from .result import merged, result_of
from .running import first_not_finite, simulation_of
from .script import recipe

__all__ = ["Plan", "gradient_check", "search"]

# Points of one simulation of free neurons
_POINTS = 48
# Relative changes of the loss at which a minimisation ends; when another one follows
_FINE, _COARSE = 1e-10, 1e-3
# First dampings: from anywhere, and from where another minimisation ended
_BOLD, _CAREFUL = 1e-3, 1e-1
# Fraction of the bounds by which a search spreads again
_NEAR = 0.01
# Calls without such a change that are waited for
_PATIENCE = 3
# Smallest and largest spread of a polish, and distance of points that are the same, as
# fractions of the bounds
_SPREADS, _SAME = (1e-4, 0.1), 1e-3


@dataclass(frozen=True)
class Plan:
    """How a search goes; see `GradientFitter.fit`."""

    loss: object
    polish: object
    n_starts: int
    steps: int
    target: float
    seed: int | None
    report: str | None
    backend: str = "brian2"
    # Which of how many shares of the starts
    share: tuple = (0, 1)

    def starts(self, box):
        """Coordinates of the starts of this share."""
        mine, all_ = self.share
        return box.starts(self.n_starts, self.seed)[mine::all_]


def in_box(simulation, box):
    """A loss of coordinates between 0 and 1, with its derivatives."""

    def function(coordinates):
        loss, gradient, matrix = simulation(box.values(coordinates))
        slopes = box.slopes(coordinates)
        matrix = matrix * slopes[:, :, None] * slopes[:, None, :]
        return loss, gradient * slopes, matrix

    return function


def check_seed(seed):
    """Of points between bounds: a whole number or None."""
    if seed is not None:
        check_whole("seed", seed, 0, 2**63 - 1)


def search(model, box, plan, executor=None):
    """
    Minimise the losses of a plan.

    Parameters
    ----------
    model : `~brian2_multiscale.gradients.fitting.simulation.Model`
    box : `~brian2_multiscale.numerics.transforms.Box`
    plan : Plan
    executor : `concurrent.futures.Executor`, optional
        Shares of the starts are its jobs.

    Returns
    -------
    `FitResult`
    """
    if executor is None:
        return _search((model, box, plan))
    workers = getattr(executor, "_max_workers", None) or os.cpu_count() or 1
    number = min(workers, plan.n_starts)
    jobs = [
        (model, box, replace(plan, share=(k, number), report=None))
        for k in range(number)
    ]
    return merged(map_jobs(_search, jobs, executor, plan.report, "shares of starts"))


def _search(job):
    """One share of the starts."""
    model, box, plan = job
    began = time.perf_counter()
    starts = plan.starts(box)
    simulation = simulation_of(model, plan.loss, len(starts), backend=plan.backend)
    free = None
    if plan.polish is not None:
        free = simulation_of(model, plan.polish, max(len(starts), _POINTS), False)
    prepared = time.perf_counter()
    found = _descend(simulation, box, plan, starts)
    if not np.isfinite(found.loss):
        raise FloatingPointError(_not_finite(simulation, box.values(found.points)))
    errors, polished = _standard_errors(simulation, box, found.x), None
    if free is not None:
        polished = _polished(free, box, plan, found, errors)
        errors = _standard_errors(simulation, box, polished.x)
    best = found if polished is None else polished
    result = result_of(
        box,
        model.dimensions(model.parameters),
        found,
        errors * box.slopes(best.x),
        polished,
        recipe=recipe(model),
    )
    result.seconds = time.perf_counter() - prepared
    result.preparation = prepared - began
    return result


def _descend(simulation, box, plan, points):
    """One minimisation per width, each from where the one before ended."""
    parts = []
    for number, width in enumerate(simulation.widths):
        simulation.width = width
        last = number == len(simulation.widths) - 1
        roughly = not last or plan.polish is not None
        parts.append(
            minimise(
                in_box(simulation, box),
                points,
                steps=plan.steps,
                target=plan.target if last else -np.inf,
                tolerance=_COARSE if roughly else _FINE,
                damping=_CAREFUL if number else _BOLD,
                report=_Watch(
                    plan, "" if width is None else f"width {width:g}, ", roughly
                ),
            )
        )
        points = _around(parts[-1].x, plan, len(points))
    return replace(
        parts[-1],
        calls=sum(p.calls for p in parts),
        evaluations=sum(p.evaluations for p in parts),
        history=np.concatenate([p.history for p in parts]),
    )


def _around(best, plan, count):
    """The best point, and others near it, to go on from."""
    jitter = np.random.default_rng(plan.seed).normal(size=(count, best.size))
    jitter[0] = 0
    return np.clip(best + _NEAR * jitter, 0, 1)


def _polished(simulation, box, plan, found, errors):
    """The lowest loss of free neurons around the best ends."""
    order = np.argsort(found.losses)
    ends = _distinct(found.points[order])
    spread = float(np.clip(3 * np.nanmax(errors, initial=0.0), *_SPREADS))
    return polish(
        lambda points: simulation(box.values(points))[0],
        ends,
        spread=spread,
        points=simulation.count,
        calls=plan.steps,
        target=plan.target,
        seed=plan.seed,
        report=_Watch(plan, "polish, "),
    )


def _distinct(points):
    """Without points that are hardly different from better ones."""
    kept = []
    for point in points:
        if all(np.abs(point - other).max() > _SAME for other in kept):
            kept.append(point)
    return np.array(kept)


def _not_finite(simulation, points):
    """Why no start has a finite loss with finite derivatives."""
    loss, gradient, matrix = simulation(points)
    slopes = gradient + np.diagonal(matrix, axis1=1, axis2=2)
    bad = np.isfinite(loss)[:, None] & ~np.isfinite(slopes)
    model = simulation.model
    names = [p for p, b in zip(model.parameters, bad.any(axis=0), strict=True) if b]
    if names:
        return (
            f"The loss is finite, but its derivative by {names} is not, at any start. "
            "Some expressions have none where something is zero: c**n and sqrt(c) at "
            "c = 0. Begin elsewhere (param_init={'c': 1e-9}), or write c + 1e-9."
        )
    return (
        first_not_finite(model, points[0]) + " Choose narrower bounds or a smaller dt."
    )


def _standard_errors(simulation, box, at):
    """From the curvature at a point, in coordinates; every variable has its noise."""
    points = np.repeat(at[None], simulation.count, axis=0)
    function, summands = in_box(simulation, box), simulation.summands
    losses, matrices = [], []
    try:
        for summand in summands:
            simulation.summands = [summand]
            loss, _, matrix = function(points)
            losses.append(loss[0])
            matrices.append(matrix[0])
    finally:
        simulation.summands = summands
    free = degrees_of_freedom(matrices)
    rows = zip(summands, losses, free, strict=True)
    return errors_of_sum(matrices, [s.noise(loss, p) for s, loss, p in rows])


class _Watch:
    """Reports, and ends a search that only has to come near, if it stands still."""

    def __init__(self, plan, prefix, roughly=False):
        self.plan, self.prefix, self.roughly = plan, prefix, roughly
        self.best = []

    def __call__(self, number, losses):
        self.best.append(np.min(losses))
        if self.plan.report is not None:
            print(
                f"{self.prefix}call {number}: best loss {self.best[-1]:.6g} of "
                f"{len(losses)} starts",
                file=sys.stderr if self.plan.report == "stderr" else sys.stdout,
                flush=True,
            )
        if not self.roughly or number <= _PATIENCE:
            return False
        return self.best[-1] > (1 - _COARSE) * self.best[-1 - _PATIENCE]


def gradient_check(model, box, loss, seed, step, backend):
    """Derivatives and finite differences at a point."""
    at = np.random.default_rng(seed).uniform(0.2, 0.8, len(box))
    shift = step * np.eye(len(box))
    points = np.concatenate([at + shift, at - shift])
    values = simulation_of(model, loss, len(points), False)(box.values(points))
    differences = (values[0][: len(box)] - values[0][len(box) :]) / (2 * step)
    simulation = simulation_of(model, loss, 1, backend=backend)
    gradient = in_box(simulation, box)(at[None])[1][0]
    pairs = zip(gradient.tolist(), differences.tolist(), strict=True)
    return dict(zip(model.parameters, pairs, strict=True))
