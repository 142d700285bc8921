"""Synapses between populations and neurons of any scale, from the same strings."""

from brian2.core.base import BrianObject
from brian2.core.namespace import get_local_namespace
from brian2.devices.device import get_device
from brian2.synapses.synapses import Synapses
from brian2.units.allunits import second

from .ends import find_source, find_target
from .matrices import delay_matrix, pair_matrix, probability_matrix, source_vector
from .populations import PopulationsToPopulations
from .rule import ProjectionError, SynapticRule
from .spiking import PopulationsToNeurons, SpikesToNeurons, SpikesToPopulations

__all__ = ["Projection"]

_WAYS = {
    (True, True): PopulationsToPopulations,
    (True, False): PopulationsToNeurons,
    (False, True): SpikesToPopulations,
    (False, False): SpikesToNeurons,
}


class Projection(BrianObject):
    def __init__(
        self,
        source,
        target,
        model="",
        on_pre="",
        p=1,
        weights=None,
        delay=0 * second,
        parameters=None,
        closure="cohort",
        multapses=False,
        namespace=None,
        order=0,
        name="projection*",
    ):
        self.source, self.target = find_source(source), find_target(target)
        self.rule = SynapticRule(model, on_pre)
        self.shape = (self.source.size, self.target.size)
        self.probability = probability_matrix(p, self.shape)
        clock = self.source.whole.clock
        self.delay_steps = delay_matrix(delay, self.shape, float(clock.dt))
        self._check_weights(weights)
        self.weights = None
        if weights is not None:
            self.weights = pair_matrix("weights", weights, self.shape)
        self._sort_parameters(dict(parameters or {}))
        if closure not in ("cohort", "poisson"):
            raise ValueError(f"closure must be 'cohort' or 'poisson', got {closure!r}.")
        self.closure = closure
        self.multapses = bool(multapses)
        self._check_target()
        BrianObject.__init__(self, clock=clock, when="synapses", order=order, name=name)
        self.namespace = namespace
        self.known = get_local_namespace(1) if namespace is None else namespace
        way = _WAYS[self.source.is_population, self.target.is_population]
        if closure == "poisson" and not self.source.is_population:
            raise ValueError(
                "closure='poisson' approximates the plasticity of a MesoscopicGroup; "
                f"the source {source!r} has single neurons, which need no closure."
            )
        self.way = way(self)
        self.contained_objects.extend(self.way.objects)

    @property
    def private_share(self):
        """Variance of the number of synapses between two neurons, in generated code."""
        return "p" if self.multapses else "p*(1 - p)"

    def rest(self):
        """Numbers: the plasticity of a neuron that has not fired for a long time."""
        values = {n: v[0] for n, v in self.source_parameters.items()}
        return self.rule.rest({**self.known, **values})

    # -- checks --------------------------------------------------------------------
    def _check_weights(self, weights):
        used = any(
            "w" in {s.name for s in t.weight.free_symbols} for t in self.rule.targets
        )
        if used and weights is None and "w" not in self.rule.pair_parameters:
            raise ProjectionError(
                f"on_pre='{self.rule.on_pre}' uses the weight w; give weights=..."
            )
        if weights is not None and not used:
            raise ProjectionError(
                f"weights are given, but on_pre='{self.rule.on_pre}' does not use "
                "them: call them w, as in 'g_post += w'."
            )

    def _sort_parameters(self, given):
        self.source_parameters, self.pair_parameters = {}, {}
        rule = self.rule
        known = {*rule.source_parameters, *rule.pair_parameters}
        for name, value in given.items():
            if name not in known:
                raise ProjectionError(
                    f"parameters has a value for '{name}', which is no parameter of "
                    f"the model; these are {sorted(known)}."
                )
            dim = rule.equations[name].dim
            if name in rule.source_parameters:
                value = source_vector(name, value, self.shape[0])
                self.source_parameters[name] = value
            else:
                value = pair_matrix(name, value, self.shape)
                self.pair_parameters[name] = value
            if value.dim is not dim:
                from brian2.units.fundamentalunits import get_unit

                raise ProjectionError(
                    f"Parameter '{name}' must have the unit {get_unit(dim)!r}, "
                    f"got {given[name]}."
                )
        missing = known - set(given) - ({"w"} if self.weights is not None else set())
        if missing:
            raise ProjectionError(
                f"The model has the parameters {sorted(missing)}; give their values "
                "with parameters={...} (one value, or one per source population)."
            )

    def _check_target(self):
        group = self.target.whole
        for target in self.rule.targets:
            if target.variable not in group.variables:
                raise ProjectionError(
                    f"on_pre adds to '{target.variable}_post', but {group.name!r} has "
                    f"no variable '{target.variable}'. It has "
                    f"{sorted(n for n in group.equations.names)}."
                )
            self._check_reachable(group, target.variable)

    def _check_reachable(self, group, name):
        variable = group.variables[name]
        equation = getattr(group, "equations", {}).get(name)
        if variable.read_only or getattr(equation, "type", "") == "subexpression":
            raise ProjectionError(
                f"'{name}' of {group.name!r} cannot be changed by a projection: it is "
                "a subexpression or read-only. Add to a variable with an equation."
            )
        if self.target.is_population and name in ("n", "A", "A_expected"):
            raise ProjectionError(
                f"'{name}' is what {group.name!r} computes; a projection cannot add to "
                "it."
            )

    def before_run(self, run_namespace):
        # The standalone device only declares the synapses that it finds in a network
        # itself, not those that its objects contain.
        if hasattr(get_device(), "synapses"):
            found = [s for s in self.way.objects if isinstance(s, Synapses)]
            get_device().synapses.update(found)
        super().before_run(run_namespace)

    def __repr__(self):
        return (
            f"<Projection {self.name!r} from {self.source.group.name!r} to "
            f"{self.target.group.name!r}: {'; '.join(self.rule.on_pre.split(chr(10)))}>"
        )
