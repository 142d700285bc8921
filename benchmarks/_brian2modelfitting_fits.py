"""The fits of gradients.py with brian2modelfitting. Run by gradients.py.

    python _brian2modelfitting_fits.py hh|gif de|refine <first seed> <number of seeds>

prints one JSON object per seed. Differential evolution, 60 rounds of 20 points, and
``refine(calc_gradient=True)`` from its end.
"""

import contextlib
import io
import json

import numpy as np
from _fit_models import INITIAL, MODELS, UNITS, Batch, bounds, cold_cache, spiking
from _fit_problems import PROBLEMS, Stopwatch, arguments_of_child, currents
from brian2 import ms, mV, nA
from brian2modelfitting import MSEMetric, NevergradOptimizer, TraceFitter

ROUNDS, SAMPLES = 60, 20


def fit(problem, refine, seed, recording):
    np.random.seed(seed)
    fitter = TraceFitter(
        model=MODELS[problem],
        input_var="I",
        output_var="v",
        input=currents(problem) * nA,
        output=recording,
        dt=PROBLEMS[problem]["dt"] * ms,
        n_samples=SAMPLES,
        method="exponential_euler",
        param_init=INITIAL[problem],
        **spiking(problem),
    )
    # Not '_', which would get into the namespace of the equations
    best, error = fitter.fit(
        NevergradOptimizer("DE"),
        MSEMetric(),
        n_rounds=ROUNDS,
        callback=None,
        **bounds(problem),
    )
    evaluations = ROUNDS * SAMPLES
    if refine:
        best, result = fitter.refine(best, calc_gradient=True, callback=None)
        evaluations += result.nfev
    return {n: best[n] / UNITS[problem][n] for n in best}, evaluations


def main():
    problem, method, seeds = arguments_of_child()
    cold_cache()
    recording = Batch(problem, 1).target * mV
    for seed in seeds:
        watch = Stopwatch()
        with contextlib.redirect_stdout(io.StringIO()):
            best, evaluations = fit(problem, method == "refine", seed, recording)
        found = {
            "params": [float(best[n]) for n in PROBLEMS[problem]["names"]],
            "evaluations": evaluations,
            **watch.read(),
        }
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
