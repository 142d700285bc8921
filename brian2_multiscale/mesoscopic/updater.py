"""The code object that moves mesoscopic populations by one time step."""

import numpy as np
from brian2.core.variables import ArrayVariable, Variables
from brian2.groups.group import CodeRunner, Group
from brian2.units.fundamentalunits import DIMENSIONLESS

from ..codegen.binomial import binomial_draw
from ..codegen.exponential import inline_exp
from ..codegen.limits import at_least, at_most, select
from ..codegen.normal import standard_normal
from ..codegen.targets import ExportsArrays, OwnTemplates
from . import regularity
from .derivatives import Places

__all__ = ["PopulationUpdater"]

_INDICES = ("_pop_idx", "_old_idx", "_pool_idx", "_newest_idx", "_edge_idx")
_COUNTS = ("survivors", "survivors_variance", "lastspike")


class PopulationUpdater(ExportsArrays, OwnTemplates, CodeRunner, Group):
    """One code object for all populations of a `MesoscopicGroup` (private)."""

    def __init__(self, group):
        self._group, self._guard = group, None
        CodeRunner.__init__(
            self,
            group,
            "multiscale_population_step",
            code="",
            user_code="",
            clock=group.clock,
            when="groups",
            order=group.order,
            name=f"{group.name}_updater",
            check_units=False,
            codeobj_class=group.codeobj_class,
        )
        self.variables = Variables(self)
        self._add_indices()
        self._add_populations()
        self._enable_group_attributes()

    def _add_indices(self):
        group, v = self._group, self.variables
        v.add_constant("N", len(group))
        for name in _INDICES:
            v.add_auxiliary_variable(name, dtype=np.int32)
            # No two populations share a cohort: generated code may write
            v[name].unique = True
        v.add_array("_head", 1, dtype=np.int32, scalar=True)
        for name in ("t", "dt", "t_in_timesteps"):
            v.add_reference(name, group, name)
        v.add_reference("i", group, "i", index="_pop_idx")
        v._add_variable("binomial_draw", binomial_draw)
        v._add_variable("standard_normal", standard_normal)
        v._add_variable("inline_exp", inline_exp)
        v._add_variable("at_least", at_least)
        v._add_variable("at_most", at_most)
        v._add_variable("select", select)
        v.add_object("_not_finite", self.report)
        v.add_object("_divided_by_zero", self.report_division)

    def _add_populations(self):
        sizes = np.asarray(self._group.sizes)
        self._own_array("_size", values=sizes)
        self._own_array("_neurons", values=sizes.astype(np.int32), dtype=np.int32)
        self._own_array("_total", values=sizes)
        self._own_array("_total_variance")

    def _own_array(self, name, dimensions=DIMENSIONLESS, values=None, dtype=float):
        """An array per population, which others can refer to."""
        group = self._group
        if name not in group.variables:
            group.variables.add_array(
                name, len(group), dimensions=dimensions, values=values, dtype=dtype
            )
            self.variables.add_reference(name, group, name, index="_pop_idx")

    def _refer(self, name, group, variable, index):
        if name not in self.variables:
            if group.variables[variable].scalar:
                index = "0"
            self.variables.add_reference(name, group, variable, index=index)

    def _refer_to_cohorts(self, name):
        """An array of the cohorts, in all places of the ring."""
        self._refer(name, self._group.cohorts, name, "_idx")
        for index in _INDICES[1:]:
            prefix = index.removesuffix("idx")
            self._refer(prefix + name, self._group.cohorts, name, index)

    def connect(self, roles, covariances):
        """Make the arrays of the group known under the names of the program."""
        group = self._group
        names = [*roles.cohort, *covariances, *_COUNTS]
        names += ["escape_rate"] if group.rule == "trapezoid" else []
        for name in names + list(group.passenger_features):
            self._refer_to_cohorts(name)
        for name in roles.cohort:
            dim = group.variables[name].dim
            self._refer(f"_mean_{name}", group, name, "_pop_idx")
            self._own_array(f"_saved_{name}", dim)
        for name in group.population_names:
            if name not in roles.cohort:
                self._refer(name, group, name, "_pop_idx")

    def listen(self, name):
        """Arrays that collect private input to a variable."""
        dim = self._group.variables[name].dim ** 2
        for what in ("var", "depth", "filling"):
            self._own_array(f"_input_{what}_{name}", dim)

    def share(self, name, dimensions):
        """Array for a covariance that all cohorts of a population have in common."""
        self._own_array(name, dimensions)

    def follow_regularity(self):
        """Arrays for how regularly the neurons fire."""
        group = self._group
        age = group.memory_in_steps * float(group.clock.dt)
        start = {"_pool_age": age, "_pool_age_squared": age**2}
        for name in regularity.ARRAYS:
            self._own_array(name, values=np.full(len(group), start.get(name, 0.0)))

    def carry(self, passenger, parameters):
        """Arrays for the plasticity of a projection."""
        for name, values in parameters.items():
            self._own_array(name, values=values)
        for feature in passenger.features:
            for what in ("_this", "_end"):
                self._own_array(what + feature, values=np.ones(len(self._group)))
        for k in range(passenger.count):
            for name in (
                passenger.amount(k),
                passenger.squares(k),
                passenger.release(k),
                passenger.square(k),
            ):
                self._own_array(name)

    def places(self, roles):
        """Which names of the program are arrays (see `Places`)."""
        v = self.variables
        arrays = {n for n in v if isinstance(v[n], ArrayVariable)}
        # Shared parameters are one value, with a derivative for each population
        shared = {n for n in arrays & {*self._group.population_names} if v[n].scalar}
        own = {n for n in arrays if v.indices[n] == "_pop_idx"}
        return Places(
            cohort=frozenset(n for n in arrays if v.indices[n] == "_idx"),
            means=frozenset(roles.cohort),
            population=frozenset(own | shared),
        )

    def accompany(self, program):
        """Arrays for the derivatives of a `DerivativeProgram`."""
        group = self._group
        for direction, names in program.companions.items():
            for name in sorted(names):
                prefix, rest = program.places.split(name)
                if self.variables.indices[name] == "_idx":
                    dim = group.directions[direction]
                    label = group.cohorts.add_companion(rest, direction, dim)
                    self._refer_to_cohorts(label)
                else:
                    label = group.companion(rest, direction)
                    self._refer(prefix + label, group, label, "_pop_idx")

    def know(self, functions):
        """Let the code call functions that only derivatives need."""
        for name, function in functions.items():
            if name not in self.variables:
                self.variables._add_variable(name, function)

    def use(self, program):
        """Take over code and local names of a program."""
        local = [*program.hoisted, *(f"_sum_{n}" for n in program.sums)]
        for name in local:
            if name not in self.variables:
                self.variables.add_auxiliary_variable(name, dtype=np.float64)
        self.abstract_code = dict(program.blocks)
        self.user_code = dict.fromkeys(program.blocks, "")
        self.template_kwds = {
            "_cohorts_per_population": self._group.cohorts.size,
            "_outer_names": program.hoisted,
            "_sum_names": program.sums,
            "_sums": program.sums_of,
            "_lazy": program.lazy,
            "_scaled": program.scaled,
        }

    def report(self, population):
        """Stop the run because the state of a population is not finite."""
        self._guard.stop(population)

    def report_division(self):
        """The same because an equation divides by zero, which only Cython notices."""
        self._guard.stop_division()

    def update_abstract_code(self, run_namespace):
        self.use(self._group.make_program(run_namespace))
        self._guard = self._group.make_guard(run_namespace)
        self.template_kwds["_guard"] = self._guard
