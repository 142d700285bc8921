"""Descent on a noisy gradient that keeps the best, can be stopped and goes on."""

import sys
import time
from dataclasses import dataclass, field

import numpy as np

from .checkpoint import read_checkpoint, write_checkpoint
from .rules import rule_for

__all__ = ["Plan", "Progress", "descend"]

#: Fraction of the steps over which the learning rate rises, and its last value
_WARM_UP, _LAST = 0.02, 0.003
# Seconds between reports
_QUIET = 5


@dataclass(frozen=True)
class Plan:
    """
    How a descent goes.

    Attributes
    ----------
    steps : int
    learning_rate : float
        At its highest.
    clip : float
        Largest norm of a gradient.
    every : int
        Steps between validations.
    time_limit : float or None
        In seconds; the learning rate then falls by time, if that is faster.
    constant : bool
        Whether the learning rate stays as it is, so that more steps are the same
        descent going on; otherwise it rises linearly and falls by a cosine.
    """

    steps: int
    learning_rate: float
    clip: float = 1.0
    every: int = 200
    time_limit: float | None = None
    constant: bool = False

    def rate(self, number, elapsed):
        """Learning rate at a step, after some seconds."""
        if self.constant:
            return self.learning_rate
        done = number / self.steps
        if self.time_limit is not None:
            done = max(done, min(elapsed / self.time_limit, 1.0))
        rise = min((number + 1) / max(_WARM_UP * self.steps, 1), 1.0)
        fall = _LAST + (1 - _LAST) * 0.5 * (1 + np.cos(np.pi * done))
        return self.learning_rate * rise * fall


@dataclass
class Progress:
    """
    How far a descent is.

    Attributes
    ----------
    parameters, best : ndarray
        At the moment, and those with the lowest validation loss.
    best_loss : float
    number : int
        Steps that were made.
    elapsed : float
        Seconds, of all parts of a descent that was resumed.
    losses : list of float
        Per step.
    validation : list of (int, float)
        Number of steps and loss.
    stopped : str
        Why it ended: 'steps', 'time limit' or 'interrupted'.
    told : float
        When progress was reported (s).
    """

    parameters: np.ndarray
    best: np.ndarray
    best_loss: float = np.inf
    number: int = 0
    elapsed: float = 0.0
    losses: list = field(default_factory=list)
    validation: list = field(default_factory=list)
    stopped: str = "steps"
    told: float = -np.inf

    def judge(self, loss):
        """Take the validation loss of the present parameters to the record."""
        self.validation.append((self.number, loss))
        if loss < self.best_loss:
            self.best_loss, self.best = loss, self.parameters.copy()

    @property
    def history(self):
        """As plain arrays."""
        steps, losses = (
            zip(*self.validation, strict=True) if self.validation else ((),) * 2
        )
        return {
            "loss": np.array(self.losses),
            "validation_step": np.array(steps, dtype=int),
            "validation_loss": np.array(losses),
            "elapsed": self.elapsed,
            "stopped": self.stopped,
        }


def descend(
    start,
    gradient,
    validate,
    plan,
    project=None,
    report=None,
    checkpoint=None,
    key="",
    rule=None,
    advise=None,
):
    """
    Minimise a function by its noisy gradient.

    Parameters
    ----------
    start : ndarray, shape (parameters,), or `Progress`
        Where to begin, or what to go on with (it is changed).
    gradient : callable
        ``gradient(parameters, number)``: loss and gradient on the batch of a step. It
        must depend on nothing else, so that a resumed descent is the same.
    validate : callable or None
        ``validate(parameters)``: the loss that counts; without it that of the batches
        since the last time.
    plan : `Plan`
    project : callable, optional
        ``project(parameters)`` back to where they may be.
    report : {None, 'text', 'stdout', 'stderr'}
    checkpoint : path-like, optional
        Written at every validation. If it exists the descent goes on from there.
    key : str
        What is minimised; a checkpoint of something else is refused.
    rule : `Adam`, optional
        How a gradient becomes a step; by default as `rule_for` says.
    advise : callable, optional
        ``advise(parameters, number)``: where a loss that is not finite may come from;
        it completes 'Lower the learning rate (now 0.1), or ...'.

    Returns
    -------
    `Progress`
        Also after Ctrl-C, once there is a validation.

    Raises
    ------
    FloatingPointError
        If a loss or gradient is not finite: names the step and what can be changed.
    """
    progress = start
    if not isinstance(start, Progress):
        progress = Progress(*(np.array(start, dtype=float) for _ in range(2)))
    rule = rule or rule_for(progress.best.size)
    if checkpoint is not None:
        read_checkpoint(checkpoint, key, progress, rule.state)
    began = time.monotonic() - progress.elapsed
    try:
        while not _finished(progress, plan):
            _step(progress, gradient, rule, plan, project, advise)
            progress.elapsed = time.monotonic() - began
            last = progress.number == plan.steps or _late(progress, plan)
            if progress.number % plan.every == 0 or last:
                loss = _loss(progress, validate, plan)
                progress.judge(_finite(loss, progress, plan, advise))
                if report and (last or progress.elapsed - progress.told > _QUIET):
                    _tell(report, progress, plan)
                if checkpoint is not None:
                    write_checkpoint(checkpoint, key, progress, rule.state)
    except KeyboardInterrupt:
        if not progress.validation:
            raise
        progress.stopped = "interrupted"
    return progress


def _late(progress, plan):
    return plan.time_limit is not None and progress.elapsed >= plan.time_limit


def _finished(progress, plan):
    late = _late(progress, plan) and progress.number > 0
    progress.stopped = "time limit" if late else "steps"
    return late or progress.number >= plan.steps


def _loss(progress, validate, plan):
    if validate is not None:
        return validate(progress.parameters)
    return np.mean(progress.losses[-plan.every :])


def _step(progress, gradient, rule, plan, project, advise):
    number = progress.number
    loss, change = gradient(progress.parameters, number)
    change = np.asarray(change, dtype=float)
    size = np.linalg.norm(change)
    _finite(float(loss) + size, progress, plan, advise)
    if size > plan.clip:
        change *= plan.clip / size
    rate = plan.rate(number, progress.elapsed)
    moved = progress.parameters + rate * rule.direction(change, number)
    progress.parameters = moved if project is None else project(moved)
    progress.losses.append(float(loss))
    progress.number += 1


def _finite(value, progress, plan, advise):
    if np.isfinite(value):
        return float(value)
    cure = f"Lower the learning rate (now {plan.learning_rate:g})"
    if advise is not None:
        cure += f", or {advise(progress.parameters, progress.number)}"
    raise FloatingPointError(
        f"The loss or its gradient is {value} at step {progress.number} of "
        f"{plan.steps}. {cure}."
    )


def _tell(report, progress, plan):
    progress.told = progress.elapsed
    mean = np.mean(progress.losses[-plan.every :])
    print(
        f"step {progress.number} of {plan.steps}, {progress.elapsed:.0f} s: training "
        f"loss {mean:.3g}, validation {progress.validation[-1][1]:.3g} (best "
        f"{progress.best_loss:.3g})",
        file=sys.stderr if report == "stderr" else sys.stdout,
        flush=True,
    )
