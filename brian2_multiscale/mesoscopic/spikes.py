"""Spikes of the single neurons of a population."""

import numpy as np
from brian2.core.spikesource import SpikeSource
from brian2.core.variables import Variables
from brian2.groups.group import CodeRunner, Group

from ..codegen.normal import standard_normal
from ..codegen.targets import OwnTemplates
from .members import Members

__all__ = ["PopulationEvents", "PopulationSpikes"]


class PopulationEvents(dict):
    """Events of a group of populations, which says where its spikes are."""

    def __init__(self, events, name):
        super().__init__(events)
        self._name = name

    def __contains__(self, event):
        if event == "spike":
            raise ValueError(
                f"{self._name!r} has populations, not neurons that fire. Their spikes "
                f"are in its attribute 'spikes' (SpikeMonitor(group.spikes), "
                "Synapses(group.spikes, ...)), their number in its variable 'n'."
            )
        return super().__contains__(event)


class _Emitter(OwnTemplates, CodeRunner, Group):
    """Chooses which neurons fire."""

    def __init__(self, neurons, group):
        self.hold, self.marks, self._group = 1, {}, group
        CodeRunner.__init__(
            self,
            neurons,
            "multiscale_population_spikes",
            code="",
            user_code="",
            clock=group.clock,
            when="thresholds",
            order=group.order,
            name=f"{neurons.name}_emitter",
            check_units=False,
            needed_variables=["rand"],
            codeobj_class=group.codeobj_class,
        )
        self.variables = v = Variables(self)
        v.add_constant("N", len(neurons))
        first = np.concatenate([[0], np.cumsum(group.sizes)]).astype(np.int32)
        v.add_array("_first", len(first), dtype=np.int32, values=first)
        # Neurons of each population as a circle in the order of their last spike
        circle = np.arange(len(neurons)).astype(np.int32)
        v.add_array("_circle", len(neurons), dtype=np.int32, values=circle)
        for name in ("_front", "_resting"):
            v.add_array(name, len(group), dtype=np.int32)
        v.add_array("_slot", 1, dtype=np.int32, scalar=True)
        v.add_reference("_count", group, group.spike_count)
        v.add_reference("_spikespace", neurons)
        for index in ("_neuron_idx", "_pop_idx"):
            v.add_auxiliary_variable(index, dtype=np.int32)
        v["_neuron_idx"].unique = True
        v._add_variable("standard_normal", standard_normal)
        self._enable_group_attributes()

    def mark(self, neurons, name, mean, square, owner):
        v = self.variables
        v.add_reference(f"_mark_{name}", neurons, name, index="_neuron_idx")
        given, names = (mean, square), (f"_mean_of_{name}", f"_square_of_{name}")
        for known_as, variable in zip(names, given, strict=True):
            v.add_reference(known_as, owner, variable, index="_pop_idx")
        mean, square = names
        spread = f"sqrt(clip({square}*(1 - 1e-12) - {mean}*{mean}, 0, 1e300))"
        self.marks[f"_mark_{name}"] = f"{mean} + {spread}*standard_normal()"

    def update_abstract_code(self, run_namespace):
        populations = len(self._group)
        if "_recent" not in self.variables:
            length = self.hold * populations
            self.variables.add_array("_recent", length, dtype=np.int32)
        self.abstract_code = "\n".join(
            f"{n} = {code}" for n, code in self.marks.items()
        )
        self.template_kwds = {"_hold": self.hold, "_populations": populations}


class PopulationSpikes(Members, SpikeSource):
    """
    The neurons of mesoscopic populations as a source of spikes.

    In every time step as many neurons fire as the population says, chosen at random
    among those that have not fired within the refractory period (and the longest
    delay of the projections that start here). Neurons of the first population come
    first.

    Notes
    -----
    Which neuron fires carries no more information than that: the intervals between
    the spikes of one neuron are not those of the model.
    """

    def __init__(self, group, name):
        super().__init__(group, group.sizes, name)
        self.variables.add_array("_spikespace", self._N + 1, dtype=np.int32)
        self.emitter = _Emitter(self, group)
        self.events = {"spike": "population"}
        self.thresholder = {"spike": self.emitter}
        self.contained_objects.append(self.emitter)
        self._enable_group_attributes()

    def add_mark(self, name, mean, square, owner=None):
        """
        Give every spike a number, drawn when it is fired; the variable's name.

        ``mean`` and ``square`` are variables of ``owner``, by default the group.
        """
        if name not in self.variables:
            self.variables.add_array(name, self._N, dtype=np.float64)
            self.emitter.mark(self, name, mean, square, owner or self.group)
        return name

    def hold_for(self, steps):
        """No neuron fires twice within this many time steps."""
        self.emitter.hold = max(self.emitter.hold, int(steps))

    def __repr__(self):
        return f"<PopulationSpikes {self.name!r}: {self._N} neurons>"
