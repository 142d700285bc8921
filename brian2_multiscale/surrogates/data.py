"""Data to train and test a surrogate: drawn stimuli and the answers of the teacher."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from brian2.core.preferences import prefs
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity

from ..parallel import map_jobs

__all__ = ["Data", "Source", "answer", "check_finite", "scaled_signals"]

#: Trials that run together. It never depends on the machine or on workers, so that
#: models with random numbers give the same everywhere.
_TOGETHER = 32


@dataclass(frozen=True)
class Data:
    """
    Signals and answers of one split.

    Attributes
    ----------
    inputs, outputs : ndarray, shapes (samples, trials, inputs or outputs)
        In base units.
    step : float
        Length of a sample in seconds.
    input_signals, output_signals : tuple of `Signal`
        With rest, scale and range, from the training data for all splits.
    stimuli : tuple of str
        What each trial is.
    """

    inputs: np.ndarray
    outputs: np.ndarray
    step: float
    input_signals: tuple
    output_signals: tuple
    stimuli: tuple = ()

    def __repr__(self):
        samples, trials, _ = self.inputs.shape
        ways = [
            ", ".join(s.name for s in signals)
            for signals in (self.input_signals, self.output_signals)
        ]
        return (
            f"<Data {ways[0]} -> {ways[1]}: {trials} trials of {samples} samples of "
            f"{self.step * second}>"
        )


@dataclass(frozen=True)
class Source:
    """
    Draws the input signals of trials: each trial has a seed of its own.

    Attributes
    ----------
    recipes : dict of str to tuple of `Stimulus`
        Per input; trial k has recipe k, counted cyclically.
    rest : tuple of float
        What stimuli are added to.
    samples : int
    step : float
    seed : tuple of int
        Of the task and split.
    """

    recipes: dict
    rest: tuple
    samples: int
    step: float
    seed: tuple

    def draw(self, trials):
        """Signals of some trials, shape (samples, trials, inputs)."""
        return np.stack([self._trial(k) for k in trials], axis=1)

    def _trial(self, number):
        columns = []
        for k, (recipes, rest) in enumerate(
            zip(self.recipes.values(), self.rest, strict=True)
        ):
            random = np.random.default_rng([*self.seed, number, k])
            recipe = recipes[number % len(recipes)]
            columns.append(rest + recipe.draw(random, self.samples, self.step))
        return np.stack(columns, axis=-1)

    def label(self, number):
        """What a trial is, for messages."""
        return "; ".join(
            repr(recipes[number % len(recipes)]) for recipes in self.recipes.values()
        )


@dataclass(frozen=True)
class Job:
    """Some trials, for one process."""

    source: Source
    through: Any
    teacher: Any
    trials: range
    target: str
    report: Any = None

    def run(self):
        before = prefs.codegen.target
        prefs.codegen.target = self.target  # another process has other preferences
        try:
            return self._run()
        finally:
            prefs.codegen.target = before

    def _run(self):
        signals = self.source.draw(self.trials)
        if self.through is not None:
            signals = self.through.simulate(signals)
        seed = [*self.source.seed, self.trials.start]
        number = int(np.random.SeedSequence(seed).generate_state(1)[0])
        return signals, self.teacher.simulate(signals, number, self.report)


def answer(source, through, teacher, count, executor=None, report=None):
    """
    Signals and answers of all trials.

    Parameters
    ----------
    source : `Source`
    through, teacher : objects with ``simulate(signals, ...)``
    count : int
        Number of trials.
    executor : `concurrent.futures.Executor`, optional
        Without one everything is computed in this process, in few large groups.
    report : str, optional

    Returns
    -------
    inputs, outputs : ndarray, shape (samples, trials, ...)
    """
    starts = range(0, count, _TOGETHER)
    target = prefs.codegen.target
    jobs = [
        Job(source, through, teacher, range(k, min(k + _TOGETHER, count)), target)
        for k in starts
    ]
    if executor is None:
        parts = [replace(job, report=report).run() for job in jobs]
    else:
        parts = []
        for found, problem in map_jobs(_safely, jobs, executor, report, "groups"):
            if problem is not None:
                raise RuntimeError(f"The simulation of the model failed: {problem}")
            parts.append(found)
    return tuple(np.concatenate(p, axis=1) for p in zip(*parts, strict=True))


def _safely(job):
    """Not every exception of Brian2 survives the way from another process."""
    try:
        return job.run(), None
    except Exception as error:
        causes = [f"{type(error).__name__}: {error}"]
        while error.__cause__ is not None:
            error = error.__cause__
            causes.append(f"{type(error).__name__}: {error}")
        return None, " ".join(causes)


def check_finite(what, values, names, step, labels=()):
    """Refuse nan and infinity, and say where they are."""
    wrong = ~np.isfinite(values)
    if not wrong.any():
        return
    trial = int(np.flatnonzero(wrong.any(axis=(0, 2)))[0])
    sample = int(np.flatnonzero(wrong[:, trial].any(axis=1))[0])
    name = names[int(np.flatnonzero(wrong[sample, trial])[0])]
    stimulus = f" ({labels[trial]})" if labels else ""
    raise ValueError(
        f"{what} {name!r} is {values[sample, trial, names.index(name)]} in trial "
        f"{trial}{stimulus} from {sample * step * second} on. Make dt smaller, choose "
        "another method, or lower the amplitude of this stimulus."
    )


def scaled_signals(signals, values, scales, way):
    """
    Signals with scale and range from training data.

    The scale of an output is its root mean square difference from rest. That of an
    input is the geometric mean of the same over trials: with levels that span decades
    it lies in the middle of them on a logarithmic scale, weak trials stay visible after
    ``arcsinh``, and strong ones are compressed.
    """
    made = []
    for k, signal in enumerate(signals):
        column = values[..., k]
        power = np.mean((column - signal.rest) ** 2, axis=0)
        scale = scales.get(signal.name) or _typical(power, way)
        if not scale > 0:
            raise ValueError(
                f"The {way} {signal.name!r} stays at its rest of "
                f"{Quantity(signal.rest, dim=signal.dim)} in all training trials: "
                "there is nothing to learn. Use stronger stimuli, or check that the "
                "model depends on its input."
            )
        low, high = float(column.min()), float(column.max())
        made.append(replace(signal, scale=float(scale), low=low, high=high))
    return tuple(made)


def _typical(power, way):
    if way == "output":
        return np.sqrt(power.mean())
    some = power[power > 1e-12 * power.max()]
    return np.exp(0.5 * np.log(some).mean()) if len(some) else 0.0
