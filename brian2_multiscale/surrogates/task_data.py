"""What a task gives: its state of rest, its data, and how they were made."""

import hashlib
import json

from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity

from ..arguments import check_choice, check_numbers
from ..parallel import check_executor
from .building import threshold_levels
from .checks import shape_text
from .data import Data, Source, answer, check_finite, scaled_signals
from .signals import Signal

__all__ = ["TaskData"]

_SPLITS = ("training", "validation", "held_out")


class TaskData:
    """The part of `SurrogateTask` that computes."""

    # -- what it is ------------------------------------------------------------------
    inputs = property(lambda self: self._teacher.inputs)
    outputs = property(lambda self: self._teacher.outputs)
    step = property(lambda self: self._teacher.step * second)
    duration = property(lambda self: self._samples * self._teacher.step * second)

    @property
    def splits(self):
        """Names of the splits that `data` knows."""
        if not self._recipes:
            return _SPLITS[:2]
        return tuple(s for s in _SPLITS if s in self._recipes)

    @property
    def rest(self):
        """Inputs and outputs in the state of rest: name to number in base units."""
        if self._found_rest is None:
            self._found_rest = self._find_rest()
        return dict(self._found_rest)

    def _find_rest(self):
        teacher, found = self._teacher, dict.fromkeys(self.inputs, 0.0)
        if self._through is not None:
            found.update(self._through.output_rest(self.inputs))
        found.update(self._given_rest)
        teacher.rest = found
        if not set(self.outputs) <= set(found):
            found.update(self._settled())
        # What the user gave counts, also for some of several outputs
        teacher.rest = {**found, **self._given_rest}
        return teacher.rest

    def _settled(self):
        if self._settle is None:
            return {}
        return self._teacher.settle(self._settle)

    @property
    def hash(self):
        """SHA-256 of what determines the answers: equations, values, time steps."""
        text = json.dumps(self._teacher.describe(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def recipe(self):
        """How the data are made, as JSON-able dict."""
        made = {
            split: {n: [r.recipe() for r in rs] for n, rs in recipes.items()}
            for split, recipes in self._recipes.items()
            if split != "validation"
        }
        return {
            "name": self.name,
            "stimuli": made,
            "through": None if self._through is None else self._through.recipe,
            "step": self._teacher.step,
            "samples": self._samples,
            "trials": self.trials,
            "validation_trials": self.validation_trials,
            "interpolation": self.interpolation,
            "rest": self.rest,
            "scale": self._scale,
            "seed": self.seed,
        }

    @property
    def spike_levels(self):
        """Outputs with a threshold such as 'v > 0*mV': name to number in base units."""
        return threshold_levels(self._teacher)

    # -- data ------------------------------------------------------------------------
    def data(self, split="training", executor=None, report=None):
        """
        Signals and the answers of the model.

        Parameters
        ----------
        split : {'training', 'validation', 'held_out'}
        executor : `concurrent.futures.Executor`, optional
            Runs groups of trials in other processes; the result is the same. By default
            everything runs in this process.
        report : {None, 'text', 'stdout', 'stderr'}, optional
            Where progress is printed.

        Returns
        -------
        `Data`
            Computed once and kept. Scale and range are those of the training data,
            whatever the split.

        Raises
        ------
        ValueError
            If the model does not settle, or gives nan: with trial, stimulus and time.
        """
        check_choice("split", split, self.splits)
        check_executor(executor, report)
        for needed in dict.fromkeys(("training", split)):
            if needed not in self._raw:
                self._raw[needed] = self._make(needed, executor, report)
        inputs, outputs = self._raw[split]
        signals = self._scaled()
        return Data(inputs, outputs, self._teacher.step, *signals, self._labels(split))

    def _make(self, split, executor, report):
        assert self.rest is not None  # which the teacher begins with
        source = self._source(split)
        count = self.trials if split == "training" else self.validation_trials
        stages = self._through, self._teacher
        inputs, outputs = answer(source, *stages, count, executor, report)
        labels = tuple(source.label(k) for k in range(count))
        for what, values, names in (
            ("The input", inputs, self.inputs),
            ("The output", outputs, self.outputs),
        ):
            check_finite(what, values, names, self._teacher.step, labels)

        return inputs, outputs

    def _source(self, split):
        first = self._through or self
        rest = tuple(first.rest[name] for name in first.inputs)
        seed = (self.seed, _SPLITS.index(split))
        step = self._teacher.step
        return Source(self._recipes[split], rest, self._samples, step, seed)

    def _labels(self, split):
        if not self._recipes:
            return ()
        source, count = self._source(split), self._raw[split][0].shape[1]
        return tuple(source.label(k) for k in range(count))

    def _scaled(self):
        arrays, ways = self._raw["training"], ("input", "output")
        names = self.inputs, self.outputs
        return tuple(
            scaled_signals([self._signal(n) for n in part], values, self._scale, way)
            for part, values, way in zip(names, arrays, ways, strict=True)
        )

    def _signal(self, name):
        dim = self.dims[name]
        return Signal.of(name, Quantity(1.0, dim=dim), rest=self.rest[name])

    def simulate(self, signals):
        """
        Answers of the model to any signals, from its state of rest.

        Parameters
        ----------
        signals : ndarray, shape (samples, trials, inputs)
            In base units.

        Returns
        -------
        ndarray, shape (samples, trials, outputs)
        """
        given, signals = signals, check_numbers("signals", signals, None)
        if signals.ndim != 3 or signals.shape[2] != len(self.inputs):
            raise ValueError(
                "signals must have the shape (samples, trials, inputs) with the inputs "
                f"{self.inputs}, got {shape_text(given)}."
            )
        check_finite("The input", signals, self.inputs, self._teacher.step)
        assert self.rest is not None  # which the teacher begins with
        return self._teacher.simulate(signals)

    def __repr__(self):
        return (
            f"<SurrogateTask {self.name!r}: {self.trials} + {self.validation_trials} "
            f"trials of {self.duration}, step {self.step}>"
        )
