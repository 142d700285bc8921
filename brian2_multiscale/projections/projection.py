"""Synapses between populations and neurons of any scale, from the same strings."""

import sympy as sp
from brian2.core.base import BrianObject
from brian2.core.variables import Subexpression
from brian2.devices.device import get_device
from brian2.synapses.synapses import Synapses
from brian2.units.allunits import second

from ..arguments import check_choice, check_flag, check_handed_on, check_mapping
from ..callers import user_namespace
from ..codegen.arrays import unit_name
from ..matrices import delay_matrix, pair_matrix, probability_matrix, source_vector
from .ends import find_source, find_target
from .populations import PopulationsToPopulations
from .rule import ProjectionError, SynapticRule, with_suffix
from .spiking import (
    PopulationsToNeurons,
    SpikesAtOnce,
    SpikesToNeurons,
    SpikesToPopulations,
    acts_at_once,
    check_indices,
    check_parts,
)

__all__ = ["Projection"]

_WAYS = {
    (True, True): PopulationsToPopulations,
    (True, False): PopulationsToNeurons,
    (False, True): SpikesToPopulations,
    (False, False): SpikesToNeurons,
}


#: What has been used when a projection is made
_FIXED = ("p", "w", "weights", "delay", "parameters", "on_pre", "model")

#: Variables of populations that are results
_COMPUTED = ("n", "A", "A_expected", "event_size")


