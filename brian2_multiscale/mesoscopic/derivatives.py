r"""The step of mesoscopic populations with derivatives along.

Every array :math:`x` of the step that moves with a direction :math:`\theta` in the
space of parameters has a companion ``S_x_theta`` for :math:`dx/d\theta`. The blocks of
a `Program` are differentiated statement by statement; sums over cohorts become sums of
derivatives. The result is the derivative of the very numbers that the group computes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import sympy as sp

from ..codegen.directional import Directional, derivative_name
from ..codegen.straightline import emit, names_in, symbol
from ..codegen.subexpressions import assigned_together
from .program import Program, inlined

__all__ = ["OF_COHORTS", "DerivativeProgram", "Places"]

#: Beginnings of the names of certain places in the ring
OF_COHORTS = ("_old_", "_pool_", "_newest_", "_edge_")


@dataclass(frozen=True)
class Places:
    """
    Where the names in a program are: in cohorts, per population, or nowhere.

    Attributes
    ----------
    cohort : frozenset of str
        Arrays of the cohorts.
    means : frozenset of str
        Those of which the group has the mean, ``_mean_<name>`` in the program.
    population : frozenset of str
        Arrays of the populations, by their names in the program.
    """

    cohort: frozenset
    means: frozenset
    population: frozenset

    def split(self, name):
        """Prefix and rest of the name of an array; the rest is empty for others."""
        for prefix in OF_COHORTS:
            if name.startswith(prefix) and name[len(prefix) :] in self.cohort:
                return prefix, name[len(prefix) :]
        mean = name.removeprefix("_mean_")
        if mean != name and mean in self.means:
            return "_mean_", mean
        return "", name if name in self.cohort | self.population else ""

    def canonical(self, name):
        """One name for all places in the ring, other names as they are."""
        prefix, rest = self.split(name)
        return rest if prefix in OF_COHORTS else name

    def companion(self, name, direction):
        """What the derivative of an array is called in the program."""
        prefix, rest = self.split(name)
        return prefix + derivative_name(rest, direction)


@dataclass
class DerivativeProgram:
    """
    A program and its derivatives; has the attributes of `Program` that are used.

    Attributes
    ----------
    program : `Program`
    places : Places
    moving : dict of str to set of str
        By direction: names of arrays that something else moves (parameters, input).
    differentiate : callable
        ``differentiate(expression, symbol)``.
    companions : dict of str to set of str
        By direction: the arrays that have a derivative, by canonical name.
    """

    program: Program
    places: Places
    moving: dict
    differentiate: Callable
    companions: dict = field(init=False)

    def __post_init__(self):
        program = self.program
        self.sums, self.lazy = list(program.sums), dict(program.lazy)
        self.sums_of = {k: list(v) for k, v in program.sums_of.items()}
        self._dependent = {d: self._reached(start) for d, start in self.moving.items()}
        self.companions = {
            d: {n for n in names if self.places.split(n)[1]}
            for d, names in self._dependent.items()
        }
        self._code, self._rows, self._added, self._factors = {}, {}, {}, []
        for block in ("before", "edge", "active", "refractory"):
            self._differentiate(block)
        self._sum_up()
        self._differentiate("after")
        self._hoist()
        self.blocks = {
            block: emit(inlined(code) if block in program.inner else code)
            for block, code in self._code.items()
        }

    @property
    def scaled(self):
        """Names of the moments to scale together; see `Program.scaled`."""
        result = {}
        for f in self.program.lazy:
            result[f] = [
                (
                    derivative_name(f, d),
                    derivative_name(f"_this{f}", d)
                    if f"_this{f}" in self.companions[d]
                    else None,
                )
                for d in self.moving
                if f in self.companions[d]
            ]
        return result

    # -- what depends on a direction ---------------------------------------------------
    def _reached(self, start):
        """All names that depend on some, from one time step to the next."""
        found, before = set(start), None
        while found != before:
            before = set(found)
            for code in self.program.code.values():
                for name, value in code:
                    if any(self.places.canonical(n) in found for n in names_in(value)):
                        found.add(self.places.canonical(name))
            for name in self.program.sums:
                parts = {f"_add_{name}", *self.program.lazy.get(name, ())}
                if parts & found:
                    found.add(f"_sum_{name}")
        return found

    def _row(self, name):
        """Symbols of the derivatives of an array."""
        canonical = self.places.canonical(name)
        return {
            _key(d): symbol(self.places.companion(name, d))
            for d in self.moving
            if canonical in self.companions[d]
        }

    # -- one block ---------------------------------------------------------------------
    def _differentiate(self, block):
        code = self.program.code[block]
        assigned = {name for name, _ in code}
        used = assigned.union(*(names_in(value) for _, value in code))
        arrays = {n for n in used if self.places.split(n)[1]}
        known = {n: row for n, row in self._rows.items() if n not in arrays}
        known |= {n: self._row(n) for n in arrays}
        step = Directional(
            tuple(map(_key, self.moving)), known, self.differentiate, f"_t{block}"
        )
        code, found = step(code)
        values = {
            target.name: sp.sympify(found[name].get(key, 0))
            for name in sorted(assigned & arrays)
            for key, target in self._row(name).items()
        }
        self._code[block] = code + assigned_together(values, f"_t{block}_last")
        self._rows |= {n: row for n, row in found.items() if n not in arrays}
        # The blocks of the cohorts add to sums under the same names
        self._added[block] = found

    # -- sums over cohorts -------------------------------------------------------------
    def _sum_up(self):
        for name in self.program.sums:
            row = {}
            for d in self.moving:
                if f"_sum_{name}" not in self._dependent[d]:
                    continue
                total = self._sum_of_derivatives(name, d)
                if name in self.program.lazy:
                    total += self._sum_of_factors(name, d)
                row[_key(d)] = total
            self._rows[f"_sum_{name}"] = row

    def _sum_of_derivatives(self, name, d):
        label = derivative_name(name, d)
        for block in self.program.inner:
            if name not in self.program.sums_of[block]:
                continue
            self._add(block, label, symbol(f"_add_{name}"), d)
        if label not in self.sums:
            return sp.S.Zero
        if name in self.program.lazy:
            self.lazy[label] = self.program.lazy[name]
        return symbol(f"_sum_{label}")

    def _add(self, block, label, added, d):
        """A statement for the derivative of what a cohort adds to a sum."""
        code = self._code[block]
        value = self._added[block].get(added.name, {}).get(_key(d), 0)
        if value != 0:
            code.append((f"_add_{label}", value))
            self._register(label, block)

    def _register(self, label, block):
        if label not in self.sums:
            self.sums.append(label)
        self.sums_of[block].append(label)

    def _sum_of_factors(self, name, d):
        """Derivatives of the decay since the moments were stored."""
        factors = self.program.lazy[name]
        rows = [self._rows.get(n, {}).get(_key(d), 0) for n in factors]
        if not any(r != 0 for r in rows):
            return sp.S.Zero
        label = derivative_name(f"decay_{name}", d)
        names = [f"_factor{k}_{label}" for k in range(len(rows))]
        self._code["before"] += list(zip(names, map(sp.sympify, rows), strict=True))
        self._factors += names
        for block in self.program.inner:
            if name in self.program.sums_of[block]:
                self._code[block].append((f"_add_{label}", symbol(f"_add_{name}")))
                self._register(label, block)
        self.lazy[label] = tuple(names)
        return symbol(f"_sum_{label}")

    def _hoist(self):
        """Names of the first block that others read."""
        later = set().union(
            *(
                names_in(value)
                for block, code in self._code.items()
                if block != "before"
                for _, value in code
            )
        )
        own = [n for n, _ in self._code["before"] if not self.places.split(n)[1]]
        more = [n for n in own if n in later or n in self._factors]
        self.hoisted = list(dict.fromkeys([*self.program.hoisted, *more]))


def _key(direction):
    """A direction among the names of a program, where it is no variable."""
    return f"by_{direction}"
