"""Fits by derivatives against fits without, and against others that have them.

The Hodgkin-Huxley and the integrate-and-fire neuron of Wang, Lyu, Zhang, He and Wu
(2024), each fitted to its own traces. All ends are judged alike: by the mean square
difference of the whole traces, simulated by Brian2. Peers, if they can be imported here
or by the Python given with --brainpy or --brian2modelfitting: the published workflow in
brainstate, braintools and nevergrad (_brainpy_fits.py); brian2modelfitting 0.4, which
needs Brian2 2.6, numpy 1.23 and bayesian-optimization 1.4
(_brian2modelfitting_fits.py). CMA-ES runs if the package cma is here.
"""

import json
import os
import subprocess
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from _fit_models import *
from _fit_problems import *
from _measure import arguments, finish, markdown
from brian2 import ms, mV, nA
from scipy.optimize import differential_evolution

from brian2_multiscale.gradients import GradientFitter, SpikeLikelihood, TraceLoss
from brian2_multiscale.gradients.prepared import PreparedNetwork

HERE = Path(__file__).parent
TITLES = {"hh": "Hodgkin-Huxley, 4 parameters", "gif": "integrate-and-fire, 2"}
# Without derivatives: 20 calls of 60 points, in networks that make their code once, as
# those of fits by derivatives do: then it is the searches that are compared
ROUNDS, POINTS = 20, 60


# -- searches: each gives the best point in the units of PROBLEMS, and evaluations -----
def by_derivatives(problem, seed, recording):
    fitter = GradientFitter(
        MODELS[problem],
        dt=PROBLEMS[problem]["dt"] * ms,
        input={"I": currents(problem) * nA},
        output=recording,
        param_init=INITIAL[problem],
        **spiking(problem),
    )
    chosen = {"loss": TraceLoss()}
    if spiking(problem):
        chosen = {
            "loss": SpikeLikelihood(width=[1, 0.3, 0.1] * mV),
            "polish": TraceLoss(),
        }
    found = fitter.fit(seed=seed, target=1e-12, **chosen, **bounds(problem))
    units = UNITS[problem]
    return [float(found.params[n] / units[n]) for n in units], found.evaluations


def evolution(problem, seed):
    batch = Batch(problem, POINTS, PreparedNetwork)
    low, high = PROBLEMS[problem]["low"], PROBLEMS[problem]["high"]
    found = differential_evolution(
        lambda x: batch(x.T),
        list(zip(low, high, strict=True)),
        popsize=POINTS // len(low),
        maxiter=ROUNDS - 1,
        tol=0,
        polish=False,
        vectorized=True,
        updating="deferred",
        rng=np.random.default_rng(seed),
    )
    return found.x.tolist(), batch.evaluations


def cma_es(problem, seed):
    import cma

    batch = Batch(problem, POINTS, PreparedNetwork)
    low, high = (np.array(PROBLEMS[problem][k]) for k in ("low", "high"))
    options = {"bounds": [0, 1], "popsize": POINTS, "seed": seed + 1, "verbose": -9}
    start = np.random.default_rng(seed).random(len(low))
    search = cma.CMAEvolutionStrategy(start, 0.3, options)
    for _ in range(ROUNDS):
        points = search.ask()
        search.tell(points, batch(low + np.array(points) * (high - low)).tolist())
    return (low + search.result.xbest * (high - low)).tolist(), batch.evaluations


# -- measuring -------------------------------------------------------------------------
def here(search, problem, seeds):
    """Every fit of this process, the first of which compiles."""
    for seed in seeds:
        watch = Stopwatch()
        best, evaluations = search(problem, seed)
        yield {"params": best, "evaluations": evaluations, **watch.read()}


def there(python, script, problem, method, seeds):
    """The same in another process."""
    call = [
        python,
        "-W",
        "ignore",
        HERE / script,
        problem,
        method,
        "0",
        str(len(seeds)),
    ]
    threads = {
        "OMP_NUM_THREADS": "1",
        # brian2modelfitting has its parameters in the order of a set
        "PYTHONHASHSEED": "0",
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    }
    done = subprocess.run(
        list(map(str, call)),
        env={**os.environ, **threads, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(row) for row in done.stdout.splitlines() if row[:1] == "{"]


def has(python, package):
    done = subprocess.run([python, "-c", f"import {package}"], capture_output=True)
    if done.returncode:
        print(f"{package}: not installed for {python}, left out")
    return done.returncode == 0


def searches(options, problem, seeds):
    """Titles, and what measures them."""
    # What is fitted is no part of what is measured
    ours = partial(by_derivatives, recording=Batch(problem, 1).recording())
    found = {
        "this package, derivatives": lambda: here(ours, problem, seeds),
        "SciPy, differential evolution": lambda: here(evolution, problem, seeds),
    }
    if find_spec("cma") is not None:
        found["cma, CMA-ES"] = lambda: here(cma_es, problem, seeds)
    peers = {
        "brainstate": (options.brainpy, "_brainpy_fits.py", ("lbfgs", "de")),
        "brian2modelfitting": (
            options.brian2modelfitting,
            "_brian2modelfitting_fits.py",
            ("de", "refine"),
        ),
    }
    for package, (python, script, methods) in peers.items():
        if not has(python, package):
            continue
        for method in methods:
            title = f"{package.replace('brainstate', 'BrainPy')}, {LABELS[method]}"
            found[title] = lambda *a, p=python, s=script, m=method: there(
                p, s, problem, m, seeds
            )
    return found


LABELS = {
    "lbfgs": "L-BFGS-B",
    "de": "differential evolution",
    "refine": "differential evolution and refine",
}


def row(title, fits, judge):
    """One line of the table; the first fit also tells how long compiling takes."""
    fits = list(fits)
    print(f"{title}: done", flush=True)
    losses = np.sort(judge(np.array([fit["params"] for fit in fits])))
    later = fits[1:] or fits
    cpu, wall, evaluations = (
        np.median([fit[k] for fit in later]) for k in ("cpu", "wall", "evaluations")
    )
    return [
        title,
        f"{evaluations:.0f}",
        f"{cpu:.1f}",
        f"{wall:.1f}",
        f"{fits[0]['cpu']:.1f}",
        ", ".join(f"{loss:.2g}" for loss in losses),
    ]


def table(options, problem):
    seeds = range(2 if options.quick else options.repeats)
    batch = Batch(problem, len(seeds))
    rows = [
        row(title, run(), batch)
        for title, run in searches(options, problem, seeds).items()
    ]
    head = ["", "evaluations", "CPU s", "wall s", "CPU s, first", "losses (mV^2)"]
    return f"{TITLES[problem]}:\n\n" + markdown(head, rows)


def main():
    options = arguments(__doc__, peers=("brainpy", "brian2modelfitting"))
    cold_cache()
    finish(options, "Fits by derivatives", *(table(options, p) for p in PROBLEMS))


if __name__ == "__main__":
    main()
