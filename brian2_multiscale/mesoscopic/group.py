"""Finite-size mesoscopic populations of neurons with escape noise."""

import numpy as np
from brian2.equations.equations import (
    SUBEXPRESSION,
)
from brian2.equations.unitcheck import check_dimensions, check_units_statements
from brian2.groups.group import get_dtype
from brian2.groups.neurongroup import NeuronGroup
from brian2.units.allunits import hertz, second
from brian2.units.fundamentalunits import DimensionMismatchError
from brian2.utils.stringtools import get_identifiers

from ..arguments import (
    as_equations,
    check_choice,
    check_flag,
    check_handed_on,
    check_method,
)
from ..callers import user_namespace
from ..codegen.directional import derivative_name
from ..codegen.slopes import Slopes
from ..codegen.straightline import parse, parse_expression
from ..kinetics.differentiation import derivative
from . import setup
from .access import PopulationAccess, population_range
from .checks import (
    check_differentiable,
    check_names,
    check_sizes,
    check_stateless,
)
from .cohorts import Cohorts
from .derivatives import DerivativeProgram
from .expansion import expand_subexpressions
from .integration import method_code
from .names import covariance_name, pairs
from .program import Model, Program
from .roles import find_roles, is_noisy
from .spikes import PopulationEvents, PopulationSpikes
from .subgroup import PopulationSubgroup
from .updater import PopulationUpdater
from .watch import make_guard

__all__ = ["MesoscopicGroup"]


