"""One training update of the network of Wang et al. (2024) in BrainPy.

Run by training.py with a Python that has brainpy, brainstate, braintools and jax; the
workflow is the published one: objects of the BrainPy ecosystem, a loop over all steps,
reverse mode, Adam. Prints a line of JSON.
"""

import json
import resource
import sys
import time

import brainpy.state as neural
import brainstate
import braintools
import jax
import jax.numpy as jnp
import numpy as np

CELLS, EXCITATORY, INPUTS = 200, 160, 100


class AdaptingCells(neural.Neuron):
    """Integrate and fire; every spike lowers a current."""

    def __init__(self):
        spike = braintools.surrogate.ReluGrad(alpha=0.3, width=1.0)
        super().__init__(CELLS, spk_fun=spike, spk_reset="soft")
        self.tau_a = np.random.default_rng(0).uniform(500.0, 1500.0, CELLS)
        self.tau_a = jnp.asarray(self.tau_a, dtype=jnp.float32)

    def init_state(self, batch_size=None, **_):
        shape = (batch_size, CELLS)
        self.v = brainstate.HiddenState(jnp.zeros(shape))
        self.a = brainstate.HiddenState(jnp.zeros(shape))

    def get_spike(self):
        return self.spk_fun(self.v.value - 1.0)

    def update(self, x=0.0):
        spiked = self.get_spike()
        step = brainstate.nn.exp_euler_step
        a = step(lambda a: -a / self.tau_a, self.a.value - spiked)

        def drift(v):
            return (-v + self.sum_current_inputs(x + a, v)) / 100.0

        self.v.value = step(drift, self.v.value - spiked)
        self.a.value = a
        return self.get_spike()


class Circuit(brainstate.nn.Module):
    def __init__(self):
        super().__init__()
        self.cells = AdaptingCells()
        self.from_input = self.project(INPUTS, 1.0, 3.0)
        self.from_exc = self.project(EXCITATORY, 0.5, 3.0)
        self.from_inh = self.project(CELLS - EXCITATORY, 2.0, -3.0)
        self.readout = neural.LeakyRateReadout(CELLS, 2, tau=10.0)

    def project(self, sources, scale, reversal):
        first = braintools.init.KaimingNormal(scale=scale)
        return neural.AlignPostProj(
            comm=brainstate.nn.SignedWLinear(sources, CELLS, w_init=first),
            syn=neural.Expon(
                CELLS, tau=10.0, g_initializer=braintools.init.Constant(0.0)
            ),
            out=neural.COBA(E=reversal),
            post=self.cells,
        )

    def update(self, spikes):
        exc, inh = jnp.split(self.cells.get_spike(), [EXCITATORY], axis=-1)
        self.from_input(spikes)
        self.from_exc(exc)
        self.from_inh(inh)
        return self.readout(self.cells())


def make_update(trials, recall):
    circuit = Circuit()
    weights = circuit.states(brainstate.ParamState)
    optimiser = braintools.optim.Adam(lr=1e-3)
    optimiser.register_trainable_weights(weights)

    @brainstate.transform.jit
    def update(spikes, answers):
        brainstate.nn.init_all_states(circuit, batch_size=trials)

        def loss():
            y = brainstate.transform.for_loop(circuit, spikes)[-recall:]
            chance = jax.nn.log_softmax(y, axis=-1)
            return -jnp.mean(jnp.take_along_axis(chance, answers[None, :, None], 2))

        gradients, value = brainstate.transform.grad(loss, weights, return_value=True)()
        optimiser.update(gradients)
        return value

    return update


def main(trials, steps, recall, repeats):
    brainstate.environ.set(dt=1.0)
    brainstate.random.seed(0)
    update = make_update(trials, recall)
    random = np.random.default_rng(0)
    spikes = jnp.asarray(random.random((steps, trials, INPUTS)) < 0.012, jnp.float32)
    answers = jnp.asarray(random.integers(0, 2, trials))
    began = time.perf_counter()
    losses = [float(update(spikes, answers))]
    compiled, times = time.perf_counter() - began, []
    for _ in range(repeats):
        began = time.process_time()
        losses.append(float(update(spikes, answers)))
        times.append(time.process_time() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"times": times, "first": compiled, "peak": peak, "losses": losses}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
