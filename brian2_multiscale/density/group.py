"""Populations of noisy integrate-and-fire neurons as densities of their voltage."""

import numpy as np
from brian2.core.variables import ArrayVariable
from brian2.devices.device import RuntimeDevice, get_device
from brian2.groups.neurongroup import NeuronGroup
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.units.allunits import second

from ..arguments import (
    as_equations,
    check_choice,
    check_flag,
    check_handed_on,
    check_method,
    check_whole,
)
from ..callers import user_namespace
from ..mesoscopic.access import PopulationAccess, population_range
from ..mesoscopic.checks import check_sizes
from ..mesoscopic.spikes import PopulationEvents, PopulationSpikes
from ..mesoscopic.subgroup import PopulationSubgroup, whole_of
from . import checks, setup
from .couplings import set_couplings
from .density import Density
from .initial import set_density, start
from .model import find_noisy_variable
from .program import make_program
from .updater import DensityUpdater
from .watch import make_guard

__all__ = ["DensityGroup"]


class DensityGroup(PopulationAccess, NeuronGroup):
    r"""
    Populations of noisy neurons as probability densities of their voltage.

    Takes the strings of a `NeuronGroup` whose neurons have one variable with white
    noise, a threshold and a reset, and solves the Fokker-Planck equation for it, at a
    cost that does not depend on `N`. With instantaneous coupling (a `Projection` from
    the group to itself without delay) it crosses synchronous events, in which a finite
    part of the population fires at once.

    Parameters
    ----------
    N : int or list of int
        Number of neurons; one number per population. Several populations in one group
        cost less than as many groups.
    model : str or `Equations`
        A model of a `NeuronGroup` in which one variable has white noise (``xi``, with
        any amplitude). Its drift may depend on anything that all neurons of a
        population have in common: parameters, one value per population; synaptic
        currents and other variables with equations of their own; `TimedArray`.
    method : {'density', 'stochastic'}, optional
        'density': infinitely many neurons; `n` is `N` times the fraction that fires.
        'stochastic': `N` neurons; numbers of spikes are random.
    method_options : dict, optional
        Of the integration of common variables.
    threshold : str
        ``'v > v_th'``, with parameters and constants.
    reset : str
        ``'v = v_r'``, or ``'v -= v_th - v_r'``.
    refractory : `Quantity` or str, optional
        Duration, or an expression of parameters for it. The equation needs the flag
        ``(unless refractory)``.
    bins : int, optional
        Number of bins between reset and threshold. By default 50, or ten for each
        standard deviation of the noise if that is more.
    v_min : `Quantity`, optional
        Lower end of the voltages; nothing passes it. By default six standard deviations
        below where the reset and the drift at the beginning bring neurons; give it if
        inhibition brings them lower.
    mfe_reset : {'shift', 'clamp'}, optional
        What neurons that fire in a synchronous event (multiple firing event) get of the
        kicks of the others: all of them, 'shift', the physical solution [1]_ and the
        default without refractory period; or nothing, 'clamp', as in a refractory
        period. Without coupling in the time step it says whether neurons that fire keep
        what exceeds the threshold; the default is then what the reset says.
    match_dt : bool, optional
        Raise the threshold by 0.5826 standard deviations of the noise of a time step
        [2]_, to agree with neurons whose threshold is only tested at time steps (a
        `NeuronGroup`). Without it the result is that of continuous time.
    substeps : int, optional
        Largest number of parts into which a time step is divided when coupling makes
        the rate change quickly.
    common_method : str, optional
        Numerical integration of the common variables, as `method` in `NeuronGroup`.
    namespace, dtype, dt, clock, order, name, codeobj_class : optional
        As in `NeuronGroup`.

    Attributes
    ----------
    p : `Quantity`
        Density in the bins of all populations, one population after the other. Can be
        set, by an array or a string expression of the voltage
        (``group.p = 'exp(-(v - 5*mV)**2/(2*mV**2))'``), and is then normalised. Without
        it all neurons start at the voltage of the group.
    density : `Density`
        The bins as a group, with `p` and the voltages, for `StateMonitor`.
    n, A, A_expected
        Per population: number of spikes in the last step, activity ``n/(N*dt)`` (Hz),
        and the part of it that noise and drift alone have caused.
    event_size
        Fraction of the population that fired in a synchronous event in the last step,
        else 0. ``EventMonitor(group, 'mfe', 'event_size')`` records events.
    spikes : `PopulationSpikes`
        The `N` neurons as a source of spikes.
    grids : list of `Grid`
        Bins of every population; None before they are made.

    Raises
    ------
    TypeError, ValueError, DimensionMismatchError
        If the model has more than one variable that differs between neurons, no noise,
        or if an argument makes no sense; before the run.
    FloatingPointError
        In a run, on the runtime targets, when a variable becomes nan or infinite, with
        population, time and likely causes. A C++ program prints them and stops.

    Notes
    -----
    *Guarantees.* Densities are never negative, and their integral plus the fraction of
    refractory neurons is 1 to 1e-10. The scheme (exponentially fitted finite volumes,
    implicit [3]_) is of second order in the width of bins and of first order in the
    time step; where a synchronous event occurs, the fraction that fires solves the
    self-consistent equation of the event exactly [1]_ (up to the bins).

    *Voltage.* The variable reads as the mean over the population. What is added to it,
    by synapses or ``run_regularly``, is added to every neuron that is not refractory at
    the beginning of the next step, and makes those fire that it carries over the
    threshold. A `PoissonInput` therefore kicks all neurons alike; use a `Projection`
    from a `PoissonGroup` with ``p < 1`` for input that differs between them. Setting it
    before the first run, without `p`, says where all neurons of a population begin.

    *Bins* are made when `p` or `density` is first used, or at the beginning of the
    first run: set the parameters of threshold, reset and noise before.

    References
    ----------
    .. [1] Delarue F, Inglis J, Rubenthaler S, Tanre E (2015). Stoch Proc Appl
       125:2451, arXiv:1406.1151
    .. [2] Broadie M, Glasserman P, Kou S (1997). Math Finance 7:325,
       doi:10.1111/1467-9965.00035
    .. [3] Hu J, Liu J-G, Xie Y, Zhou Z (2021). Commun Math Sci 19:1541,
       arXiv:1911.07619

    Examples
    --------
    >>> from brian2 import *
    >>> from brian2_multiscale import *
    >>> eqs = '''dv/dt = (I - v)/(20*ms) + 3*mV*xi*(20*ms)**-0.5 : volt
    ...          I : volt'''
    >>> group = DensityGroup([800, 200], eqs, threshold='v > 15*mV', reset='v = 0*mV')
    >>> group.I = [14, 16]*mV
    """

    def __init__(
        self,
        N,
        model,
        method="density",
        method_options=None,
        threshold=None,
        reset=None,
        refractory=False,
        bins=None,
        v_min=None,
        mfe_reset=None,
        match_dt=False,
        substeps=1,
        common_method=("exact", "euler", "heun"),
        namespace=None,
        dtype=None,
        dt=None,
        clock=None,
        order=0,
        name="densitygroup*",
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
        check_method("common_method", common_method)
        self._known = user_namespace() if namespace is None else namespace
        self._take(N, model, method, threshold, reset, refractory)
        self._take_options(bins, v_min, mfe_reset, match_dt, substeps)
        super().__init__(
            len(self.sizes),
            self._population_model(),
            method=common_method,
            method_options=method_options,
            # Recorded by EventMonitor; written by the updater, not by a thresholder
            events={"mfe": "event_size > 0"},
            namespace=namespace,
            dtype=dtype,
            dt=dt,
            clock=clock,
            order=order,
            name=name,
            codeobj_class=codeobj_class,
        )
        for xi in self._model.stochastic_variables:
            self.variables.add_auxiliary_variable(xi, dimensions=(second**-0.5).dim)
        self.contained_objects.remove(self.state_updater)
        self.contained_objects.remove(self.thresholder["mfe"])
        self.events = PopulationEvents(self.events, self.name)
        self._made_for_dt = float(self.clock.dt)
        self._updater = self._make_updater()
        self.contained_objects.append(self._updater)

    @classmethod
    def check_strings(cls, model, threshold, reset, refractory):
        """Raise what the class would raise for these strings."""
        self = object.__new__(cls)
        self._take(1, model, "density", threshold, reset, refractory)

    # -- structure -------------------------------------------------------------------
    def _take(self, N, model, method, threshold, reset, refractory):
        """Everything that does not need a clock; a group takes no attributes later."""
        self.sizes = check_sizes(N)
        model = as_equations(model)
        checks.check_model_names(model)
        self.method = self._checked_method(method)
        self._flagged_model, self._model = model, setup.plain_model(model)
        self.noisy = find_noisy_variable(self._model, threshold, reset)
        self._written = threshold, reset
        checks.check_flags(model, self.noisy.name, refractory)
        self.refractory_expression = setup.read_refractory(refractory)
        self._density = self._spikes = self._updater = None
        self.grids, self._instant, self._resting_steps = None, [], 0
        # Whether there is a density, and whether it has moved since it was set
        self.started, self.moved = False, False
        self._fixed = {}

    def _checked_method(self, method):
        if isinstance(method, str) and method in StateUpdateMethod.stateupdaters:
            raise ValueError(
                f"method must be one of {self._methods()} in a density, got "
                f"{method!r}, which integrates equations. Those of the variables that "
                "all neurons have in common are integrated by common_method."
            )
        return check_choice("method", method, self._methods())

    @staticmethod
    def _methods():
        return ("density", "stochastic")

    def _take_options(self, bins, v_min, mfe_reset, match_dt, substeps):
        dim = self._model[self.noisy.name].dim
        self.bins = None if bins is None else check_whole("bins", bins)
        self.v_min = None if v_min is None else setup.read_voltage("v_min", v_min, dim)
        silent = self.refractory_expression is not None
        self.mfe_reset = setup.read_mfe_reset(mfe_reset, silent)
        self.match_dt = check_flag("match_dt", match_dt)
        self.substeps = check_whole("substeps", substeps)

    def _population_model(self):
        return setup.population_model(
            self._model, self.noisy, self.refractory_expression
        )

    def _make_updater(self):
        return DensityUpdater(self)

    # -- the grid --------------------------------------------------------------------
    def _make_grids(self, run_namespace=None):
        """Once, with the parameters of this moment."""
        if self.grids is not None:
            return
        namespace = self._known if run_namespace is None else run_namespace
        limits = setup.limits(self, namespace)
        self.grids = setup.grids(self, namespace, limits)
        self._density = Density(self, f"{self.name}_density")
        self.contained_objects.append(self._density)
        silent = setup.silent_steps(self, namespace)
        self._updater.connect(silent)
        # Spikes may have been asked for before; a neuron rests for the longest period
        self._resting_steps = int(np.max(silent))
        if self._spikes is not None:
            self._spikes.hold_for(self._resting_steps)

    @property
    def density(self):
        """`Density`: the bins of all populations."""
        self._make_grids()
        return self._density

    @property
    def p(self):
        return self.density.p

    @p.setter
    def p(self, value):
        set_density(self, self.density, value, self._known)

    # -- for projections -------------------------------------------------------------
    @property
    def updater(self):
        """The code object that moves the populations."""
        return self._updater

    @property
    def noise(self):
        """Whether numbers of spikes are random."""
        return self.method != "density"

    #: Variable with the whole number of spikes of a step
    spike_count = "_whole"

    #: What is known of private input: its variance
    private_arrays = ("var",)

    #: Why `receive_private` may refuse
    neglects_private = (
        "of input to other variables than the voltage a density only knows the mean."
    )

    def receive_private(self, name):
        """
        Prepare for input that differs between the neurons of a population.

        Returns
        -------
        bool
            Whether ``_input_var_<name>`` is to be filled with the variance of the input
            of a step: only for the voltage itself.
        """
        return name == self.noisy.name

    def follow_regularity(self):
        """The spikes of a density are as independent as those of a Poisson process."""

    def check_instantaneous(self, coupling):
        """Refuse a coupling within the time step that the group cannot follow."""

    def receive_instantly(self, coupling, run_namespace):
        """Take over a coupling within the time step for a run (see `Instantaneous`)."""
        self._instant.append(coupling)
        set_couplings(self, self._instant, run_namespace)

    def keeps_kicks(self, excited):
        """Whether neurons that fire keep the kicks of the step (``'shift'``)."""
        if self.mfe_reset is not None:
            return self.mfe_reset == "shift"
        if self.refractory_expression is not None:
            return False
        return bool(excited) or self.noisy.soft

    # -- for the objects of the group ------------------------------------------------
    def forget_neurons(self):
        """What a new density has no use for (see `HybridGroup`)."""

    @property
    def common_variables(self):
        """Variables with an equation that all neurons have in common."""
        return [n for n in self.equations.diff_eq_names if n != self.noisy.name]

    @property
    def population_names(self):
        """Variables that the step may read per population."""
        return [n for n in self.equations if n != self.noisy.name]

    def make_program(self, run_namespace):
        """The step of this group as abstract code."""
        return make_program(self, self._resolved(run_namespace))

    def make_guard(self, run_namespace):
        """What to look at in every step (see `codegen.guard`)."""
        return make_guard(self, self._model, self._resolved(run_namespace))

    def _resolved(self, run_namespace):
        """Everything that the strings of this group refer to."""
        identifiers = set(self._model.names) | self._model.identifiers | {"t", "dt"}
        identifiers -= {"xi"} | {n for n in identifiers if n.startswith("xi_")}
        identifiers -= set(self.noisy.inner) - {self.noisy.name}
        return self.resolve_all(
            identifiers, run_namespace, user_identifiers=identifiers
        )

    # -- store and restore -----------------------------------------------------------
    def _late_parts(self):
        """Objects with arrays that may not have existed when a network was stored."""
        return [self._density, self._updater]

    def _full_state(self):
        self._make_grids()
        start(self)
        state = super()._full_state()
        for part in self._late_parts():
            state[part.name] = {
                name: variable.get_value().copy()
                for name, variable in part.variables.items()
                if isinstance(variable, ArrayVariable)
                and variable.owner is not None
                and variable.owner.name == part.name
                and not variable.constant
            }
        return state

    def _restore_from_full_state(self, state):
        state = dict(state)
        for part in self._late_parts():
            for name, values in state.pop(part.name).items():
                part.variables[name].set_value(values)
        super()._restore_from_full_state(state)

    # -- the group in a network ------------------------------------------------------
    def before_run(self, run_namespace):
        if abs(float(self.clock.dt) / self._made_for_dt - 1) > 1e-9:
            raise ValueError(
                f"The time step of {self.name!r} was {self._made_for_dt * 1e3:g} ms "
                f"when it was made and is {self.clock.dt} now. Set the time step "
                "first, or give dt=."
            )
        self._check_units(run_namespace)
        self._make_grids(run_namespace)
        setup.check_limits(self, run_namespace)
        # Projections that take part in the run hand over theirs after this
        self._instant.clear()
        set_couplings(self, self._instant, run_namespace)
        start(self)
        self.moved = True
        self._fixed = self.fixed_values()
        super().before_run(run_namespace)

    def fixed_values(self):
        """Values of the parameters that must not change in a run."""
        if not isinstance(get_device(), RuntimeDevice):
            return {}
        names = setup.fixed_names(self.noisy, self.refractory_expression)
        known = names & set(self.equations.parameter_names)
        return {n: self.variables[n].get_value().copy() for n in sorted(known)}

    def changed_values(self):
        """Names of those that have changed nevertheless."""
        now = self.fixed_values()
        return [n for n, v in self._fixed.items() if not np.array_equal(v, now[n])]

    def _check_units(self, run_namespace):
        self._model.check_units(self, run_namespace=run_namespace)
        setup.check_units_of_limits(self, *self._written, run_namespace)

    @property
    def spikes(self):
        """`PopulationSpikes`: the neurons as a source of spikes (made at first use)."""
        if self._spikes is None:
            self._spikes = PopulationSpikes(self, f"{self.name}_spikes")
            self._spikes.hold_for(self._resting_steps)
            self.contained_objects.append(self._spikes)
        return self._spikes

    @property
    def variables_by_kind(self):
        """dict of kind ('common', 'renewed', 'carried') to list of variables."""
        return {
            "common": self.common_variables,
            "renewed": [self.noisy.name],
            "carried": [],
        }

    def __getitem__(self, item):
        return DensitySubgroup(self, *population_range(self, item, self._N))

    def __repr__(self):
        sizes = self.sizes[0] if len(self.sizes) == 1 else self.sizes
        bins = "bins not made yet"
        if self.grids is not None:
            bins = f"{sum(grid.cells for grid in self.grids)} bins"
        common = ", ".join(self.variables_by_kind["common"]) or "-"
        return (
            f"<{type(self).__name__} {self.name!r}: N = {sizes}, density of "
            f"'{self.noisy.name}' with {bins}; common: {common}>"
        )


class DensitySubgroup(PopulationSubgroup):
    """Some of the populations of a `DensityGroup`."""

    @property
    def density(self):
        """The bins of these populations."""
        whole = whole_of(self)
        bins = whole.density
        ends = np.concatenate([[0], np.cumsum([g.cells for g in whole.grids])])
        return bins[int(ends[self.start]) : int(ends[self.stop])]
