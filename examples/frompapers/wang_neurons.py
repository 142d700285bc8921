"""The fits of single neurons of Wang et al. (2024): models, data, searches. No example.

Both neurons are fitted to their own traces, made with known parameters.
"""

import time

import numpy as np
from brian2 import *
from scipy.optimize import differential_evolution

from brian2_multiscale import GradientFitter, Param, SpikeLikelihood, TraceLoss

__all__ = ["PROBLEMS", "fit_neurons"]

HODGKIN_HUXLEY = """
dv/dt = (gl*(-65*mV - v) + gNa*m**3*h*(50*mV - v) + gK*n**4*(-90*mV - v) + I)
        /(0.2*nF) : volt
dm/dt = am*(1 - m) - bm*m : 1
dn/dt = an*(1 - n) - bn*n : 1
dh/dt = ah*(1 - h) - bh*h : 1
am = 1.28/ms/exprel(-(v - VT - 13*mV)/(4*mV)) : Hz
bm = 1.4/ms/exprel((v - VT - 40*mV)/(5*mV)) : Hz
ah = 0.128/ms*exp((17*mV - v + VT)/(18*mV)) : Hz
bh = 4/ms/(1 + exp((40*mV - v + VT)/(5*mV))) : Hz
an = 0.16/ms/exprel(-(v - VT - 15*mV)/(5*mV)) : Hz
bn = 0.5/ms*exp((10*mV - v + VT)/(40*mV)) : Hz
gl : siemens
gNa : siemens
gK : siemens
VT : volt
"""

# Generalised integrate-and-fire; without jumps of currents they stay at zero
INTEGRATE_AND_FIRE = """
dv/dt = (-(v + 70*mV) + 20*Mohm*I)/(20*ms) : volt
dvth/dt = a*(v + 70*mV) - b*(vth + 50*mV) : volt
a : Hz
b : Hz
"""


def _pieces(dt, *pieces):
    return np.concatenate([np.full(round(t / dt), float(x)) for x, t in pieces])


def _currents(dt, trials):
    return np.array([_pieces(dt, *trial) for trial in trials]) * nA


# Currents in nA, for times in ms
PROBLEMS = {
    "Hodgkin-Huxley": {
        "model": HODGKIN_HUXLEY,
        "dt": 0.01 * ms,
        "truth": {
            "gl": 8.36 * nS,
            "gNa": 24.7 * uS,
            "gK": 5.81 * uS,
            "VT": -55.31 * mV,
        },
        "bounds": {
            "gl": Param(0.1 * nS, 100 * nS, scale="log"),
            "gNa": [0.01, 40] * uS,
            "gK": [0.01, 20] * uS,
            "VT": [-65, -50] * mV,
        },
        "start": {"v": -65 * mV},
        "spiking": {},
        "currents": [
            [(0, 5), (10, 5), (0, 5)],
            [(0, 5), (2, 5), (0, 5)],
            [(2, 10), (0, 5)],
            [(0, 5), (50, 5), (0, 5)],
            [(0, 5), (0.2, 5), (0, 5)],
        ],
    },
    "integrate-and-fire": {
        "model": INTEGRATE_AND_FIRE,
        "dt": 0.1 * ms,
        "truth": {"a": 5 * Hz, "b": 10 * Hz},
        "bounds": {"a": [0.1, 100] * Hz, "b": [0.1, 100] * Hz},
        "start": {"v": -70 * mV, "vth": -50 * mV},
        "spiking": {
            "threshold": "v > vth",
            "reset": "v = -70*mV; vth = clip(vth, -60*mV, 1*volt)",
        },
        "currents": [
            [(2, 200), (0, 800)],
            [(1.5, 500), (0, 500)],
            [(1.5, 100), (0, 500), (0.5, 100), (1, 100), (1.5, 100), (0, 100)],
            [(1.5, 20), (0, 180), (-1.5, 20), (0, 20), (1.5, 20), (0, 740)],
            [(0, 50), (-3.5, 750), (0, 200)],
        ],
    },
}


def make_fitter(name):
    """The fitter of a problem, with traces of the neuron that is to be found."""
    problem = PROBLEMS[name]
    dt, currents = problem["dt"], _currents(problem["dt"] / ms, problem["currents"])
    options = {
        "dt": dt,
        "input": {"I": currents},
        "param_init": problem["start"],
        "namespace": {},
        **problem["spiking"],
    }
    maker = GradientFitter(
        problem["model"], output={"v": np.zeros(currents.shape) * mV}, **options
    )
    made = maker.simulate(**problem["truth"])
    return GradientFitter(problem["model"], output=made, **options)


