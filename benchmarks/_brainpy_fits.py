"""The fits of gradients.py in the ecosystem of BrainPy. Run by gradients.py.

    python _brainpy_fits.py hh|gif lbfgs|de <first seed> <number of seeds>

prints one JSON object per seed. As in the workflow that was released with Wang et al.
(2024), written anew from its description: the squared difference at some instants;
either L-BFGS-B of SciPy with gradients through surrogate spikes from random points
between the bounds, 20 of them for the Hodgkin-Huxley and 100 for the
integrate-and-fire neuron, or differential evolution of Nevergrad, 5 rounds of 20.
"""

import json

import brainstate
import braintools
import jax
import jax.numpy as jnp
import numpy as np
from _fit_problems import PROBLEMS, Stopwatch, arguments_of_child, currents
from brainunit.math import exprel
from scipy.optimize import minimize

RESTARTS = {"hh": 20, "gif": 100}
INSTANTS = {"hh": 10, "gif": 100}
step = brainstate.nn.exp_euler_step
spike = braintools.surrogate.ReluGrad()


def hodgkin_huxley(parameters, v, m, h, n, current):
    gl, g_na, g_k, vt = parameters
    u = v - vt
    am, bm = 1.28 / exprel((13 - u) / 4), 1.4 / exprel((u - 40) / 5)
    ah, bh = 0.128 * jnp.exp((17 - u) / 18), 4 / (1 + jnp.exp((40 - u) / 5))
    an, bn = 0.16 / exprel((15 - u) / 5), 0.5 * jnp.exp((10 - u) / 40)

    def dv(v):
        na, k = g_na * m**3 * h * (50 - v), g_k * n**4 * (-90 - v)
        return (gl * (-65 - v) + na + k + current) / 0.2

    return (
        step(dv, v),
        step(lambda x: am * (1 - x) - bm * x, m),
        step(lambda x: ah * (1 - x) - bh * x, h),
        step(lambda x: an * (1 - x) - bn * x, n),
    )


def integrate_and_fire(parameters, v, theta, current):
    a, b = parameters
    fired = spike((v - theta) / jnp.abs(theta))
    v = v - fired * (v + 70)
    theta = step(lambda x: a * (v + 70) - b * (x + 50), theta)
    v = step(lambda x: (20 * current - x - 70) / 20, v)
    return v, jnp.maximum(theta, -60.0)


MODELS = {
    "hh": (hodgkin_huxley, (-65.0, 0.0, 0.0, 0.0)),
    "gif": (integrate_and_fire, (-70.0, -50.0)),
}


def traces(problem, parameters):
    """The potentials of all trials: (time steps, trials)."""
    model, start = MODELS[problem]
    values = currents(problem).T
    states = [brainstate.ShortTermState(jnp.full(values.shape[1], x)) for x in start]

    def one(current):
        found = model(parameters, *(s.value for s in states), current)
        for state, value in zip(states, found, strict=True):
            state.value = value
        return found[0]

    return brainstate.transform.for_loop(one, values)


class Loss:
    """Difference from the traces of the true parameters; counts its calls."""

    def __init__(self, problem):
        target = traces(problem, PROBLEMS[problem]["truth"])
        some = np.arange(0, len(target), len(target) // INSTANTS[problem])

        def function(parameters):
            return jnp.mean((traces(problem, parameters)[some] - target[some]) ** 2)

        self._value, self._gradient = jax.jit(function), jax.jit(jax.grad(function))
        self.many = jax.jit(jax.vmap(function))
        self.calls = 0

    def value(self, x):
        self.calls += 1
        return float(self._value(x))

    def gradient(self, x):
        return np.asarray(self._gradient(x), dtype=float)


def lbfgs(problem, loss, rng):
    low, high = (np.array(PROBLEMS[problem][side]) for side in ("low", "high"))
    found = [
        minimize(
            loss.value,
            start,
            method="L-BFGS-B",
            jac=loss.gradient,
            bounds=list(zip(low, high, strict=True)),
        )
        for start in rng.uniform(low, high, (RESTARTS[problem], len(low)))
    ]
    return min(found, key=lambda r: r.fun if np.isfinite(r.fun) else np.inf).x


def evolution(problem, loss, rng):
    import nevergrad

    bounds = zip(*(PROBLEMS[problem][k] for k in ("names", "low", "high")), strict=True)
    scalars = {n: nevergrad.p.Scalar(lower=lo, upper=hi) for n, lo, hi in bounds}
    space = nevergrad.p.Dict(**scalars)
    space.random_state = np.random.RandomState(rng.integers(2**31))
    search = nevergrad.optimizers.registry["DE"](parametrization=space)
    search._llambda = 20
    best = (np.inf, None)
    for _ in range(5):
        asked = [search.ask() for _ in range(20)]
        points = np.array([list(one.value.values()) for one in asked])
        for one, point, value in zip(asked, points, loss.many(points), strict=True):
            search.tell(one, float(value))
            best = min(best, (float(value), tuple(point)))
        loss.calls += 20
    return np.array(best[1])


def main():
    problem, method, seeds = arguments_of_child()
    brainstate.environ.set(dt=PROBLEMS[problem]["dt"])
    search = {"lbfgs": lbfgs, "de": evolution}[method]
    for seed in seeds:
        watch = Stopwatch()
        loss = Loss(problem)
        best = search(problem, loss, np.random.default_rng(seed))
        found = {"params": best.tolist(), "evaluations": loss.calls, **watch.read()}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
