"""
Fitting neurons and training a network that are written in Brian2
=================================================================

After Wang, Lyu, Zhang, He and Wu (2024), A differentiable approach to multi-scale brain
modeling, arXiv:2406.19708. There, models are written in BrainPy so that they can be
differentiated; here they are Brian2's equation strings, and what is learned goes back
into Brian2's objects.

A network of 160 excitatory and 40 inhibitory neurons with adaptation and synaptic
conductances decides whether there were more cues to the left or to the right, a second
after the last of seven (2.2 s, 2200 steps).

* **Single neurons**: a Hodgkin-Huxley and an integrate-and-fire neuron are found from
  their traces by `GradientFitter`, beside differential evolution with as many
  simulations and with five times as many. Other programs: benchmarks/gradients.py.
* **Back through time**: `DifferentiableNetwork` and `Trainer`, 300 updates with 128
  trials each, three seeds. Answers to 1000 new trials. Once each with sparse recurrent
  synapses: of one in ten pairs of neurons, and of excitatory neurons with near ones.
* **Back in Brian2**: the trained weights in the same network, as Brian2 runs it and as
  a C++ standalone program, on the same trials.
* **While it runs**: eligibility traces (`EProp`), three cues in 450 ms, 50 neurons; all
  trials in one simulation, in C++. Then the long task, 150 updates with 32 trials each.
* Activity and distributions of weights, before and after.

Two hours on one processor, almost all of it training; it goes on where it was when it
is interrupted (``results/*.npz``). Prints and asserts the numbers, draws
results/Wang_Lyu_Zhang_He_Wu_2024_neurons.png and ..._network.png.
"""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from brian2 import *
from wang_measures import activity, draw, print_tables, weight_statistics
from wang_network import FEW, LARGE, WIRINGS, make_network
from wang_neurons import fit_neurons
from wang_task import LONG, SMALL
from wang_training import (
    answers_in_brian,
    answers_in_jax,
    differentiable,
    fit,
    learn_online,
    make_trainer,
    test_batches,
)

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(os.environ.get("BRIAN2_MULTISCALE_RESULTS", ROOT / "results"))
SHORT = "BRIAN2_MULTISCALE_SHORT" in os.environ
NAME = "Wang_Lyu_Zhang_He_Wu_2024"

# What is trained, and how long
TASK, SIZE = (SMALL, FEW) if SHORT else (LONG, LARGE)
SEEDS = (0,) if SHORT else (0, 1, 2)
UPDATES, TRIALS, TESTS = (20, 32, 40) if SHORT else (300, 128, 1000)
SPARSE_UPDATES = 20 if SHORT else 500
# Networks that JAX simulates are never run by Brian2: that is no mistake here
BrianLogger.suppress_name("unused_brian_object")
# Brian2 without C++ takes longer, 0.15 s per trial
FEW_TESTS = 10 if SHORT else 300
# While it runs: task, size, updates
ONLINE = {"three cues": (SMALL, FEW, 400), "seven cues": (LONG, LARGE, 150)}
ONLINE_TRIALS = 32
if SHORT:
    ONLINE, ONLINE_TRIALS = {"three cues": (SMALL, FEW, 4)}, 8


# -- the network ---------------------------------------------------------------------
def train(seed, wiring="dense"):
    """One network: its trainer, with the history and the best weights."""
    made = make_network(seed, TASK, SIZE, wiring=wiring)
    trainer = make_trainer(made, lr=3e-3 if SHORT else 1e-3)
    of = "" if wiring == "dense" else f"_{wiring}"
    path = RESULTS / f"{NAME}{of}_seed{seed}.npz"
    updates = UPDATES if wiring == "dense" else SPARSE_UPDATES
    fit(trainer, made, seed, updates, TRIALS, checkpoint=path)
    return made, trainer


def train_all():
    """Dense networks of all seeds, sparse ones of the first; shares and histories."""
    trained, shares, histories = {}, {}, {}
    runs = [("dense", seed) for seed in SEEDS]
    for wiring, seed in runs + [(wiring, SEEDS[0]) for wiring in WIRINGS[1:]]:
        made, trainer = train(seed, wiring)
        found, correct = answers_in_jax(trainer, made, seed, TESTS)
        shares[wiring, seed] = correct.mean()
        seconds = trainer.history["elapsed"] / len(trainer.history["loss"])
        row = f"{shares[wiring, seed]:9.4f} {seconds:9.4f}"
        print(f"  {f'{wiring}, seed {seed}':<24}{row}", flush=True)
        of = f"seed {seed}" if wiring == "dense" else f"sparse, {wiring}"
        histories[of] = trainer.history
        if wiring == "dense":
            trained[seed] = made, trainer
    return trained, shares, histories


