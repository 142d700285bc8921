"""CPU time of one model on one target, without what does not grow with its duration."""

import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from brian2.core.network import Network
from brian2.core.preferences import prefs
from brian2.devices.device import get_device, reset_device, set_device
from brian2.units.allunits import second

from .teacher import undisturbed

__all__ = ["standalone_time", "runtime_time"]

# Of the loop over time steps alone: neither start-up nor reading nor writing files
_BEGIN = "const std::clock_t _multiscale_began = std::clock();"
_END = """
{
    std::ofstream _multiscale_file("loop_time");
    _multiscale_file << double(std::clock() - _multiscale_began)/CLOCKS_PER_SEC;
}
"""


def runtime_time(build, duration, target, repeats):
    """
    CPU seconds of a run with the target 'numpy' or 'cython'.

    Parameters
    ----------
    build : callable
        Makes the objects of a network.
    duration : float
        In seconds.
    target : str
    repeats : int

    Returns
    -------
    time : float
        The median.
    preparation : float
        Seconds until the first step: code generation and compilation.
    """
    with _preferences({"codegen.target": target}), undisturbed(0):
        network = Network(build())
        began = time.perf_counter()
        network.run(0 * second, namespace={})
        preparation = time.perf_counter() - began
        times = [
            _cpu_time(network, duration) - _cpu_time(network, 0.0)
            for _ in range(repeats)
        ]
    return max(float(np.median(times)), 0.0), preparation


def _cpu_time(network, duration):
    began = time.process_time()
    network.run(duration * second, namespace={})
    return time.process_time() - began


def standalone_time(build, duration, fast, repeats):
    """
    The same for a C++ program, in a folder of its own that is removed.

    Parameters
    ----------
    build, duration, repeats
        As of `runtime_time`.
    fast : bool
        ``prefs.multiscale.fast_equations``.
    """
    wanted = {
        "multiscale.fast_equations": fast,
        "devices.cpp_standalone.openmp_threads": 0,
        "devices.cpp_standalone.extra_make_args_unix": [f"-j{os.cpu_count() or 1}"],
    }
    folder = tempfile.mkdtemp()
    try:
        with undisturbed(0), _preferences(wanted):
            return _program(build, duration, folder, repeats)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program(build, duration, folder, repeats):
    set_device("cpp_standalone", directory=folder, build_on_run=False)
    device = get_device()
    try:
        device.reinit()
        device.activate(directory=folder, build_on_run=False)
        network = Network(build())
        device.insert_code("before_network_run", _BEGIN)
        device.insert_code("after_network_run", _END)
        network.run(duration * second, namespace={})
        began = time.perf_counter()
        device.build(directory=folder, run=False)
        preparation = time.perf_counter() - began
        times = [_loop_time(device, folder) for _ in range(repeats)]
    finally:
        reset_device()
        device.reinit()
    return float(np.median(times)), preparation


def _loop_time(device, folder):
    device.run(folder, with_output=False, run_args=[])
    return float((Path(folder) / "loop_time").read_text())


@contextmanager
def _preferences(wanted):
    before = {name: prefs[name] for name in wanted}
    prefs.update(wanted)
    try:
        yield
    finally:
        prefs.update(before)
