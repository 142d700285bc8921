"""A trained surrogate from an architecture and a task."""

import hashlib
import json

import numpy as np
from brian2.units.allunits import second

from ...arguments import check_choice, check_path, check_positive, check_whole
from ...numerics.descent import Plan, descend
from ...optional import require
from ..checks import check_task
from ..quality import evaluate, metrics_to_json
from ..surrogate import Surrogate

__all__ = ["train"]

# Samples (times trials) that are computed together
_TOGETHER = 16384


def train(
    task,
    surrogate,
    *,
    steps=3000,
    batch=None,
    time_limit=None,
    learning_rate=0.01,
    slowest=None,
    balance=0.02,
    seed=0,
    report=None,
    checkpoint=None,
):
    """
    Fit a surrogate to the answers of a model.

    Needs JAX: ``pip install "brian2-multiscale[gradients]"``. What is trained runs
    without it.

    Parameters
    ----------
    task : `SurrogateTask`
    surrogate : `CompactSurrogate` or `EncoderDecoderCNN`
        The architecture. Parameters of a trained one are where training starts, if it
        was trained on the same signals.
    steps : int
        Steps of descent, each on one batch.
    batch : int, optional
        Trials per step (windows for a CNN); by default so many that they have about
        65 536 samples.
    time_limit : `Quantity`, optional
        Real time after which training ends early; the learning rate falls in time for
        it. Results then depend on the machine.
    learning_rate : float
        The highest: it rises over the first 2 % of the steps and falls by a cosine.
    slowest : `Quantity`, optional
        Longest time constant of a `CompactSurrogate` at the start; by default a third
        of the duration of trials. All are trained.
    balance : float
        Trials of a `CompactSurrogate` count by their error relative to the size of the
        answer, down to this fraction of the root mean square over all trials. Large
        values let strong trials dominate.
    seed : int
        Of first parameters and batches.
    report : {None, 'text', 'stdout', 'stderr'}
        Where progress is printed.
    checkpoint : path-like, optional
        '.npz' file, written now and then. With the same arguments training goes on
        where it was, and gives the same as without an interruption.

    Returns
    -------
    Surrogate
        Of the same class, with the parameters that had the lowest validation loss.
        ``history`` has the losses; ``meta`` what it was trained on and its errors on
        the splits of the task. Also after Ctrl-C, once there was a validation (every
        hundredth of the steps).

    Raises
    ------
    ImportError
        Without JAX; names the command that installs it.
    FloatingPointError
        If the loss is not finite any more: names the step and what can be changed.
    ValueError, TypeError, DimensionMismatchError
        Before anything is computed, if an argument is wrong.

    Notes
    -----
    The loss is the mean square of the error and of its mean over 64 samples, both
    relative to the size of the answer in a trial; for an `EncoderDecoderCNN` the mean
    absolute error, so too. Up to 3000 parameters Adam works along the principal
    directions of the gradients (`numerics.descent.RotatedAdam`), beyond along
    parameters. The same seed gives the same parameters on the same machine.
    """
    if not isinstance(surrogate, Surrogate):
        raise TypeError(
            f"surrogate must be a CompactSurrogate or an EncoderDecoderCNN, got "
            f"{surrogate!r}."
        )
    check_task(task)
    plan = _plan(steps, learning_rate, time_limit)
    batch = None if batch is None else check_whole("batch", batch)
    balance = check_positive("balance", balance)
    slowest = slowest if slowest is None else check_positive("slowest", slowest, second)
    check_whole("seed", seed, 0)
    check_choice("report", report, ("text", "stdout", "stderr", None))
    if checkpoint is not None:
        check_path("checkpoint", checkpoint)
    require("jax", "gradients", "Training a surrogate")
    # Imported late: JAX starts threads, and data may be made by forked processes
    data = {s: task.data(s, report=report) for s in ("training", "validation")}
    from .problems import problem_for

    slowest = slowest or data["training"].step * len(data["training"].inputs) / 3
    z, y = _normalised(surrogate, data)
    problem = problem_for(surrogate, z, y, data["training"].step, balance, slowest)
    batch = batch or problem.usual_batch()
    settings = {
        "steps": plan.steps,
        "batch": batch,
        "learning_rate": plan.learning_rate,
        "slowest": slowest,
        "balance": balance,
        "seed": seed,
    }
    start = _start(surrogate, problem, data["training"], seed)
    key = _key(surrogate, start, task, settings)
    progress = _descended(problem, start, plan, settings, report, checkpoint, key)
    return _trained(surrogate, problem, progress, data["training"], task, settings)


