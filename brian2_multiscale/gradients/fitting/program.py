"""The simulation of a fit as a C++ program, which is run again and again."""

import os
import shutil
import subprocess
import tempfile
import weakref
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from brian2.core.network import Network
from brian2.devices.device import get_device

from ...codegen.compilers import one_compiler_per_core
from ...mesoscopic.names import pairs
from ..prepared import own_errors
from .accumulate import LOSS, gradient_name, matrix_name
from .simulation import Simulation

__all__ = ["Program", "borrowed_device"]


class Program(Simulation):
    """
    As `Simulation`, in C++: built once, in a folder of its own.

    Brian2's device is used for the build only, and left as it was before anything was
    made. Of the build of recordings the one run that is recorded is part.
    """

    def _make(self, loss, recorded):
        self.folder = Path(tempfile.mkdtemp(prefix="brian2_fit_"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self._arguments, self._loss = (loss, recorded), loss
        if not recorded:
            with borrowed_device(self.folder) as device:
                self._build(device)

    def _build(self, device):
        self._objects(*self._arguments)
        network = Network(self.group, *self.monitors.values())
        device.apply_run_args()
        self._begin()
        with own_errors():
            network.run(self.duration, namespace={})
        with one_compiler_per_core():
            device.build(directory=str(self.folder), run=False)
        self._name = self.group.name
        names = [LOSS, *(gradient_name(p) for p in self.parameters)]
        names += [matrix_name(p, q) for p, q in pairs(self.parameters)]
        self._files = {
            n: device.get_array_filename(self.group.variables[n]) for n in names
        }

    def _run(self, points):
        results = self.folder / "results"
        results.mkdir(exist_ok=True)
        command = [
            "./main",
            "--results_dir",
            f"{results}{os.sep}",
            *self._given(points),
        ]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(
                f"The C++ program of the fit failed: {done.stdout}{done.stderr}"
            )

    def _given(self, points):
        """Parameters on the command line: names of files."""
        arguments = []
        for k, name in enumerate(self.model.parameters):
            path = self.folder / f"given_{name}.dat"
            self._spread(points[:, k]).astype(float).tofile(path)
            arguments.append(f"{self._name}.{name}={path}")
        for name, value in self._settings().items():
            arguments.append(f"{self._name}.{name}={value!r}")
        return arguments

    def _values(self, name):
        return np.fromfile(self.folder / "results" / Path(self._files[name]).name)

    def recorded(self, point):
        points = np.repeat(np.atleast_2d(point), self.count, axis=0)
        with borrowed_device(self.folder) as device:
            self._build(device)
            device.run(
                str(self.folder), with_output=False, run_args=self._given(points)
            )
            return self._recordings()


@contextmanager
def borrowed_device(folder):
    """Brian2's device, empty; empty again afterwards."""
    device = get_device()
    if device.networks or any(_is_alive(v.owner) for v in device.arrays):
        raise RuntimeError(
            "A fit in C++ needs Brian2's device for programs of its own, but objects "
            "have been made for it already. Fit first, or call device.reinit() and "
            "device.activate() before."
        )
    build_on_run, options = device.build_on_run, dict(device.build_options or {})
    device.reinit()
    device.activate(directory=str(folder), build_on_run=False)
    try:
        yield device
    finally:
        device.reinit()
        device.activate(build_on_run=build_on_run, **options)


def _is_alive(owner):
    """Whether something else than the clock of the device is there."""
    try:
        return owner.name != "defaultclock"
    except ReferenceError:
        return False
