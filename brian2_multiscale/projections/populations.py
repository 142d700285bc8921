"""Projections from populations to populations."""

import numpy as np
from brian2.parsing.sympytools import sympy_to_str
from brian2.utils.logger import get_logger

from ..codegen.straightline import names_in
from ..density.couplings import Instantaneous
from .coupling import PopulationCoupling
from .plasticity import carried_plasticity
from .rule import ProjectionError

__all__ = ["PopulationsToPopulations"]

logger = get_logger(__name__)

# As in `Synapses`: of neurons at the two ends
_NUMBERS = ("N_pre", "N_post")


class PopulationsToPopulations:
    """Expected input of every neuron, and the variance of its private part."""

    def __init__(self, projection):
        self.projection = projection
        rule = projection.rule
        self.group, self.target = projection.source.whole, projection.target.whole
        self.plasticity = carried_plasticity(projection)
        self.coupling = self._coupling()
        self.at_once = []
        self._add_pairs()
        for target in rule.targets:
            self._connect(target)
        self.objects = [*self.plasticity.objects]
        if self.coupling.has_code:
            self.objects.append(self.coupling)

    def _used_pairs(self):
        """Pairs of populations that are connected at all."""
        projection = self.projection
        used = projection.probability > 0
        if projection.weights is not None and len(projection.rule.targets) == 1:
            used = used & (np.asarray(projection.weights) != 0)
        return np.nonzero(used)

    def _coupling(self):
        p = self.projection
        rows, columns = self.pairs = self._used_pairs()
        return PopulationCoupling(
            f"{p.name}_coupling",
            self.group,
            self.target,
            p.source.populations[rows],
            p.target.populations[columns],
            p.delay_steps[rows, columns],
            p.namespace,
            p.order,
        )

    def _add_pairs(self):
        p, v = self.projection, self.coupling.variables
        rows, columns = self.pairs
        matrices = dict(p.pair_parameters)
        if p.weights is not None:
            matrices["w"] = p.weights
        for name, matrix in matrices.items():
            values = np.asarray(matrix)[rows, columns]
            v.add_array(name, len(rows), dimensions=matrix.dim, values=values)
        v.add_array("p", len(rows), values=p.probability[rows, columns])

    def _acts_at_once(self, target):
        """Pairs whose kicks the group has to follow within the time step."""
        rows, columns = self.pairs
        noisy = getattr(self.group, "noisy", None)
        within = self.group is self.target and noisy is not None
        if not within or target.variable != noisy.name or target.release is not None:
            return np.zeros(len(rows), dtype=bool)
        return self.projection.delay_steps[rows, columns] == 0

    def _kick_at_once(self, target, chosen):
        """Leave a coupling without delay to the group."""
        p = self.projection
        rows, columns = (side[chosen] for side in self.pairs)
        varying = sorted(
            n
            for n in names_in(target.weight) - set(_NUMBERS)
            if n.endswith(("_post", "_pre")) or n in ("t", "t_in_timesteps")
        )
        if varying:
            raise ProjectionError(
                f"'{target.variable}_post' gets kicks without delay that depend on "
                f"{varying}; within a time step they have to be constant. Give a delay "
                "of one time step, or make them constant."
            )
        matrices = dict(p.pair_parameters)
        if p.weights is not None:
            matrices["w"] = p.weights
        values = {n: np.asarray(m)[rows, columns] for n, m in matrices.items()}
        sizes = np.asarray(self.group.sizes, float)
        ends = p.source.populations[rows], p.target.populations[columns]
        values |= {n: sizes[e] for n, e in zip(_NUMBERS, ends, strict=True)}
        coupling = Instantaneous(
            p.name,
            *ends,
            target.weight,
            p.probability[rows, columns],
            values,
            {n: m.dim for n, m in matrices.items()},
            p.namespace,
        )
        self.group.check_instantaneous(coupling)
        self.at_once.append(coupling)

    def begin(self, run_namespace):
        """At the beginning of a run of a network that this is part of."""
        for coupling in self.at_once:
            self.group.receive_instantly(coupling, run_namespace)

    def _connect(self, target):
        coupling, name = self.coupling, target.variable
        at_once = self._acts_at_once(target)
        if at_once.any():
            self._kick_at_once(target, at_once)
        if at_once.all() and len(at_once):
            return
        if target.release is None:
            count, squares = (coupling.delayed(self.group, "n"),) * 2
        else:
            count, squares = (
                coupling.delayed(self.plasticity.group, n)
                for n in self.plasticity.released(target.release)
            )
        weight = self._weight(target)
        v = coupling.variables
        v.add_reference(f"{name}_post", self.target, name, index="_post_idx")
        if any(n.endswith("_post") for n in names_in(target.weight)):
            coupling.in_turn = True
        coupling.check_unit(weight, self.target.variables[name].dim)
        if at_once.any():
            v.add_array("_later", len(at_once), values=np.where(at_once, 0.0, 1.0))
            weight = f"({weight})*_later"
        coupling.add(f"{name}_post += ({weight})*p*{count}")
        if np.any(coupling.variables["p"].get_value() < 1):
            self._private(name, weight, squares)

    def _weight(self, target):
        """The pairwise part with names that the coupling knows."""
        v = self.coupling.variables
        for name in names_in(target.weight):
            for end, group in (("_post", self.target), ("_pre", self.group)):
                if name.endswith(end) and name not in v:
                    variable = "_size" if name in _NUMBERS else name[: -len(end)]
                    shared = group.variables[variable].scalar
                    index = "0" if shared else f"{end}_idx"
                    v.add_reference(name, group, variable, index=index)
        return sympy_to_str(target.weight)

    def _private(self, name, weight, squares):
        """Every neuron hears a random part of the spikes."""
        if not self.target.receive_private(name):
            logger.warn(
                f"The neurons of {self.target.name!r} hear different parts of the "
                f"spikes that {self.projection.name!r} carries (p < 1); "
                f"{self.target.neglects_private}",
                "neglected_private_input",
                once=True,
            )
            return
        self.group.follow_regularity()
        v = self.coupling.variables
        arrays = self.target.private_arrays
        for what in arrays[1:]:
            hole = f"_hole_{what}"
            if f"{hole}_pre" not in v:
                v.add_reference(f"{hole}_pre", self.group, hole, index="_pre_idx")
        share = self.projection.private_share
        variance = f"({weight})**2*({share})*{squares}"
        for what in arrays:
            factor = "" if what == "var" else f"*_hole_{what}_pre"
            array = f"_input_{what}_{name}"
            v.add_reference(f"{array}_post", self.target, array, index="_post_idx")
            self.coupling.add(f"{array}_post += {variance}{factor}")
