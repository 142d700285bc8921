"""Populations of single neurons with the variables of a population."""

import numpy as np
from brian2.core.variables import VariableView
from brian2.devices.device import RuntimeDevice, get_device
from brian2.equations.equations import DIFFERENTIAL_EQUATION, FLOAT, PARAMETER
from brian2.equations.unitcheck import check_dimensions
from brian2.groups.neurongroup import NeuronGroup
from brian2.units.allunits import hertz
from brian2.units.fundamentalunits import DimensionMismatchError
from brian2.utils.stringtools import get_identifiers

from ..arguments import check_handed_on, check_method
from ..mesoscopic.access import PopulationAccess, population_range
from ..mesoscopic.checks import check_sizes
from ..mesoscopic.spikes import PopulationEvents
from ..mesoscopic.subgroup import PopulationSubgroup
from . import strings
from .checks import check_firing, check_model, check_refractory
from .exchange import NeuronInputs, PopulationMeans
from .watch import make_guard

__all__ = ["SpikingGroup"]


class SpikingGroup(PopulationAccess, NeuronGroup):
    r"""
    Populations of single neurons that look like a `MesoscopicGroup` from outside.

    Every neuron is simulated, as in a `NeuronGroup`; the group itself has one element
    per population. So everything that is written for populations (parameters, monitors,
    `Projection`, several populations in one group) works unchanged when each neuron is
    to be simulated.

    Parameters
    ----------
    N : int or list of int
        Number of neurons; one number per population.
    model : str or `Equations`
        Any model of a `NeuronGroup` without linked variables; ``i`` is the index of the
        population. Parameters are one value per population
        (``group.mu = [15, 18]*mV``).
    method, method_options : optional
        Numerical integration, as in `NeuronGroup`.
    threshold, reset, refractory : optional
        As in `NeuronGroup`.
    hazard : str, optional
        Instead of `threshold`: escape noise with this rate (Hz). The probability of a
        step is :math:`1 - \exp(-\Delta t\,(\rho(t) + \rho(t + \Delta t))/2)`, which is
        of second order in the time step, as in `MesoscopicGroup`.
    namespace, dtype, dt, clock, order, name, codeobj_class : optional
        As in `NeuronGroup`.

    Attributes
    ----------
    n, A
        Per population: number of spikes in the last step, activity ``n/(N*dt)`` (Hz).
    <variables of the model>
        Means over the neurons of a population at the end of the step. An assignment
        (``group.v = ...``) sets all neurons of the population. What synapses,
        ``run_regularly`` or ``+=`` add is added to every neuron at the beginning of the
        next step, after the resets of this one (to those only that are not refractory
        if the variable is flagged ``(unless refractory)``). Subexpressions that differ
        between neurons are variables of the `neurons` only. Parameters are averaged if
        the reset or a `Projection` changes them, else they read as set.
    neurons, spikes : `NeuronGroup`
        The neurons, those of the first population first; with ``population``, the index
        of the population of each, as a variable. Its
        variables and parameters may be set neuron by neuron.
    sizes : list of int
        Number of neurons of every population.

    Raises
    ------
    TypeError, ValueError, DimensionMismatchError
        If an argument makes no sense; before the run.
    FloatingPointError
        In a run, on the runtime targets, when a variable becomes nan or infinite, with
        population, time and likely causes. A C++ program prints them and stops.

    Notes
    -----
    *Guarantees.* The neurons are those of a `NeuronGroup` with the same strings:
    nothing is approximated. Counts are exact; means are exact up to rounding.

    *Input.* A `PoissonInput` to the group is the same for all neurons of a population,
    as in a `MesoscopicGroup`; one to its `neurons` is independent for each.

    *Cost.* That of the `NeuronGroup`, plus one addition per neuron, variable and step
    for the means.

    See Also
    --------
    population : The same call for every scale.

    Examples
    --------
    >>> from brian2 import *
    >>> from brian2_multiscale import *
    >>> eqs = '''dv/dt = (mu - v)/(20*ms) : volt (unless refractory)
    ...          rho = 10*Hz*exp((v - 15*mV)/(2*mV)) : Hz
    ...          mu : volt'''
    >>> group = SpikingGroup([800, 200], eqs, threshold='rand() < rho*dt',
    ...                      reset='v = 0*mV', refractory=4*ms)
    >>> group.mu = [18, 20]*mV
    >>> group.neurons.v = '15*mV*rand()'
    """

    def __init__(
        self,
        N,
        model,
        method=("exact", "euler", "heun"),
        method_options=None,
        threshold=None,
        reset=None,
        refractory=False,
        hazard=None,
        namespace=None,
        dtype=None,
        dt=None,
        clock=None,
        order=0,
        name="spikinggroup*",
        codeobj_class=None,
    ):
        check_handed_on(
            name,
            namespace,
            dtype,
            dt,
            clock,
            order,
            codeobj_class,
            method_options,
        )
        check_method("method", method)
        self.sizes = check_sizes(N)
        model = self.check_strings(model, threshold, hazard, reset, refractory)
        refractory = check_refractory(refractory)
        self.hazard = hazard
        own_model, self._averaged = strings.population_model(model, reset or "")
        self._neurons = self._inputs = self._means = None
        super().__init__(
            len(self.sizes),
            own_model,
            namespace=namespace,
            dtype=dtype,
            dt=dt,
            clock=clock,
            order=order,
            name=name,
            codeobj_class=codeobj_class,
        )
        self.contained_objects.remove(self.state_updater)
        self.events = PopulationEvents(self.events, self.name)
        if hazard is not None:
            threshold = strings.threshold_of_hazard(hazard, model)
        self._neurons = NeuronGroup(
            sum(self.sizes),
            strings.neuron_model(model, hazard),
            method=method,
            method_options=method_options,
            threshold=strings.neuron_string(threshold),
            reset=strings.neuron_string(reset),
            refractory=strings.neuron_string(refractory),
            namespace=namespace,
            dtype=dtype,
            clock=self.clock,
            order=order,
            name=f"{self.name}_neurons",
            codeobj_class=codeobj_class,
        )
        self._add_population_index()
        self.contained_objects.append(self._neurons)
        self._connect(model)

    @staticmethod
    def check_strings(model, threshold, hazard, reset, refractory):
        """The model as `Equations`; raise what the class would raise for these."""
        check_firing(threshold, hazard, reset)
        check_refractory(refractory)
        return check_model(model)

    # -- structure -------------------------------------------------------------------
    def _add_population_index(self):
        v = self._neurons.variables
        numbers = np.repeat(np.arange(len(self.sizes)), self.sizes).astype(np.int32)
        v.add_array(
            "population",
            len(numbers),
            dtype=np.int32,
            values=numbers,
            constant=True,
            read_only=True,
        )

    def _connect(self, model):
        moved = [(n, self._way(n, model)) for n in self._exchanged(model)]
        for name, _ in moved:
            ours = self.variables[name]
            self.variables.add_array(
                f"_last_{name}",
                ours.size,
                dimensions=ours.dim,
                dtype=ours.dtype,
                scalar=ours.scalar,
            )
        name = self.name
        self._inputs = NeuronInputs(self, moved, f"{name}_inputs")
        self._means = PopulationMeans(self, self._averaged, f"{name}_means")
        self.contained_objects.extend([self._inputs, self._means])
        object.__setattr__(self, "_handed_on", frozenset(n for n, _ in moved))
        if self.hazard is not None:
            self._neurons.run_regularly(
                f"{strings.RATE_BEFORE} = {strings.neuron_string(self.hazard)}",
                when="groups",
                order=self.order - 0.25,
                name=f"{name}_rates",
                codeobj_class=self.codeobj_class,
            )

    def _exchanged(self, model):
        """Variables that populations and neurons have both."""
        return [
            n for n, e in model.items() if e.type in (PARAMETER, DIFFERENTIAL_EQUATION)
        ]

    def _way(self, name, model):
        """How a change of the population reaches its neurons (see the template)."""
        eq, theirs = model[name], self._neurons.variables[name]
        if theirs.scalar:
            return "shared"
        if eq.var_type != FLOAT:
            return "set"
        return "able" if theirs.conditional_write is not None else "add"

    def __setattr__(self, name, value, level=0):
        super().__setattr__(name, value, level=level + 1)
        if "_handed_on" in self.__dict__ and name in self._handed_on:
            self._set_neurons(name, value)

    def _set_neurons(self, name, value):
        """Let all neurons of a population have its value from now on."""
        own = self.variables[name]
        if isinstance(value, VariableView) and value.variable is own:
            return  # group.v += 1*mV, which is added to every neuron
        if isinstance(value, str) or isinstance(value, VariableView):
            if not isinstance(get_device(), RuntimeDevice):
                return  # known in the program only, whose first step does it
            value = self.variables[name].get_value()
        here = np.broadcast_to(np.asarray(value), self.variables[name].size)
        each = here if self.variables[name].scalar else np.repeat(here, self.sizes)
        self._neurons.variables[name].set_value(each)
        self.variables[f"_last_{name}"].set_value(here)

    def average(self, name):
        """Let a parameter be the mean over neurons, because something adds to them."""
        floating = np.issubdtype(self.variables[name].dtype, np.floating)
        if name not in self._averaged and floating:
            self._averaged.append(name)
            self._means.also(self, name)

    #: Variable with the whole number of spikes of a step
    spike_count = "n"

    #: Numbers of spikes are random or not as the neurons are
    noise = True

    @property
    def neurons(self):
        """The single neurons, a `NeuronGroup`."""
        return self._neurons

    @property
    def spikes(self):
        """The neurons as a source of spikes: the same as `neurons`."""
        return self._neurons

    # -- the group in a network ------------------------------------------------------
    def before_run(self, run_namespace):
        self._check_hazard(run_namespace)
        super().before_run(run_namespace)

    def _check_hazard(self, run_namespace):
        if self.hazard is None:
            return
        code = strings.neuron_string(self.hazard)
        names = get_identifiers(code)
        variables = self._neurons.resolve_all(
            names, run_namespace, user_identifiers=names
        )
        try:
            check_dimensions(code, hertz.dim, variables)
        except DimensionMismatchError as error:
            raise DimensionMismatchError(
                f"The hazard '{self.hazard}' must have the unit Hz (a probability "
                f"per time). {error}"
            ) from None

    def make_guard(self, run_namespace):
        """What is looked at in every step, and what is said if it is not finite."""
        names = self._neurons.user_equations.identifiers
        known = self._neurons.resolve_all(names, run_namespace, user_identifiers=())
        return make_guard(self, self._averaged, known)

    def __getitem__(self, item):
        return PopulationSubgroup(self, *population_range(self, item, self._N))

    def __repr__(self):
        sizes = self.sizes[0] if len(self.sizes) == 1 else self.sizes
        return (
            f"<SpikingGroup {self.name!r}: N = {sizes}; means of "
            f"{', '.join(self._averaged) or '-'}>"
        )
