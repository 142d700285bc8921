"""The network of Wang et al. (2024) in Brian2: excitation, inhibition, conductances."""

from types import SimpleNamespace

import numpy as np
from brian2 import *

# Generalised integrate-and-fire neurons: a spike lowers the current a for a second
CELLS = """
dv/dt = (-v + g_e*(3 - v) + g_i*(-3 - v) + a)/(100*ms) : 1
da/dt = -a/tau_a : 1
dg_e/dt = -g_e/(10*ms) : 1
dg_i/dt = -g_i/(10*ms) : 1
tau_a : second (constant)
"""
READOUT = "dy/dt = -y/(10*ms) : 1"
#: Numbers of excitatory and inhibitory neurons
LARGE, FEW = (160, 40), (40, 10)
#: Synapses that keep Dale's law; those of the readout need not
POSITIVE = ("w_in", "w_exc", "w_inh")
#: Recurrent synapses: of all pairs; of some at random; excitatory ones of near neurons
WIRINGS = ("dense", "random", "distance")
CHANCE, REACH = 0.1, 20


def kaiming(random, scale, sources, targets):
    """Normal numbers, cut at two standard deviations, by the number of sources."""
    values = random.normal(size=(sources, targets))
    while np.any(far := np.abs(values) > 2):
        values[far] = random.normal(size=np.count_nonzero(far))
    return np.sqrt(scale / sources) / 0.87962566103423978 * values


def first_weights(seed, inputs, exc, inh):
    """Matrices (sources, targets) by name."""
    random = np.random.default_rng([seed, 1])
    drawn = {
        "w_in": kaiming(random, 1.0, inputs, exc + inh),
        "w_exc": kaiming(random, 0.5, exc, exc + inh),
        "w_inh": kaiming(random, 4 * 0.5, inh, exc + inh),
        "w_out": kaiming(random, 2.0, exc + inh, 2),
    }
    return drawn | {name: np.abs(drawn[name]) for name in POSITIVE}


def thin_out(seed, matrices, wiring):
    """Not a number where there is no synapse; numbers and weights as in the paper."""
    random = np.random.default_rng([seed, 2])
    for name in ("w_exc", "w_inh") if wiring != "dense" else ():
        before, after = np.indices(matrices[name].shape)
        chance = CHANCE
        if (wiring, name) == ("distance", "w_exc"):
            chance = np.exp(-0.5 * ((before - after) / REACH) ** 2)
        else:
            matrices[name] /= np.sqrt(CHANCE)  # fewer sources of each neuron
        matrices[name][random.random(before.shape) >= chance] = np.nan
    return matrices


def make_network(seed, task, size=LARGE, spikes=None, wiring="dense"):
    """
    The network, not yet trained.

    Parameters
    ----------
    seed : int
        Of weights and adaptation times.
    task : `wang_task.Task`
    size : (int, int)
        Numbers of excitatory and inhibitory neurons.
    spikes : ndarray, optional
        Input, (trials, steps, inputs): trials follow each other, all begin at rest.
        Without it inputs are silent, and given anew when the network is trained.
    wiring : {'dense', 'random', 'distance'}
        Of the recurrent synapses.

    Returns
    -------
    SimpleNamespace
        ``net``, and the objects in it.
    """
    defaultclock.dt = 1 * ms
    made = SimpleNamespace(task=task, duration=task.steps * ms)
    made.source = input_of(task, spikes)
    made.cells, made.readout = make_cells(seed, sum(size))
    matrices = thin_out(seed, first_weights(seed, task.inputs, *size), wiring)
    made.synapses = connect(made, matrices, size[0])
    parts = [made.source, made.cells, made.readout, *made.synapses.values()]
    if spikes is not None:
        made.duration *= len(spikes)
        at_rest = {"dt": task.steps * ms, "when": "start", "order": -1}
        made.cells.run_regularly("v = 0; a = 0; g_e = 0; g_i = 0", **at_rest)
        made.readout.run_regularly("y = 0", **at_rest)
        # At the beginning of steps
        made.monitor = StateMonitor(made.readout, "y", record=True, name="monitor")
        parts.append(made.monitor)
    made.net = Network(parts)
    return made


def input_of(task, spikes):
    """A source of given spikes."""
    if spikes is None:
        return SpikeGeneratorGroup(task.inputs, [], [] * ms, name="inputs")
    steps, i = np.nonzero(spikes.reshape(-1, task.inputs))
    return SpikeGeneratorGroup(task.inputs, i, steps * ms, name="inputs", sorted=True)


def make_cells(seed, number):
    """Neurons and the two units that answer."""
    cells = NeuronGroup(
        number,
        CELLS,
        threshold="v > 1",
        reset="v -= 1; a -= 1",
        method="exponential_euler",
        name="cells",
    )
    random = np.random.default_rng([seed, 0])
    cells.tau_a = random.uniform(0.5, 1.5, number) * second
    return cells, NeuronGroup(2, READOUT, method="exact", name="readout")


def connect(made, matrices, exc):
    """Neurons by matrices of weights."""
    ways = {
        "w_in": (made.source, made.cells, "g_e"),
        "w_exc": (made.cells[:exc], made.cells, "g_e"),
        "w_inh": (made.cells[exc:], made.cells, "g_i"),
        "w_out": (made.cells, made.readout, "y"),
    }
    synapses = {}
    for name, (before, after, variable) in ways.items():
        on_pre = f"{variable}_post += w"
        synapses[name] = Synapses(before, after, "w : 1", on_pre=on_pre, name=name)
        i, j = np.nonzero(np.isfinite(matrices[name]))
        synapses[name].connect(i=i, j=j)
        synapses[name].w = matrices[name][i, j]
    return synapses


def answers(made):
    """Of the trials that a network has run."""
    y = np.array(made.monitor.y).T.reshape(-1, made.task.steps, 2)
    return made.task.decisions(y)
