"""How fast is a mesoscopic cortical column, against code made for it by hand?

The 8 populations (77,169 neurons) of Schwalger, Deger and Gerstner (2017), time step
0.1 ms, memory of 5 membrane time constants, recurrent weights J*p from every neuron as
in the paper. CPU time of the simulation loop, one thread. Peers, if they can be
imported here or by the Python given with --numba or --nest: the equations written by
hand with Numba (_numba_column.py), and NEST's gif_pop_psc_exp (_nest_column.py).
"""

import json
import subprocess
from pathlib import Path
from statistics import median

import numpy as np
from _column import *
from _measure import Binary, InProcess, arguments, finish, in_turn, markdown
from brian2 import *

from brian2_multiscale import *

HERE, STEP = Path(__file__).parent, 0.1 * ms
DURATION = 10 * second
MEMBRANE = """
dv/dt = (mu - v)/tau_m + h/tau_s : volt (unless refractory)
dh/dt = -h/tau_s : volt
mu : volt
"""
FIXED = "rho = rate_0*exp((v - threshold)/softness) : Hz"
ADAPTING = """
dtheta/dt = -theta/tau_theta : volt
rho = rate_0*exp((v - threshold - theta)/softness) : Hz
jump : volt
"""
STP = """
du/dt = (U - u)/tau_f : 1
dx/dt = (1 - x)/tau_d : 1
U : 1
tau_d : second
tau_f : second
"""
RELEASE = """
h_post += w*u*x
x -= u*x
u += U*(1 - u)
"""
CONSTANTS = {
    "tau_m": TAU_M * ms,
    "tau_s": TAU_S * ms,
    "tau_theta": TAU_THETA * ms,
    "rate_0": HAZARD / ms,
    "threshold": THRESHOLD * mV,
    "softness": SOFTNESS * mV,
}


# -- models ----------------------------------------------------------------------
def column(
    size=1, adaptation=False, plastic=False, wired=False, closure="cohort", **kw
):
    """The column, `size` times as large."""
    defaultclock.dt = STEP
    group = MesoscopicGroup(
        np.round(SIZES * size).astype(int),
        MEMBRANE + (ADAPTING if adaptation else FIXED),
        hazard=None if "threshold" in kw else "rho",
        **kw,
        reset="v = 0*volt" + ("\ntheta += jump" if adaptation else ""),
        refractory=REFRACTORY * ms,
        method="exact",
        namespace=CONSTANTS,
        name="column",
    )
    group.mu = drive(adaptation) * mV
    if adaptation:
        group.jump = JUMP * mV
    weights = (WEIGHT if wired else WEIGHT * PROBABILITY).T / size
    synapses = Projection(
        group,
        group,
        STP if plastic else "",
        RELEASE if plastic else "h_post += w",
        weights=weights * mV / (0.5 if plastic else 1),
        p=PROBABILITY.T if wired else 1,
        delay=DELAY * ms,
        parameters={"U": 0.5, "tau_d": 50 * ms, "tau_f": 20 * ms} if plastic else None,
        closure=closure,
        name="synapses",
    )
    return Network(group, synapses)


def compiled(name, **kwargs):
    folder = "column_" + name.replace(" ", "_").replace(".", "_")
    return Binary(folder, lambda: column(**kwargs), DURATION)


def our_rates():
    """Mean rates (Hz) after the first second, from a program of its own."""

    def build():
        network = column()
        group = network["column"]
        network.add(StateMonitor(group, "n", record=True, name="counts"))
        return network

    program = Binary("column_rates", build, DURATION)
    program()
    (path,) = (program.folder / "results").glob("_dynamic_array_counts_n*")
    counts = np.fromfile(path).reshape(-1, 8)[10_000:]
    return counts.mean(0) / SIZES / float(STEP)


# -- peers -----------------------------------------------------------------------
class Peer:
    """A script run by some Python; its rates are kept."""

    def __init__(self, python, script, kind, duration=DURATION):
        self._call = [python, str(HERE / script), str(float(duration)), kind]
        self.rates, self.version = None, ""

    def __call__(self):
        done = subprocess.run(self._call, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout.splitlines()[-1])
        self.rates, self.version = np.array(found["rates"]), found["version"]
        return found["seconds"]


def has(python, package):
    done = subprocess.run([python, "-c", f"import {package}"], capture_output=True)
    return done.returncode == 0


