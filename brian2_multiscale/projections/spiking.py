"""Projections with single neurons at one end at least, made of Brian2's `Synapses`."""

from itertools import pairwise

import numpy as np
from brian2.equations.equations import PARAMETER, Equations, SingleEquation
from brian2.parsing.sympytools import sympy_to_str
from brian2.synapses.synapses import Synapses
from brian2.units.fundamentalunits import DIMENSIONLESS, Quantity, get_dimensions
from brian2.utils.stringtools import word_substitute

from ..codegen.arrays import unit_name
from ..codegen.straightline import emit, names_in, symbol
from ..matrices import with_unit
from ..spiking.cascade import Cascade
from ..spiking.cascade_strings import find_threshold
from .pairs import Pairs, Side, number_matrices, with_numbers
from .plasticity import carried_plasticity
from .rule import ProjectionError

__all__ = [
    "PopulationsToNeurons",
    "SpikesAtOnce",
    "SpikesToNeurons",
    "SpikesToPopulations",
    "acts_at_once",
    "check_indices",
    "check_parts",
]


class _Axons:
    """
    Plasticity of spiking neurons, once per neuron instead of once per synapse.

    Every neuron has one synapse, with itself, that keeps what its last spike released;
    the synapses proper, which have the same delay, read it when the spike arrives.
    """

    def __init__(self, projection, steps, suffix):
        rule, whole = projection.rule, projection.source.whole
        names = [f"released_{k}" for k in range(len(rule.releases))]
        values = projection.source_parameters
        self.names = names
        self.synapses = Synapses(
            whole,
            whole,
            model=_per_neuron(rule, values, names),
            on_pre=self._statements(rule, names),
            method="exact",
            delay=steps * whole.clock.dt,
            namespace=projection.constants,
            clock=whole.clock,
            name=f"{projection.name}_plasticity{suffix}",
        )
        self.synapses.pre.order = projection.order - 2
        neurons = np.arange(len(whole))
        self.synapses.connect(i=neurons, j=neurons)
        rest = projection.rest()
        unknown = [n for n in rule.plastic if any(n not in row for row in rest)]
        if unknown:
            raise ProjectionError(
                f"The state of rest of {sorted(unknown)}, where "
                f"{projection.name!r} begins, is not known: its constants have to be "
                "known where the projection is made (or given by namespace= or "
                "parameters=), and its equations must have one."
            )
        row = self._rows(projection.source)
        for name, value in values.items():
            setattr(self.synapses, name, Quantity(value[row], dim=value.dim))
        for name in rule.plastic:
            values_at_rest = np.array([r[name] for r in rest])
            unit = rule.equations[name].dim
            setattr(self.synapses, name, Quantity(values_at_rest[row], dim=unit))

    @staticmethod
    def _rows(source):
        """The source population of every neuron; 0 for those outside."""
        before = int(getattr(source.group, "start", 0))
        row = np.zeros(len(source.whole), dtype=int)
        row[before : before + source.edges[-1]] = np.repeat(
            np.arange(source.size), source.sizes
        )
        return row

    def _statements(self, rule, names):
        """Releases in terms of the values before the spike, then the new values."""
        released = list(zip(names, rule.releases, strict=True))
        local = [(f"_new_{n}", e) for n, e in rule.jumps.items()]
        final = [(n, symbol(f"_new_{n}")) for n in rule.jumps]
        return emit(released + local + final)

    def expose(self, synapses):
        for name in self.names:
            synapses.variables.add_reference(
                name, self.synapses, name, index="_presynaptic_idx"
            )


def _per_neuron(rule, values, outputs):
    """Plasticity equations, event-driven, with parameters per neuron."""
    single = [SingleEquation(PARAMETER, name, DIMENSIONLESS) for name in outputs]
    for name, eq in rule.equations.items():
        if name in rule.plastic:
            eq = SingleEquation(
                eq.type, name, eq.dim, eq.var_type, eq.expr, ["event-driven"]
            )
        elif eq.type == PARAMETER and name not in values:
            continue
        single.append(eq)
    return Equations(single)


