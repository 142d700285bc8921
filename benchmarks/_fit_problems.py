"""The two fits of gradients.py as plain numbers (mV, ms, nA, uS). Not a benchmark.

Both are of Wang, Lyu, Zhang, He and Wu (2024), arXiv:2406.19708: a neuron is fitted to
its own traces, made with known parameters. The rates of the Hodgkin-Huxley neuron are
those of Traub and Miles (1991) as written there, also the one that the released script
computes by another function.
"""

import os
import sys
import time

import numpy as np

__all__ = ["PROBLEMS", "Stopwatch", "arguments_of_child", "currents"]

PROBLEMS = {
    "hh": {
        "dt": 0.01,
        "names": ("gl", "gNa", "gK", "VT"),
        "low": (1e-4, 0.01, 0.01, -65.0),
        "high": (0.1, 40.0, 20.0, -50.0),
        "truth": (0.00836, 24.70, 5.81, -55.31),
        # Pieces of each trial: current, duration
        "currents": [
            [(0, 5), (10, 5), (0, 5)],
            [(0, 5), (2, 5), (0, 5)],
            [(2, 10), (0, 5)],
            [(0, 5), (50, 5), (0, 5)],
            [(0, 5), (0.2, 5), (0, 5)],
        ],
    },
    "gif": {
        "dt": 0.1,
        "names": ("a", "b"),
        # The released script has 0, where an exponential Euler step divides by 0
        "low": (1e-4, 1e-4),
        "high": (0.1, 0.1),
        "truth": (0.005, 0.01),
        "currents": [
            [(2, 200), (0, 800)],
            [(1.5, 500), (0, 500)],
            [(1.5, 100), (0, 500), (0.5, 100), (1, 100), (1.5, 100), (0, 100)],
            [(1.5, 20), (0, 180), (-1.5, 20), (0, 20), (1.5, 20), (0, 740)],
            [(0, 50), (-3.5, 750), (0, 200)],
        ],
    },
}


def currents(problem):
    """Array of shape (trials, time steps), in nA."""
    dt = PROBLEMS[problem]["dt"]
    return np.array(
        [
            np.concatenate([np.full(round(t / dt), float(x)) for x, t in pieces])
            for pieces in PROBLEMS[problem]["currents"]
        ]
    )


class Stopwatch:
    """CPU time, compilers included, and wall time (s) since it was made."""

    def __init__(self):
        self._cpu, self._wall = self._now(), time.perf_counter()

    @staticmethod
    def _now():
        # Own time and that of finished child processes
        return sum(os.times()[:4])

    def read(self):
        return {
            "cpu": self._now() - self._cpu,
            "wall": time.perf_counter() - self._wall,
        }


def arguments_of_child():
    """Problem, method, first seed and number of seeds, from the command line."""
    problem, method, first, count = sys.argv[1:]
    return problem, method, range(int(first), int(first) + int(count))