def peers(options):
    """Peers that can be run, by label."""
    found = {}
    if has(options.numba, "numba"):
        script, python = "_numba_column.py", options.numba
        found["Numba by hand, math.exp"] = Peer(python, script, "libm")
        found["Numba by hand, polynomial exp"] = Peer(python, script, "polynomial")
    if has(options.nest, "nest"):
        found["NEST"] = Peer(options.nest, "_nest_column.py", "none")
    return found


# -- tables ----------------------------------------------------------------------
def deviation(rates):
    return f"{100 * np.max(np.abs(rates / RATES - 1)):.1f} %"


def per_step(seconds, duration=DURATION):
    return median(seconds) / float(duration / STEP) * 1e6


def against_peers(options):
    ours = "ours, C++ standalone"
    runs = {
        ours: compiled("plain"),
        f"{ours}, order 1": compiled("order_1", closure_order=1),
        f"{ours}, hazard at the end of the step": compiled(
            "linear", threshold="rand() < rho*dt"
        ),
        **peers(options),
    }
    times = in_turn(runs, options.repeats)
    rates = {n: run.rates for n, run in runs.items() if isinstance(run, Peer)}
    rates[ours] = our_rates()
    rows = []
    for name, seconds in times.items():
        cost = [f"{median(seconds):.2f}", f"{per_step(seconds):.1f}"]
        ratio = median(times[ours]) / median(seconds)
        known = deviation(rates[name]) if name in rates else "-"
        rows.append([name, *cost, f"{ratio:.2f}", known])
    header = ["", "CPU s for 10 s", "us per step", "ours / this"]
    return markdown([*header, "rates, furthest from the fitted ones"], rows)


def of_sizes(options):
    runs = {s: compiled(f"size {s}", size=s) for s in (0.1, 1, 10, 100)}
    times = in_turn(runs, options.repeats)
    rows = [
        [f"{int(np.sum(np.round(SIZES * s))):,}", f"{per_step(t):.1f}"]
        for s, t in times.items()
    ]
    return markdown(["neurons", "us per step"], rows)


def of_features(options):
    """What plasticity, adaptation and random wiring add."""
    features = {
        "nothing": {},
        "1-s adaptation": {"adaptation": True},
        "short-term plasticity": {"plastic": True},
        "both": {"plastic": True, "adaptation": True},
    }
    runs = {
        (name, order): compiled(f"{name} {order}", closure_order=order, **kw)
        for name, kw in features.items()
        for order in (1, 2)
    }
    runs["random wiring (p < 1)", 2] = compiled("wired", wired=True)
    runs["plasticity, Poisson closure", 2] = compiled(
        "poisson", plastic=True, closure="poisson"
    )
    times = in_turn(runs, options.repeats)
    rows = []
    for name in dict.fromkeys(n for n, _ in runs):
        row = [name]
        for order in (1, 2):
            seconds = times.get((name, order))
            without = median(times["nothing", order])
            row.append(f"{per_step(seconds):.1f}" if seconds else "-")
            row.append(f"{median(seconds) / without:.2f}" if seconds else "-")
        rows.append(row)
    if has(options.nest, "nest"):
        nest = Peer(options.nest, "_nest_column.py", "adaptation", 2 * second)
        rows.append(
            ["NEST, 1-s adaptation", "-", "-", f"{nest() / 2e4 * 1e6:.0f}", "-"]
        )
    return markdown(["", "order 1, us per step", "ratio", "order 2", "ratio"], rows)


def at_run_time(options):
    duration = 1 * second
    rows = []
    for target in ("cython", "numpy"):
        program = InProcess(column, duration, target)
        seconds = [program() for _ in range(min(options.repeats, 3))]
        rows.append([target, f"{per_step(seconds, duration):.0f}"])
    return markdown(["target", "us per step"], rows)


def main():
    options = arguments(__doc__, peers=("numba", "nest"))
    tables = [
        "Without adaptation or plasticity, full size:",
        against_peers(options),
        "Other sizes:",
        of_sizes(options),
        "With more in the model, as multiples of the same closure without it:",
        of_features(options),
    ]
    if not options.quick:
        tables += ["Without a C++ program of its own:", at_run_time(options)]
    finish(options, "A mesoscopic column", *tables)


if __name__ == "__main__":
    main()
