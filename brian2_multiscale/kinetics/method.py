"""Integration method ``'kinetic'`` for systems with stiff linear blocks."""

from brian2.core.functions import Function
from brian2.stateupdaters.base import (
    StateUpdateMethod,
    UnsupportedEquationsException,
    extract_method_options,
)
from brian2.utils.logger import get_logger

from ..codegen.step_code import StepCode
from .block_steps import block_step
from .blocks import split
from .differentiation import NotDifferentiableError
from .single_steps import SingleStep
from .writer import Moment, Writer

__all__ = ["KineticStateUpdater", "kinetic"]

logger = get_logger(__name__)


class KineticStateUpdater(StateUpdateMethod):
    """Implicit steps for linear blocks, exponential steps for everything else.

    Use it by name, ``method='kinetic'``, in `NeuronGroup` and `Synapses`. The
    differential equations are split into blocks that are linear in their states with
    coefficients that may change in any way, such as kinetic schemes with rates that
    depend on voltage or transmitter, and single equations.

    With ``method_options={'order': 1}`` (the default) a step first takes all single
    equations by an exponential step with coefficients at its beginning, then the
    blocks by implicit Euler with coefficients at its end. With ``{'order': 2}`` the
    single equations take an exponential trapezoidal step and the blocks a modified
    Patankar-Runge-Kutta step. Both are stable at any time step; single linear
    equations with constant coefficients are exact.

    For blocks in which all that arrives in a state has left another one (as in every
    kinetic scheme written with all its states), at any time step and for rates that
    are not negative: no state becomes negative, and the sum of the states of a
    closed scheme is kept to rounding. Occupancies keep their sum of one to rounding
    over any number of steps.
    """

    def __call__(self, equations, variables=None, method_options=None):
        order = extract_method_options(method_options, {"order": 1})["order"]
        if order not in (1, 2):
            raise ValueError(f"method_options: 'order' must be 1 or 2, not {order!r}")
        variables = {} if variables is None else variables
        _refuse_noise(equations, variables)
        _refuse_mixture(equations)
        step = _Step(equations, variables, order)
        (step.first_order if order == 1 else step.second_order)()
        return StepCode(step.writer.code, tuple(equations.diff_eq_names))


def _refuse(variable, reason, way_out):
    raise UnsupportedEquationsException(
        f"Method 'kinetic' cannot integrate the equation of '{variable}': {reason}. "
        f"{way_out}."
    )


def _refuse_noise(equations, variables):
    for name, expr in equations.eq_expressions:
        if expr.stochastic_variables:
            way_out = "Use method='euler' or 'heun', or move the noise to another group"
            _refuse(name, "it contains the noise term xi", way_out)
        for identifier in expr.identifiers:
            function = variables.get(identifier)
            if isinstance(function, Function) and not function.stateless:
                _refuse(
                    name,
                    f"it calls {identifier}(), which has another value at each call",
                    "Store the number in a parameter with run_regularly, or in a "
                    "subexpression with the flag (constant over dt)",
                )


def _refuse_mixture(equations):
    names = sorted(equations.diff_eq_names)
    shared = [name for name in names if "shared" in equations[name].flags]
    if shared and len(shared) < len(names):
        way_out = "Put the shared equations into a group of their own"
        _refuse(shared[0], "it is shared and others are not", way_out)


class _Step:
    def __init__(self, equations, variables, order):
        self.equations = equations
        system, singles, blocks = split(equations, variables)
        self.system, self.writer = system, Writer(system, variables)
        self.singles = {name: _single_step(system, name) for name in singles}
        dims = equations.dimensions
        self.blocks = [
            block_step(b, all(dims[s].is_dimensionless for s in b.states), order)
            for b in blocks
        ]
        logger.diagnostic(
            f"linear blocks {[b.states for b in blocks]}, single equations {singles}"
        )

    def moment(self, label, earlier=None, **values):
        """The moment at which some variables have other values than at present."""
        present = {s: s for s in (*self.system.states, "t", "t_in_timesteps")}
        return Moment(self.writer, label, {**present, **values}, earlier)

    def first_order(self):
        begin = self.moment("begin")
        new = {
            name: step.first(self.writer, begin, f"_new_{name}")
            for name, step in self.singles.items()
        }
        self.store(new)
        end = self.moment("end", begin, **_LATER)
        new = {}
        for k, step in enumerate(self.blocks):
            start = step.start(self.writer, f"_b{k}")
            solution = step.first(self.writer, start, end, f"_b{k}")
            new.update(zip(step.block.states, solution, strict=True))
        self.store(new)

    def second_order(self):
        begin = self.moment("begin")
        starts = [b.start(self.writer, f"_b{k}") for k, b in enumerate(self.blocks)]
        trial = {n: self.trial(s, begin) for n, s in self.singles.items()}
        tried = [
            step.first(self.writer, start, begin, f"_try{k}")
            for k, (step, start) in enumerate(zip(self.blocks, starts, strict=True))
        ]
        for step, solution in zip(self.blocks, tried, strict=True):
            trial.update(zip(step.block.states, solution, strict=True))
        end = self.moment("end", begin, **trial, **_LATER)
        new = {
            name: step.second(self.writer, begin, end, trial[name], f"_new_{name}")
            for name, step in self.singles.items()
        }
        for k, step in enumerate(self.blocks):
            solution = step.second(
                self.writer, starts[k], begin, end, tried[k], f"_b{k}"
            )
            new.update(zip(step.block.states, solution, strict=True))
        self.store(new)

    def trial(self, step, begin):
        """First-order value of a single variable at the end of the step."""
        name = step.first(self.writer, begin, f"_try_{step.name}")
        if "unless refractory" not in self.equations[step.name].flags:
            return name
        held = f"{step.name} + ({name} - {step.name})*int(not_refractory)"
        return self.writer.assign(f"_held_{step.name}", held)

    def store(self, values):
        for name, value in values.items():
            if name in self.equations.diff_eq_names:
                self.writer.assign(name, value)


_LATER = {"t": "(t + dt)", "t_in_timesteps": "(t_in_timesteps + 1)"}


def _single_step(system, name):
    try:
        return SingleStep(system, name)
    except NotDifferentiableError as error:
        way_out = "Use method='euler', 'rk2' or 'rk4' with a small enough time step"
        _refuse(name, str(error), way_out)


kinetic = KineticStateUpdater()


def register():
    """Make ``method='kinetic'`` known to Brian2 (again, if the module is reloaded)."""
    StateUpdateMethod.stateupdaters.pop("kinetic", None)
    StateUpdateMethod.register("kinetic", kinetic)


register()
