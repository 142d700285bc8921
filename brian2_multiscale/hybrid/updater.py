"""The code object that moves hybrid populations by one time step."""

import numpy as np

from ..density.updater import DensityUpdater
from ..numerics import particles

__all__ = ["HybridUpdater"]


class HybridUpdater(DensityUpdater):
    """One code object for all populations of a `HybridGroup` (private)."""

    template_name = "multiscale_hybrid_step"
    core_files = ("density.h", "cascade.h", "hybrid.h", "particles.h")
    needed = ("rand", "randn")

    def _add_populations(self):
        super()._add_populations()
        group, v = self._group, self.variables
        for name in ("_neuron_idx",):
            v.add_auxiliary_variable(name, dtype=np.int32)
            v[name].unique = True
        for name in ("_now", "_normal", "_next", "_guess", "_noise_here"):
            v.add_auxiliary_variable(name, dtype=np.float64)
        v.add_object("_particles", particles)
        self._own("_smoothed")
        self._own("_rate_up", values=np.full(len(group), group.switch_up))
        self._own("_rate_down", values=np.full(len(group), group.switch_down))
        v.add_array("_quiet", len(group), dtype=np.int32)

    def connect(self, silent):
        super().connect(silent)
        group, v = self._group, self.variables
        first = np.concatenate([[0], np.cumsum(group.sizes)]).astype(np.int32)
        v.add_array("_first_neuron", len(first), dtype=np.int32, values=first)
        voltage = group.noisy.name
        v.add_reference("_voltage", group.neurons, voltage, index="_neuron_idx")
        v.add_array("_waiting", int(first[-1]), dtype=np.int32)
        v.add_array("_gap", int(first[-1]))
        v.add_array("_kept_density", len(group.density))
        v.add_array("_kept_ring", v["_ring"].size)

    def _declare(self, names):
        # Both blocks for faces and for neurons read these, far apart in the template
        for name in names:
            if name not in self.variables:
                count = len(self._group)
                self.variables.add_array(name, count, index="_pop_idx")

    def update_abstract_code(self, run_namespace):
        super().update_abstract_code(run_namespace)
        self.template_kwds["_hold"] = self._group.hold_steps
