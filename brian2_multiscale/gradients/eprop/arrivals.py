"""What a spike that arrives does to the neuron behind the synapse, by the weight."""

import sympy as sp

from ...codegen.directional import Directional
from ...codegen.straightline import emit, names_in, parse, parse_expression, symbol
from ...codegen.subexpressions import RANDOM, assigned_once
from ...kinetics.differentiation import NotDifferentiableError, derivative
from .checks import check_constant
from .numbers import needed

__all__ = ["Arrivals"]


class Arrivals:
    """
    Statements of synapses at spikes, and their derivatives by the weight.

    Parameters
    ----------
    synapses : `Synapses`
    weight : str
        Name of the weight among its variables.
    states : collection of str
        Variables of the postsynaptic group.
    recurrent : bool
        Whether the presynaptic neurons have states that count, too.

    Attributes
    ----------
    targets : list of str
        The states that spikes change by the weight.

    Raises
    ------
    NotDifferentiableError
        If spikes do more than add something that does not depend on the states, or if
        the weight reaches the neurons in another way.
    """

    def __init__(self, synapses, weight, states, recurrent=False):
        self.synapses, self.weight, self.recurrent = synapses, weight, recurrent
        self.states = {f"{name}_post": name for name in states}
        self.written_out = self._subexpressions()
        self._codes = {p.name: p.code for p in synapses._pathways}
        self._refuse_other_ways()
        check_constant(synapses, {weight, *self.states})
        found = [self._derive(p) for p in synapses._pathways]
        self.targets = sorted({m for _, changes in found for m in changes})
        if not self.targets:
            raise NotDifferentiableError(
                f"The weight {weight!r} of {synapses.name!r} does nothing that can be "
                "followed: on_pre must add it to a variable with a differential "
                f"equation, as in 'g_post += {weight}'."
            )

    # -- the derivatives -------------------------------------------------------------
    def program(self, pathway):
        """The statements of a pathway, with subexpressions written out."""
        statements = parse(self._codes[pathway.name])
        return [(n, v.xreplace(self.written_out)) for n, v in statements]

    def _derive(self, pathway):
        """Statements, and the derivative of every state that they change."""
        program = self.program(pathway)
        program, last = assigned_once(program, kept=[n for n, _ in program])
        known = {name: {name: sp.S.One} for name in self.states}
        made, found = Directional(
            (self.weight, *self.states), known, derivative, "_by"
        )(program)
        changes = {}
        for name, new in last.items():
            self._check(pathway, name, dict(found.get(new, {})))
            slope = found.get(new, {}).get(self.weight, 0)
            if slope != 0 and name in self.states:
                changes[self.states[name]] = slope
        made = needed(made, changes.values())
        functions = {f for _, v in made for f in sp.sympify(v).atoms(sp.Function)}
        if RANDOM & {str(f.func) for f in functions}:
            self._refuse(pathway, "uses random numbers along with the weight")
        return made, changes

    def _check(self, pathway, name, row):
        by_weight = row.pop(self.weight, 0)
        own = row.pop(name, 0)
        if name == self.weight:
            self._refuse(pathway, f"changes the weight {name!r}")
        if self.recurrent and name.endswith("_pre"):
            self._refuse(pathway, f"changes {name!r} of the presynaptic neuron")
        if name in self.states:
            if pathway.prepost == "post":
                self._refuse(pathway, f"changes {name!r} at postsynaptic spikes")
            if row or own != 1:
                self._refuse(
                    pathway,
                    f"does not only add to {name!r}, or what it adds depends on the "
                    "state of the neuron (let the neuron compute that, as in "
                    "'g*(E - v)')",
                )
        elif (by_weight != 0 or row) and name in self.synapses.variables:
            self._refuse(
                pathway,
                f"lets {name!r} depend on the weight or the state of the neuron; only "
                "variables of the neurons with differential equations may",
            )

    def _refuse(self, pathway, why):
        raise NotDifferentiableError(
            f"Eligibility traces cannot follow {pathway.name!r}: it {why}. Its code is "
            f"'{self._codes[pathway.name].strip()}'."
        )

    def _refuse_other_ways(self):
        s = self.synapses
        codes = {
            f"d{n}/dt": expression.code
            for equations in (s.equations, s.event_driven or {})
            for n in getattr(equations, "diff_eq_names", ())
            for expression in [equations[n].expr]
        }
        codes |= {n: u.expression.code for n, u in s.summed_updaters.items()}
        for name, code in codes.items():
            value = parse_expression(code).xreplace(self.written_out)
            if self.weight in names_in(value):
                raise NotDifferentiableError(
                    f"The weight {self.weight!r} of {s.name!r} is used in "
                    f"'{name} = {code}'; eligibility traces only follow weights that "
                    "on_pre adds to variables of the neurons."
                )

    def _subexpressions(self):
        """Those of the synapses and of their target, in terms of the rest."""
        target = getattr(self.synapses.target, "equations", None)
        found = {}
        for equations, own in ((self.synapses.equations, False), (target, True)):
            pairs = equations.get_substituted_expressions(include_subexpressions=True)
            for name, value in pairs:
                if name in equations.subexpr_names:
                    value = parse_expression(value.code)
                    if own:
                        name, value = f"{name}_post", self._as_post(value)
                    found[symbol(name)] = value
        return found

    def _as_post(self, value):
        known = self.synapses.target.variables
        names = names_in(value) & set(known) - {"t", "dt"}
        return value.xreplace({symbol(n): symbol(f"{n}_post") for n in names})

    # -- what runs -------------------------------------------------------------------
    def install(self, name):
        """
        Let the pathways also collect the derivatives.

        Parameters
        ----------
        name : callable
            ``name(state)``: variable of the synapses to add the derivative to; None
            if it does not matter.
        """
        for pathway in self.synapses._pathways:
            made, changes = self._derive(pathway)
            lines = [emit(made)]
            for m, slope in changes.items():
                if name(m) is None:
                    continue
                if self._held(m):
                    slope = slope * parse_expression("int(not_refractory_post)")
                lines.append(f"{name(m)} += {emit([('x', slope)])[4:]}")
            pathway.code = "\n".join([*lines, self._codes[pathway.name]])

    def _held(self, state):
        """Brian2 does not let synapses change it during refractoriness."""
        target = self.synapses.target
        variable = target.variables[state]
        return getattr(variable, "conditional_write", None) is not None

    def increments(self):
        """What a spike adds to each state, as expressions of the synapses."""
        total = {}
        for pathway in self.synapses._pathways:
            program = self.program(pathway)
            now = {}
            for name, value in program:
                now[symbol(name)] = value.xreplace(now)
            for name, value in now.items():
                if name.name in self.states:
                    state = self.states[name.name]
                    total[state] = total.get(state, 0) + sp.expand(value - name)
        return total
