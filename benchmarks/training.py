"""One update of a network's weights, beside BrainPy.

The network of Wang et al. (2024): 200 neurons with conductances and adaptation, 68 400
weights, 2200 steps, back through time, Adam. BrainPy needs a Python of its own
(``--brainpy PYTHON`` with brainpy, brainstate, braintools); without it only ours.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from _measure import arguments, finish, in_turn, markdown

HERE = Path(__file__).parent
STEPS, RECALL, UPDATES = 2200, 150, 3
#: One thread: that of the linear algebra, too
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")]),
}


def measure(python, script, trials):
    """What a script prints about its updates."""
    numbers = map(str, (trials, STEPS, RECALL, UPDATES))
    command = [python, str(HERE / script), *numbers]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{script} with {python} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def row(name, trials, runs):
    """Median CPU time per update, first call, memory."""
    times = np.concatenate([run["times"] for run in runs])
    first = np.median([run["first"] for run in runs])
    peak = np.median([run["peak"] for run in runs])
    return (name, trials, f"{np.median(times):.2f}", f"{first:.0f}", f"{peak:.0f}")


def main():
    options = arguments(__doc__, peers=("brainpy",))
    scripts = {"this package": (sys.executable, "_brian2_network.py")}
    if options.brainpy != sys.executable:
        scripts["BrainPy"] = (options.brainpy, "_brainpy_network.py")
    rows = []
    for trials in (16,) if options.quick else (16, 128):
        runs = {
            name: (lambda p=python, s=script, n=trials: measure(p, s, n))
            for name, (python, script) in scripts.items()
        }
        found = in_turn(runs, min(options.repeats, 3))
        rows += [row(name, trials, found[name]) for name in runs]
    header = ("", "trials", "CPU s per update", "first update, s", "peak, MB")
    finish(
        options,
        "One training update: 200 neurons, 2200 steps",
        markdown(header, rows),
        "Single precision, one thread. The first update contains compilation. This "
        "package keeps the states of every 47th step (`checkpoint=True`, the default) "
        "and computes those between twice.",
    )


if __name__ == "__main__":
    main()
