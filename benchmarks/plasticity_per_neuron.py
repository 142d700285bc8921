"""Short-term plasticity kept per neuron instead of per synapse: what does it save?

5000 noisy neurons that fire at 11 Hz and 2.5e6 synapses (p = 0.1) with one delay, time
step 0.1 ms: CPU time of the network per simulated second, without synapses, with static
ones, with plasticity in the equations of `Synapses` (a state per synapse) and with
`Projection` (a state per presynaptic neuron). Both kinds of plasticity give the same
input.
"""

import numpy as np
from _measure import Binary, arguments, finish, in_turn, markdown
from brian2 import *

from brian2_multiscale import *

NEURONS, P, DELAY = 5000, 0.1, 1 * ms
STP = """
du/dt = (0.2 - u)/(100*ms) : 1 (event-driven)
dx/dt = (1 - x)/(200*ms)   : 1 (event-driven)
"""
ON_PRE = """
released = u*x
x -= released
u += 0.2*(1 - u)
h_post += w*released
"""


def neurons():
    group = NeuronGroup(
        NEURONS,
        """dv/dt = (17*mV - v + h)/(20*ms) : volt (unless refractory)
           dh/dt = -h/(3*ms) : volt""",
        threshold="rand() < 10*Hz*exp((v - 15*mV)/(2*mV))*dt",
        reset="v = 0*mV",
        refractory=4 * ms,
        method="exact",
        name="neuron",
    )
    group.v = np.random.default_rng(2).uniform(0, 15, NEURONS) * mV
    return group


def no_synapses():
    return Network(neurons())


def static():
    group = neurons()
    synapses = Synapses(group, group, "w : volt (shared)", on_pre="h_post += w",
                        delay=DELAY, name="synapse")  # fmt: skip
    synapses.connect(p=P)
    synapses.w = 1 * uvolt
    return Network(group, synapses)


def per_synapse():
    group = neurons()
    synapses = Synapses(group, group, STP + "w : volt (shared)", on_pre=ON_PRE,
                        method="exact", delay=DELAY, name="synapse")  # fmt: skip
    synapses.connect(p=P)
    synapses.w = 1 * uvolt
    synapses.x, synapses.u = 1, 0.2
    return Network(group, synapses)


def per_neuron():
    group = neurons()
    projection = Projection(group, group, STP, ON_PRE, p=P, weights=1 * uvolt,
                            delay=DELAY, name="synapse")  # fmt: skip
    return Network(group, projection)


def main():
    options = arguments(__doc__)
    runs = {
        build.__name__.replace("_", " "): Binary(
            f"plasticity_{build.__name__}", build, 1 * second
        )
        for build in (no_synapses, static, per_synapse, per_neuron)
    }
    times = {name: np.median(t) for name, t in in_turn(runs, options.repeats).items()}
    alone = times.pop("no synapses")
    rows = [["no synapses", f"{alone:.3f}", "-"]]
    for name, seconds in times.items():
        ratio = (seconds - alone) / (times["per neuron"] - alone)
        rows.append([name, f"{seconds:.3f}", f"{ratio:.1f}"])
    header = ["plasticity", "CPU s per simulated s", "synapses alone: ratio"]
    finish(options, "Short-term plasticity per neuron", markdown(header, rows))


if __name__ == "__main__":
    main()
