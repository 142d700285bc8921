"""
From sound to the brain stem: surrogates of inner hair cells in a spiking network.

Three synthetic vowels go through a filter bank to inner hair cells along the cochlea.
Every hair cell has 19 auditory nerve fibres of high, medium and low spontaneous rate
(HSR, MSR, LSR), which fire at random as their synapses release. They excite detectors
of coincidences in the cochlear nucleus through tabulated AMPA receptors: bushy cells,
each with fibres of one place, and octopus cells, with fibres of all places.

The hair cells are a `SurrogateGroup` with a network of 456 parameters that comes with
the package (nothing is trained here), and once more the equations that it stands for.
The rest is the same, and so must be what the fibres and the brain stem make of it. The
script prints both, fails if they differ, and draws results/hearing_to_spikes.png.

Takes ten seconds (half a minute without a compiler), the first time one or two
minutes more, for compiling.
"""

import os
import time
from pathlib import Path

import numpy as np
from brian2 import *
from hearing_measures import *

from brian2_multiscale import *
from brian2_multiscale.surrogates import sound

RESULTS = Path(os.environ.get("BRIAN2_MULTISCALE_RESULTS", "results"))


# -- ear and brain stem ----------------------------------------------------------------
def hair_cells(kind, velocity):
    """The same cells, with the potential v, from a surrogate or from equations."""
    if kind == "surrogate":
        bm = TimedArray(velocity[:: round(STEP / FINE)], dt=STEP)
        ihc = Surrogate.load("ihc_verhulst2018")
        return SurrogateGroup(
            PLACES, ihc, "0.118*second*bm(t, i)", namespace={"bm": bm}, name="hair"
        )
    bm = TimedArray(velocity, dt=FINE)
    ihc = Mechanism("ihc_verhulst2018")
    cells = NeuronGroup(
        PLACES, ihc.equations + Equations("x = 0.118*second*bm(t, i) : metre"),
        method=ihc.method, namespace={**ihc.namespace, "bm": bm}, dt=FINE,
        order=-1, name="hair",  # before the fibres, as with the surrogate
    )  # fmt: skip
    ihc.initialise(cells)
    return cells


def nerve(cells):
    """Fibres that fire; neighbours in the group have the same hair cell."""
    anf = Mechanism("anf_spiking", vary=["sp", "PSR"])
    fibres = NeuronGroup(
        PLACES * PER_CELL,
        anf.equations + Equations("v : volt (linked)\nplace : integer (constant)"),
        threshold=anf.threshold, reset=anf.reset, refractory=anf.refractory,
        method=anf.method, namespace=anf.namespace, name="fibres",
    )  # fmt: skip
    place = np.repeat(np.arange(PLACES), PER_CELL)
    fibres.place, fibres.v = place, linked_var(cells, "v", index=place)
    anf.initialise(fibres)
    fibres.sp, fibres.PSR = (np.tile(values, PLACES) * Hz for values in of_one_cell())
    for name, steady in anf.initial.items():  # of fibres with these sp and PSR
        setattr(fibres, name, steady)
    return fibres


def fast_ampa():
    """
    AMPA receptors of the auditory brain stem, as a table.

    They close within half a millisecond, ten times faster than those of the file, from
    hippocampus; what is bound once unbinds soon, so that they recover between spikes.
    """
    slow = Mechanism("ampa_destexhe").parameters
    fast = {
        rate: 10 * slow[rate].value for rate in ("Rb", "Ru2", "Rd", "Rr", "Ro", "Rc")
    }
    ampa = Mechanism("ampa_destexhe", **fast, Ru1=5 / ms, duration=0.1 * ms)
    return tabulate(ampa, rates=(10, 300) * Hz)


