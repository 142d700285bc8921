"""Exponential steps of equations outside of the linear blocks."""

import sympy

from .differentiation import derivative
from .right_hand_sides import symbol

__all__ = ["SingleStep"]


class SingleStep:
    """Steps of one equation ``dx/dt = f(x, ...)`` with ``a = df/dx``.

    If ``f = a*x + b`` is linear in `x`, a step is ``x*exp(a*dt) + b*dt*exprel(a*dt)``
    (exact for constant `a` and `b`, never negative for nonnegative `x` and `b`),
    otherwise ``x + f*dt*exprel(a*dt)`` (exponential Rosenbrock-Euler).

    Parameters
    ----------
    system : `RightHandSides`
        The equations.
    name : str
        The variable.

    Raises
    ------
    NotDifferentiableError
        If `a` cannot be formed.
    """

    def __init__(self, system, name):
        self.name = name
        x = symbol(name)
        f = system.expanded(name, {name})
        self.slope = derivative(f, x)
        if self.slope.has(x):
            self.slope = sympy.expand(self.slope)
        self.linear = not self.slope.has(x)
        self.rest = f.xreplace({x: sympy.S.Zero}) if self.linear else f

    def first(self, writer, moment, target):
        """First-order step with everything taken at `moment`."""
        slope, rest = moment.rate(self.slope), moment.rate(self.rest)
        return writer.assign(target, self._step(slope, rest))

    def second(self, writer, begin, end, trial, target):
        """Second-order step (exponential trapezoidal rule).

        Slope and rest are averaged between `begin` and `end`, the moment for which
        `trial` is the value of the variable.
        """
        slope = _mean(begin.rate(self.slope), end.rate(self.slope))
        rest = _mean(begin.rate(self.rest), end.rate(self.rest))
        if not self.linear:
            change = f"0.5*{end.rate(self.slope)}*({self.name} - {trial})"
            rest = writer.assign(f"_rest_{self.name}", f"{rest} + {change}")
        if slope != "0":
            slope = writer.assign(f"_slope_{self.name}", slope)
        return writer.assign(target, self._step(slope, rest))

    def _step(self, slope, rest):
        decayed = self.name
        if slope != "0":
            decayed = f"{self.name}*exp({slope})" if self.linear else self.name
            rest = rest if rest == "0" else f"{rest}*exprel({slope})"
        return decayed if rest == "0" else f"{decayed} + {rest}"


def _mean(one, other):
    return one if one == other else f"0.5*({one} + {other})"
