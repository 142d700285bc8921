"""The column in NEST's gif_pop_psc_exp. Run by mesoscopic_column.py.

    python _nest_column.py <seconds> none|adaptation

prints CPU seconds of the simulation alone and rates (Hz) after the first second.
"""

import json
import sys
import time

import nest
import numpy as np
from _column import *

DT = 0.1


def populations(adaptation):
    """One node per population; pA, pF, mV, ms, Hz."""
    nodes = nest.Create("gif_pop_psc_exp", 8)
    for k, mu in enumerate(drive(adaptation)):
        adapts = adaptation and JUMP[k] > 0
        nodes[k].set(
            N=int(SIZES[k]),
            C_m=250.0,
            tau_m=TAU_M,
            I_e=mu * 250 / TAU_M,
            E_L=0.0,
            V_reset=0.0,
            V_T_star=THRESHOLD,
            Delta_V=SOFTNESS,
            lambda_0=HAZARD * 1e3,
            t_ref=REFRACTORY,
            tau_syn_ex=TAU_S,
            tau_syn_in=TAU_S,
            tau_sfa=[TAU_THETA if adapts else 100.0],
            q_sfa=[JUMP[k] if adapts else 0.0],
            len_kernel=-1,
        )
    return nodes


def simulate(seconds, adaptation):
    nest.set(resolution=DT, rng_seed=1, local_num_threads=1)
    nodes = populations(adaptation)
    current = WEIGHT * PROBABILITY * 250 / TAU_S
    for target, source in np.argwhere(PROBABILITY):
        synapse = {"weight": current[target, source], "delay": DELAY}
        nest.Connect(nodes[int(source)], nodes[int(target)], syn_spec=synapse)
    meter = nest.Create("multimeter", params={"record_from": ["n_events"]})
    meter.interval = DT
    nest.Connect(meter, nodes)
    nest.Prepare()
    began = time.process_time()
    nest.Run(seconds * 1e3)
    took = time.process_time() - began
    events = meter.events
    late = events["times"] > 1000 if seconds > 1 else events["times"] > 0
    rates = []
    for node, size in zip(nodes, SIZES, strict=True):
        counts = events["n_events"][late & (events["senders"] == node.global_id)]
        rates.append(np.mean(counts) / size / DT * 1e3)
    return took, rates


if __name__ == "__main__":
    nest.verbosity = nest.VerbosityLevel.ERROR
    took, rates = simulate(float(sys.argv[1]), sys.argv[2] == "adaptation")
    print(json.dumps({"seconds": took, "rates": rates, "version": nest.__version__}))
