"""Simulations of a comparison: one scale, one or several seeds."""

import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from brian2.core.network import Network
from brian2.core.preferences import prefs
from brian2.devices.device import get_device, reset_device, seed, set_device
from brian2.monitors.spikemonitor import SpikeMonitor
from brian2.monitors.statemonitor import StateMonitor
from brian2.units.allunits import second
from brian2.utils.logger import BrianLogger

from ..codegen.compilers import one_compiler_per_core
from ..measures.recording import Recording
from ..mesoscopic.checks import check_sizes
from ..projections.projection import Projection
from .intervals import cohort_intervals, spike_intervals
from .population import population
from .task import unpacked

__all__ = ["check_task", "simulate"]

# Instants at which cohorts are looked at for interspike intervals
_LOOKS = 400
# Neurons of a population when a model is only tried
_FEW = 5


def simulate(task):
    """
    Run a task.

    Returns
    -------
    list of Recording
        One per seed.
    """
    with quiet():
        if task.target == "cpp_standalone":
            return _standalone(task)
        with _unchanged(task.target):
            return [_in_process(task, number) for number in task.seeds]


def check_task(task):
    """
    Make the network with few neurons, up to the first step, without compiling.

    Raises what Brian2 and the groups have to say about the model.
    """
    sizes = [min(n, _FEW) for n in check_sizes(task.arguments["N"])]
    small = replace(task, arguments={**task.arguments, "N": sizes})
    with quiet(), _unchanged("numpy"):
        network, _, _, namespace = _build(small)
        network.run(0 * second, namespace=namespace)


@contextmanager
def _unchanged(target):
    """Another target for a while; random numbers go on afterwards as before."""
    before, state = prefs.codegen.target, get_device().get_random_state()
    prefs.codegen.target = target
    try:
        yield
    finally:
        prefs.codegen.target = before
        get_device().set_random_state(state)


@contextmanager
def quiet():
    """Without a line for every group about the integration method that it chose."""

    def unwanted(record):
        return not record.name.endswith("method_choice")

    handler = BrianLogger.console_handler
    handler.addFilter(unwanted)
    try:
        yield
    finally:
        handler.removeFilter(unwanted)


def _in_process(task, number):
    seed(number)
    network, group, monitors, namespace = _build(task)
    network.run(0 * second, namespace=namespace)  # compiles
    start = time.process_time()
    network.run(0 * second, namespace=namespace)  # makes code for every run
    between = time.process_time()
    network.run(task.duration * second, namespace=namespace)
    cpu_time = time.process_time() - between - (between - start)
    return _recording(task, group, monitors, max(cpu_time, 0.0))


def _standalone(task):
    """One folder for all seeds: only what differs is compiled again."""
    folder = tempfile.mkdtemp()
    try:
        with one_compiler_per_core():
            return [_program(task, number, folder) for number in task.seeds]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program(task, number, folder):
    set_device("cpp_standalone", directory=folder, build_on_run=False)
    try:
        get_device().reinit()
        get_device().activate(directory=folder, build_on_run=False)
        seed(number)
        network, group, monitors, namespace = _build(task)
        network.run(task.duration * second, namespace=namespace)
        get_device().build(directory=folder, run=False)
        start = _time_of_children()
        get_device().run(folder, with_output=False, run_args=[])
        return _recording(task, group, monitors, _time_of_children() - start)
    finally:
        reset_device()


def _time_of_children():
    times = os.times()
    return times.children_user + times.children_system


def _build(task):
    """The network, its group and the monitors."""
    namespace = unpacked(task.constants)
    group = population(
        **task.arguments, scale=task.scale, namespace=namespace, dt=task.dt * second
    )
    for name, value in task.values.items():
        setattr(group, name, value)
    objects = [
        Projection(group, group, **{"namespace": namespace, **arguments})
        for arguments in task.projections
    ]
    if task.connect is not None:
        objects.extend(task.connect(group) or [])
    monitors = _monitors(task, group)
    network = Network(group, *objects, *monitors.values())
    return network, group, monitors, namespace


def _monitors(task, group):
    monitors = {
        # After the counts of a spiking group, which come at the end of the step, too
        "n": StateMonitor(group, "n", record=True, when="end", order=group.order + 1)
    }
    if task.scale == "spiking":
        monitors["spikes"] = SpikeMonitor(group.spikes)
    if task.scale == "mesoscopic" and not group.has_spread:
        pause = max(task.duration / _LOOKS // task.dt, 1) * task.dt
        monitors["cohorts"] = StateMonitor(
            group.cohorts,
            ["survivors", "escape_rate", "lastspike", "not_refractory"],
            record=True,
            dt=pause * second,
        )
    return monitors


def _recording(task, group, monitors, cpu_time):
    counts = _binned(np.asarray(monitors["n"].n), task)
    intervals = None
    if "spikes" in monitors:
        intervals = spike_intervals(
            monitors["spikes"], group.sizes, task.warmup, task.duration
        )
    elif "cohorts" in monitors:
        intervals = cohort_intervals(monitors["cohorts"], group, task.warmup)
    return Recording(
        counts=counts,
        sizes=group.sizes,
        bin=task.bin,
        cpu_time=cpu_time,
        duration=task.duration,
        intervals=intervals,
        noise_free=not task.arguments["noise"] and task.connect is None,
    )


def _binned(counts, task):
    """Spikes per bin after the warm-up, of shape (bins, populations)."""
    width, skipped = round(task.bin / task.dt), round(task.warmup / task.dt)
    bins = (counts.shape[1] - skipped) // width
    used = counts[:, skipped : skipped + bins * width]
    return used.reshape(len(counts), bins, width).sum(axis=2).T
