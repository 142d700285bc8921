"""Implicit steps of the linear blocks."""

import math

import numpy as np
from brian2.core.preferences import prefs

from ..numerics.elimination import LinearSystem
from .rates import balance

__all__ = ["block_step"]

# Stage coefficient of the L-stable diagonally implicit Runge-Kutta method with two
# stages and order two: Alexander (1977), https://doi.org/10.1137/0714068
_GAMMA = 1 - 1 / math.sqrt(2)


def block_step(block, dimensionless, order):
    """The right kind of step for a linear block.

    Parameters
    ----------
    block : `Block`
        States with ``ds/dt = A s + b``.
    dimensionless : bool
        Whether no state has a unit. States with a unit may have any sign, for which
        the second-order step of `BalancedStep` is not made.
    order : int
        Order of the steps that will be taken.

    Returns
    -------
    `PlainStep` or `BalancedStep`
        Objects with methods ``start``, ``first``, ``second``.
    """
    flows, leaks, balanced = balance(block)
    if not balanced or (order > 1 and not dimensionless):
        return PlainStep(block)
    return BalancedStep(block, flows, leaks, dimensionless)


def _times(number, name):
    return name if number == 1 else f"{float(number)!r}*{name}"


class PlainStep:
    """Steps of a linear block without known signs.

    Order 1 is implicit Euler, order 2 the diagonally implicit method of Alexander;
    both are L-stable. The elimination does not pivot.
    """

    def __init__(self, block):
        self.block = block
        self.size = len(block.states)

    def start(self, writer, label):
        """Names of the states at the beginning of the step."""
        return list(self.block.states)

    def first(self, writer, start, moment, label):
        """Implicit Euler with the coefficients at `moment`; returns names."""
        entries = {key: moment.rate(expr) for key, expr in self.block.matrix.items()}
        source = {i: moment.rate(expr) for i, expr in self.block.source.items()}
        return self._stage(writer, [[s] for s in start], entries, source, 1, label)

    def second(self, writer, start, begin, end, trial, label):
        """Second-order step; coefficients inside of the step are interpolated."""
        known = {}

        def rate(expr):
            if expr not in known:
                name = f"{label}_rate{len(known)}"
                known[expr] = _interpolate(writer, expr, begin, end, name)
            return known[expr]

        matrix = {key: rate(expr) for key, expr in self.block.matrix.items()}
        source = {i: rate(expr) for i, expr in self.block.source.items()}
        middle = self._stage(
            writer, [[s] for s in start], matrix, source, _GAMMA, label + "a"
        )
        growth = 1 / _GAMMA - 1
        rhs = [
            [_times(1 - growth, s), _times(growth, y)]
            for s, y in zip(start, middle, strict=True)
        ]
        matrix = {key: end.rate(expr) for key, expr in self.block.matrix.items()}
        source = {i: end.rate(expr) for i, expr in self.block.source.items()}
        return self._stage(writer, rhs, matrix, source, _GAMMA, label + "b")

    def _stage(self, writer, rhs, entries, source, factor, label):
        diagonal = [["1"] for _ in rhs]
        for i in range(self.size):
            if (i, i) in entries:
                diagonal[i].append("-" + _times(factor, entries[i, i]))
            if i in source:
                rhs[i].append(_times(factor, source[i]))
        weights = {
            (i, j): [_times(factor, e)] for (i, j), e in entries.items() if i != j
        }
        system = LinearSystem(weights, rhs, diagonal=diagonal)
        return writer.solve(system, f"{label}_x")


def _interpolate(writer, rate, begin, end, name):
    if not end.changes(rate):
        return begin.rate(rate)
    one, other = begin.rate(rate), end.rate(rate)
    return writer.assign(name, f"{1 - _GAMMA!r}*{one} + {_GAMMA!r}*{other}")