def _plan(steps, learning_rate, time_limit):
    steps = check_whole("steps", steps)
    if time_limit is not None:
        time_limit = check_positive("time_limit", time_limit, second)
    rate = check_positive("learning_rate", learning_rate)
    return Plan(steps, rate, every=max(steps // 100, 1), time_limit=time_limit)


def _normalised(surrogate, data):
    """Inputs and outputs of the splits, as the network sees them."""
    z, y = {}, {}
    for split, given in data.items():
        z[split] = _columns(given.input_signals, given.inputs)
        y[split] = _columns(given.output_signals, given.outputs)
        if surrogate.options.get("compression") == "asinh":
            z[split] = np.arcsinh(z[split])
    return z, y


def _columns(signals, values):
    columns = [s.normalised(values[..., k]) for k, s in enumerate(signals)]
    return np.stack(columns, axis=-1)


def _start(surrogate, problem, data, seed):
    if not surrogate.trained:
        return problem.join(problem.initial(np.random.default_rng([seed, 0])))
    # Another scale would make other functions of the same parameters
    for given, there in (
        (surrogate.inputs, data.input_signals),
        (surrogate.outputs, data.output_signals),
    ):
        known = [(s.name, s.dim, s.rest, s.scale) for s in given]
        wanted = [(s.name, s.dim, s.rest, s.scale) for s in there]
        if known != wanted:
            raise ValueError(
                f"The surrogate was trained for {known} (name, dimension, rest, "
                f"scale), the task has {wanted}. Give the task the same scale=..., or "
                "begin with an untrained architecture."
            )
    return problem.join(surrogate.parameters)


def _key(surrogate, start, task, settings):
    """All that the result depends on: what a checkpoint must have in common."""
    begin = hashlib.sha256(np.asarray(start, dtype=float).tobytes()).hexdigest()
    architecture = surrogate.architecture, surrogate.options
    return json.dumps([task.hash, task.recipe, settings, architecture, begin])


def _descended(problem, start, plan, settings, report, checkpoint, key):
    from .losses import value, value_and_gradient

    seed, batch = settings["seed"], settings["batch"]

    def gradient(vector, number):
        random = np.random.default_rng([seed, 1, number])
        stage = problem.stage(number / plan.steps)
        arrays = problem.draw(random, batch)
        vector = vector.astype(np.float32)
        parts = list(_parts(arrays))
        found = [value_and_gradient(problem.loss, stage, vector, *p) for p in parts]
        losses, changes = zip(*found, strict=True)
        sizes = [part[0].shape[1] for part in parts]
        changes = [np.asarray(change, dtype=float) for change in changes]
        mean = np.average(changes, axis=0, weights=sizes)
        return np.average([float(loss) for loss in losses], weights=sizes), mean

    def validate(vector):
        last, vector = problem.stage(1.0), vector.astype(np.float32)
        parts = [
            (part[0].shape[1], float(value(problem.loss, last, vector, *part)))
            for arrays in problem.validation(batch)
            for part in _parts(arrays)
        ]
        sizes, losses = zip(*parts, strict=True)
        return float(np.average(losses, weights=sizes))

    where = {"report": report, "checkpoint": checkpoint, "key": key, "advise": _advise}
    return descend(start, gradient, validate, plan, problem.project, **where)


def _advise(parameters, number):
    return "look for extreme values in the stimuli and answers: task.data()"


def _parts(arrays):
    """Groups of trials, so small that what is computed of them stays in the cache.

    More than 32 MB would also be given back to the system, and be asked for again, at
    every step: three to five times as slow.
    """
    samples, trials = arrays[0].shape[:2]
    count = min(-(-samples * trials // _TOGETHER), trials)
    if count == 1:
        yield arrays
        return
    for some in np.array_split(np.arange(trials), count):
        yield tuple(a[:, some] for a in arrays)


def _trained(surrogate, problem, progress, data, task, settings):
    parameters = problem.split(progress.best.astype(np.float32))
    meta = {
        "model_hash": task.hash,
        "task": task.recipe,
        "training": {
            **settings,
            "steps_made": progress.number,
            "stopped": progress.stopped,
            "best_validation_loss": progress.best_loss,
        },
    }
    made = surrogate.with_parameters(
        data.input_signals, data.output_signals, task.step, parameters, meta
    )
    made.history = progress.history
    splits = [s for s in task.splits if s != "training"]
    made.meta["metrics"] = {
        split: metrics_to_json(evaluate(made, task, split)) for split in splits
    }
    return made
