"""What the scripts share: builds, CPU times, tables. Not a benchmark itself."""

import argparse
import gc
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from brian2 import BrianLogger, ms, prefs, seed, set_device
from brian2.devices.device import device, reinit_devices, reset_device

__all__ = [
    "Binary",
    "InProcess",
    "arguments",
    "finish",
    "in_turn",
    "machine",
    "markdown",
]

# Brian2 remarks on every equation that synapses integrate at each step.
BrianLogger.log_level_warn()

ROOT = Path(__file__).parents[1]
BUILDS = ROOT / "output" / "benchmarks"
RESULTS = Path(__file__).parent / "results.md"

# CPU time of the simulation loop alone: neither start-up nor reading nor writing
_BEGIN = "const std::clock_t _loop_began = std::clock();"
_END = """
std::ofstream("loop_cpu") << std::setprecision(9)
    << double(std::clock() - _loop_began)/CLOCKS_PER_SEC << std::endl;
"""


class Binary:
    """
    A model built as a C++ standalone program.

    Parameters
    ----------
    name : str
        Of its folder in ``output/benchmarks``; a second build only compiles changes.
    build : callable
        ``build()`` returns a `Network`.
    duration : `Quantity`
    profile : bool
        Also measure every code object (adds a little to the total).
    """

    def __init__(self, name, build, duration, profile=False):
        self.folder = BUILDS / name
        self.duration = float(duration)
        self.profile = {}
        _clean()
        set_device("cpp_standalone", build_on_run=False)
        prefs.devices.cpp_standalone.extra_make_args_unix = ["-j2"]
        # for std::setprecision
        prefs.codegen.cpp.headers = ["<iomanip>", "<fstream>"]
        seed(1)
        network = build()
        device.insert_code("before_network_run", _BEGIN)
        device.insert_code("after_network_run", _END)
        network.run(duration, profile=profile)
        began = time.perf_counter()
        device.build(directory=str(self.folder), run=False, with_output=False)
        self.build_time = time.perf_counter() - began
        self._network = network if profile else None
        if profile:
            self.read_profile(network)
        del network
        _clean()

    def __call__(self):
        """CPU time (s) of one simulation."""
        subprocess.run(["./main"], cwd=self.folder, check=True, capture_output=True)
        return float((self.folder / "loop_cpu").read_text())

    def read_profile(self, network):
        """Run once and keep the CPU time (s) by code object."""
        device.run(with_output=False)
        self.profile = {name: float(t) for name, t in network.profiling_info}


class InProcess:
    """The same at run time; what does not grow with simulated time is subtracted."""

    def __init__(self, build, duration, target="cython"):
        _clean()
        self.duration = float(duration)
        self._target, self._duration = target, duration
        prefs.codegen.target = target
        seed(1)
        self._network = build()
        self._network.run(1 * ms)  # compiles

    def __call__(self):
        prefs.codegen.target = self._target
        return self._time(self._duration) - self._time(1 * ms)

    def _time(self, duration):
        began = time.process_time()
        self._network.run(duration)
        return time.process_time() - began


def _clean():
    chosen = dict(prefs.items())
    reset_device("runtime")
    reinit_devices()
    prefs.update(chosen)
    gc.collect()


def in_turn(runs, repeats=5):
    """Every measurement once, then all again: a slow minute then hits all alike."""
    times = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            times[name].append(run())
    return times


def machine():
    """One paragraph about what the numbers were measured on."""
    compiler = subprocess.run(["g++", "--version"], capture_output=True, text=True)
    packages = ", ".join(f"{p} {version(p)}" for p in ("brian2", "numpy", "Cython"))
    flags = " ".join(prefs.codegen.cpp.extra_compile_args_gcc)
    return (
        f"{_processor()}; {compiler.stdout.splitlines()[0]} with {flags}; "
        f"Python {platform.python_version()}, {packages}. The machine was shared with "
        "other work: CPU times, medians of runs in turn; trust ratios within one table "
        "before times."
    )


def _processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields = [line.split(":", 1) for line in lines if ":" in line]
    known = {k.strip(): v.strip() for k, v in fields}
    vectors = [f for f in ("avx512f", "avx2", "sse2") if f in known.get("flags", "")]
    count = sum(k.strip() == "processor" for k, _ in fields)
    model = known.get("model name", platform.machine())
    family = known.get("cpu family", "?")
    return f"{model} (family {family}, {count} cores, {vectors[0] if vectors else '-'})"


def markdown(header, rows):
    """A table with one line per row."""
    lines = [header, ["--"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def arguments(doc, peers=(), **switches):
    """The command line that every script has; for each peer, a Python that has it."""
    parser = argparse.ArgumentParser(description=doc.strip().splitlines()[0])
    parser.add_argument(
        "--append",
        action="store_true",
        help="also write to benchmarks/results.md",
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="C++ standalone only")
    for name, explanation in switches.items():
        parser.add_argument(f"--{name}", action="store_true", help=explanation)
    for peer in peers:
        parser.add_argument(f"--{peer}", metavar="PYTHON", default=sys.executable)
    return parser.parse_args()


def finish(options, title, *parts):
    """Print the tables, and append them to results.md if asked to."""
    script = Path(sys.argv[0]).name
    text = "\n\n".join([f"## {title}", f"`{script}`. {machine()}", *parts])
    print("\n" + text)
    if options.append:
        with open(RESULTS, "a") as file:
            file.write("\n" + text + "\n")
