"""The code object that moves hybrid populations by one time step."""

import numpy as np

from ..density.updater import DensityUpdater
from ..numerics import particles
from .program import is_linear

__all__ = ["HybridUpdater"]


class HybridUpdater(DensityUpdater):
    """One code object for all populations of a `HybridGroup` (private)."""

    template_name = "multiscale_hybrid_step"
    core_files = ("density.h", "cascade.h", "hybrid.h", "particles.h")
    needed = ("rand", "randn")

    def _add_populations(self):
        super()._add_populations()
        group, v = self._group, self.variables
        v.add_auxiliary_variable("_neuron_idx", dtype=np.int32)
        v["_neuron_idx"].unique = True
        for name in ("_now", "_normal", "_next", "_guess", "_noise_here", "_barrier"):
            v.add_auxiliary_variable(name, dtype=np.float64)
        v.add_object("_particles", particles)
        self._own("_smoothed")
        limits = {"_rate_up": group.switch_up, "_rate_down": group.switch_down}
        for name, rate in limits.items():
            rate = -1.0 if rate is None else rate  # negative: found in the run
            self._own(name, values=np.full(len(group), rate))
        v.add_array("_quiet", len(group), dtype=np.int32)

    def connect(self, silent):
        super().connect(silent)
        group, v = self._group, self.variables
        first = np.concatenate([[0], np.cumsum(group.sizes)]).astype(np.int32)
        v.add_array("_first_neuron", len(first), dtype=np.int32, values=first)
        voltage = group.noisy.name
        v.add_reference("_voltage", group.neurons, voltage, index="_neuron_idx")
        v.add_array("_waiting", int(first[-1]), dtype=np.int32)
        v.add_array("_gap", int(first[-1]), dtype=float)
        v.add_array("_kept_density", len(group.density), dtype=float)
        v.add_array("_kept_ring", v["_ring"].size, dtype=float)

    def _declare(self, names):
        # Both blocks for faces and for neurons read these, far apart in the template
        for name in names:
            if name not in self.variables:
                count = len(self._group)
                self.variables.add_array(name, count, index="_pop_idx", dtype=float)

    def update_abstract_code(self, run_namespace):
        super().update_abstract_code(run_namespace)
        self.template_kwds["_hold"] = self._group.hold_steps
        self.template_kwds["_linear"] = is_linear(self._group)
