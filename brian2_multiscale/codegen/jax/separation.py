"""Which statements of synapses are sums over synapses with fixed weights."""

import sympy as sp
from brian2.core.functions import Function
from brian2.core.variables import ArrayVariable, Constant
from brian2.parsing.sympytools import sympy_to_str

from ..straightline import names_in, parse_expression, symbol
from .wiring import Sides, Wiring

__all__ = ["find_wiring"]

_OPPOSITE = {
    "_presynaptic_idx": "_postsynaptic_idx",
    "_postsynaptic_idx": "_presynaptic_idx",
}


def find_wiring(captured, assembly, target, queue=None):
    """
    The statements of synapses as matrices.

    Parameters
    ----------
    captured : `Captured`
    assembly : `Assembly`
    target : str
        Name of the index of the neurons that are added to: '_postsynaptic_idx'.
    queue : `Queue`, optional
        Of the events; without it the code is that of a summed variable.

    Returns
    -------
    list of `Wiring` or None
        None if a statement is not of the form weight x source x target, where the
        weight does not change during the simulation.
    """
    additions = _additions(captured, target, queue is None)
    if additions is None:
        return None
    sorting = _Sorting(captured, assembly, target)
    found = []
    for variable, value in additions:
        factors = sorting.terms(value)
        if factors is None:
            return None
        found += [(variable, each) for each in factors]
    return [_wiring(captured, assembly, target, queue, *each) for each in found]


def _wiring(captured, assembly, target, queue, name, factors):
    variable = captured.variables[name] if queue else captured.options["_target_var"]
    sides = Sides(captured, assembly.arrays, _OPPOSITE[target], target, variable)
    condition = getattr(variable, "conditional_write", None) if queue else None
    condition = condition and condition.name
    return Wiring(captured, assembly, queue, sides, factors, condition)


def _additions(captured, target, summed):
    """Names and what is added to them, in terms of variables."""
    local, found = {}, []
    for statement in captured.statements:
        value = parse_expression(statement.expr).xreplace(local)
        if statement.op == ":=" and not (summed and statement.var == "_synaptic_var"):
            local[symbol(statement.var)] = value
        elif summed:
            found.append((statement.var, value))
        elif statement.op in ("+=", "-=") and _is(captured, statement.var, target):
            found.append((statement.var, value if statement.op == "+=" else -value))
        else:
            return None
    changed = {name for name, _ in found}
    if any(names_in(value) & changed for _, value in found):
        return None
    return found


def _is(captured, name, index):
    return captured.indices[name] == index


class _Sorting:
    """Takes expressions apart into factors of weight, source and target."""

    def __init__(self, captured, assembly, target):
        self.captured, self.target = captured, target
        self.arrays, self.moving = assembly.arrays, assembly.moving | assembly.given

    def terms(self, value):
        """Triples of expressions, or None."""
        whole = self._factors(value)
        if whole is not None:
            return [whole]
        factors = [self._factors(t) for t in sp.Add.make_args(sp.expand(value))]
        return None if any(f is None for f in factors) else factors

    def _factors(self, value):
        sorted_ = {"weight": sp.S.One, "source": sp.S.One, "target": sp.S.One}
        for factor in sp.Mul.make_args(value):
            side = self._side(factor)
            if side is None:
                return None
            sorted_[side] *= factor
        return tuple(sympy_to_str(each) for each in sorted_.values())

    def _side(self, factor):
        if not self._is_pure(factor):
            return None
        sides = {self._side_of(name) for name in names_in(factor)} - {"any"}
        if "time" in sides and "weight" not in sides:
            # a changing number goes with neurons
            sides = sides - {"time"} or {"target"}
        if len(sides) > 1:
            return None
        return sides.pop() if sides else "weight"

    def _side_of(self, name):
        variable = self.captured.variables.get(name)
        index = self.captured.indices[name]
        if isinstance(variable, Constant):
            return "any"
        if not isinstance(variable, ArrayVariable):
            return None
        changes = self.arrays.key(variable) in self.moving
        if index == "0" or variable.scalar:
            return "time" if changes else "any"
        if index == "_idx":
            return None if changes else "weight"
        if index == self.target:
            return "target"
        return "source" if index == _OPPOSITE[self.target] else None

    def _is_pure(self, factor):
        for call in factor.atoms(sp.core.function.AppliedUndef):
            function = self.captured.variables.get(call.func.__name__)
            if isinstance(function, Function) and not function.stateless:
                return False
        return True
