"""Eligibility traces of synapses, and the gradient that is collected with them."""

import sympy as sp
from brian2.groups.group import CodeRunner
from brian2.units.fundamentalunits import get_unit

from ...codegen.late_variables import give_variable
from ...codegen.straightline import emit, symbol
from .arrivals import Arrivals
from .names import reached, refer

__all__ = ["Traces"]


class Traces(CodeRunner):
    r"""
    Derivatives of the states of neurons by the weights onto them.

    In every step, with the numbers of `OwnDynamics` (step :math:`J`, spike
    :math:`\psi`, reset :math:`R`, jump :math:`b`) and what spikes have brought,
    :math:`a`: :math:`\epsilon \leftarrow J\epsilon`, :math:`e = \psi\cdot\epsilon`,
    :math:`\epsilon \leftarrow R(\epsilon + a) + b e`.

    Parameters
    ----------
    synapses : `Synapses`
    weight : str
    dynamics : `OwnDynamics`
        Of the postsynaptic group.
    readout : `Readout`
    trial : float or None
        After which traces start again, in seconds.

    Attributes
    ----------
    gradient, eligibility : str
        Names of the variables of the synapses.
    """

    def __init__(self, synapses, weight, dynamics, readout, trial, recurrent, name):
        CodeRunner.__init__(
            self,
            synapses,
            "stateupdate",
            code="",
            user_code="",
            clock=dynamics.group.clock,
            when="end",
            order=2,
            name=f"{name}_{synapses.name}",
            check_units=False,
        )
        self.synapses, self.weight, self.dynamics = synapses, weight, dynamics
        self.readout, self.trial = readout, trial
        self.arrivals = Arrivals(synapses, weight, dynamics.states, recurrent)
        self.gradient, self.eligibility = f"{weight}_gradient", f"{weight}_eligibility"
        by_weight = synapses.variables[weight].dim ** -1
        loss, output = readout.loss_dimensions, readout.output_dimensions
        give_variable(synapses, self.gradient, loss * by_weight)
        give_variable(synapses, self.eligibility, output * by_weight)
        self._given = []

    @property
    def onto_readout(self):
        return self.dynamics is self.readout.dynamics

    # -- which states matter ---------------------------------------------------------
    def choose(self):
        """The states that weights act on and that act on spikes, or on the output."""
        d = self.dynamics
        effects = {self.readout.output} if self.onto_readout else set(d.spike)
        links = set(d.step) | set(d.reset)
        useful = reached(effects, {(n, m) for m, n in links})
        by_spike = {(m, n) for m in d.jump for n in d.spike}
        from_spikes = reached(set(self.arrivals.targets), links | by_spike)
        self.states = [m for m in d.states if m in useful & from_spikes]
        return set(self.states)

    # -- what runs -------------------------------------------------------------------
    def install(self):
        """Write the code, with the numbers that the group now computes."""
        kept = set(self.states)
        arriving = [m for m in self.arrivals.targets if m in kept]
        for name in [_trace(m) for m in self.states] + [_arrived(m) for m in arriving]:
            self._give(name)
        self.arrivals.install(lambda m: _arrived(m) if m in kept else None)
        statements = self._moved(arriving)
        if self.onto_readout:
            output = symbol(f"_after_{self.readout.output}")
            signal = self.readout.error_at(self.synapses)
        else:
            output = self._filtered(statements)
            signal = self.readout.signal_at(self.synapses, self.dynamics.group)
        code = [emit(statements), f"{self.gradient} += ({signal})*{output}"]
        code += self._kept(output)
        code += [f"{_arrived(m)} = 0" for m in arriving]
        self.abstract_code = "\n".join(code)

    def _moved(self, arriving):
        d, kept, result = self.dynamics, self.states, []
        for m in kept:
            total = sum(
                self._post(d.step.get((m, n), 0)) * symbol(_trace(n)) for n in kept
            )
            result.append((f"_before_{m}", sp.sympify(total)))
        if not self.onto_readout:
            total = sum(
                self._post(d.spike[m]) * symbol(f"_before_{m}")
                for m in kept
                if m in d.spike
            )
            result.append(("_spike", sp.sympify(total)))
        for m in kept:
            total = symbol(f"_before_{m}")
            if m in arriving:
                total += symbol(_arrived(m))
            result.append((f"_after_{m}", total))
        for m in kept:
            total = sum(
                self._post(d.reset.get((m, n), 0)) * symbol(f"_after_{n}") for n in kept
            )
            total += self._post(d.jump.get(m, 0)) * symbol("_spike")
            result.append((f"_next_{m}", sp.sympify(total)))
        return result

    def _filtered(self, statements):
        """The same traces as the readout would see them; the name of the output."""
        r = self.readout
        for m in r.states:
            total = sum(
                r.number_at(self.synapses, (m, n)) * symbol(self._filter(n))
                for n in r.states
            )
            if m == r.entry:
                total += symbol("_spike")
            self._give(self._filter(m))
            statements.append((f"_filtered_{m}", sp.sympify(total)))
        return symbol(f"_filtered_{r.output}")

    def _filter(self, m):
        return self.eligibility if m == self.readout.output else f"_filter_{m}"

    def _kept(self, output):
        """What the next step needs, unless a trial ends."""
        pairs = [(_trace(m), f"_next_{m}") for m in self.states]
        if self.onto_readout:
            pairs.append((self.eligibility, str(output)))
        else:
            pairs += [(self._filter(m), f"_filtered_{m}") for m in self.readout.states]
        if self.trial is None:
            return [f"{name} = {value}" for name, value in pairs]
        ends = f"timestep(t + dt, dt) % timestep({self.trial!r}, dt)"
        lines = [f"_going_on = int({ends} != 0)"]
        return lines + [f"{name} = _going_on*{value}" for name, value in pairs]

    def _give(self, name):
        give_variable(self.synapses, name)
        if name not in self._given:
            self._given.append(name)

    def _post(self, value):
        """A number of the postsynaptic neuron, under a name that the synapses know."""
        return refer(self.synapses, self.dynamics.group, value, "_post")

    def unit_of_rate(self, rule):
        """Of the learning rate."""
        unit = get_unit(self.synapses.variables[self.weight].dim)
        if rule == "adam":
            return unit
        return unit**2 / get_unit(self.readout.loss_dimensions)

    # Brian2 calls these for store() and restore(); the synapses keep the values, but
    # may have been stored before they had all variables
    def _full_state(self):
        return {"names": list(self._given)}

    def _restore_from_full_state(self, state):
        for name in set(self._given) - set(state["names"]):
            self.synapses.variables[name].get_value()[:] = 0

    def clear(self, traces, gradients):
        """Set variables to zero."""
        names = {*self._given, self.eligibility} if traces else set()
        for name in sorted(names | ({self.gradient} if gradients else set())):
            self.synapses.state(name, use_units=False).set_item("True", 0)


def _trace(state):
    return f"_trace_{state}"


def _arrived(state):
    return f"_arrived_{state}"
