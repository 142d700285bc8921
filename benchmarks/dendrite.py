"""A dendrite with all its compartments, and its surrogate: CPU time in C++ standalone.

The model of examples/dendrite_surrogate.py: 255 compartments as a `SpatialNeuron` with
a soma, and neurons of a `SurrogateGroup` with the same soma. Cost does not depend on
what has been learned, so the parameters are random. Brian2 has one morphology per
`SpatialNeuron`; several take the same time each.
"""

import sys

import numpy as np
from _measure import ROOT, Binary, arguments, finish, in_turn, markdown
from brian2 import *

from brian2_multiscale import *
from brian2_multiscale.surrogates.signals import Signal

sys.path.insert(0, str(ROOT / "examples"))
import dendrite_surrogate as model  # noqa: E402

COUNTS = (1, 16, 256)
DURATION = 5 * second


def surrogate():
    """Of the shape of the example's."""
    architecture = CompactSurrogate(8, 2, gated=True, compression=None)
    rng = np.random.default_rng(0)
    shapes = architecture.shapes(5, 1)
    parameters = {k: 0.1 * rng.normal(size=s) for k, s in shapes.items()}
    for name in ("log_tau0", "log_tau1"):
        parameters[name] = rng.uniform(-7, -2, size=shapes[name])
    names = [(g, siemens, 1e-9, 0.0) for g in model.SITES] + [
        ("soma", volt, 0.01, -0.07)
    ]
    inputs = [Signal.of(n, u, scale=s, rest=r) for n, u, s, r in names]
    outputs = [Signal.of("v", volt, scale=0.01, rest=-0.07)]
    return architecture.with_parameters(inputs, outputs, model.STEP, parameters)


def with_inputs(group, others, count):
    for each in (group, *others):
        each.namespace.update(
            {n: getattr(model, n) for n in ("rest", "coupling", "decay")}
        )
    source = PoissonGroup(4 * count, 50 * Hz, dt=model.STEP, name="source")
    synapses = model.onto_sites(source, group, "2.5*nS", "synapses", j="i//4")
    synapses.site = "i % 4"
    return Network(group, others, source, synapses)


def compartments():
    group, *others = model.with_compartments("full")
    return with_inputs(group, others, 1)


def reduced(count, dtype):
    group = model.with_surrogates(count, surrogate(), "reduced", dtype=dtype)
    return with_inputs(group, [], count)


def main():
    options = arguments(__doc__)
    builds = {("255 compartments", 1): compartments}
    for dtype in (float64, float32):
        for count in COUNTS:
            what = f"surrogate, {dtype.__name__}"
            builds[what, count] = lambda c=count, d=dtype: reduced(c, d)
    runs = {}
    for (what, count), build in builds.items():
        name = f"dendrite_{what.split()[-1]}_{count}"
        runs[what, count] = Binary(name, build, DURATION)
    times = {key: np.median(t) for key, t in in_turn(runs, options.repeats).items()}
    whole = times["255 compartments", 1]
    rows = [
        [
            what,
            count,
            f"{1e3 * t / count / float(DURATION):.2f}",
            f"{whole * count / t:.0f}",
        ]
        for (what, count), t in times.items()
    ]
    header = ["", "neurons", "ms per neuron and second", "times faster"]
    finish(options, "A dendrite and its surrogate", markdown(header, rows))


if __name__ == "__main__":
    main()
