"""The simulation of a fit of populations as a C++ program."""

import shutil
import tempfile
import weakref
from pathlib import Path

from brian2.core.network import Network

from ...codegen.compilers import one_compiler_per_core
from ..prepared import own_errors
from .population_simulation import PopulationSimulation
from .program import Program, borrowed_device

__all__ = ["PopulationProgram"]


class PopulationProgram(PopulationSimulation, Program):
    """
    As `PopulationSimulation`, in C++: built once, and run again and again.

    Brian2's device is used for the build only, as by `Program`.
    """

    def _make(self):
        self.folder = Path(tempfile.mkdtemp(prefix="brian2_fit_"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        with borrowed_device(self.folder) as device:
            self._objects()
            network = Network(self.group, *self._monitors.values())
            device.apply_run_args()
            self._begin()
            with own_errors():
                network.run(self._duration, namespace={})
            with one_compiler_per_core():
                device.build(directory=str(self.folder), run=False)
            self._name = self.group.name
            self._files = {
                n: device.get_array_filename(monitor.variables[n])
                for monitor in self._monitors.values()
                for n in monitor.record_variables
            }

    _run = Program._run

    def _settings(self):
        return {}

    def _samples(self, name, recorded):
        samples = self._values(recorded)
        return samples.reshape(self.model.data.steps, -1).T
