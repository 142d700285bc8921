"""Outputs as sums of decaying exponentials that events add to."""

import numpy as np

__all__ = ["nrmse", "pooled_output", "worst_peak"]


def pooled_output(spike_times, increments, time_constants, times):
    """
    Sum of the exponentials at sorted ``times``; at a spike the value after it.

    All times in seconds; ``increments`` has shape (spikes, exponentials).
    """
    result = np.zeros(len(times))
    pooled = np.zeros(len(time_constants))
    bounds = np.searchsorted(times, np.append(spike_times, np.inf))
    for k, spike in enumerate(spike_times):
        if k:
            gap = spike - spike_times[k - 1]
            pooled = pooled * np.exp(-gap / time_constants)
        pooled = pooled + increments[k]
        part = slice(bounds[k], bounds[k + 1])
        local = times[part, None] - spike
        result[part] = np.exp(-local / time_constants) @ pooled
    return result


def nrmse(reference, values):
    """Root of the summed squared error over the summed squared reference."""
    return float(np.sqrt(np.sum((reference - values) ** 2) / np.sum(reference**2)))


def worst_peak(spike_times, times, reference, values):
    """Largest error of the peak between two spikes, relative to the largest peak."""
    bounds = np.unique(np.searchsorted(times, spike_times))
    bounds = bounds[bounds < len(times)]
    if len(bounds) == 0:
        return 0.0
    peaks = [np.maximum.reduceat(np.abs(y), bounds) for y in (reference, values)]
    return float(np.abs(peaks[0] - peaks[1]).max() / peaks[0].max())
