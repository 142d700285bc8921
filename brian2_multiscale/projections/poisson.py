"""Plasticity of populations as if their neurons fired as Poisson processes."""

import numpy as np
import sympy as sp
from brian2.core.variables import Variables
from brian2.groups.group import CodeRunner, Group

from ..codegen.normal import standard_normal
from ..codegen.straightline import emit, symbol
from ..mesoscopic.passenger import Passenger
from ..numerics.gaussian import covariance, expectation
from .constants import constants_of
from .rule import ProjectionError

__all__ = ["PoissonPlasticity"]

_clip = sp.Function("clip", real=True)
# Not 0 in single precision either, in which numbers may be written
_TINY = sp.Float(1e-37)
_NO_VARIANCE = sp.Float(1e-20)


class PoissonPlasticity(CodeRunner, Group):
    """
    The closure of Schmutz, Gerstner and Schwalger (2020), for any polynomial rule.

    One mean and covariance of the plasticity variables per population: every spike is
    that of a neuron chosen at random, whatever it did before. What is missing from the
    binomial number of spikes, the randomness of the chosen neurons, is normal noise.

    Attributes
    ----------
    group : Group
        Has what is released in a step (see `released`).
    """

    def __init__(self, projection):
        self.projection, self.rule = projection, projection.rule
        self.source = projection.source.whole
        given = {
            symbol(n): symbol(f"parameter_{n}") for n in projection.source_parameters
        }
        try:
            self.passenger = Passenger(
                projection.name,
                {n: e.xreplace(given) for n, e in self.rule.rates.items()},
                {n: e.xreplace(given) for n, e in self.rule.jumps.items()},
                [e.xreplace(given) for e in self.rule.releases],
                2,
            )
        except ValueError as error:
            raise ProjectionError(
                f"The plasticity of {projection.name!r} has no Poisson closure: {error}"
            ) from error
        CodeRunner.__init__(
            self,
            self.source,
            "stateupdate",
            code="",
            user_code="",
            clock=self.source.clock,
            when="groups",
            order=self.source.order + 1,
            name=f"{projection.name}_plasticity",
            check_units=False,
        )
        self.group, self.objects = self, [self]
        self._add_variables()
        self._enable_group_attributes()

    def _add_variables(self):
        self.variables = v = Variables(self)
        length = len(self.source)
        v.add_constant("N", length)
        v.add_reference("dt", self.source)
        v.add_reference("_count", self.source, "n")
        v.add_reference("_size", self.source, "_size")
        v._add_variable("standard_normal", standard_normal)
        for name, values in self.projection.source_parameters.items():
            full = np.full(length, np.asarray(values)[0])
            full[self.projection.source.populations] = np.asarray(values)
            v.add_array(f"parameter_{name}", length, values=full)
        count = len(self.rule.plastic)
        for i in range(count):
            v.add_array(f"mode_{i}", length)
            for j in range(i + 1):
                v.add_array(f"spread_{i}_{j}", length)
        for k in range(len(self.rule.releases)):
            v.add_array(f"amount_{k}", length)
            v.add_array(f"squares_{k}", length)
            # What a single spike carries
            v.add_array(f"mean_{k}", length)
            v.add_array(f"square_{k}", length)

    def released(self, k):
        return f"amount_{k}", f"squares_{k}"

    def mark(self, spikes, k):
        """Let every spike of the source carry what it releases; the variable."""
        return spikes.add_mark(
            f"{self.projection.name}_released_{k}", f"mean_{k}", f"square_{k}", self
        )

    def update_abstract_code(self, run_namespace):
        numbers = constants_of(self.projection, run_namespace)
        code = [(n, sp.sympify(e).xreplace(numbers)) for n, e in self._statements()]
        self.abstract_code = emit(code)

    # -- one step --------------------------------------------------------------------
    def _statements(self):
        statements, means, spread = self._decayed()
        statements.append(("_fraction", symbol("_count") / symbol("_size")))
        p = self.passenger
        symbols = p.symbols
        jumps = [f - s for f, s in zip(p.jumps, symbols, strict=True)]
        mean_of = dict(zip(symbols, means, strict=True))
        widths = {
            (symbols[i], symbols[j]): spread[i, j]
            for i in range(len(symbols))
            for j in range(len(symbols))
        }
        events = [*jumps, *p.releases]
        for k, event in enumerate(events):
            statements.append((f"_event_{k}", expectation(event, mean_of, widths)))
        statements += self._noise(events, mean_of, widths)
        statements += self._update(jumps, means, spread, mean_of, widths)
        statements += self._amounts(len(jumps), mean_of, widths)
        return statements

    def _decayed(self):
        """Mean and covariance of the variables before the spikes of the step."""
        p, dt = self.passenger, symbol("dt")
        count = len(p.decay)
        statements = []
        modes = sp.Matrix(count, 1, lambda i, _: symbol(f"_mode_{i}"))
        spread = sp.Matrix(
            count, count, lambda i, j: symbol(f"_spread_{max(i, j)}_{min(i, j)}")
        )
        for i in range(count):
            factor = sp.exp(-dt * p.decay[i])
            statements.append((f"_mode_{i}", symbol(f"mode_{i}") * factor))
            for j in range(i + 1):
                factor = sp.exp(-dt * (p.decay[i] + p.decay[j]))
                old = symbol(f"spread_{i}_{j}")
                statements.append((f"_spread_{i}_{j}", old * factor))
        means = sp.Matrix(p.rest) + p.vectors * modes
        widths = p.vectors * spread * p.vectors.T
        return statements, list(means), widths

    def _noise(self, events, mean_of, widths):
        """What the random choice of neurons adds to the jumps and releases."""
        count, statements = len(events), []
        root = {}
        for i in range(count):
            for j in range(i + 1):
                value = covariance(events[i], events[j], mean_of, widths)
                value -= sum(root[i, k] * root[j, k] for k in range(j))
                if i == j:
                    value = sp.sqrt(_clip(value, 0, sp.Float(1e300)))
                else:
                    # Rounding errors are no correlation with what does not vary
                    least = _TINY + _NO_VARIANCE * symbol(f"_event_{j}") ** 2
                    value = value * root[j, j] / (root[j, j] ** 2 + least)
                root[i, j] = symbol(f"_root_{i}_{j}")
                statements.append((root[i, j].name, value))
        draws = [symbol(f"_draw_{k}") for k in range(count)]
        for draw in draws:
            normal = sp.Function("standard_normal", real=True)()
            value = normal if self.source.noise else sp.S.Zero
            statements.append((draw.name, value))
        size = sp.sqrt(symbol("_fraction") / symbol("_size"))
        for i in range(count):
            total = size * sum(root[i, k] * draws[k] for k in range(i + 1))
            statements.append((f"_extra_{i}", total))
        return statements

    def _update(self, jumps, means, spread, mean_of, widths):
        """Mean and covariance after the spikes of the step."""
        p, f, count = self.passenger, symbol("_fraction"), len(jumps)
        new_means = sp.Matrix(
            count,
            1,
            lambda i, _: means[i] + f * symbol(f"_event_{i}") + symbol(f"_extra_{i}"),
        )
        after = sp.zeros(count, count)
        statements = []
        for i in range(count):
            for j in range(i + 1):
                fired = covariance(p.jumps[i], p.jumps[j], mean_of, widths)
                # Those that fired and the others differ, unless all have fired
                apart = symbol(f"_event_{i}") * symbol(f"_event_{j}")
                fired += (1 - f) * apart
                name = f"_after_{i}_{j}"
                change = f * (fired - spread[i, j])
                statements.append((name, spread[i, j] + change))
                after[i, j] = after[j, i] = symbol(name)
        modes = p.inverse * (new_means - sp.Matrix(p.rest))
        widths = p.inverse * after * p.inverse.T
        for i in range(count):
            statements.append((f"mode_{i}", modes[i]))
            statements += [(f"spread_{i}_{j}", widths[i, j]) for j in range(i + 1)]
        return statements

    def _amounts(self, first, mean_of, widths):
        statements = []
        for k, release in enumerate(self.passenger.releases):
            mean = symbol(f"_event_{first + k}")
            amount = symbol("_count") * mean
            amount += symbol("_size") * symbol(f"_extra_{first + k}")
            square = expectation(sp.expand(release**2), mean_of, widths)
            statements += [
                (f"amount_{k}", amount),
                (f"squares_{k}", symbol("_count") * square),
                (f"mean_{k}", mean),
                (f"square_{k}", square),
            ]
        return statements