class BalancedStep:
    """Steps of a linear block in which all that arrives has left another state.

    Order 1 is implicit Euler, order 2 the modified Patankar-Runge-Kutta method
    MPRK22 with ``alpha = 1`` [1]_. For nonnegative rates and sources nonnegative
    states stay so at any time step, and a closed block keeps its sum.

    References
    ----------
    .. [1] Burchard, Deleersnijder, Meister (2003), A high-order conservative
       Patankar-type discretisation for stiff systems of production-destruction
       equations, Appl Numer Math 47:1, https://doi.org/10.1016/S0168-9274(03)00101-6
    """

    def __init__(self, block, flows, leaks, dimensionless):
        self.block, self.flows, self.leaks = block, flows, leaks
        closed = not block.source and not any(leaks)
        self.occupancies = closed and dimensionless and block.complement is None

    def start(self, writer, label):
        """Names of the states at the beginning of the step.

        Occupancies (dimensionless states of a closed block whose sum is one within
        1e-9) are scaled to a sum of one, so that the rounding errors of a million
        steps do not add up; states with any other sum are left alone.
        """
        states = list(self.block.states)
        if self.block.complement is not None:
            k = states.index(self.block.complement)
            states[k] = writer.assign(f"{label}_rest", f"clip({states[k]}, 0, inf)")
        if not self.occupancies:
            return states
        missing = writer.assign(f"{label}_missing", f"1 - ({' + '.join(states)})")
        near = 1e-9 if _is_double(writer, states) else 1e-5
        scale = f"1 + {missing}*int(abs({missing}) < {near!r})"
        scale = writer.assign(f"{label}_scale", scale)
        return [writer.assign(f"{label}_{s}", f"{scale}*{s}") for s in states]

    def first(self, writer, start, moment, label):
        """Implicit Euler with the coefficients at `moment`; returns names."""

        def amounts(parts, _):
            return [_times(number, moment.rate(f)) for f, number in parts.items()]

        source = {i: [moment.rate(b)] for i, b in self.block.source.items()}
        return self._solve(writer, start, amounts, source, label)

    def second(self, writer, start, begin, end, trial, label):
        """Patankar step; `trial` is the result of `first` at `begin`."""
        ratios = [
            self._ratio(writer, begin, j, start[j], trial[j], f"{label}_ratio{j}")
            for j in range(len(start))
        ]
        means = {}

        def amounts(parts, j):
            for f in parts:
                if (f, j) not in means:
                    name = f"{label}_rate{len(means)}"
                    text = _patankar(f, begin, end, ratios[j])
                    means[f, j] = writer.assign(name, text)
            return [_times(number, means[f, j]) for f, number in parts.items()]

        source = {
            i: [_times(0.5, m.rate(b)) for m in (begin, end)]
            for i, b in self.block.source.items()
        }
        return self._solve(writer, start, amounts, source, label)

    def _ratio(self, writer, begin, j, start, trial, name):
        """Old value over first-order value, in the range it has for positive states."""
        losses = [f for (_, k), f in self.flows.items() if k == j] + [self.leaks[j]]
        highest = ["1"]
        highest += [
            _times(n, begin.rate(f)) for part in losses for f, n in part.items()
        ]
        tiny = 1e-300 if _is_double(writer, self.block.states) else 1e-35
        ratio = f"clip({start}/({trial} + {tiny!r}), 0, {' + '.join(highest)})"
        return writer.assign(name, ratio)

    def _solve(self, writer, start, amounts, source, label):
        weights = {(i, j): amounts(f, j) for (i, j), f in self.flows.items()}
        sums = [["1"] + amounts(leak, j) for j, leak in enumerate(self.leaks)]
        rhs = [[s] + source.get(i, []) for i, s in enumerate(start)]
        return writer.solve(LinearSystem(weights, rhs, sums=sums), f"{label}_x")


def _patankar(rate, begin, end, ratio):
    if not end.changes(rate):
        return f"{begin.rate(rate)}*(0.5 + 0.5*{ratio})"
    return f"0.5*({begin.rate(rate)}*{ratio} + {end.rate(rate)})"


def _is_double(writer, states):
    known = [writer.variables[s].dtype for s in states if s in writer.variables]
    return np.finfo((known or [prefs.core.default_float_dtype])[0]).bits >= 64