class _SynapsesBased:
    """What projections made of `Synapses` share: one object per delay."""

    def __init__(self, projection):
        self.projection = projection
        self.objects = []
        steps = projection.delay_steps
        used = projection.probability > 0
        for k, delay in enumerate(np.unique(steps[used])):
            suffix = f"_{k}" if k else ""
            self._make(int(delay), used & (steps == delay), suffix)

    def _synapses(self, source, target, equations, on_pre, steps, suffix, tables=None):
        projection = self.projection
        clock = projection.source.whole.clock
        synapses = Synapses(
            source,
            target,
            model=equations,
            on_pre=on_pre,
            delay=steps * clock.dt,
            namespace={**projection.constants, **(tables or {})},
            clock=clock,
            name=f"{projection.name}_synapses{suffix}",
        )
        synapses.pre.order = projection.order - 1
        return self._keep(synapses)

    def _between(self, source, steps, suffix):
        """Synapses from neurons to the neurons of the target, not connected yet."""
        target = self.projection.target
        side = Side(target.group, target.edges, target.first)
        pairs = Pairs(self.projection, source, side, suffix)
        synapses = self._synapses(
            source.group,
            target.group,
            pairs.equations(),
            self._statements(pairs),
            steps,
            suffix,
            pairs.tables,
        )
        return synapses, pairs

    def begin(self, run_namespace):
        """Synapses need nothing at the beginning of a run."""

    def _keep(self, synapses):
        """Make synapses a part of the projection."""
        self.objects.append(synapses)
        return synapses

    def _plastic(self, steps, suffix):
        """Objects that keep the plasticity of spiking sources."""
        if not self.projection.rule.releases:
            return None
        axons = _Axons(self.projection, steps, suffix)
        self._keep(axons.synapses)
        return axons

    def _statements(self, pairs):
        lines = []
        for target in self.projection.rule.targets:
            value = sympy_to_str(pairs.with_numbers(target.weight))
            if target.release is not None:
                value = f"({value})*released_{target.release}"
            lines.append(f"{target.variable}_post += {value}")
        return "\n".join(lines)


class SpikesToNeurons(_SynapsesBased):
    """Ordinary synapses with plasticity per presynaptic neuron."""

    def _make(self, steps, chosen, suffix):
        source = self.projection.source
        axons = self._plastic(steps, suffix)
        side = Side(source.group, source.edges, source.first)
        synapses, pairs = self._between(side, steps, suffix)
        if axons is not None:
            axons.expose(synapses)
        pairs.connect(synapses, chosen)


class SpikesAtOnce(_SynapsesBased):
    """
    All-to-all kicks without delay within a `SpikingGroup`: resolved within the step.

    Pairs of populations with a delay have ordinary synapses.
    """

    def __init__(self, projection):
        self.cascade = self._make_cascade(projection, _at_once(projection))
        self.cascade.waits = True
        super().__init__(projection)

    def begin(self, run_namespace):
        """The projection is active and in the network."""
        self.cascade.start_kicking()

    @staticmethod
    def _make_cascade(projection, chosen):
        (target,) = projection.rule.targets
        source = projection.source
        weights = projection.weights
        if weights is not None:
            weights = with_unit(np.where(chosen, weights, 0), weights.dim)
        edges = source.edges.tolist()
        if isinstance(source.whole.thresholder["spike"], Cascade):
            raise ProjectionError(
                f"{projection.name!r} gives kicks without delay within "
                f"{source.owner.name!r}, and another projection does, too. Make them "
                "one projection of the whole group with a matrix of weights, or give a "
                "delay of one time step."
            )
        return Cascade(
            [source.group[a:b] for a, b in pairwise(edges)],
            f"{target.variable}_post += {_with_constants(projection, target.weight)}",
            weights=weights,
            name=f"{projection.name}_cascade",
        )

    def _make(self, steps, chosen, suffix):
        if steps > 0:
            SpikesToNeurons._make(self, steps, chosen, suffix)


def _at_once(projection):
    """Pairs that are connected, without delay."""
    return (projection.delay_steps == 0) & (projection.probability > 0)


def _with_constants(projection, weight):
    """Code for a weight, with the projection's own constants as numbers."""
    code = sympy_to_str(weight)
    given = projection.namespace or {}
    found = {}
    for name in sorted(names_in(weight) & set(given)):
        try:
            value = float(np.asarray(given[name]))
        except (TypeError, ValueError):
            raise ProjectionError(
                f"'{name}' is {given[name]!r}; kicks without delay within "
                f"{projection.source.whole.name!r} act within the time step and have "
                "to be constant. Give a delay of one time step, or a number."
            ) from None
        found[name] = f"({value!r}*{unit_name(get_dimensions(given[name]))})"
    return word_substitute(code, found)


def acts_at_once(projection):
    """Whether neurons have to be kicked within the time step, as densities are."""
    source, target, rule = projection.source, projection.target, projection.rule
    same = source.whole is target.whole and source.first == target.first
    same = same and source.first is not None and source.size == target.size
    if not same or rule.releases or rule.pair_parameters or len(rule.targets) > 1:
        return False
    at_once = _at_once(projection)
    full = projection.probability[at_once] == 1
    # Without weights there is no way to leave out a pair
    if not at_once.any() or not full.all():
        return False
    if projection.weights is None and not at_once.all():
        return False
    names = names_in(rule.targets[0].weight) - {"N_pre", "N_post"}
    if any(n.endswith(("_pre", "_post")) for n in names):
        return False
    return _is_compared(rule.targets[0].variable, source.whole)


