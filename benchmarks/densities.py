"""Particles, hybrid and densities of a population that synchronises: what do they cost?

Noisy integrate-and-fire neurons with a periodic drive and instantaneous all-to-all
coupling, which fire together once per period (six events in nine membrane time
constants, 9000 steps): CPU time of the simulation with Brian2's neurons and one
generation of spikes per time step, with neurons and the exact cascade, with
`HybridGroup`, and with `DensityGroup`, deterministic and stochastic. Then what
several populations in one group save.
"""

import numpy as np
from _measure import Binary, InProcess, arguments, finish, in_turn, markdown
from brian2 import *

from brian2_multiscale import *

DT = 1 * ms  # the membrane time constant is 1 s
DURATION = 9 * second
COUPLING = 0.7
EQUATIONS = """
dv/dt = (I - v)/second + (0.04/second)**0.5*xi : 1
I = 0.8 + 0.5*sin(2*pi*t/(1.5*second))         : 1 (shared)
"""
SIZES = (1_000, 10_000, 100_000, 1_000_000)
# C++ trial of the same problem by the authors of this package, see docs/densities.md
TRIAL = {
    "neurons, exact cascade": (0.38, 3.1, 34.9, 284),
    "hybrid": (0.24, 0.34, 3.1, 18),
    "stochastic": (0.16, 0.12, 0.11, 0.10),
    "density": (0.084, 0.084, 0.084, 0.084),
}


def neurons(size):
    group = NeuronGroup(size, EQUATIONS, threshold="v > 1", reset="v -= 1",
                        method="euler", dt=DT, name="neuron")  # fmt: skip
    values = np.random.default_rng(1).normal(0.5, 0.02**0.5, size)
    group.v = np.minimum(values, 0.99)
    return group


def one_generation(size):
    """All-to-all coupling through one counting neuron, as Brian2 alone can do it."""
    group = neurons(size)
    hub = NeuronGroup(1, "count : 1", dt=DT, name="hub")
    counting = Synapses(group, hub, on_pre="count_post += 1", name="counting")
    counting.connect()
    group.variables.add_reference("count", hub, index="0")
    kicks = group.run_regularly(f"v += {COUPLING}/N*count", when="after_synapses",
                                dt=DT, name="kicks")  # fmt: skip
    emptied = hub.run_regularly("count = 0", when="end", dt=DT, name="emptied")
    return Network(group, hub, counting, kicks, emptied)


def cascade(size):
    group = neurons(size)
    return Network(group, Cascade(group, f"v_post += {COUPLING}/N", name="cascade"))


def population(scale, sizes, **options):
    group = scale(sizes, EQUATIONS, threshold="v > 1", reset="v = 0", dt=DT,
                  name="population", **options)  # fmt: skip
    group.p = "exp(-(v - 0.5)**2/0.04)"
    weights = COUPLING / np.asarray(sizes, float)
    if np.ndim(sizes):
        weights = np.diag(weights)
    recurrent = Projection(group, group, on_pre="v_post += w", weights=weights,
                           name="recurrent")  # fmt: skip
    return Network(group, recurrent)


BUILDS = {
    "Brian2's neurons, one generation per step": one_generation,
    "neurons, exact cascade": cascade,
    "hybrid": lambda size: population(HybridGroup, size),
    "stochastic": lambda size: population(DensityGroup, size, method="stochastic"),
    "density": lambda size: population(DensityGroup, size),
}


def across_sizes(repeats, largest):
    rows = []
    for what, build in BUILDS.items():
        row = [what]
        for k, size in enumerate(SIZES):
            if size > largest:
                row.append("-")
                continue
            name = f"densities_{what.split(',')[0].split()[0]}_{size}"
            binary = Binary(name, lambda: build(size), DURATION)  # noqa: B023
            runs = 1 if "neurons" in what and size > 1e4 else repeats
            seconds = np.median([binary() for _ in range(runs)])
            trial = TRIAL[what][k] if what in TRIAL else None
            row.append(
                f"{seconds:.3g}" + (f" ({seconds / trial:.2f})" if trial else "")
            )
        rows.append(row)
        print(row, flush=True)
    header = ["", *(f"N = {size:.0e}" for size in SIZES)]
    return markdown(header, rows)


def separate(count):
    networks = []
    for k in range(count):
        group = DensityGroup(1000, EQUATIONS, threshold="v > 1", reset="v = 0", dt=DT,
                             name=f"population_{k}")  # fmt: skip
        group.p = "exp(-(v - 0.5)**2/0.04)"
        networks += [group, Projection(group, group, on_pre="v_post += w",
                                       weights=COUPLING / 1000)]  # fmt: skip
    return Network(*networks)


def several(repeats, quick):
    builds = {
        "one population": lambda: population(DensityGroup, 1000),
        "ten populations, one group": lambda: population(DensityGroup, [1000] * 10),
        "ten groups": lambda: separate(10),
    }
    runs = {
        ("C++", what): Binary(f"densities_{what.split()[0]}_{k}", build, DURATION)
        for k, (what, build) in enumerate(builds.items())
    }
    if not quick:
        runs |= {("Cython", w): InProcess(b, DURATION) for w, b in builds.items()}
    times = {key: np.median(t) for key, t in in_turn(runs, repeats).items()}
    steps = float(DURATION / DT)
    rows = [
        [target, what, f"{seconds / steps * 1e6:.1f}",
         f"{seconds / times[target, 'one population']:.1f}"]
        for (target, what), seconds in times.items()
    ]  # fmt: skip
    return markdown(["", "", "us per step", "ratio to one population"], rows)


def main():
    options = arguments(__doc__, largest="up to a million neurons (minutes)")
    largest = 1_000_000 if options.largest else 100_000
    finish(
        options,
        "Neurons, hybrid and densities",
        "CPU seconds in C++ standalone (in brackets: ratio to a trial program without "
        "Brian2, elsewhere):",
        across_sizes(options.repeats, largest),
        several(options.repeats, options.quick),
    )


if __name__ == "__main__":
    main()
