"""How close are tables and exponentials to the kinetic receptors?

NRMSE = sqrt(sum (reference - x)**2 / sum reference**2) of the conductance (AMPA) or
open probability (NMDA), every 0.1 ms, on Poisson trains of 250 spikes that no table was
made from. The reference is the converged kinetic scheme.
"""

import os

# Threads of the linear algebra only wait for each other on a machine that is shared.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from _measure import arguments, finish, markdown
from brian2 import *
from scipy.optimize import least_squares

from brian2_multiscale import *

RATES = (2, 5, 10, 20, 50, 100)
CLEARANCES = {"1/ms (default)": 1 / ms, "2/ms (as published)": 2 / ms}
RECEPTORS = {"AMPA": "ampa_robert_howe", "NMDA": "nmda_ambert"}
SAMPLE = 1e-4
SPIKES = 250

#: Orders and windows as published, but few intervals, spaced in their logarithm.
HISTORY = {
    "AMPA": {"order": 3, "window": 300 * ms, "points": 12},
    "NMDA": {"order": 4, "window": 1000 * ms, "points": 8},
}
#: Exponentials that the published comparison gave each receptor.
EXPONENTIALS = {"AMPA": 2, "NMDA": 3}

#: Measured earlier, in NEURON, with the tables of doi:10.3389/fncom.2021.733155
#: rebuilt: 20 s Poisson trains with a recovery of 35 ms, clearance as published.
PUBLISHED = {
    "AMPA": {
        "published look-up table, rebuilt": [
            ".056",
            ".058",
            ".082",
            ".127",
            ".487",
            "1.129",
        ],
        "published bi-exponential, rebuilt": [
            ".084",
            ".149",
            ".249",
            ".337",
            ".588",
            ".986",
        ],
    },
    "NMDA": {
        "published look-up table, rebuilt": [
            ".111",
            ".092",
            ".084",
            ".072",
            ".172",
            ".475",
        ],
        "published tri-exponential, rebuilt": [
            ".302",
            ".507",
            ".631",
            ".673",
            ".689",
            ".644",
        ],
    },
}
PUBLISHED_MEMORY = {"AMPA": "36 MB", "NMDA": "517 MB"}


def trains():
    """One Poisson train (s) per rate, with other random numbers than any table saw."""
    found = []
    for rate in RATES:
        rng = np.random.default_rng(20_000 + rate)
        found.append(np.cumsum(rng.exponential(1 / rate, SPIKES) + SAMPLE))
    return found


def references(mechanism):
    """(spikes, times, converged output above rest) for every rate."""
    found = []
    for spikes in trains():
        times = np.arange(spikes[0], spikes[-1] + 0.1, SAMPLE) * second
        output = mechanism.simulate(spikes * second, times)
        rest = mechanism.simulate(np.zeros(0) * second, times[:1])
        found.append((spikes, times, np.asarray(output - rest)))
    return found


def nrmse(reference, values):
    return float(np.sqrt(np.sum((reference - values) ** 2) / np.sum(reference**2)))


def table_errors(table, cases):
    return [
        nrmse(r, np.asarray(table.response(s * second, t, extrapolate="clip")))
        for s, t, r in cases
    ]


def exponential_errors(mechanism, cases, count):
    """The same response to every spike: exponentials fitted to a first one."""
    times = np.append(0, np.geomspace(1e-5, 1, 400))
    single = mechanism.simulate(np.zeros(1) * second, times * second)
    single = np.asarray(single - mechanism.simulate(np.zeros(0) * second, 0 * second))
    taus, amplitudes = fit(times, single, count)
    errors = []
    for spikes, at, reference in cases:
        values = np.zeros(len(at))
        for tau, amplitude in zip(taus, amplitudes, strict=True):
            values += amplitude * filtered(spikes, np.asarray(at), tau)
        errors.append(nrmse(reference, values))
    return errors


def fit(times, response, count):
    """Time constants (s) and amplitudes, least squares in time."""
    weights = np.sqrt(np.gradient(times))
    scale = np.abs(response).max()

    def curve(p):
        decays = np.exp(-times[:, None] / np.exp(p))
        found = np.linalg.lstsq(
            decays * weights[:, None], response * weights, rcond=None
        )[0]
        return decays @ found, found

    def residual(p):
        return (curve(p)[0] - response) * weights / scale

    ends = [(a, b) for a in (1e-4, 5e-4) for b in (5e-3, 0.05, 0.2)]
    starts = [np.log(np.geomspace(a, b, count)) for a, b in ends]
    best = min((least_squares(residual, s) for s in starts), key=lambda f: f.cost)
    return np.exp(best.x), curve(best.x)[1]


def filtered(spikes, times, tau):
    """Sum of exp(-(t - spike)/tau) over earlier spikes, at sorted times."""
    result = np.zeros(len(times))
    bounds = np.searchsorted(times, np.append(spikes, np.inf))
    level = 0.0
    for k, spike in enumerate(spikes):
        level = 1 + (level * np.exp(-(spike - spikes[k - 1]) / tau) if k else 0.0)
        part = slice(bounds[k], bounds[k + 1])
        result[part] = level * np.exp(-(times[part] - spike) / tau)
    return result


def cpu_time():
    """Of this process and its finished workers."""
    return sum(os.times()[:4])


def built(mechanism, representation="state", **options):
    """A table made anew, and the seconds of CPU time that took."""
    began = cpu_time()
    table = tabulate(
        mechanism, representation, rates=(2, 100) * Hz, cache=False, **options
    )
    return table, cpu_time() - began


def line(name, errors, memory="-", seconds=None):
    numbers = [e if isinstance(e, str) else f"{e:.3f}" for e in errors]
    return [name, *numbers, memory, "-" if seconds is None else f"{seconds:.1f}"]


def rows(receptor, clearance, as_published):
    mechanism = Mechanism(RECEPTORS[receptor], clearance=clearance)
    cases = references(mechanism)
    kinds = {"state table, tolerance 0.02 (default)": {}}
    if not as_published:
        kinds["state table, most accurate"] = {"tolerance": None}
    else:
        order, window = HISTORY[receptor]["order"], HISTORY[receptor]["window"]
        kinds[f"history table, {order} spikes, {window / ms:.0f} ms"] = {
            "representation": "history",
            **HISTORY[receptor],
        }
    found = []
    for name, options in kinds.items():
        table, seconds = built(mechanism, **options)
        memory = f"{table.nbytes / 1e3:.0f} kB"
        found.append(line(name, table_errors(table, cases), memory, seconds))
    count = EXPONENTIALS[receptor]
    errors = exponential_errors(mechanism, cases, count)
    found.append(line(f"{count} exponentials, fitted to one spike", errors))
    if as_published:
        for name, errors in PUBLISHED[receptor].items():
            memory = PUBLISHED_MEMORY[receptor] if "table" in name else "-"
            found.append(line(name, errors, memory))
    return found


if __name__ == "__main__":
    options = arguments(__doc__)
    header = ["NRMSE at", *(f"{rate} Hz" for rate in RATES), "memory", "build (CPU s)"]
    parts = []
    for receptor in RECEPTORS:
        for name, clearance in CLEARANCES.items():
            parts.append(f"{receptor}, clearance {name}:")
            as_published = "published" in name
            parts.append(markdown(header, rows(receptor, clearance, as_published)))
            print(parts[-2], parts[-1], sep="\n", flush=True)
    finish(options, "Accuracy against the converged kinetic receptors", *parts)