def _is_compared(variable, neurons):
    """Whether a deterministic threshold compares a variable."""
    try:
        find_threshold(neurons.events["spike"], variable, neurons)
    except ValueError:
        return False
    return True


def check_parts(projection):
    """Refuse kicks without delay from parts of a `SpikingGroup` to others."""
    source, target = projection.source, projection.target
    if source.owner is None or source.owner is not target.owner:
        return
    if source.size == target.size == len(source.owner):
        return
    (variable, *more) = (t.variable for t in projection.rule.targets)
    full = projection.probability[_at_once(projection)] == 1
    if full.any() and not more and _is_compared(variable, source.whole):
        raise ProjectionError(
            f"{projection.name!r} gives kicks without delay from some populations of "
            f"{source.owner.name!r} to others, which act within the time step. Make it "
            "a projection of the whole group with a matrix of weights (zero where "
            "there are none), or give a delay of one time step."
        )


def check_indices(projection):
    """Indices mean a neuron in `Synapses` and a population at other scales."""
    if projection.source.owner is None and projection.target.owner is None:
        return
    for target in projection.rule.targets:
        found = sorted(names_in(target.weight) & {"i", "j", "i_pre", "i_post", "N"})
        if found:
            raise ProjectionError(
                f"on_pre='{projection.rule.on_pre}' uses {found}, which means neurons "
                "in a SpikingGroup but populations at other scales. Use a matrix of "
                "weights, N_pre and N_post, or Synapses between the 'neurons'."
            )


class SpikesToPopulations(_SynapsesBased):
    """Single neurons that act on populations: all on all, times the probability."""

    def _make(self, steps, chosen, suffix):
        projection = self.projection
        axons = self._plastic(steps, suffix)
        target = projection.target.whole
        matrices = number_matrices(projection)
        matrices["p"] = with_unit(projection.probability, DIMENSIONLESS)
        equations = Equations(
            [SingleEquation(PARAMETER, n, matrix.dim) for n, matrix in matrices.items()]
        )
        code, private = self._code(target)
        synapses = self._synapses(
            projection.source.group, target, equations, code, steps, suffix
        )
        if axons is not None:
            axons.expose(synapses)
        for array in private:
            synapses.variables.add_reference(
                f"{array}_post", target, array, index="_postsynaptic_idx"
            )
        # Every neuron acts on the populations that its own population is connected to
        row = np.repeat(np.arange(projection.source.size), projection.source.sizes)
        neurons, columns = np.nonzero(chosen[row])
        synapses.connect(i=neurons, j=projection.target.populations[columns])
        for name, matrix in matrices.items():
            values = np.asarray(matrix)[row[neurons], columns]
            setattr(synapses, name, Quantity(values, dim=matrix.dim))

    def _code(self, target):
        lines, private = [], []
        sparse = np.any(self.projection.probability < 1)
        for t in self.projection.rule.targets:
            weight = sympy_to_str(with_numbers(t.weight))
            release = "" if t.release is None else f"*released_{t.release}"
            lines.append(f"{t.variable}_post += ({weight})*p{release}")
            if not sparse or not target.receive_private(t.variable):
                continue
            private.append(f"_input_var_{t.variable}")
            square = "" if t.release is None else f"{release}**2"
            share = self.projection.private_share
            lines.append(f"{private[-1]}_post += ({weight})**2*({share}){square}")
        return "\n".join(lines), private


class PopulationsToNeurons(_SynapsesBased):
    """The spikes of populations, each of which carries what it releases."""

    def __init__(self, projection):
        self.plasticity = carried_plasticity(projection)
        super().__init__(projection)
        self.objects.extend(self.plasticity.objects)

    def _make(self, steps, chosen, suffix):
        source = self.projection.source
        spikes = source.whole.spikes
        spikes.hold_for(steps + 1)
        first = int(source.populations[0])
        before = int(np.sum(source.whole.sizes[:first]))
        edges = np.concatenate([[0], np.cumsum(source.sizes)])
        some = spikes[before : before + int(edges[-1])]
        synapses, pairs = self._between(Side(some, edges, first), steps, suffix)
        self._add_releases(spikes, synapses)
        pairs.connect(synapses, chosen)

    def _add_releases(self, spikes, synapses):
        offset = self.projection.rule.releases
        for k, _ in enumerate(offset):
            name = self.plasticity.mark(spikes, k)
            synapses.variables.add_reference(
                f"released_{k}", spikes, name, index="_presynaptic_idx"
            )
