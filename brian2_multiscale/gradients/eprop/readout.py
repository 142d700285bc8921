"""The readout of a network, its error, and what neurons hear of it."""

from brian2.core.variables import Subexpression
from brian2.groups.group import CodeRunner
from brian2.synapses.synapses import Synapses
from brian2.units.fundamentalunits import DIMENSIONLESS

from ...callers import user_namespace
from ...codegen.late_variables import give_variable
from ...codegen.straightline import emit, names_in, symbol
from ...kinetics.differentiation import NotDifferentiableError
from .arrivals import Arrivals
from .dynamics import OwnDynamics
from .names import reached, refer, whole

__all__ = ["LOSSES", "Readout"]

# Derivative by the output, and the loss itself
LOSSES = {
    "squared": ("({w})*({y} - ({target}))", "0.5*({w})*({y} - ({target}))**2"),
    "cross_entropy": (
        "({w})*(1/_softmax_sum - ({target}))",
        "({w})*({target})*log(_softmax_sum)",
    ),
}


class Readout:
    """
    Output neurons, their loss, and the way back.

    Parameters
    ----------
    synapses : list of `Synapses`
        From the spiking neurons to the output neurons.
    weight : str
    output : str
        Variable of the output neurons.
    target, importance : str
        Expressions of the output neurons.
    loss : str
        A key of `LOSSES`.
    feedback : 'symmetric', str or list of `Synapses`
        The way back: the weights of the readout, an expression for other weights, or
        synapses from the output neurons with a weight.
    name : str
        Beginning of the names of the objects.
    """

    def __init__(
        self, synapses, weight, output, target, importance, loss, feedback, name
    ):
        self.synapses, self.weight, self.name = synapses, weight, name
        self.group, self.output = whole(synapses[0].target), output
        self.dynamics = OwnDynamics(self.group, name)
        self.arrivals = [Arrivals(s, weight, self.dynamics.states) for s in synapses]
        self.entry = self._entry()
        self.objects, self._signals = [*self.dynamics.objects], []
        self._add_loss(target, importance, loss)
        self._add_feedback(feedback)

    def _entry(self):
        targets = {m for arrivals in self.arrivals for m in arrivals.targets}
        if len(targets) > 1:
            raise NotDifferentiableError(
                f"The readout reaches the variables {sorted(targets)} of "
                f"{self.group.name!r}; eligibility traces follow one."
            )
        return targets.pop()

    def _run(self, group, template, code, order, name, **kwds):
        self.objects.append(
            CodeRunner(
                group,
                template,
                code=code,
                clock=self.group.clock,
                when="end",
                order=order,
                name=f"{self.name}_{name}",
                **kwds,
            )
        )

    # -- the loss --------------------------------------------------------------------
    def _add_loss(self, target, importance, loss):
        y = self.output
        dimensions = self.group.variables[y].dim
        self.output_dimensions = dimensions
        self.loss_dimensions = dimensions**2 if loss == "squared" else DIMENSIONLESS
        give_variable(self.group, f"{y}_error", self.loss_dimensions / dimensions)
        give_variable(self.group, f"{y}_loss", self.loss_dimensions)
        error, value = (
            text.format(w=importance, y=y, target=target) for text in LOSSES[loss]
        )
        if loss == "cross_entropy":
            self._add_softmax()
        code = f"{y}_error = {error}\n{y}_loss = {value}"
        self._run(self.group, "stateupdate", code, 0, "loss")

    def _add_softmax(self):
        group, y = self.group, self.output
        give_variable(group, "_softmax_sum")
        pairs = Synapses(
            group, group, clock=group.clock, name=f"{self.name}_softmax_pairs"
        )
        pairs.connect()
        self.objects.append(pairs)
        code = f"_synaptic_var = exp({y}_pre - {y}_post)"
        self._sum(pairs, code, group, "_softmax_sum", "post", -1, "softmax")

    def _sum(self, synapses, code, group, name, side, order, label):
        """A sum over synapses, into a variable of the group on one side."""
        part = synapses.target if side == "post" else synapses.source
        refer(synapses, group, symbol(name), f"_{side}")
        target, size, index = f"{name}_{side}", f"N_{side}", f"_synaptic_{side}"
        self._run(
            synapses,
            "summed_variable",
            code,
            order,
            label,
            check_units=False,
            user_code="",
            needed_variables=[target, size, index],
            template_kwds={
                "_target_var": synapses.variables[target],
                "_target_size_name": size,
                "_index_var": synapses.variables[index],
                "_target_start": getattr(part, "start", 0),
                "_target_stop": getattr(part, "stop", -1),
            },
        )

    # -- the way back ----------------------------------------------------------------
    def _add_feedback(self, feedback):
        if not isinstance(feedback, str):
            for synapses in feedback:
                self._add_signal(synapses, self.weight, "post")
            return
        for arrivals in self.arrivals:
            value = self._increment(arrivals)
            if feedback != "symmetric":
                value = value.xreplace(self._other_weight(arrivals.synapses, feedback))
            text = emit([("x", value)])[4:]
            self._add_signal(arrivals.synapses, text, "pre")

    def _add_signal(self, synapses, weight, side):
        group = whole(synapses.target if side == "post" else synapses.source)
        name = f"_signal_{self.name}_{len(self._signals)}"
        give_variable(group, name)
        other = "_pre" if side == "post" else "_post"
        error = refer(synapses, self.group, symbol(f"{self.output}_error"), other)
        code = f"_synaptic_var = ({weight})*{error}"
        self._sum(synapses, code, group, name, side, 1, f"signal_{len(self._signals)}")
        self._signals.append((group, name))

    def _other_weight(self, synapses, expression):
        name = f"{self.weight}_feedback"
        variable = synapses.variables[self.weight]
        give_variable(synapses, name, variable.dim)
        view = synapses.state(name)
        view.set_item("True", expression, namespace=user_namespace())
        return {symbol(self.weight): symbol(name)}

    def _increment(self, arrivals):
        """What one spike adds to the readout, which must not change."""
        s, value = arrivals.synapses, arrivals.increments()[self.entry]
        changing = {n for p in s._pathways for n, _ in arrivals.program(p)}
        changing |= set(getattr(s.event_driven, "diff_eq_names", ()))
        changing |= set(s.equations.diff_eq_names)
        for name in sorted(names_in(value)):
            variable = s.variables.get(name)
            beside = name.endswith(("_pre", "_post")) or name in ("t", "dt")
            if name in changing or beside or isinstance(variable, Subexpression):
                raise NotDifferentiableError(
                    f"What a spike adds to the readout by {s.name!r} depends on "
                    f"{name!r}, which changes; the error can only be passed back "
                    "through constant weights."
                )
        return value

    # -- for the traces --------------------------------------------------------------
    def choose(self):
        """The states on the way from the spikes to the output."""
        links = set(self.dynamics.step)
        forward = reached({self.entry}, links)
        backward = reached({self.output}, {(n, m) for m, n in links})
        if self.output not in forward:
            raise NotDifferentiableError(
                f"{self.output!r} of {self.group.name!r} does not depend on "
                f"{self.entry!r}, which {self.synapses[0].name!r} adds to."
            )
        self.states = [m for m in self.dynamics.states if m in forward & backward]
        return set(self.states)

    def check_linear(self):
        """One filter for all output neurons, or else an error."""
        for (m, n), value in self.dynamics.step.items():
            inside = {m, n} <= set(self.states)
            shared = not value.is_Symbol or self.group.variables[value.name].scalar
            if inside and not shared:
                raise NotDifferentiableError(
                    f"The readout {self.group.name!r} must be linear and the same for "
                    f"all its neurons, but how {m!r} follows {n!r} varies. Use "
                    "constants and shared parameters in its equations."
                )

    def number_at(self, synapses, pair):
        """How the output neurons filter, as a number that synapses can read."""
        return refer(synapses, self.group, self.dynamics.step.get(pair, 0), "_readout")

    def error_at(self, synapses):
        return refer(synapses, self.group, symbol(f"{self.output}_error"), "_post")

    def signal_at(self, synapses, group):
        """What the neurons behind synapses hear of the error."""
        names = [n for g, n in self._signals if g is group]
        if not names:
            raise ValueError(
                f"No error reaches {group.name!r}, which {synapses.name!r} targets: "
                "give the synapses from it to the output neurons as readout, or "
                "synapses from the output neurons to it as feedback."
            )
        return sum(refer(synapses, group, symbol(n), "_post") for n in names)
