"""Projections with single neurons at one end at least, made of Brian2's `Synapses`."""

import numpy as np
from brian2.equations.equations import PARAMETER, Equations, SingleEquation
from brian2.parsing.sympytools import sympy_to_str
from brian2.synapses.synapses import Synapses
from brian2.units.fundamentalunits import DIMENSIONLESS, Quantity

from ..codegen.straightline import emit, symbol
from .matrices import with_unit
from .plasticity import carried_plasticity
from .rule import ProjectionError

__all__ = ["PopulationsToNeurons", "SpikesToNeurons", "SpikesToPopulations"]


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
            namespace=projection.namespace,
            clock=whole.clock,
            name=f"{projection.name}_plasticity{suffix}",
        )
        self.synapses.pre.order = projection.order - 2
        neurons = np.arange(len(whole))
        self.synapses.connect(i=neurons, j=neurons)
        rest = projection.rest()
        if set(rest) != set(rule.plastic):
            raise ProjectionError(
                f"The state of rest of {sorted(set(rule.plastic) - set(rest))}, where "
                f"{projection.name!r} begins, is not known: its constants have to be "
                "known where the projection is made (or given by namespace= or "
                "parameters=), and its equations must have one."
            )
        for name, value in {**values, **rest}.items():
            setattr(self.synapses, name, value[0] if name in values else value)

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


def _pair_equations(projection):
    single = []
    if projection.weights is not None:
        single.append(SingleEquation(PARAMETER, "w", projection.weights.dim))
    for name, value in projection.pair_parameters.items():
        single.append(SingleEquation(PARAMETER, name, value.dim))
    return single


class _SynapsesBased:
    """What projections made of `Synapses` share: one object per delay."""

    def __init__(self, projection):
        self.projection = projection
        self.objects = []
        steps = projection.delay_steps
        for k, delay in enumerate(np.unique(steps)):
            suffix = f"_{k}" if k else ""
            self._make(int(delay), steps == delay, suffix)

    def _synapses(self, source, target, equations, on_pre, steps, suffix):
        projection = self.projection
        clock = projection.source.whole.clock
        synapses = Synapses(
            source,
            target,
            model=Equations(equations) if equations else None,
            on_pre=on_pre,
            delay=steps * clock.dt,
            namespace=projection.namespace,
            clock=clock,
            name=f"{projection.name}_synapses{suffix}",
        )
        synapses.pre.order = projection.order - 1
        return self._keep(synapses)

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

    def _statements(self, weight_of=None):
        lines = []
        for target in self.projection.rule.targets:
            value = sympy_to_str(target.weight)
            if target.release is not None:
                value = f"({value})*released_{target.release}"
            lines.append(f"{target.variable}_post += {value}")
        return "\n".join(lines)


class SpikesToNeurons(_SynapsesBased):
    """Ordinary synapses with plasticity per presynaptic neuron."""

    def _make(self, steps, chosen, suffix):
        projection = self.projection
        axons = self._plastic(steps, suffix)
        synapses = self._synapses(
            projection.source.group,
            projection.target.group,
            _pair_equations(projection),
            self._statements(),
            steps,
            suffix,
        )
        if axons is not None:
            axons.expose(synapses)
        synapses.connect(p=float(projection.probability[0, 0]))
        if projection.weights is not None:
            synapses.w = projection.weights[0, 0]
        for name, value in projection.pair_parameters.items():
            setattr(synapses, name, value[0, 0])


class SpikesToPopulations(_SynapsesBased):
    """Single neurons that act on populations: all on all, times the probability."""

    def _make(self, steps, chosen, suffix):
        projection = self.projection
        axons = self._plastic(steps, suffix)
        target = projection.target.whole
        columns = np.flatnonzero(chosen[0])
        equations = [
            *_pair_equations(projection),
            SingleEquation(PARAMETER, "p", DIMENSIONLESS),
        ]
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
        neurons = len(projection.source.group)
        populations = projection.target.populations[columns]
        synapses.connect(
            i=np.tile(np.arange(neurons), len(columns)),
            j=np.repeat(populations, neurons),
        )
        self._fill(synapses, neurons, columns)

    def _fill(self, synapses, neurons, columns):
        projection = self.projection
        probability = with_unit(projection.probability, DIMENSIONLESS)
        matrices = {"p": probability, **projection.pair_parameters}
        if projection.weights is not None:
            matrices["w"] = projection.weights
        for name, matrix in matrices.items():
            values = np.repeat(np.asarray(matrix)[0, columns], neurons)
            setattr(synapses, name, Quantity(values, dim=matrix.dim))

    def _code(self, target):
        lines, private = [], []
        sparse = np.any(self.projection.probability < 1)
        for t in self.projection.rule.targets:
            weight = sympy_to_str(t.weight)
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
        projection = self.projection
        spikes = projection.source.whole.spikes
        spikes.hold_for(steps + 1)
        for row in np.flatnonzero(chosen[:, 0]):
            population = int(projection.source.populations[row])
            first = int(np.sum(projection.source.whole.sizes[:population]))
            last = first + projection.source.whole.sizes[population]
            name = suffix if projection.shape[0] == 1 else f"{suffix}_from_{population}"
            synapses = self._synapses(
                spikes[first:last],
                projection.target.group,
                _pair_equations(projection),
                self._statements(),
                steps,
                name,
            )
            self._add_releases(spikes, synapses)
            synapses.connect(p=float(projection.probability[row, 0]))
            if projection.weights is not None:
                synapses.w = projection.weights[row, 0]
            for parameter, value in projection.pair_parameters.items():
                setattr(synapses, parameter, value[row, 0])

    def _add_releases(self, spikes, synapses):
        offset = self.projection.rule.releases
        for k, _ in enumerate(offset):
            name = self.plasticity.mark(spikes, k)
            synapses.variables.add_reference(
                f"released_{k}", spikes, name, index="_presynaptic_idx"
            )