def mean_square(fitter, values):
    """Of the difference of free traces, in mV^2."""
    found = fitter.simulate(**values)["v"]
    return float(np.mean((np.asarray(found) - fitter.data.traces["v"]) ** 2)) * 1e6


def by_derivatives(name, fitter, seed, starts):
    """Levenberg-Marquardt; for spikes their likelihood, then a polish."""
    chosen = {"loss": TraceLoss(), "target": 1e-14}
    if PROBLEMS[name]["spiking"]:
        loss = SpikeLikelihood(width=[1, 0.3, 0.1] * mV)
        chosen = {"loss": loss, "polish": TraceLoss(), "target": 1e-12}
    began = time.process_time()
    bounds = PROBLEMS[name]["bounds"]
    found = fitter.fit(n_starts=starts, seed=seed, **chosen, **bounds)
    return {
        "mV^2": mean_square(fitter, found.params),
        "evaluations": found.evaluations,
        "cpu": time.process_time() - began,
        "values": found.params,
    }


def by_evolution(name, fitter, seed, evaluations, points=60):
    """Differential evolution of scipy, by calls of as many points."""
    bounds = PROBLEMS[name]["bounds"]
    pairs = [(b.low, b.high) if isinstance(b, Param) else b for b in bounds.values()]
    low, high = (np.array([float(p[k]) for p in pairs]) for k in (0, 1))
    units = {n: get_unit(fitter.equations[n].dim) for n in bounds}

    calls = []

    def losses(x):
        calls.append(x.shape)
        values = low[:, None] + (high - low)[:, None] * np.atleast_2d(x.T).T
        given = {n: v * u for (n, u), v in zip(units.items(), values, strict=True)}
        return fitter.evaluate(loss=TraceLoss(), **given)

    began = time.process_time()
    found = differential_evolution(
        losses,
        [(0, 1)] * len(low),
        popsize=points // len(low),
        maxiter=max(round(evaluations / points) - 1, 1),
        tol=0,
        polish=False,
        vectorized=True,
        updating="deferred",
        rng=np.random.default_rng(seed),
    )
    best = low + (high - low) * found.x
    values = {n: x * u for (n, u), x in zip(units.items(), best, strict=True)}
    return {
        "mV^2": mean_square(fitter, values),
        "evaluations": len(calls) * points,
        "cpu": time.process_time() - began,
        "values": values,
    }


def fit_neurons(path, short):
    """
    Both fits from several seeds, beside differential evolution at matched budgets.

    Prints a table (other programs: benchmarks/gradients.py), draws it, and asserts that
    derivatives find the parameters from every seed.
    """
    print("Fits of single neurons: mV^2, simulations, CPU s (code included once)")
    rows = {}
    for name in PROBLEMS:
        fitter = make_fitter(name)
        for seed in range(1 if short else 5):
            ours = by_derivatives(name, fitter, seed, starts=6 if short else 20)
            _collect(rows, name, "derivatives", ours)
            for factor in () if short else (1, 5):
                budget = factor * ours["evaluations"]
                other = by_evolution(name, fitter, seed, budget)
                _collect(rows, name, f"evolution, {factor} x", other)
    for name, found in rows.items():
        worst = max(row["mV^2"] for row in found["derivatives"])
        assert worst < (1e-6 if name == "Hodgkin-Huxley" else 0.1), (name, worst)
    _draw(path, rows)


def _collect(rows, name, method, found):
    rows.setdefault(name, {}).setdefault(method, []).append(found)
    values = ", ".join(
        f"{n} = {v.in_best_unit(precision=5)}" for n, v in found["values"].items()
    )
    print(
        f"  {name:<20}{method:<18}{found['mV^2']:10.3g}{found['evaluations']:6d}"
        f"{found['cpu']:8.1f}  {values}",
        flush=True,
    )


def _draw(path, rows):
    """Distance from the traces against simulations, one point per seed."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), constrained_layout=True)
    for ax, (name, found) in zip(axes, rows.items(), strict=True):
        for method, some in found.items():
            ax.plot(
                [row["evaluations"] for row in some],
                # What is zero is shown at the bottom
                [max(row["mV^2"], 1e-18) for row in some],
                "o",
                alpha=0.7,
                label=method,
            )
        ax.set(
            title=name,
            xlabel="simulations",
            ylabel="difference of the traces (mV$^2$)",
            yscale="log",
        )
        ax.set_xlim(0, None)
    axes[0].legend(frameon=False, loc="center right")
    figure.savefig(path, dpi=150)
    plt.close(figure)