class Projection(BrianObject):
    r"""
    Synapses from one group to another, whatever their scales, from the same strings.

    Source and target may be populations (`MesoscopicGroup`, `DensityGroup`,
    `SpikingGroup` or some of their populations) or single neurons (`NeuronGroup`, its
    subgroups, and as a source everything that fires), in every combination.

    Parameters
    ----------
    source, target : Group
        What fires, and what has the variables that `on_pre` adds to.
    model : str or `Equations`, optional
        Short-term plasticity: differential equations that are linear between spikes,
        and parameters. Its variables are kept once per presynaptic neuron (or cohort of
        neurons), not once per synapse, and start at rest.
    on_pre : str
        Statements for a spike, as in `Synapses`, in the order of execution; with ``+=``
        for the variables of the target (``g_post += w*u*x``, or ``g += w*u*x``).
    p : float or array, optional
        Probability of a synapse between two neurons, as in `Synapses.connect`.
    weights : float, `Quantity` or array, optional
        The weight ``w`` of every single synapse.
    delay : `Quantity` or array, optional
        Time from spike to arrival, rounded to time steps.
    parameters : dict, optional
        Values of the parameters of `model`: those that the plasticity uses belong to
        the source (one value, or one per source population), others to the pair.
    closure : {'cohort', 'poisson'}, optional
        For plasticity of populations. 'cohort': the cohorts of the source carry it,
        with mean and covariance (`closure_order=2` of the source) or mean only.
        'poisson': one mean and covariance per population, as if every spike came from
        a neuron chosen at random [1]_; cheaper, and biased where neurons fire
        regularly. By default 'cohort' where there are cohorts (`MesoscopicGroup`).
    multapses : bool, optional
        Between populations with ``p < 1``: every synapse chooses its source on its own,
        so that two neurons may have several (NEST's ``fixed_indegree``).
    namespace : dict, optional
        Constants of the strings; by default those of the group and the run.
    order : int, optional
        Order within the time slot ``'synapses'``.
    name : str, optional

    Raises
    ------
    ProjectionError
        If the strings do not fit the groups. It is a `ValueError`.
    TypeError, ValueError, DimensionMismatchError
        For other arguments; everything before the run.

    Notes
    -----
    `weights`, `p` and `delay` are one value or an array of shape (source populations,
    target populations), where a `NeuronGroup` counts as one population.

    *Guarantees.* A spike arrives after exactly ``round(delay/dt)`` time steps on every
    pair of scales, with what it released when it was fired (from populations to single
    neurons: unless more than all neurons fire within the delay). With ``p=1`` all
    neurons of a population receive the same and nothing is approximated. Between single
    neurons the result is that of `Synapses` with plasticity per synapse and one delay.

    *Populations as target.* The neurons of a population receive the expected input
    ``p*w`` per spike. With ``p < 1`` each hears another part of the spikes: that is
    private noise with variance ``w**2*p*(1 - p)`` per spike (``w**2*p`` with
    `multapses`), weaker at low frequencies as the sources fire more regularly; the
    cohorts of the target carry the covariances it causes (`closure_order=2`).
    That the number of synapses differs from neuron to neuron is neglected.

    The weight may depend on the target (``s_post += w*(1 - s_post)``); all spikes of a
    step then see the value before it.

    *Densities as target.* What is added to the voltage of a `DensityGroup` kicks all
    its neurons; the variance of private input widens the density. Kicks without delay
    between populations of one group, without plasticity, act within the time step:
    neurons that they carry over the threshold kick others at once (with ``p < 1`` each
    gets a Poisson number of kicks); excitatory ones first, then inhibitory ones. Of
    input to other variables only the mean counts.

    *Spiking populations* (`SpikingGroup`). Every neuron has synapses of its own with
    the probability `p` (with `multapses`, every neuron has the expected number of
    synapses, from any sources). All-to-all kicks without delay of the variable that
    the threshold compares act within the time step, as in densities (`Cascade`), and
    have to be one projection of the whole group. With ``p < 1`` they arrive at the end
    of the step, as with `Synapses`.

    *Populations as source.* The amount that `n` neurons release is normal around its
    mean, with the variance of the neurons that fire. Towards single neurons each spike
    carries an amount of its own.

    References
    ----------
    .. [1] Schmutz V, Gerstner W, Schwalger T (2020). J Math Neurosci 10:5,
       doi:10.1186/s13408-020-00082-z

    Examples
    --------
    Depression (Tsodyks and Markram), from any kind of group to any other:

    >>> stp = '''du/dt = (U - u)/tau_f : 1
    ...          dx/dt = (1 - x)/tau_d : 1'''
    >>> projection = Projection(source, target, model=stp, on_pre='''
    ...     released = u*x
    ...     x -= released
    ...     u += U*(1 - u)
    ...     h_post += w*released''', weights=0.3*mV, p=0.2, delay=1*ms)
    """

    # As Synapses: part of a network as soon as it is visible where it is run
    add_to_magic_network = True

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
        closure=None,
        multapses=False,
        namespace=None,
        order=0,
        name="projection*",
    ):
        check_handed_on(name, namespace, order=order)
        check_mapping("parameters", parameters)
        check_choice("closure", closure, ("cohort", "poisson", None))
        self.source, self.target = find_source(source), find_target(target)
        on_pre = with_suffix(on_pre, model, self.target.whole.variables)
        self.rule = SynapticRule(model, on_pre)
        self.shape = (self.source.size, self.target.size)
        self.probability = probability_matrix(p, self.shape)
        clock = self.source.whole.clock
        self._check_clocks(clock.dt, self.target.whole.clock.dt)
        self.delay_steps = delay_matrix(delay, self.shape, float(clock.dt))
        self._check_weights(weights)
        self.weights = None
        if weights is not None:
            self.weights = pair_matrix("weights", weights, self.shape)
        self._sort_parameters(dict(parameters or {}))
        self.closure = self._find_closure(closure)
        self.multapses = check_flag("multapses", multapses)
        self._check_target()
        BrianObject.__init__(self, clock=clock, when="synapses", order=order, name=name)
        self.namespace = namespace
        self.known = namespace
        if namespace is None:
            self.known = {**user_namespace(), **self.constants}
        self.way = self._way()(self)
        self.contained_objects.extend(self.way.objects)
        self._is_made = True

    def __setattr__(self, name, value):
        if name in _FIXED and "_is_made" in self.__dict__:
            raise AttributeError(
                f"{name!r} of {self.name!r} cannot be changed: give p, weights and "
                "delay when you make the projection."
            )
        super().__setattr__(name, value)

    @property
    def constants(self):
        """Constants of the strings: those given, otherwise those of both ends."""
        if self.namespace is not None:
            return self.namespace
        ends = self.target.whole, self.source.whole
        return {n: v for end in ends for n, v in (end.namespace or {}).items()}

    def _way(self):
        ends = self.source.is_population, self.target.is_population
        check_indices(self)
        check_parts(self)
        if not any(ends) and acts_at_once(self):
            return SpikesAtOnce
        return _WAYS[ends]

    @property
    def private_share(self):
        """Variance of the number of synapses between two neurons, in generated code."""
        return "p*int(p < 1)" if self.multapses else "p*(1 - p)"

    def rest(self):
        """
        Numbers: the plasticity of neurons that have not fired for a long time.

        A list of dict of variable to value, one per source population.
        """
        if not self.source_parameters:
            return [self.rule.rest(self.known)] * self.shape[0]
        rows = [
            {name: values[row] for name, values in self.source_parameters.items()}
            for row in range(self.shape[0])
        ]
        return [self.rule.rest({**self.known, **row}) for row in rows]

    # -- checks --------------------------------------------------------------------
    def _find_closure(self, closure):
        if closure == "poisson" and not self.source.is_population:
            raise ValueError(
                "closure='poisson' approximates the plasticity of populations; the "
                f"source {self.source.group!r} has single neurons, which need no "
                "closure."
            )
        without = self.source.is_population and not self.source.has_cohorts
        if closure == "cohort" and without:
            raise ValueError(
                f"The source {self.source.whole.name!r} is a density, which has no "
                "cohorts that could carry plasticity; use closure='poisson'."
            )
        return closure or ("poisson" if without else "cohort")

    def _check_clocks(self, ours, theirs):
        both = self.source.is_population and self.target.is_population
        if both and abs(float(ours) / float(theirs) - 1) > 1e-9:
            raise ValueError(
                f"The time steps of source and target populations differ (dt = {ours} "
                f"and {theirs}); make them equal."
            )

    def _check_weights(self, weights):
        used = any(
            "w" in {s.name for s in t.weight.free_symbols} for t in self.rule.targets
        )
        if used and weights is None and "w" not in self.rule.pair_parameters:
            raise ProjectionError(
                f"on_pre='{self.rule.on_pre}' uses the weight w; give weights=..."
            )
        if weights is not None and "w" in self.rule.equations.names:
            raise ProjectionError(
                "The model must not define 'w', because weights= does."
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
                raise ProjectionError(
                    f"Parameter '{name}' must have the unit {unit_name(dim)}, "
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
                    f"{sorted(getattr(group, 'equations', {}))}."
                )
            self._check_reachable(group, target.variable)
            if self.target.owner is not None:
                self.target.owner.average(target.variable)
            if self.target.is_population:
                self._check_weight_of_populations(target)

    def _check_weight_of_populations(self, target):
        """All neurons of a population have to get the same."""
        used = {s.name for s in target.weight.free_symbols}
        kinds = self.target.whole.variables_by_kind
        varying = {f"{n}_post" for n in (*kinds["renewed"], *kinds["carried"])}
        if used & varying:
            raise ProjectionError(
                f"What '{target.variable}_post' gets depends on "
                f"{sorted(used & varying)}, which differs between the neurons of a "
                "population. Use a conductance: add to a variable of its own that the "
                "equation of the voltage reads."
            )
        functions = {
            f.func.__name__ for f in target.weight.atoms(sp.core.function.AppliedUndef)
        }
        if functions & {"rand", "randn", "poisson", "binomial_draw"}:
            raise ProjectionError(
                f"What '{target.variable}_post' gets is random for every synapse; "
                "populations know means only. Use its mean, or single neurons."
            )

    def _check_reachable(self, group, name):
        variable = group.variables[name]
        fixed = variable.read_only or variable.constant or variable.scalar
        if fixed or isinstance(variable, Subexpression):
            raise ProjectionError(
                f"'{name}' of {group.name!r} cannot be changed by a projection: it is "
                "a subexpression, constant, shared or read-only. Add to a variable "
                "with an equation."
            )
        if self.target.is_population and name in _COMPUTED:
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
        if self.active:
            self.way.begin(run_namespace)
        super().before_run(run_namespace)

    def connect(self, *args, **kwds):
        """Not needed: a projection is connected when it is made."""
        raise TypeError(
            f"{self.name!r} is connected already: Projection(..., p=0.1) gives the "
            "probability of a synapse, one for each pair of populations if it is a "
            "matrix. Instead of a condition make populations, N=[3200, 800], or take "
            "parts of a group, group[:3200]."
        )

    def __repr__(self):
        return (
            f"<Projection {self.name!r} from {self.source.group.name!r} to "
            f"{self.target.group.name!r}: {'; '.join(self.rule.on_pre.split(chr(10)))}>"
        )
