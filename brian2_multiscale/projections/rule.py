"""What the strings of a projection mean, whatever it connects."""

import re

import numpy as np
import sympy as sp
from brian2.equations.equations import (
    DIFFERENTIAL_EQUATION,
    PARAMETER,
    SUBEXPRESSION,
)
from brian2.utils.stringtools import word_substitute

from ..arguments import as_equations
from ..codegen.straightline import names_in, parse, parse_expression, symbol

__all__ = ["ProjectionError", "SynapticRule", "Target", "with_suffix"]


# Statements such as g_post = 1 and g_post *= 2
_ASSIGNED = re.compile(r"^\s*(\w+_post)\s*(?:[^\s\w+-]=|=|\*\*=|//=)", re.MULTILINE)


# Names on the left of statements such as g += 1
_CHANGED = re.compile(r"(?:^|;|\n)\s*(\w+)\s*[+-]=")


class ProjectionError(ValueError):
    """A projection that cannot be made, and what to change."""


class Target:
    """
    One statement ``variable_post += weight*release``.

    Attributes
    ----------
    variable : str
        Without ``_post``.
    weight : sympy expression
        The part that depends on the pair of source and target.
    release : int or None
        Which of the rule's releases; None if a spike releases 1.
    """

    def __init__(self, variable, weight, release):
        self.variable, self.weight, self.release = variable, weight, release


def with_suffix(on_pre, model, variables):
    """
    Statements in which variables of the target have the suffix ``_post``.

    As in `Synapses`, a name that the model does not define is that of the target.
    """
    if not isinstance(on_pre, str):
        return on_pre
    own = set(as_equations(model).names)
    found = {n for n in _CHANGED.findall(on_pre) if n not in own and n in variables}
    return word_substitute(on_pre, {name: f"{name}_post" for name in found})


class SynapticRule:
    """
    The model and ``on_pre`` of a projection, taken apart.

    Parameters
    ----------
    model : str or `Equations`
        Differential equations of the plasticity, subexpressions, parameters.
    on_pre : str
        Statements for a spike, as for `Synapses`.

    Attributes
    ----------
    equations : `Equations`
    plastic : list of str
        Variables with a differential equation: one per presynaptic neuron.
    rates, jumps : dict of str to sympy expression
        Right-hand sides, and values after a spike in terms of those before.
    releases : list of sympy expression
        What a spike releases, in terms of the values before it.
    targets : list of `Target`
    source_parameters, pair_parameters : list of str
        Parameters that belong to a source, and all others.

    Raises
    ------
    ProjectionError
        If it cannot be separated into a presynaptic and a pairwise part.
    """

    def __init__(self, model, on_pre):
        if not isinstance(on_pre, str):
            raise TypeError(f"on_pre must be a string, got {on_pre!r}.")
        self.equations = as_equations(model)
        self.on_pre = on_pre
        eqs = self.equations
        if "p" in eqs.names:
            raise ProjectionError(
                "The model must not define 'p', which is the probability of a synapse."
            )
        self.plastic = [n for n, e in eqs.items() if e.type == DIFFERENTIAL_EQUATION]
        self._open = {
            symbol(n): parse_expression(e.expr.code)
            for n, e in eqs.items()
            if e.type == SUBEXPRESSION
        }
        self.rates = {n: self._expand(_right(eqs[n])) for n in self.plastic}
        self._parameters = [n for n, e in eqs.items() if e.type == PARAMETER]
        now, added = self._execute(on_pre)
        self.outputs = [n for n in self._parameters if symbol(n) in now]
        self.jumps = {n: now[symbol(n)] for n in self.plastic if symbol(n) in now}
        self._sort_parameters(added)
        self.releases, self.targets = [], []
        for variable, increment in added.items():
            self.targets.append(self._separate(variable, increment))
        if not self.targets:
            raise ProjectionError(
                f"on_pre='{on_pre}' adds to no postsynaptic variable; write "
                "'g_post += w', for example."
            )

    def rest(self, known):
        """
        Values that the plasticity returns to, as numbers.

        ``known`` has the constants. Nothing is returned for equations that have no
        single state of rest or constants that are not known yet.
        """
        symbols = [symbol(n) for n in self.plastic]
        numbers = {
            s: sp.Float(float(np.asarray(known[s.name])), 17)
            for e in self.rates.values()
            for s in e.free_symbols - set(symbols)
            if s.name in known
        }
        rates = [e.xreplace(numbers) for e in self.rates.values()]
        solution = sp.solve(rates, symbols, dict=True) if rates else []
        if len(solution) != 1:
            return {}
        return {s.name: float(v) for s, v in solution[0].items() if v.is_number}

    def _expand(self, expression):
        while expression.free_symbols & set(self._open):
            expression = expression.xreplace(self._open)
        return expression

    def _execute(self, on_pre):
        """Values after all statements, and what is added to which target."""
        now, added = {}, {}
        for name in _ASSIGNED.findall(on_pre):
            raise ProjectionError(
                f"on_pre sets '{name}' instead of adding to it; use '+='."
            )
        for name, value in parse(on_pre):
            value = self._expand(value).xreplace(now)
            if not name.endswith("_post"):
                if name.endswith("_pre"):
                    raise ProjectionError(
                        f"on_pre assigns '{name}'; a projection cannot write to its "
                        "source. Make it a variable of the projection's model."
                    )
                now[symbol(name)] = value
                continue
            increment = sp.expand(value - symbol(name))
            name = name[: -len("_post")]
            added[name] = added.get(name, sp.S.Zero) + increment
        return now, added

    def _sort_parameters(self, added):
        used = [*self.rates.values(), *self.jumps.values()]
        names = set().union(*(names_in(e) for e in used))
        self.source_parameters = [
            n for n in self._parameters if n in names and n not in self.outputs
        ]
        self.pair_parameters = [
            n
            for n in self._parameters
            if n not in self.source_parameters and n not in self.outputs
        ]

    def _separate(self, variable, increment):
        """Split an increment into pairwise part and release."""
        presynaptic = {symbol(n) for n in (*self.plastic, *self.source_parameters)}
        plastic = {symbol(n) for n in self.plastic}
        if not increment.free_symbols & plastic:
            return Target(variable, increment, None)
        factored = sp.factor(increment)
        weight, release = factored.as_independent(*presynaptic, as_Add=False)
        other = {n for n in names_in(release) if n.endswith("_post")} | (
            names_in(release) & {"w", *self.pair_parameters}
        )
        if other:
            raise ProjectionError(
                f"What '{variable}_post' gets is not a product of something "
                f"presynaptic and something that depends on {sorted(other)}; two "
                "projections, one per term, can do it."
            )
        if release not in self.releases:
            self.releases.append(release)
        return Target(variable, weight, self.releases.index(release))


def _right(equation):
    return parse_expression(equation.expr.code)
