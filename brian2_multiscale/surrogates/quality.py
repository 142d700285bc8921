"""How far a surrogate is from its model."""

import numpy as np
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity

from ..codegen.arrays import unit_name

__all__ = ["compare_signals", "compare_spikes", "evaluate", "metrics_to_json"]

# How far from each other spikes of model and surrogate may be that count as the same
_SAME_SPIKE = 2e-3


def evaluate(surrogate, task, split="validation"):
    """
    Errors of a surrogate on the signals of a task.

    Parameters
    ----------
    surrogate : `Surrogate`
        Trained, with the inputs, outputs and step of the task.
    task : `SurrogateTask`
    split : str
        One of its splits.

    Returns
    -------
    dict of str to dict
        Per output: what `compare_signals` gives; ``'rest_error'``, the largest
        difference from rest in a tenth of a second (at least 100 samples) at rest; for
        an output with a threshold also ``'spikes'``, what `compare_spikes` gives.

    Raises
    ------
    ValueError
        If surrogate and task do not belong together.
    """
    _check_match(surrogate, task)
    data = task.data(split)
    found = _response(surrogate, data.inputs)
    rest = _rest_errors(surrogate, task)
    metrics = {}
    for k, signal in enumerate(data.output_signals):
        reference, values = data.outputs[..., k], found[..., k]
        metrics[signal.name] = {
            **compare_signals(reference, values, signal.rest, signal.dim),
            "rest_error": signal.quantity(rest[k]),
        }
        level = task.spike_levels.get(signal.name)
        if level is not None:
            spikes = compare_spikes(reference, values, level, data.step)
            metrics[signal.name]["spikes"] = spikes
    return metrics


def compare_signals(reference, found, rest, dim):
    """
    Differences between two signals in base units.

    Parameters
    ----------
    reference, found : ndarray, shape (samples, trials)
    rest : float
    dim : `Dimension`

    Returns
    -------
    dict
        'rmse': root mean square error; 'max_error'; 'mean_error': largest difference of
        the means of a trial (`Quantity`). 'nrmse': rmse over the root mean square
        difference of the reference from rest; 'nrmse_median': the median of the same
        within trials, which also counts weak ones; 'correlation' (float).
    """
    error = found - reference
    rmse = np.sqrt(np.mean(error**2))
    size = np.sqrt(np.mean((reference - rest) ** 2, axis=0))
    per_trial = np.sqrt(np.mean(error**2, axis=0))
    some = size > 0
    median = np.median(per_trial[some] / size[some]) if some.any() else np.nan
    return {
        "rmse": Quantity(rmse, dim=dim),
        "nrmse": _ratio(rmse, np.sqrt(np.mean(size**2))),
        "nrmse_median": float(median),
        "max_error": Quantity(np.abs(error).max(), dim=dim),
        "mean_error": Quantity(np.abs(error.mean(axis=0)).max(), dim=dim),
        "correlation": _correlation(reference, found),
    }


def compare_spikes(reference, found, level, step, tolerance=_SAME_SPIKE):
    """
    Compare upward crossings of a level: number and times.

    Parameters
    ----------
    reference, found : ndarray, shape (samples, trials)
    level : float
    step : float
        Length of a sample in seconds.
    tolerance : float
        Largest distance in seconds of spikes that count as the same.

    Returns
    -------
    dict
        'reference', 'found': number of spikes in all trials; 'exact_trials': fraction
        of the trials with the right number; 'coincident': fraction of all spikes, of
        both, that have a partner within the tolerance; 'time_error': root mean square
        difference between partners (`Quantity`).
    """
    pairs = [
        (_crossings(a, level, step), _crossings(b, level, step))
        for a, b in zip(reference.T, found.T, strict=True)
    ]
    counts = np.array([[len(a), len(b)] for a, b in pairs])
    partners = [_partners(a, b, tolerance) for a, b in pairs]
    distances = np.concatenate(partners) if partners else np.zeros(0)
    total, error = counts.sum(), np.nan
    if len(distances):
        error = np.sqrt(np.mean(distances**2))
    return {
        "reference": int(counts[:, 0].sum()),
        "found": int(counts[:, 1].sum()),
        "exact_trials": float(np.mean(counts[:, 0] == counts[:, 1])),
        "coincident": 2 * len(distances) / total if total else 1.0,
        "time_error": error * second,
    }


def metrics_to_json(metrics):
    """Metrics for a file: quantities become pairs of a number and a unit."""
    if isinstance(metrics, dict):
        return {name: metrics_to_json(value) for name, value in metrics.items()}
    if isinstance(metrics, Quantity):
        return [_plain(metrics), unit_name(metrics.dim)]
    return _plain(metrics)


def _plain(value):
    number = float(np.asarray(value))
    if not np.isfinite(number):
        return None  # JSON has no nan
    return int(value) if isinstance(value, int | np.integer) else number


def _ratio(value, size):
    return float(value / size) if size > 0 else np.nan


def _correlation(a, b):
    a, b = a - a.mean(), b - b.mean()
    return _ratio(np.mean(a * b), np.sqrt(np.mean(a * a) * np.mean(b * b)))


def _crossings(values, level, step):
    """Times at which a level is crossed upwards, interpolated linearly."""
    k = np.flatnonzero((values[:-1] <= level) & (values[1:] > level))
    return (k + (level - values[k]) / (values[k + 1] - values[k])) * step


def _partners(first, second_, tolerance):
    """Differences of times, each used once, in order of time."""
    found, a, b = [], 0, 0
    while a < len(first) and b < len(second_):
        distance = second_[b] - first[a]
        if abs(distance) <= tolerance:
            found.append(distance)
        a += distance >= -tolerance
        b += distance <= tolerance
    return np.array(found)


def _check_match(surrogate, task):
    for way in ("inputs", "outputs"):
        there = [(s.name, s.dim) for s in getattr(surrogate, way)]
        here = [(name, task.dims[name]) for name in getattr(task, way)]
        if there != here:
            raise ValueError(
                f"The surrogate has the {way} {[n for n, _ in there]}, the task "
                f"{[n for n, _ in here]}: they do not belong together."
            )
    if abs(float(surrogate.step) - float(task.step)) > 1e-9 * float(task.step):
        raise ValueError(
            f"The surrogate has samples of {surrogate.step}, the task of {task.step}."
        )


def _response(surrogate, signals):
    """Response to signals in base units, in base units."""
    given = {
        s.name: s.quantity(signals[..., k]) for k, s in enumerate(surrogate.inputs)
    }
    if len(given) == 1:
        (given,) = given.values()
    found = surrogate.response(given)
    if not isinstance(found, dict):
        found = {surrogate.outputs[0].name: found}
    arrays = [np.asarray(found[s.name]) for s in surrogate.outputs]
    return np.stack(arrays, axis=-1)


def _rest_errors(surrogate, task):
    samples = max(round(0.1 / float(task.step)), 100)
    rest = np.array([task.rest[name] for name in task.inputs])
    found = _response(surrogate, np.broadcast_to(rest, (samples, 1, len(rest))))
    expected = [task.rest[name] for name in task.outputs]
    return np.abs(found[:, 0] - expected).max(axis=0)
