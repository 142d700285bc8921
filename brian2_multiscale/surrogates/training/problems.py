"""What is trained, for every architecture: first parameters, batches, loss."""

import numpy as np

from . import cnn_jax, compact_jax
from .losses import CNNLoss, CompactLoss, FeedbackLoss
from .segments import segment_length

__all__ = ["CNNProblem", "CompactProblem", "FeedbackProblem", "problem_for"]

#: Samples (times trials) per step, unless the user says so
_USUAL = 65536


class Problem:
    """
    A surrogate, and signals that it is to learn.

    Parameters
    ----------
    surrogate : `Surrogate`
        The architecture.
    z, y : dict of str to ndarray
        Normalised inputs and outputs of the splits, (samples, trials, signals).
    step : float
        Length of a sample in seconds.
    balance : float
        Size of an answer (output scale 1) below which trials count less.
    slowest : float
        In seconds: the longest time constant to start with.
    """

    kind = None

    def __init__(self, surrogate, z, y, step, balance, slowest):
        self.options, self.step, self.slowest = surrogate.shape, step, slowest
        self.z = {k: v.astype(np.float32) for k, v in z.items()}
        self.y = {k: v.astype(np.float32) for k, v in y.items()}
        self.weight = {k: _weights(v, balance) for k, v in self.y.items()}
        self.ways = z["training"].shape[2], y["training"].shape[2]
        shapes = surrogate.shapes(*self.ways)
        self.loss = self.kind(self.options, step, tuple(shapes.items()))

    def join(self, parameters):
        """One vector."""
        return np.concatenate([np.ravel(parameters[n]) for n, _ in self.loss.shapes])

    def split(self, vector):
        """Parameters by name, from a vector."""
        return self.loss.split(vector)

    def project(self, vector):
        """Back to where parameters may be."""
        return vector

    def stage(self, done):
        """What the loss depends on when a fraction of all steps is done."""
        return None

    def usual_batch(self):
        return max(_USUAL // len(self.z["training"]), 1)

    def trials(self, random, batch):
        """Numbers of different trials of a batch."""
        count = self.z["training"].shape[1]
        if batch >= count:
            return np.arange(count)
        return np.sort(random.choice(count, batch, replace=False))


class CompactProblem(Problem):
    """Whole trials, from rest."""

    kind = CompactLoss

    def initial(self, random):
        return compact_jax.initial_parameters(
            random, self.options, *self.ways, self.step, self.slowest
        )

    def project(self, vector):
        return self.join(compact_jax.within_bounds(self.split(vector), self.step))

    def draw(self, random, batch):
        return self._pick("training", self.trials(random, batch))

    def validation(self, batch):
        count = self.z["validation"].shape[1]
        for start in range(0, count, batch):
            yield self._pick("validation", slice(start, start + batch))

    def _pick(self, split, some):
        return tuple(a[split][:, some] for a in (self.z, self.y, self.weight))


class FeedbackProblem(CompactProblem):
    """Pieces of trials, in which the network runs free, from where the model was.

    They get longer in the course of training: one sample (the output of the model is
    the input) at first. States begin where they are with the model's output as input.
    """

    kind = FeedbackLoss

    def __init__(self, *args):
        super().__init__(*args)
        change = np.diff(self.y["training"], axis=0)
        typical = np.sqrt(np.mean(change**2, axis=(0, 1), keepdims=True))
        # Errors relative to the typical change per sample
        self.weight = {
            k: np.ones_like(v[:1]) / np.maximum(typical, 1e-6)
            for k, v in self.y.items()
        }

    def stage(self, done):
        return segment_length(done, len(self.z["training"]))


class CNNProblem(Problem):
    """Windows of trials, with the context that the network needs."""

    kind = CNNLoss

    def initial(self, random):
        return cnn_jax.initial_parameters(random, self.options, *self.ways)

    def usual_batch(self):
        return max(_USUAL // self.options.length, 1)

    def draw(self, random, batch):
        return self._windows(random, "training", batch)

    def validation(self, batch):
        # The same windows at every validation
        random = np.random.default_rng(0)
        samples, trials, _ = self.z["validation"].shape
        count = max(samples * trials // self.options.window, 1)
        for _ in range(0, min(count, 16), batch):
            yield self._windows(random, "validation", batch)

    def _windows(self, random, split, batch):
        arrays = self.z[split], self.y[split], self.weight[split]
        return cnn_jax.draw_windows(random, *arrays, self.options, batch)


def problem_for(surrogate, *args):
    """The problem of an architecture."""
    if surrogate.architecture == "cnn":
        return CNNProblem(surrogate, *args)
    if surrogate.options["feedback"]:
        return FeedbackProblem(surrogate, *args)
    return CompactProblem(surrogate, *args)


def _weights(y, balance):
    """One over the size of the answer in a trial: weak ones count as strong ones."""
    power = np.mean(y**2, axis=0, keepdims=True)
    return (1 / np.sqrt(power + balance**2)).astype(np.float32)