def brain_stem(fibres, table):
    """Leaky neurons with short memories; those of place -1 listen everywhere."""
    cells = NeuronGroup(
        BUSHY + OCTOPUS,
        """
        dv/dt = (g_leak*(-65*mV - v) - g_ampa*v)/(20*pF) : volt (unless refractory)
        g_leak : siemens (constant)
        g_ampa : siemens
        place  : integer (constant)
        """,
        threshold="v > -50*mV", reset="v = -65*mV", refractory=1 * ms,
        method="exponential_euler", name="nucleus",
    )  # fmt: skip
    cells.v = -65 * mV
    cells.place = np.r_[
        np.repeat(np.arange(PLACES), BUSHY_PER_PLACE), np.full(OCTOPUS, -1)
    ]
    cells.g_leak = "20*nS + 40*nS*int(place < 0)"
    synapses = TabulatedSynapses(
        fibres, cells, table, "g_ampa", name="endings", delay=0.5 * ms,
        model="strength : 1", weight="strength",  # w is a store of the fibres
    )  # fmt: skip
    synapses.connect("place_pre == place_post", p=0.7)
    synapses.connect("place_post < 0", p=60 / len(fibres))
    synapses.strength = 45
    return cells, synapses


def cpu(network):
    """CPU seconds per second of sound, without what making the code takes."""
    clocks = []
    for duration in (0 * ms, 0 * ms, DURATION):  # the first one compiles
        begin = time.process_time()
        network.run(duration)
        clocks.append(time.process_time() - begin)
    return (clocks[2] - clocks[1]) / float(DURATION)


def hear(kind, velocity, table):
    """What happens with one kind of hair cells, and what these cost."""
    seed(1)
    cells = hair_cells(kind, velocity)
    fibres = nerve(cells)
    neurons, synapses = brain_stem(fibres, table)
    # At the end of a step both kinds have heard the same
    potential = StateMonitor(cells, "v", record=True, when="end", dt=STEP)
    fired, out = SpikeMonitor(fibres), SpikeMonitor(neurons)
    network = Network(cells, fibres, neurons, synapses, potential, fired, out)
    return {
        "cost": [cpu(network), cpu(Network(hair_cells(kind, velocity)))],
        "v": np.array(potential.v / mV),
        "fibres": (np.array(fired.i), np.array(fired.t)),
        "nucleus": (np.array(out.i), np.array(out.t)),
    }


# -- what it should be -----------------------------------------------------------------
def check(found):
    """Surrogate and equations do the same to the rest."""
    exact, surrogate = found["equations"], found["surrogate"]
    assert error_of_potential(found).max() < 0.05
    for name, tolerance in TOLERANCES.items():
        alike(exact["counts"][name], surrogate["counts"][name], tolerance, name)
    for name, tolerance in {"fibres": 0.03, "bushy": 0.15}.items():
        both = [each["places"][name][0] for each in (exact, surrogate)]
        alike(*both, tolerance, f"{name} by place")
    for each in (exact, surrogate):
        (_, fibres), (_, bushy) = each["places"].values()
        # Coincidences are more precise than what they are made of
        assert np.mean([bushy[p] - fibres[p] for p in bushy]) > 0.02


def alike(a, b, tolerance, what):
    limit = tolerance * np.maximum(a, b) + 4 * np.sqrt(a + b)
    assert np.all(np.abs(a - b) <= limit), f"{what}: {a} and {b} spikes"


def main():
    defaultclock.dt = STEP
    cf = sound.characteristic_frequencies(PLACES, 150 * Hz, 7 * kHz)
    pressure = vowels()
    velocity = sound.basilar_membrane_velocity(pressure, 1 / FINE, cf)
    table = fast_ampa()
    found = {kind: hear(kind, velocity, table) for kind in ("surrogate", "equations")}
    for each in found.values():
        each |= {"counts": count(each), "places": places(each)}
    report(found)
    RESULTS.mkdir(parents=True, exist_ok=True)
    draw(pressure, cf, found, RESULTS / "hearing_to_spikes.png")
    check(found)


if __name__ == "__main__":
    main()
