"""Finite-size mesoscopic populations of neurons with escape noise."""

import math

from brian2.core.namespace import get_local_namespace
from brian2.equations.equations import (
    DIFFERENTIAL_EQUATION,
    PARAMETER,
    SUBEXPRESSION,
    Equations,
    SingleEquation,
)
from brian2.equations.unitcheck import check_dimensions
from brian2.groups.group import get_dtype
from brian2.groups.neurongroup import NeuronGroup
from brian2.utils.stringtools import get_identifiers
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.units.allunits import hertz, second
from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    DimensionMismatchError,
)

from ..codegen.straightline import (
    names_in,
    parse,
    parse_expression,
    simultaneous,
)
from .checks import check_names, check_sizes, check_stateless, check_time
from .cohorts import Cohorts
from .expansion import expand_subexpressions
from .hazard import hazard_of_threshold
from .memory import slowest_time_constant
from .names import covariance_name, pairs
from .program import Model, Program
from .roles import find_roles
from .spikes import PopulationSpikes
from .updater import PopulationUpdater

__all__ = ["MesoscopicGroup"]

# Memory in units of the slowest renewed time constant
_TIME_CONSTANTS = 5


class MesoscopicGroup(NeuronGroup):
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
        self.sizes = check_sizes(N)
        model = Equations(model) if isinstance(model, str) else model
        if not isinstance(model, Equations):
            raise TypeError(f"model must be a string or Equations, got {model!r}.")
        check_names(model)
        self._frozen = frozenset(
            n for n, eq in model.items() if "unless refractory" in eq.flags
        )
        self._model = _plain(model)
        self._dtype = dtype
        self._model_with_flags = model
        self._wired, self._regularity = [], False
        self.passengers, self._plasticities = [], []
        self.closure_order = _checked_order(closure_order)
        self.noise = bool(noise)
        self.hazard, self.rule = _checked_hazard(hazard, threshold)
        self.reset_statements = reset or ""
        self._reset = self._checked_reset()
        self._roles = find_roles(model, self._reset)
        # A group takes no new attributes once it is one
        self._cohorts = self._spikes = self._updater = None
        self._covariances = []
        self._made_for_dt = None
        self.refractory_expression = "0*second"
        self._fixed_refractory = 0.0
        super().__init__(
            len(self.sizes),
            self._population_model(),
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
        self.user_equations = model
        known = get_local_namespace(1) if namespace is None else namespace
        self._checked_refractory(refractory)
        self._made_for_dt = float(self.clock.dt)
        steps = self._memory_in_steps(memory, known)
        self._cohorts = Cohorts(
            self, self._model, self._roles, steps + 1, f"{self.name}_cohorts"
        )
        self._updater = PopulationUpdater(self)
        self.contained_objects.extend([self._cohorts, self._updater])
        self._connect()

    # -- structure -------------------------------------------------------------------
    def _checked_reset(self):
        statements = parse(self.reset_statements)
        state = {
            n
            for n, eq in self._model.items()
            if eq.type in (DIFFERENTIAL_EQUATION, PARAMETER)
        }
        for name, value in statements:
            if name in self._model and name not in state:
                raise ValueError(f"The reset cannot assign the subexpression '{name}'.")
            if name not in self._model and not name.startswith("_"):
                raise ValueError(
                    f"reset='{self.reset_statements}' assigns '{name}', which is no "
                    f"variable of the model. Its variables are {sorted(state)}."
                )
        return {
            n: expand_subexpressions(value, self._model)
            for n, value in simultaneous(statements, state).items()
        }

    def _population_model(self):
        """What can be said of a population as a whole."""
        single = []
        for name, eq in self._model.items():
            if name in self._roles.cohort:
                eq = SingleEquation(PARAMETER, name, eq.dim, eq.var_type)
            if name not in self._roles.subexpressions:
                single.append(eq)
        for name, dim in (
            ("n", DIMENSIONLESS),
            ("A", hertz.dim),
            ("A_expected", hertz.dim),
        ):
            single.append(SingleEquation(PARAMETER, name, dim))
        return Equations(single)

    def _checked_refractory(self, refractory):
        if refractory is None or refractory is False:
            return
        if isinstance(refractory, str):
            self.refractory_expression = refractory
            names = names_in(parse_expression(refractory))
            known = {*self._roles.cohort, *self._roles.subexpressions}
            if names & known or refractory.strip() in ("True", "False"):
                raise ValueError(
                    f"refractory='{refractory}' depends on {sorted(names & known)}, "
                    "which differ between neurons. It must be a time, or an "
                    "expression for one in terms of parameters."
                )
            return
        duration = check_time("refractory", refractory, positive=False)
        dt = float(self.clock.dt)
        if 0 < duration < dt * (1 - 1e-9):
            raise ValueError(
                f"refractory = {refractory} is shorter than dt = {self.clock.dt}; "
                "choose a smaller dt, or refractory=False."
            )
        self.refractory_expression = f"{duration!r}*second"
        self._fixed_refractory = duration

    def _memory_in_steps(self, memory, known):
        dt = float(self.clock.dt)
        shortest = max(int(round(self._fixed_refractory / dt)), 1) + 1
        if memory is None:
            tau = slowest_time_constant(self._model, self._roles.renewed, known)
            if tau is None:
                raise ValueError(
                    "The memory of the population cannot be found from the model, "
                    f"because the time constants of {list(self._roles.renewed)} are "
                    "not known before the run; give memory=..., about "
                    f"{_TIME_CONSTANTS} times the slowest one plus the refractory "
                    "period."
                )
            duration = _TIME_CONSTANTS * tau + self._fixed_refractory
            return max(math.ceil(duration / dt - 1e-9), shortest)
        duration = check_time("memory", memory)
        if duration < self._fixed_refractory:
            raise ValueError(
                f"memory = {memory} is shorter than the refractory period of "
                f"{self._fixed_refractory*1e3:g} ms; it must be longer by about "
                f"{_TIME_CONSTANTS} membrane time constants."
            )
        return max(math.ceil(duration / dt - 1e-9), shortest)

    def _connect(self):
        roles, names = self._roles, []
        if self.closure_order == 2:
            holes = [f"_hole_{n}" for n in self._wired]
            outside = [*roles.private, *holes]
            mixed = [(a, b) for a in roles.random for b in outside]
            names = [
                self._cohorts.add_covariance(a, b, self._dimension(a), self._dimension(b))
                for a, b in [*pairs(roles.random), *mixed]
            ]
            self._updater.share(
                {
                    covariance_name(a, b): self._dimension(a) * self._dimension(b)
                    for a, b in pairs(outside)
                }
            )
        self._updater.connect(roles, names)

    def _dimension(self, name):
        name = name[len("_hole_") :] if name.startswith("_hole_") else name
        return self._model[name].dim

    # -- for the objects of the group -------------------------------------------------
    @property
    def population_names(self):
        """Variables that the step may read per population."""
        return [
            n
            for n, eq in self.equations.items()
            if eq.type != SUBEXPRESSION
        ] + [n for n, eq in self.equations.items() if eq.type == SUBEXPRESSION]

    @property
    def passenger_features(self):
        return [f for p in self.passengers for f in p.features]

    def dtype_of(self, name):
        return get_dtype(self._model[name], self._dtype)

    def make_program(self, run_namespace):
        """The step of this group as abstract code."""
        variables = self._resolved(run_namespace)
        code = ""
        if self._model.diff_eq_names:
            code = StateUpdateMethod.apply_stateupdater(
                self._model,
                variables,
                self.state_updater.method_choice,
                method_options=self.state_updater.method_options,
                group_name=self.name,
            )
            if not isinstance(code, str):
                raise NotImplementedError(
                    f"method={self.method_choice!r} makes code of its own; use one of "
                    "Brian2's explicit methods ('exact', 'exponential_euler', 'rk4')."
                )
        hazard = expand_subexpressions(parse_expression(self.hazard), self._model)
        refractory = parse_expression(
            f"timestep({self.refractory_expression}, dt)".replace("second", "1")
        )
        for plasticity in self._plasticities:
            plasticity.prepare(run_namespace)
        model = Model(
            update=parse(code),
            reset=self._reset,
            hazard=hazard,
            rule=self.rule,
            refractory=expand_subexpressions(refractory, self._model),
            roles=self._roles,
            frozen=self._frozen,
            order=self.closure_order,
            noise=self.noise,
            passengers=self.passengers,
            wired=tuple(self._wired),
            regularity=self._regularity,
            length=self.memory_in_steps,
        )
        return Program(model)

    def _resolved(self, run_namespace):
        identifiers = set(self._model.names) | self._model.identifiers | {"dt"}
        if self.closure_order == 1 and (
            self._roles.private or any(_is_noisy(eq) for eq in self._model.values())
        ):
            raise ValueError(
                "White noise (xi) makes the neurons of a cohort differ, which needs "
                "closure_order=2."
            )
        for expression in (self.hazard, self.refractory_expression):
            identifiers |= get_identifiers(expression)
        for value in self._reset.values():
            identifiers |= names_in(value)
        variables = self._cohorts.resolve_all(
            identifiers, run_namespace, user_identifiers=identifiers
        )
        check_stateless(variables)
        return variables

    # -- the group in a network --------------------------------------------------------
    def before_run(self, run_namespace):
        if abs(float(self.clock.dt) / self._made_for_dt - 1) > 1e-9:
            raise ValueError(
                f"The time step of {self.name!r} was {self._made_for_dt*1e3:g} ms when "
                f"it was made and is {self.clock.dt} now, but its memory is a fixed "
                "number of steps. Set the time step first, or give dt=."
            )
        self._model.check_units(self._cohorts, run_namespace=run_namespace)
        self._check_hazard_unit(run_namespace)
        super().before_run(run_namespace)

    def _check_hazard_unit(self, run_namespace):
        try:
            check_dimensions(
                self.hazard, hertz.dim, self._resolved(run_namespace)
            )
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
    def updater(self):
        """The code object that moves the populations (for projections)."""
        return self._updater

    def receive_private(self, name):
        """
        Prepare for input that differs between the neurons of a population.

        Returns the variable whose arrays ``_input_<var, depth, filling>_<variable>`` of
        the `updater` collect its variance (and, weighted with it, the hole behind each
        impulse), or None if the closure has no covariances.
        """
        if self.closure_order == 1:
            return None
        if name not in self._wired:
            self._wired.append(name)
            self._roles = find_roles(self._model_with_flags, self._reset, self._wired)
            self._updater.listen(name)
            self._connect()
        return name

    def follow_regularity(self):
        """Keep track of how regularly the neurons fire (for what listens to some)."""
        if not self._regularity:
            self._regularity = True
            self._updater.follow_regularity()

    @property
    def memory_in_steps(self):
        """Number of cohorts between the last spikes and the pool."""
        return self._cohorts.size - 1

    def add_passenger(self, passenger, parameters, plasticity):
        """Let the cohorts carry the plasticity of a projection."""
        self.passengers.append(passenger)
        self._plasticities.append(plasticity)
        for feature in passenger.features:
            self._cohorts.variables.add_array(feature, len(self._cohorts))
        self._updater.carry(passenger, parameters)
        self._connect()

    @property
    def spikes(self):
        """`PopulationSpikes`: the neurons, as a source of spikes (made at first use)."""
        if self._spikes is None:
            if not self.noise:
                raise ValueError(
                    f"{self.name!r} has noise=False: expected numbers of spikes are no "
                    "whole numbers, so that there are no spikes. Use its variable 'A', "
                    "or noise=True."
                )
            self._spikes = PopulationSpikes(self, f"{self.name}_spikes")
            self._spikes.hold_for(round(self._fixed_refractory / float(self.clock.dt)))
            self.contained_objects.append(self._spikes)
        return self._spikes

    @property
    def variables_by_kind(self):
        """dict of kind ('common', 'renewed', 'carried') to list of variables."""
        kinds = ("common", "renewed", "carried")
        return {kind: list(getattr(self._roles, kind)) for kind in kinds}

    def __repr__(self):
        kinds = "; ".join(
            f"{kind}: {', '.join(names) or '-'}"
            for kind, names in self.variables_by_kind.items()
        )
        sizes = self.sizes[0] if len(self.sizes) == 1 else self.sizes
        ages = self.memory_in_steps
        return (
            f"<MesoscopicGroup {self.name!r}: N = {sizes}, memory of "
            f"{ages} steps of {self.clock.dt}; {kinds}>"
        )


def _plain(model):
    """The equations without flags that concern single neurons or steps."""
    ignored = ("unless refractory", "constant over dt")
    return Equations(
        [
            SingleEquation(
                eq.type,
                eq.varname,
                eq.dim,
                eq.var_type,
                eq.expr,
                [f for f in eq.flags if f not in ignored],
            )
            for eq in model.values()
        ]
    )


def _is_noisy(equation):
    return equation.type == DIFFERENTIAL_EQUATION and bool(equation.stochastic_variables)


def _checked_order(order):
    if order not in (1, 2):
        raise ValueError(
            f"closure_order must be 1 (means) or 2 (and covariances), got {order!r}."
        )
    return int(order)


def _checked_hazard(hazard, threshold):
    if (hazard is None) == (threshold is None):
        raise TypeError(
            "Give either threshold='rand() < rho*dt' or hazard='rho', got "
            f"threshold={threshold!r}, hazard={hazard!r}."
        )
    if hazard is None:
        return hazard_of_threshold(threshold)
    if not isinstance(hazard, str):
        raise TypeError(f"hazard must be a string expression, got {hazard!r}.")
    return hazard, "trapezoid"
