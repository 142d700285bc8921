"""What goes from populations to their neurons and back, once in a time step."""

import numpy as np
from brian2.core.variables import Variables
from brian2.groups.group import CodeRunner, Group

from ..codegen.targets import ExportsArrays, OwnTemplates

__all__ = ["NeuronInputs", "PopulationMeans"]


class _Exchange(ExportsArrays, OwnTemplates, CodeRunner, Group):
    """A code object that sees the variables of populations and of their neurons."""

    def __init__(self, group, template, when, order, name, needed, options):
        CodeRunner.__init__(
            self,
            group.neurons,
            template,
            code="",
            user_code="",
            clock=group.clock,
            when=when,
            order=order,
            name=name,
            check_units=False,
            needed_variables=needed,
            template_kwds={"_populations": len(group), **options},
            codeobj_class=group.codeobj_class,
        )
        self.variables = v = Variables(self)
        v.add_constant("N", len(group))
        v.add_auxiliary_variable("_pop_idx", dtype=np.int32)
        first = np.concatenate([[0], np.cumsum(group.sizes)]).astype(np.int32)
        v.add_array("_first", len(first), dtype=np.int32, values=first, constant=True)
        for name in ("t", "dt"):
            v.add_reference(name, group, name)

    def see(self, group, name):
        """A variable of the populations, of the neurons, and its last mean."""
        v, shared = self.variables, group.variables[name].scalar
        index = "0" if shared else "_pop_idx"
        v.add_reference(name, group.neurons, name, index="0" if shared else "_idx")
        v.add_reference(f"_here_{name}", group, name, index=index)
        v.add_reference(f"_last_{name}", group, f"_last_{name}", index=index)


def _needed(names):
    return [f"{prefix}{n}" for n in names for prefix in ("", "_here_", "_last_")]


class NeuronInputs(_Exchange):
    """
    Hands on to the neurons what was added to the variables of their population.

    ``moved`` is a list of the names and how each is handed on (see the template).
    """

    def __init__(self, group, moved, name):
        needed = _needed([n for n, _ in moved])
        frozen = any(how == "able" for _, how in moved)
        super().__init__(
            group,
            "multiscale_population_inputs",
            # After sums over synapses (order -1), before the neurons are integrated
            "groups",
            group.order - 0.5,
            name,
            needed + ["not_refractory"] * frozen,
            {"_moved": moved},
        )
        for variable, _ in moved:
            self.see(group, variable)
        if frozen:
            self.variables.add_reference("not_refractory", group.neurons)
        self._enable_group_attributes()


class PopulationMeans(_Exchange):
    """Counts the spikes and averages the variables of every population."""

    def __init__(self, group, averaged, name):
        self._populations, self._guard = group, None
        super().__init__(
            group,
            "multiscale_population_means",
            # What records at the end of a step sees this one, whatever its name
            "before_end",
            group.order,
            name,
            _needed(averaged),
            {"_averaged": list(averaged)},
        )
        v, sizes = self.variables, np.asarray(group.sizes, dtype=float)
        v.add_array("_sizes", len(sizes), values=sizes, dtype=float, constant=True)
        v.add_reference("_spikespace", group.neurons)
        for variable in ("n", "A"):
            v.add_reference(variable, group, variable, index="_pop_idx")
        for variable in averaged:
            self.see(group, variable)
        v.add_object("_not_finite", self.report)
        self._enable_group_attributes()

    def also(self, group, name):
        """Average one more variable."""
        self.template_kwds["_averaged"].append(name)
        self.needed_variables.extend(_needed([name]))
        self.see(group, name)

    def report(self, population):
        """Stop the run because a mean is not finite."""
        self._guard.stop(population)

    def update_abstract_code(self, run_namespace):
        super().update_abstract_code(run_namespace)
        self._guard = self._populations.make_guard(run_namespace)
        self.template_kwds["_guard"] = self._guard
