"""Training of the network of wang_network.py: through time, and while it runs."""

import time

import jax
import jax.numpy as jnp
import numpy as np
from brian2 import *
from wang_network import POSITIVE, answers, make_network

from brian2_multiscale.gradients import (
    DifferentiableNetwork,
    EProp,
    SurrogateGradient,
    Trainer,
)

#: What the seeds of batches begin with
TRAINING, VALIDATION, TEST = 1, 2, 3
TRIANGLE = SurrogateGradient("triangle", 0.3, 1.0)


# -- back through time ---------------------------------------------------------------
def differentiable(made, record=None):
    """The network as a function of weights and input spikes."""
    return DifferentiableNetwork(
        made.net,
        trainable={synapses: "w" for synapses in made.synapses.values()},
        duration=made.duration,
        inputs={made.source: "spikes"},
        record={made.readout: "y"} if record is None else record,
        spike=TRIANGLE,
        dtype=np.float32,
    )


def cross_entropy(task):
    """Loss: the readout as log odds of the answer, while it is asked for."""

    def loss(outputs, right):
        y = outputs["readout.y"][:, -task.recall :]
        chance = jax.nn.log_softmax(y, axis=-1)
        return -jnp.mean(jnp.take_along_axis(chance, right[:, None, None], axis=2))

    return loss


def make_trainer(made, lr=1e-3):
    """Dale's law holds for all synapses but those of the readout."""
    sign = {made.synapses[name]: "+" for name in POSITIVE}
    # Most gradients are from 0.05 to 0.25 long, some 4: after these the loss jumps up.
    # It does so with the limit, too, but comes back (one seed was compared)
    return Trainer(
        differentiable(made), cross_entropy(made.task), lr=lr, sign=sign, clip=0.25
    )


def fit(trainer, made, seed, steps, trials=128, every=10, checkpoint=None):
    """Train on new trials at every step; returns the history."""

    def batches(number, kind=TRAINING):
        spikes, right = made.task.batch(trials, seed, kind, number)
        return {made.source: spikes}, (right,)

    return trainer.fit(
        batches,
        steps,
        validate=[batches(0, VALIDATION)],
        every=every,
        report="text",
        checkpoint=checkpoint,
    )


def test_batches(task, seed, trials, at_once=100):
    """Trials that no training has seen: spikes and right answers."""
    for k in range(-(-trials // at_once)):
        yield task.batch(min(at_once, trials - k * at_once), seed, TEST, k)


def answers_in_jax(trainer, made, seed, trials):
    """Answers with the best parameters, and whether they are right."""
    found, correct = [], []
    for spikes, right in test_batches(made.task, seed, trials):
        outputs = trainer.network.run(trainer.best, {made.source: spikes})
        found.append(made.task.decisions(outputs["readout.y"]))
        correct.append(found[-1] == right)
    return np.concatenate(found), np.concatenate(correct)


def answers_in_brian(trainer, task, seed, size, trials, standalone=None):
    """
    The same trials one after another in Brian2, with the weights written back.

    Parameters
    ----------
    standalone : path-like, optional
        Folder for a C++ standalone program; without it Brian2 runs as usual.
    """
    spikes = [spikes for spikes, _ in test_batches(task, seed, trials)]
    if standalone is not None:
        set_device("cpp_standalone", directory=str(standalone), build_on_run=False)
    made = make_network(seed, task, size, np.concatenate(spikes))
    trainer.network.write_back(trainer.best, network=made.net)
    made.net.run(made.duration)
    if standalone is None:
        return answers(made)
    device.build(directory=str(standalone), with_output=False)
    found = answers(made)
    reset_device()
    return found


# -- while it runs -------------------------------------------------------------------
def learn_online(seed, task, size, updates, trials, lr=3e-3, standalone=None):
    """
    Learn by eligibility traces, in one simulation of all trials.

    Returns
    -------
    correct : ndarray of bool, shape (updates, trials)
        Whether answers were right, in the course of learning.
    seconds : float
        Real time per update, without compilation.
    """
    if standalone is not None:
        set_device("cpp_standalone", directory=str(standalone), build_on_run=False)
    spikes, right = task.batch(updates * trials, seed, TRAINING)
    made = make_network(seed, task, size, spikes)
    trial = task.steps * ms
    wanted = TimedArray(right, dt=trial)
    asked = (task.steps - task.recall - 0.5) * ms
    namespace = {"wanted": wanted, "trial": trial, "asked": asked}
    synapses = made.synapses
    eprop = EProp(
        made.cells,
        list(synapses.values()),
        synapses["w_out"],
        target="int(wanted(t) == i)",
        importance="int(t % trial > asked)",
        loss="cross_entropy",
        surrogate=TRIANGLE,
        trial=trial,
        update_every=trials * trial,
        lr=lr,
        sign={synapses[name]: "+" for name in POSITIVE},
    )
    made.net.add(eprop)
    seconds = simulate(made, namespace, standalone)
    correct = (answers(made) == right).reshape(updates, trials)
    if standalone is not None:
        reset_device()
    return correct, seconds / updates


def simulate(made, namespace, standalone):
    """Run a network; real time in seconds, without compilation."""
    began = time.time()
    if standalone is None:
        made.net.run(made.duration, namespace=namespace)
        return time.time() - began
    made.net.run(made.duration, namespace=namespace)
    device.build(directory=str(standalone), run=False, with_output=False)
    began = time.time()
    device.run(with_output=False)
    return time.time() - began


def reset_device():
    device.reinit()
    set_device("runtime")
