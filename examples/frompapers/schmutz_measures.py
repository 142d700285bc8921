"""What Schmutz_Gerstner_Schwalger_2020.py measures: moments, dwell times, events."""

import numpy as np

OCTAVES = np.append(2.0 ** np.arange(8), 250)  # Hz


def average(values):
    """Mean and standard error of independent values along the first axis."""
    return values.mean(0), values.std(0, ddof=1) / np.sqrt(len(values))


def statistics(signals, step, block):
    """
    Mean, standard deviation and spectrum of independent copies of a signal.

    Parameters
    ----------
    signals : ndarray, shape (copies, samples)
    step : float
        Time between samples (s).
    block : float
        Blocks of this length (s) are taken for independent.

    Returns
    -------
    dict
        'mean', 'sd' and 'spectrum' (one value per octave): value and relative standard
        error; 'density': frequencies and one-sided power spectral density.
    """
    samples = round(block / step)
    whole = signals.shape[1] // samples * samples
    blocks = signals[:, :whole].reshape(-1, samples)
    mean, mean_error = average(blocks.mean(1))
    blocks = blocks - mean
    variance, variance_error = average((blocks**2).mean(1))
    frequency, density = periodograms(blocks, step)
    edges = zip(OCTAVES[:-1], OCTAVES[1:], strict=True)
    inside = [(frequency >= low) & (frequency < high) for low, high in edges]
    bands, bands_error = average(np.array([density[:, k].mean(1) for k in inside]).T)
    return {
        "mean": (mean, mean_error / mean),
        "sd": (np.sqrt(variance), variance_error / variance / 2),
        "spectrum": (bands, bands_error / bands),
        "density": (frequency, density.mean(0)),
    }


def periodograms(blocks, step):
    """Frequencies, one-sided power spectral density of every block (Hann window)."""
    window = np.hanning(blocks.shape[1])
    power = np.abs(np.fft.rfft(blocks * window)) ** 2
    frequency = np.fft.rfftfreq(blocks.shape[1], step)
    return frequency, 2 * step * power / np.sum(window**2)


def compare(found, reference):
    """Relative difference of `statistics` and its standard error."""
    return {
        k: (found[k][0] / reference[k][0] - 1, np.hypot(found[k][1], reference[k][1]))
        for k in ("mean", "sd", "spectrum")
    }


def smooth(frequency, density):
    """Averages in bands that are even in the logarithm of the frequency."""
    edges = np.unique(np.geomspace(3, len(frequency), 50).astype(int))
    edges = edges[edges < len(frequency)]
    count = np.diff(np.append(edges, len(frequency)))
    return [np.add.reduceat(a, edges) / count for a in (frequency, density)]


def activity(spikes, N, step, width=0.03):
    """Rates (Hz) from cumulated counts, and the same as a running mean."""
    rate = np.diff(spikes, axis=1) / (N * step)
    window = np.ones(round(width / step))
    running = [np.convolve(r, window / len(window), "same") for r in rate]
    return rate, np.array(running)


def visits(running, low, high):
    """
    Complete stays in the upper and the lower state, as (copy, first, last) samples.

    The state changes when the rate rises above ``high`` or falls below ``low``.
    """
    stays = {True: [], False: []}
    for copy, rate in enumerate(running):
        up, since = False, None
        for k in np.flatnonzero((rate > high) | (rate < low)):
            if up == (rate[k] > high):
                continue
            if since is not None:
                stays[up].append((copy, since, k))
            up, since = not up, k
    return {state: np.array(v, dtype=int).reshape(-1, 3) for state, v in stays.items()}


def durations(stays, step):
    return (stays[:, 2] - stays[:, 1]) * step


def intervals(events, step):
    """Times between the beginnings of successive events of the same copy."""
    gaps = np.diff(events[:, 1]) * step
    return gaps[np.diff(events[:, 0]) == 0]


def shapes(rate, running, events, around):
    """Rates around the peak of every event, one row each."""
    rows = []
    for copy, first, last in events:
        peak = first + np.argmax(running[copy, first:last])
        if around <= peak < rate.shape[1] - around:
            rows.append(rate[copy, peak - around : peak + around + 1])
    return np.array(rows)
