"""One training update of the network of Wang et al. (2024), from Brian2's strings.

Run by training.py in a process of its own. Prints a line of JSON.
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "frompapers"))

from wang_network import make_network  # noqa: E402
from wang_task import Task  # noqa: E402
from wang_training import make_trainer  # noqa: E402


def main(trials, steps, recall, repeats):
    task = Task(cues=1, gap=0, cue=100, delay=steps - recall - 100, recall=recall)
    made = make_network(0, task)
    trainer = make_trainer(made)
    random = np.random.default_rng(0)
    spikes = (random.random((trials, steps, task.inputs)) < 0.012).astype(np.uint8)
    answers = random.integers(0, 2, trials)
    clocks = []

    def batches(number):
        clocks.append((time.perf_counter(), time.process_time()))
        return {made.source: spikes}, (answers,)

    history = trainer.fit(batches, repeats + 1)
    clocks.append((time.perf_counter(), time.process_time()))
    real, processor = np.diff(clocks, axis=0).T
    found = {
        "times": processor[1:].tolist(),
        "first": real[0],
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "losses": history["loss"].tolist(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
