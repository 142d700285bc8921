"""The code object that moves densities by one time step."""

import numpy as np
from brian2.core.variables import Variables
from brian2.devices.device import RuntimeDevice, get_device
from brian2.groups.group import CodeRunner, Group
from brian2.units.fundamentalunits import DIMENSIONLESS
from brian2.utils.logger import get_logger

from ..codegen.exponential import inline_exp
from ..codegen.sources import cpp_text
from ..codegen.targets import ExportsArrays, OwnTemplates
from ..numerics.density.step import density_step

__all__ = ["DensityUpdater"]

logger = get_logger(__name__)

# Mass in the lowest bin that says that the grid should reach further down
_TOO_MUCH_BELOW = 1e-3


class DensityUpdater(ExportsArrays, OwnTemplates, CodeRunner, Group):
    """One code object for all populations of a `DensityGroup` (private)."""

    template_name = "multiscale_density_step"
    core_files = ("density.h",)
    needed = ("rand",)

    def __init__(self, group):
        self._group, self._guard, self.ring_length = group, None, 0
        CodeRunner.__init__(
            self,
            group,
            self.template_name,
            code="",
            user_code="",
            clock=group.clock,
            when="groups",
            order=group.order,
            name=f"{group.name}_updater",
            check_units=False,
            needed_variables=list(self.needed),
            codeobj_class=group.codeobj_class,
        )
        self.variables = v = Variables(self)
        v.add_constant("N", len(group))
        for name in ("_pop_idx", "_cell_idx"):
            v.add_auxiliary_variable(name, dtype=np.int32)
            v[name].unique = True
        for name in ("_face", "_drift_here", "_diffusion_here"):
            v.add_auxiliary_variable(name, dtype=np.float64)
        for name in ("t", "dt", "t_in_timesteps"):
            v.add_reference(name, group, name)
        v.add_reference("i", group, "i", index="_pop_idx")
        v._add_variable("inline_exp", inline_exp)
        v.add_object("_density_step", density_step)
        v.add_object("_not_finite", self.report)
        v.add_object("_divided_by_zero", self.report_division)
        self._add_populations()
        self._enable_group_attributes()

    def _add_populations(self):
        group, v = self._group, self.variables
        noisy = group.noisy.name
        dim = group.variables[noisy].dim
        self._own("_size", values=np.asarray(group.sizes, dtype=float))
        self._own("_saved", dim)
        self._own("_kick", dim)
        self._own(f"_input_var_{noisy}", dim**2, known_as="_input_var")
        for name in ("_fired", "_direct", "_event", "_due", "_lowest"):
            self._own(name)
        self._own(group.spike_count)
        # Sources of private noise have to say how regular they are
        for name in ("_hole_depth", "_hole_filling"):
            self._own(name)
        v.add_reference("_mean", group, noisy, index="_pop_idx")
        for name in group.population_names:
            shared = group.variables[name].scalar
            v.add_reference(name, group, name, index="0" if shared else "_pop_idx")
        v.add_reference("_mfespace", group)
        pairs = len(group) ** 2
        # Not the preferred type of numbers: C++ code wants double
        v.add_array("_strength", pairs, dimensions=dim, dtype=float)
        v.add_array("_synapses", pairs, dtype=float)
        for name in ("_position", "_physical"):
            v.add_array(name, 1, dtype=np.int32, scalar=True)

    def _own(self, name, dimensions=DIMENSIONLESS, values=None, known_as=None):
        """An array per population in the group, which others can refer to."""
        group = self._group
        group.variables.add_array(
            name, len(group), dimensions=dimensions, values=values, dtype=float
        )
        self.variables.add_reference(known_as or name, group, name, index="_pop_idx")

    def connect(self, silent):
        """Make arrays for the bins of the group; `silent` is refractory steps."""
        group, v = self._group, self.variables
        grids = group.grids
        dim = group.variables[group.noisy.name].dim
        first = np.concatenate([[0], np.cumsum([g.cells for g in grids])])
        integers = {
            "_first": first,
            "_reset_cell": [g.reset_cell for g in grids],
            "_silent": silent,
        }
        for name, values in integers.items():
            # Read-only, so that they are still known when a second run is built
            v.add_array(
                name,
                len(values),
                dtype=np.int32,
                values=np.asarray(values, dtype=np.int32),
                constant=True,
                read_only=True,
            )
        numbers = {
            "_width": [g.width for g in grids],
            "_top": [g.top for g in grids],
            "_reset": [g.reset for g in grids],
        }
        for name, values in numbers.items():
            values = np.asarray(values, dtype=float)
            v.add_array(name, len(grids), dimensions=dim, values=values, dtype=float)
        for name in ("_drift", "_diffusion"):
            v.add_array(name, int(first[-1]), index="_cell_idx", dtype=float)
        self.ring_length = int(np.max(silent)) + 1
        v.add_array("_ring", len(grids) * self.ring_length, dtype=float)
        v.add_reference("_density", group.density, "p", index="_cell_idx")

    def _declare(self, names):
        """What one block of code computes for another."""
        for name in names:
            if name not in self.variables:
                self.variables.add_auxiliary_variable(name, dtype=np.float64)

    def update_abstract_code(self, run_namespace):
        group = self._group
        program = group.make_program(run_namespace)
        self._declare(program.hoisted)
        self.abstract_code = dict(program.blocks)
        self.user_code = dict.fromkeys(program.blocks, "")
        self._guard = group.make_guard(run_namespace)
        self.template_kwds = {
            "_guard": self._guard,
            "_outer_names": program.hoisted,
            "_ring_length": self.ring_length,
            "_stochastic": int(group.method == "stochastic"),
            "_substeps": group.substeps,
            "_core": cpp_text(*self.core_files),
        }

    def report(self, population):
        """Stop the run because the state of a population is not finite."""
        self._guard.stop(population)

    def report_division(self):
        """The same because an equation divides by zero, which only Cython notices."""
        self._guard.stop_division()

    def after_run(self):
        super().after_run()
        if not isinstance(get_device(), RuntimeDevice):
            return
        self._check_state()

    def _check_state(self):
        group = self._group
        for name in group.changed_values():
            raise ValueError(
                f"'{name}' of {group.name!r} was changed in the run, but the bins of a "
                "density are made for its value at the beginning: threshold, reset and "
                "refractory period are fixed."
            )
        most = group.variables["_lowest"].get_value().copy()
        group.variables["_lowest"].set_value(np.zeros(len(group)))
        for k, (grid, mass) in enumerate(zip(group.grids, most, strict=True)):
            if mass > _TOO_MUCH_BELOW:
                where = f"{group.noisy.name} = {grid.centres[0]:g}"
                logger.warn(
                    f"Up to {100 * mass:.3g} % of population {k} of {group.name!r} "
                    f"were in the lowest bin, at {where}, below which voltages cannot "
                    "fall: give a lower v_min.",
                    "density_at_lower_end",
                )