class MesoscopicGroup(PopulationAccess, NeuronGroup):
    r"""
    Finite-size populations of neurons with escape noise, from their equations.

    Takes the strings of a `NeuronGroup` and simulates how many of its `N` neurons fire
    in every time step, at a cost that does not depend on `N`. Neurons are told apart by
    the time of their last spike only: all that fired in the same step form a *cohort*,
    which behaves as one neuron of the model.

    Parameters
    ----------
    N : int or list of int
        Number of neurons; one number per population. Several populations in one group
        cost less than as many groups.
    model : str or `Equations`
        Any model of a `NeuronGroup` without linked variables.
        Parameters are one value per population
        (``group.mu = [15, 18]*mV``); ``i`` is the index of the population.
    method : str, optional
        Numerical integration, as in `NeuronGroup`; all methods that give abstract code.
    method_options : dict, optional
    threshold : str, optional
        Escape noise: ``'rand() < rho*dt'`` or ``'rand() < 1 - exp(-rho*dt)'``. The
        probability of a step is what the string says, with the hazard `rho` (Hz) after
        the integration, exactly as in a `NeuronGroup`.
    reset : str, optional
        Statements as in `NeuronGroup`.
    refractory : `Quantity` or str, optional
        Duration of the refractory period, or an expression of parameters for it.
    hazard : str, optional
        Instead of `threshold`: the hazard itself. The probability of a step is then
        :math:`1 - \exp(-\Delta t\,(\rho(t) + \rho(t + \Delta t))/2)`, which is of
        second order in the time step (but for the refractory period, which is a whole
        number of steps).
    memory : `Quantity`, optional
        How long populations remember when neurons fired. By default five times the
        slowest time constant of the variables that the reset renews, plus the
        refractory period; neurons that fired earlier share one state.
    closure_order : {2, 1}, optional
        What is known of variables that the neurons carry over a spike (adaptation)
        or that differ because of private noise: mean and covariance in each cohort, or
        the mean only.
    noise : bool, optional
        False gives the limit of infinitely many neurons: `n` is the expected number.
    namespace, dtype, dt, clock, order, name, codeobj_class : optional
        As in `NeuronGroup`. The time step must be known when the group is made.

    Attributes
    ----------
    n, A, A_expected
        Per population: number of spikes in the last step, activity ``n/(N*dt)`` (Hz),
        and the activity expected from the state before.
    cohorts : `Cohorts`
        Number, hazard and variables of the neurons by the time of their last spike.
    spikes : `PopulationSpikes`
        The `N` neurons as a source of spikes, for `SpikeMonitor` and `Synapses`.
    variables_by_kind : dict
        Names of the variables that are *common* to a population, *renewed* by the
        reset, or *carried* over a spike.

    Raises
    ------
    TypeError, ValueError, DimensionMismatchError
        If the model has no escape noise, or an argument makes no sense; before the run.
    FloatingPointError
        In a run, on the runtime targets, when a variable becomes nan or infinite, with
        population, time and likely causes. A C++ program prints them and stops.

    Notes
    -----
    *Guarantees.* The expected numbers of survivors and of spikes are never negative.
    With ``noise=False`` the numbers of neurons in all cohorts add up to `N`; without
    carried variables, too, the result is the exact law of infinitely
    many neurons of the `NeuronGroup` with the same time step (up to the `memory`).
    Variables that the reset renews are integrated exactly as in a `NeuronGroup`.
    Finite-size fluctuations follow [1]_ (first order in 1/N, binomial counts).

    *Closure.* Carried variables are Gaussian within a cohort. Their moments after a
    spike are exact for a polynomial reset; selection by the hazard is exact for
    exponential hazards and second order otherwise.

    *Variables.* Common variables are those of the group. A variable of the cohorts, the
    voltage for example, reads as the mean over the population, and what is added to it
    is added to every neuron (except refractory ones if it is flagged ``(unless
    refractory)``), as synapses and ``run_regularly`` do. Noise ``xi`` is private to
    each neuron. A `PoissonInput` is not: all neurons get the same.

    References
    ----------
    .. [1] Schwalger T, Deger M, Gerstner W (2017). PLoS Comput Biol 13:e1005507,
       doi:10.1371/journal.pcbi.1005507
    .. [2] Schmutz V, Gerstner W, Schwalger T (2020). J Math Neurosci 10:5,
       doi:10.1186/s13408-020-00082-z

    Examples
    --------
    >>> from brian2 import *
    >>> from brian2_multiscale import *
    >>> eqs = '''dv/dt = (mu - v)/(20*ms) : volt (unless refractory)
    ...          rho = 10*Hz*exp((v - 15*mV)/(2*mV)) : Hz
    ...          mu : volt'''
    >>> group = MesoscopicGroup([800, 200], eqs, threshold='rand() < rho*dt',
    ...                         reset='v = 0*mV', refractory=4*ms)
    >>> group.mu = [18, 20]*mV
    """

    def __init__(
        self,
        N,
        model,
        method=("exact", "euler", "heun"),
        method_options=None,
        threshold=None,
        reset="",
        refractory=False,
        hazard=None,
        memory=None,
        closure_order=2,
        noise=True,
        namespace=None,
        dtype=None,
        dt=None,
        clock=None,
        order=0,
        name="mesoscopicgroup*",
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
        known = user_namespace() if namespace is None else namespace
        self._take(N, model, threshold, hazard, reset, closure_order, noise, dtype)
        super().__init__(
            len(self.sizes),
            setup.population_model(self._model, self._roles),
            method=method,
            method_options=method_options,
            namespace=namespace,
            dtype=dtype,
            dt=dt,
            clock=clock,
            order=order,
            name=name,
            codeobj_class=codeobj_class,
        )
        # The cohorts are integrated together with the common variables
        self.contained_objects.remove(self.state_updater)
        self.events = PopulationEvents(self.events, self.name)
        self.user_equations = self._flagged_model
        self._make_cohorts(refractory, memory, known)

    @classmethod
    def check_strings(cls, model, threshold, hazard, reset, refractory):
        """Raise what the class would raise for these strings."""
        self = object.__new__(cls)
        self._take(1, model, threshold, hazard, reset, 2, True, None)
        setup.find_refractory(refractory, self._model, self._roles, {}, 0.0)

    # -- structure -------------------------------------------------------------------
    def _take(self, N, model, threshold, hazard, reset, closure_order, noise, dtype):
        """Everything that does not need a clock; a group takes no attributes later."""
        self.sizes = check_sizes(N)
        model = as_equations(model)
        check_names(model)
        closure_order = check_choice("closure_order", closure_order, (1, 2))
        self._flagged_model, self._model = model, setup.plain_model(model)
        self.closure_order, self.noise = int(closure_order), check_flag("noise", noise)
        self.hazard, self.rule = setup.find_hazard(hazard, threshold)
        self.reset_statements = "" if reset is None else reset
        self._reset = setup.find_reset(self.reset_statements, self._model)
        self._roles = find_roles(model, self._reset)
        self._dtype = dtype
        self._wired, self._regularity = [], False
        self.passengers, self._plasticities = [], []
        self._cohorts = self._spikes = self._updater = None
        self._made_for_dt = self.refractory_expression = self._silence = None
        self._directions, self._moving = {}, {}

    def _make_cohorts(self, refractory, memory, known):
        dt = self._made_for_dt = float(self.clock.dt)
        model, roles = self._model, self._roles
        self.refractory_expression, self._silence = setup.find_refractory(
            refractory, model, roles, known, dt
        )
        uses_age = "lastspike" in get_identifiers(self.hazard)
        steps = setup.find_memory(
            memory, model, roles, uses_age, self._silence, known, dt
        )
        name = f"{self.name}_cohorts"
        self._cohorts = Cohorts(self, model, roles, steps + 1, name)
        self._updater = PopulationUpdater(self)
        self.contained_objects.extend([self._cohorts, self._updater])
        self._connect()

    def _connect(self):
        """Make all arrays known to the updater."""
        roles, names = self._roles, []
        if self.closure_order == 2:
            outside = [*roles.private, *(f"_hole_{n}" for n in self._wired)]
            mixed = [(a, b) for a in roles.random for b in outside]
            for a, b in [*pairs(roles.random), *mixed]:
                self._cohorts.add_covariance(a, b, self._dimension(a, b))
                names.append(covariance_name(a, b))
            for a, b in pairs(outside):
                self._updater.share(covariance_name(a, b), self._dimension(a, b))
        self._updater.connect(roles, names)

    def _dimension(self, first, second):
        """Dimensions of a covariance."""
        names = [n.removeprefix("_hole_") for n in (first, second)]
        return self._model[names[0]].dim * self._model[names[1]].dim

    #: Variable with the whole number of spikes of a step
    spike_count = "n"

    #: What is known of private input: variance, and the hole behind each impulse
    private_arrays = ("var", "depth", "filling")

    #: Why `receive_private` may refuse
    neglects_private = "with closure_order=1 that is neglected."

    # -- for projections -------------------------------------------------------------
    @property
    def updater(self):
        """The code object that moves the populations."""
        return self._updater

    def receive_private(self, name):
        """
        Prepare for input that differs between the neurons of a population.

        Returns
        -------
        bool
            Whether the arrays ``_input_<var, depth, filling>_<name>`` of the group are
            to be filled: with the variance of the input of a step, and with depth and
            filling rate of the hole behind each impulse, weighted with the variance.
        """
        if self.closure_order == 1:
            return False
        if name not in self._wired:
            self._wired.append(name)
            self._roles = find_roles(self._flagged_model, self._reset, self._wired)
            self._updater.listen(name)
            self._connect()
        return True

    def follow_regularity(self):
        """Keep track of how regularly the neurons fire (for what listens to some)."""
        if not self._regularity:
            self._regularity = True
            self._updater.follow_regularity()

    def add_passenger(self, passenger, parameters, plasticity):
        """Let the cohorts carry the plasticity of a projection."""
        self.passengers.append(passenger)
        self._plasticities.append(plasticity)
        for feature in passenger.features:
            self._cohorts.variables.add_array(feature, len(self._cohorts))
        self._updater.carry(passenger, parameters)
        self._connect()

    def add_direction(self, name, dim, moving):
        """
        Let derivatives in a direction of the parameters come along.

        Parameters
        ----------
        name : str
        dim : `Dimension`
            Of what is moved in this direction.
        moving : dict of str to array
            Variables that are moved, and how fast: one value per population. The
            derivatives ``S_<variable>_<name>`` of other variables are zero at first.

        Raises
        ------
        NotDifferentiableError
            If the group is noisy, or the length of refractoriness depends on it.
        """
        check_differentiable(self, moving)
        self._directions[name], self._moving[name] = dim, set()
        for variable in self.population_names:
            if self.equations[variable].type != SUBEXPRESSION:
                self.companion(variable, name)
        for variable, rate in moving.items():
            array = self.variables[self.receive_derivative(variable, name)]
            array.set_value(np.broadcast_to(rate, len(self)))

    def companion(self, variable, direction):
        """Name of the array for the derivative of one of the group's arrays."""
        label = derivative_name(variable, direction)
        if label not in self.variables:
            dim = self.variables[variable].dim / self._directions[direction]
            self.variables.add_array(label, len(self), dimensions=dim)
        return label

    def receive_derivative(self, variable, direction):
        """Say that something else sets the derivative of an array; its name."""
        self._moving[direction].add(variable)
        return self.companion(variable, direction)

    @property
    def directions(self):
        """dict of str to `Dimension`: directions that derivatives are known in."""
        return dict(self._directions)

    # -- for the objects of the group ------------------------------------------------
    @property
    def population_names(self):
        """Variables that the step may read per population, subexpressions last."""
        equations = self.equations.items()
        return sorted(
            (name for name, _ in equations),
            key=lambda name: self.equations[name].type == SUBEXPRESSION,
        )

    @property
    def cohort_names(self):
        """Variables that differ between cohorts."""
        return self._roles.cohort

    @property
    def has_spread(self):
        """Whether the neurons of one cohort differ."""
        return bool(self._roles.random)

    @property
    def passenger_features(self):
        return [f for p in self.passengers for f in p.features]

    @property
    def memory_in_steps(self):
        """Number of cohorts between the last spikes and the pool."""
        return self._cohorts.size - 1

    def dtype_of(self, name):
        return get_dtype(self._model[name], self._dtype)

    def make_program(self, run_namespace):
        """The step of this group as abstract code."""
        variables = self._resolved(run_namespace)
        for plasticity in self._plasticities:
            plasticity.prepare(run_namespace)
        hazard = expand_subexpressions(parse_expression(self.hazard), self._model)
        refractory = parse_expression(f"timestep({self.refractory_expression}, dt)")
        frozen = {
            n for n, e in self._flagged_model.items() if "unless refractory" in e.flags
        }
        model = Model(
            update=parse(self._method_code(variables)),
            reset=self._reset,
            hazard=hazard,
            rule=self.rule,
            refractory=expand_subexpressions(refractory, self._model),
            roles=self._roles,
            frozen=frozenset(frozen),
            order=self.closure_order,
            noise=self.noise,
            passengers=list(self.passengers),
            wired=tuple(self._wired),
            regularity=self._regularity,
            length=self.memory_in_steps,
        )
        program = Program(model)
        return self._with_derivatives(program, variables) if self._moving else program

    def _with_derivatives(self, program, variables):
        slopes, updater = Slopes(variables), self._updater
        places = updater.places(self._roles)
        moving = {
            d: {f"_mean_{n}" if n in places.means else n for n in names}
            for d, names in self._moving.items()
        }
        program = DerivativeProgram(
            program, places, moving, lambda e, s: derivative(e, s, slopes)
        )
        updater.accompany(program)
        updater.know(slopes.used)
        return program

    def make_guard(self, run_namespace):
        """What to look at in every step (see `codegen.guard`)."""
        return make_guard(self, self._model, self._resolved(run_namespace))

    def _method_code(self, variables):
        """What the numerical method makes of the equations."""
        if not self._model.diff_eq_names:
            return ""
        return method_code(self, self._model, variables)

    def _resolved(self, run_namespace):
        """Everything that the strings of this group refer to."""
        if self.closure_order == 1 and any(map(is_noisy, self._model.values())):
            raise ValueError(
                "White noise (xi) makes the neurons of a cohort differ, which needs "
                "closure_order=2."
            )
        identifiers = set(self._model.names) | self._model.identifiers | {"dt"}
        for expression in (self.hazard, self.refractory_expression):
            identifiers |= get_identifiers(expression)
        assigned = {name for name, _ in parse(self.reset_statements)}
        local = assigned - self._model.names
        identifiers |= get_identifiers(self.reset_statements) - local
        variables = self._cohorts.resolve_all(
            identifiers, run_namespace, user_identifiers=identifiers
        )
        check_stateless(variables)
        return variables

    # -- the group in a network ------------------------------------------------------
    def before_run(self, run_namespace):
        if abs(float(self.clock.dt) / self._made_for_dt - 1) > 1e-9:
            raise ValueError(
                f"The time step of {self.name!r} was {self._made_for_dt * 1e3:g} ms "
                f"when it was made and is {self.clock.dt} now, but its memory is a "
                "fixed number of steps. Set the time step first, or give dt=."
            )
        self._model.check_units(self._cohorts, run_namespace=run_namespace)
        self._check_units(run_namespace)
        super().before_run(run_namespace)

    def _check_units(self, run_namespace):
        variables = self._resolved(run_namespace)
        check_units_statements(self.reset_statements, variables)
        try:
            check_dimensions(self.refractory_expression, second.dim, variables)
        except DimensionMismatchError as error:
            raise DimensionMismatchError(
                f"refractory='{self.refractory_expression}' must be a time. {error}"
            ) from None
        try:
            check_dimensions(self.hazard, hertz.dim, variables)
        except DimensionMismatchError as error:
            raise DimensionMismatchError(
                f"The hazard '{self.hazard}' must have the unit Hz (a probability "
                f"per time). {error}"
            ) from None

    @property
    def cohorts(self):
        """`Cohorts`: what is known of the neurons by the time of their last spike."""
        return self._cohorts

    @property
    def spikes(self):
        """`PopulationSpikes`: the neurons as a source of spikes (made at first use)."""
        if self._spikes is None:
            if not self.noise:
                raise ValueError(
                    f"{self.name!r} has noise=False: expected numbers of spikes are no "
                    "whole numbers, so that there are no spikes. Use its variable 'A', "
                    "or noise=True."
                )
            self._spikes = PopulationSpikes(self, f"{self.name}_spikes")
            self._spikes.hold_for(round((self._silence or 0) / self._made_for_dt))
            self.contained_objects.append(self._spikes)
        return self._spikes

    @property
    def variables_by_kind(self):
        """dict of kind ('common', 'renewed', 'carried') to list of variables."""
        kinds = ("common", "renewed", "carried")
        return {kind: list(getattr(self._roles, kind)) for kind in kinds}

    def __getitem__(self, item):
        return PopulationSubgroup(self, *population_range(self, item, self._N))

    def __repr__(self):
        kinds = "; ".join(
            f"{kind}: {', '.join(names) or '-'}"
            for kind, names in self.variables_by_kind.items()
        )
        sizes = self.sizes[0] if len(self.sizes) == 1 else self.sizes
        return (
            f"<MesoscopicGroup {self.name!r}: N = {sizes}, memory of "
            f"{self.memory_in_steps} steps of {self.clock.dt}; {kinds}>"
        )