def same_in_brian(trained, folder):
    """The same answers by Brian2 itself, for the first seed."""
    seed = SEEDS[0]
    made, trainer = trained[seed]
    expected, correct = answers_in_jax(trainer, made, seed, TESTS)
    ways = {"Brian2": (FEW_TESTS, None), "C++ standalone": (TESTS, folder / "network")}
    equal = {}
    for way, (trials, standalone) in ways.items():
        right = np.concatenate([r for _, r in test_batches(TASK, seed, trials)])
        found = answers_in_brian(trainer, TASK, seed, SIZE, trials, standalone)
        # Batches are drawn whole: those of fewer trials are others
        same, _ = answers_in_jax(trainer, made, seed, trials)
        equal[way] = np.mean(found == same)
        row = f"{np.mean(found == right):9.4f} {np.mean(same == right):9.4f}"
        print(f"  {f'{way}, {trials} trials':<32}{row} {equal[way]:9.4f}", flush=True)
    return equal


def learn_while_running(folder):
    """Eligibility traces on both tasks; what was learned is not learned again."""
    found = {}
    for name, (task, size, updates) in ONLINE.items():
        of = name.replace(" ", "_")
        path = RESULTS / f"{NAME}_online_{of}.npz"
        if not path.exists():
            correct, seconds = learn_online(
                0, task, size, updates, ONLINE_TRIALS, standalone=folder / of
            )
            np.savez(path, correct=correct, seconds=seconds)
        with np.load(path) as kept:
            found[name], seconds = kept["correct"], float(kept["seconds"])
        row = f"{last_quarter(found[name]):9.4f} {seconds:9.4f}"
        print(f"  {f'e-prop, {name}':<24}{row}", flush=True)
    return found


def last_quarter(correct):
    """Share of right answers in the last quarter of learning."""
    return correct[-max(len(correct) // 4, 1) :].mean()


def look(trained):
    """Statistics of all networks; outputs of the first for the picture."""
    shown = None
    for seed, (made, trainer) in trained.items():
        spikes, right = next(test_batches(TASK, seed, 100))
        record = {made.readout: "y", made.cells: "spikes"}
        network = differentiable(made, record)
        weights = {"first": network.initial, "trained": trainer.best}
        outputs = {
            when: network.run(values, {made.source: spikes})
            for when, values in weights.items()
        }
        what = {
            when: activity(found["cells.spikes"], right, TASK, SIZE[0])
            for when, found in outputs.items()
        }
        tables = (weight_statistics(values) for values in weights.values())
        print_tables(*tables, what, seed)
        if shown is None:
            shown = weights, outputs["trained"], right, made
    return shown


def network_part(folder):
    """Train, compare with Brian2, learn online, draw."""
    print("Network: share of right answers, seconds per update")
    trained, shares, histories = train_all()
    print("Share of right answers in Brian2, in JAX, of equal answers")
    equal = same_in_brian(trained, folder)
    print("While it runs: share of right answers at the end, s per update")
    online = learn_while_running(folder)
    weights, outputs, right, made = look(trained)
    path = RESULTS / f"{NAME}_network.png"
    draw(path, histories, weights, outputs, right, made, SIZE[0], online)
    check_network(trained, shares, equal, online)


def check_network(trained, shares, equal, online):
    """Dale's law, answers, and that Brian2 gives the same."""
    for _, trainer in trained.values():
        for name in ("w_in", "w_exc", "w_inh"):
            assert trainer.best[f"{name}.w"].min() >= 0, name
        assert trainer.history["validation_loss"].min() < np.log(2)
    assert all(share >= 0.98 for share in equal.values()), equal
    if not SHORT:
        for (wiring, _), share in shares.items():
            assert share >= (0.95 if wiring == "dense" else 0.9), shares
        assert last_quarter(online["three cues"]) >= 0.9
        assert last_quarter(online["seven cues"]) >= 0.85


def main():
    RESULTS.mkdir(parents=True, exist_ok=True)
    fit_neurons(RESULTS / f"{NAME}_neurons.png", SHORT)
    folder = Path(tempfile.mkdtemp())
    try:
        network_part(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
