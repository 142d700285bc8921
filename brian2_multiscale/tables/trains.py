"""Spike trains that tables are made for and judged by."""

import numpy as np

__all__ = ["SHORTEST_INTERVAL", "held_out_trains", "spaced_rates", "training_trains"]

#: Shortest interval in any of the trains (s).
SHORTEST_INTERVAL = 1e-4


def spaced_rates(low, high, count=6):
    """Rates from ``low`` to ``high`` (Hz), evenly spaced in their logarithm."""
    return np.geomspace(low, high, count if high > low else 1)


def training_trains(rates, count=70, seed=1):
    """
    Poisson trains (s) in which every seventh interval is short.

    Bursts are rare in Poisson trains of low rate, but the table has to know them.
    """
    rng = np.random.default_rng(seed)
    trains = []
    for rate in rates:
        gaps = rng.exponential(1 / rate, size=count) + SHORTEST_INTERVAL
        gaps[3::7] = np.exp(rng.uniform(np.log(1e-4), np.log(1e-2), gaps[3::7].size))
        trains.append(np.cumsum(gaps))
    return trains


def held_out_trains(rates, count=120, seed=1000):
    """Poisson trains (s) with other random numbers than the training trains."""
    return [
        np.cumsum(
            np.random.default_rng(seed + k).exponential(1 / rate, size=count)
            + SHORTEST_INTERVAL
        )
        for k, rate in enumerate(rates)
    ]
