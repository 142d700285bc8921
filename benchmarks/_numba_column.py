"""The column written by hand with Numba. Run by mesoscopic_column.py.

    python _numba_column.py <seconds> libm|polynomial

prints CPU seconds of the simulation alone and rates (Hz) after the first second.
Written from the equations of the paper: one thread, ring buffers, one pass over the
cohorts that are neither refractory nor older than 5 tau_m. ``libm`` has math.exp, as
anybody would write it. ``polynomial`` is tuned for vector instructions:
exp(x) = p(x/16)^16 (|x| < 8, relative error 3e-6), and a rational function for the
probability to fire.
"""

import json
import sys
import time
from math import exp

import numba
import numpy as np
from _column import *
from numba import njit

DT = 0.1
# Checks of divisions would prevent vector instructions
FAST = {"fastmath": True, "error_model": "numpy"}


@njit(**FAST)
def polynomial(x):
    y = x * 0.0625
    e = 1.0 / 120 + y * (1.0 / 720 + y * (1.0 / 5040))
    e = 1.0 + y * (1.0 + y * (0.5 + y * (1.0 / 6 + y * (1.0 / 24 + y * e))))
    e *= e
    e *= e
    e *= e
    return e * e


@njit(**FAST)
def libm(x):
    return exp(x)


def make_sweep(exponential):
    @njit(**FAST)
    def sweep(u, rate, m, z, drift, decay, scale, offset):
        """Step some cohorts; sums of fired, present, and the same of variances."""
        fired = present = variance_fired = variance = 0.0
        for k in range(u.size):
            v = decay * u[k] + drift
            u[k] = v
            r = HAZARD * exponential(max(v * scale + offset, -8.0))
            x = (rate[k] + r) * (0.5 * DT)
            rate[k] = r
            # 1 - exp(-x), error x**5/720
            p = min(x / (1.0 + x * (0.5 + x * (1 / 12))), 1.0)
            mk, zk, d = m[k], z[k], p * m[k]
            fired += d
            present += mk
            variance_fired += p * zk
            variance += zk
            m[k] = mk - d
            z[k] = (1.0 - p) * (1.0 - p) * zk + d
        return fired, present, variance_fired, variance

    return sweep


def make_run(sweep):
    @njit(**FAST)
    def run(steps, sizes, now, before, constant, slots, resting, late):
        """Spike counts (steps, populations)."""
        np.random.seed(1)
        n_pop, decay, decay_s = sizes.size, np.exp(-DT / TAU_M), np.exp(-DT / TAU_S)
        scale, offset = 1 / SOFTNESS, -THRESHOLD / SOFTNESS
        u, rate = np.zeros((n_pop, slots)), np.zeros((n_pop, slots))
        m, z = np.zeros((n_pop, slots)), np.zeros((n_pop, slots))
        free_m, free_z = sizes.astype(np.float64), np.zeros(n_pop)
        free_u, free_rate = np.zeros(n_pop), np.zeros(n_pop)
        refractory, current = np.zeros(n_pop), np.zeros(n_pop)
        out = np.zeros((steps + late, n_pop))
        for t in range(late, steps + late):
            oldest = (t - late) % slots
            arrived = out[t - late]
            for k in range(n_pop):
                drift = constant[k]
                for j in range(n_pop):
                    drift += now[k, j] * arrived[j] + before[k, j] * current[j]
                # Neurons older than the memory
                free_u[k] = decay * free_u[k] + drift
                r = HAZARD * exp(free_u[k] * scale + offset)
                p = 1.0 - exp(-(free_rate[k] + r) * (0.5 * DT))
                free_rate[k] = r
                d = p * free_m[k]
                fired, present = d, free_m[k] + refractory[k]
                variance_fired, variance = p * free_z[k], free_z[k]
                free_m[k] -= d
                free_z[k] = (1.0 - p) ** 2 * free_z[k] + d
                # All cohorts but the youngest, in two pieces at most
                end = oldest + slots - resting
                for part in range(2):
                    first = oldest if part == 0 else 0
                    last = min(end, slots) if part == 0 else end - slots
                    if last > first:
                        a, b, c, d = sweep(
                            u[k, first:last],
                            rate[k, first:last],
                            m[k, first:last],
                            z[k, first:last],
                            drift,
                            decay,
                            scale,
                            offset,
                        )
                        fired += a
                        present += b
                        variance_fired += c
                        variance += d
                expected = fired
                if variance > 0.0:
                    expected += variance_fired / variance * (sizes[k] - present)
                share = min(max(expected / sizes[k], 0.0), 1.0)
                n = np.random.binomial(sizes[k], share)
                # The oldest cohort joins the free neurons, the new one takes its place
                free_m[k] += m[k, oldest]
                free_z[k] += z[k, oldest]
                refractory[k] += n - m[k, (oldest - resting) % slots]
                m[k, oldest], z[k, oldest] = n, 0.0
                u[k, oldest], rate[k, oldest] = 0.0, 0.0
                out[t, k] = n
            for j in range(n_pop):
                current[j] = decay_s * current[j] + (1.0 - decay_s) / DT * arrived[j]
        return out[late:]

    return run


def arguments():
    """Exact response of the membrane to exponential currents over one step."""
    decay, decay_s = np.exp(-DT / TAU_M), np.exp(-DT / TAU_S)
    whole = TAU_M * (1 - decay)
    old = TAU_M * TAU_S / (TAU_M - TAU_S) * (decay - decay_s)
    weight = WEIGHT * PROBABILITY
    resting, late = round(REFRACTORY / DT), round(DELAY / DT)
    slots = round((5 * TAU_M + REFRACTORY) / DT)
    return (
        SIZES,
        weight * (whole - old) / DT,
        weight * old,
        (1 - decay) * MU,
        slots,
        resting,
        late,
    )


if __name__ == "__main__":
    steps = round(float(sys.argv[1]) * 1e3 / DT)
    run = make_run(make_sweep({"libm": libm, "polynomial": polynomial}[sys.argv[2]]))
    run(3, *arguments())  # compiles
    began = time.process_time()
    counts = run(steps, *arguments())
    took = time.process_time() - began
    skip = min(10_000, steps // 2)
    rates = (counts[skip:].mean(0) / SIZES / DT * 1e3).tolist()
    print(json.dumps({"seconds": took, "rates": rates, "version": numba.__version__}))
