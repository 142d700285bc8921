"""What a fit is given: stimuli, recorded traces, recorded spikes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity, get_dimensions

from ...arguments import check_mapping, check_numbers

__all__ = ["FitData", "SPIKES", "fit_data"]

#: What recorded spikes are called among the outputs
SPIKES = "spikes"


@dataclass
class FitData:
    """
    Signals of all trials, in base units.

    Attributes
    ----------
    traces : dict of str to ndarray, shape (trials, steps)
        Recorded; nan where there is no value.
    stimuli : dict of str to ndarray, shape (trials, steps)
    dimensions : dict of str to `Dimension`
    spikes, events : ndarray of bool, shape (trials, steps), or None
        Recorded spikes, and those that arrive.
    """

    traces: dict = field(default_factory=dict)
    stimuli: dict = field(default_factory=dict)
    dimensions: dict = field(default_factory=dict)
    spikes: np.ndarray | None = None
    events: np.ndarray | None = None
    trials: int = 1
    steps: int = 0


def fit_data(input, output, event, dt, duration):
    """
    Check what was given.

    Parameters
    ----------
    input, output : dict
    event : str or None
        Name of the input that is made of spike times.
    dt : float
        In seconds.
    duration : float or None
        In seconds; needed only if there are nothing but spikes.
    """
    check_mapping("input", input)
    check_mapping("output", output)
    if not output:
        raise ValueError(
            "output must have at least one recording: {'v': trace} or {'spikes': "
            f"times}}, got {output!r}."
        )
    data = FitData()
    inputs, outputs = dict(input or {}), dict(output)
    trains = {
        "output['spikes']": outputs.pop(SPIKES, None),
        f"input[{event!r}]": inputs.pop(event, None) if event else None,
    }
    for kind, signals, store in (
        ("input", inputs, data.stimuli),
        ("output", outputs, data.traces),
    ):
        for name, value in signals.items():
            store[name] = _signal(f"{kind}[{name!r}]", value, kind == "output")
            data.dimensions[name] = get_dimensions(value)
    _sizes(data, trains, dt, duration)
    names = list(trains)
    data.spikes = _binned(names[0], trains[names[0]], data, dt)
    data.events = _binned(names[1], trains[names[1]], data, dt)
    return data


def _signal(name, value, gaps):
    array = np.atleast_2d(check_numbers(name, value, None))
    if array.ndim != 2 or not array.size:
        raise ValueError(
            f"{name} must have the shape (trials, time steps), got {np.shape(value)}."
        )
    bad = np.isinf(array) if gaps else ~np.isfinite(array)
    if bad.any():
        trial, step = np.argwhere(bad)[0]
        raise ValueError(
            f"{name} has the value {array[trial, step]} in time step {step} of trial "
            f"{trial}" + (": write nan where nothing was recorded." if gaps else ".")
        )
    if gaps and np.isnan(array).all():
        raise ValueError(f"{name} has no value that is not nan.")
    return array


def _sizes(data, trains, dt, duration):
    """How many trials of how many steps: the same for all."""
    shapes = {f"output[{n!r}]": a.shape for n, a in data.traces.items()}
    shapes |= {f"input[{n!r}]": a.shape for n, a in data.stimuli.items()}
    counts = {n: len(_trains(n, t)) for n, t in trains.items() if t is not None}
    counts = {n: c for n, c in counts.items() if c > 1}
    if len({s[1] for s in shapes.values()}) > 1:
        raise ValueError(f"All signals must have as many time steps, got {shapes}.")
    counts |= {n: s[0] for n, s in shapes.items() if s[0] > 1}
    if len(set(counts.values())) > 1:
        raise ValueError(f"All signals must have as many trials, got {counts}.")
    data.trials = max(counts.values(), default=1)
    if not shapes and duration is None:
        raise ValueError("Without any trace the fit needs duration=, such as 1*second.")
    data.steps = next(iter(shapes.values()))[1] if shapes else round(duration / dt)
    if duration is not None and round(duration / dt) != data.steps:
        raise ValueError(
            f"duration={duration * second} is not that of the signals, which have "
            f"{data.steps} time steps of {dt * second}; leave it out (it is for spikes "
            "without any trace or input)."
        )
    for store in (data.traces, data.stimuli):
        for name, array in store.items():
            store[name] = np.broadcast_to(array, (data.trials, data.steps))


def _trains(name, trains):
    """Times of spikes, one array per trial."""
    if isinstance(trains, Mapping):  # SpikeMonitor.spike_trains()
        trains = [trains[k] for k in sorted(trains)]
    if isinstance(trains, Quantity) and np.ndim(trains) < 2:
        trains = [trains]
    if not isinstance(trains, list | tuple | np.ndarray):
        raise TypeError(
            f"{name} must be a list of arrays of times, one per trial, got {trains!r}."
        )
    return list(trains)


def _binned(name, trains, data, dt):
    """In which time steps there are spikes."""
    if trains is None:
        return None
    found = np.zeros((data.trials, data.steps), dtype=bool)
    for trial, times in enumerate(_trains(name, trains)):
        times = np.atleast_1d(check_numbers(f"{name}[{trial}]", times, second))
        if not np.isfinite(times).all() or np.any(times < 0):
            raise ValueError(f"{name}[{trial}] must be finite times from 0*second on.")
        steps = np.floor(times / dt + 1e-6).astype(int)
        if np.any(steps >= data.steps):
            raise ValueError(
                f"{name}[{trial}] has a spike at {times.max() * second}, after the end "
                f"of the recording ({data.steps * dt * second})."
            )
        if len(np.unique(steps)) < len(steps):
            raise ValueError(
                f"{name}[{trial}] has two spikes in one time step; choose a smaller dt "
                f"than {dt * second}."
            )
        found[trial, steps] = True
    alone = len(_trains(name, trains)) == 1  # counts for all trials
    return np.broadcast_to(found[:1], found.shape) if alone else found
