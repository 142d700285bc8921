"""A synapse as an event-driven linear system driven by its transmitter."""

import numpy as np
import sympy as sp

from .symbolic import SymbolicEquations, numeric, symbol
from .transmitter import NotEventDrivenError, Transmitter

__all__ = ["EventModel", "NotEventDrivenError"]


class EventModel:
    r"""
    The linear part of a synapse and the transmitter that drives it.

    Between two events the linear states obey :math:`\dot s = A(c(t))\,s` (a
    constant component is appended where the system is affine), :math:`c` being
    the *drivers*: variables that evolve on their own. At an event the transmitter's
    variables and, by an affine map, the linear states jump. Receptor schemes and
    (bi-)exponential synapses have this form, also behind short-term plasticity.

    Parameters
    ----------
    mechanism : `Mechanism`
        With ``output`` and, where it has one, its ``transmitter``.

    Attributes
    ----------
    states : tuple of str
        The linear states, without the appended constant.
    drivers : tuple of str
        Names of the drivers.
    rest : ndarray, shape (n,)
        The state before the first event.
    weights : ndarray, shape (n,)
        Output = ``weights @ s``.
    unit : `Unit`
        Unit of the output.
    transmitter : `Transmitter`
        What makes the drivers.

    Raises
    ------
    NotEventDrivenError
        If the output depends on a variable that the mechanism does not define, or
        the system is not linear given its drivers.
    """

    def __init__(self, mechanism):
        equations, on_event, namespace = collect(mechanism)
        self.name = mechanism.name
        self.output = mechanism.output
        self.unit = _unit_of(equations, self.output, self.name)
        self.symbolic = SymbolicEquations(equations, on_event, namespace)
        needed = self._needed_variables()
        self.states, driving = self._split(needed)
        self._matrix, self._offset = self._linear_form()
        self._appended = self._needs_constant()
        self.drivers = self._find_drivers()
        self.transmitter = Transmitter(self.symbolic, driving, self.drivers, self.name)
        self._matrix_at = self._matrix_function()
        self.weights = self._output_weights()
        self._jump_at = self._jump_function()
        self.rest = self._rest(mechanism)

    # -- structure ---------------------------------------------------------------
    def _needed_variables(self):
        sym = self.symbolic
        if self.output in sym.rates:
            start = {self.output}
        else:
            start = _names(sym.expand(symbol(self.output)))
        needed, queue = set(), list(start)
        while queue:
            name = queue.pop()
            if name in needed or name == "t":
                continue
            if name not in sym.rates and name not in sym.parameters:
                raise NotEventDrivenError(
                    f"The output '{self.output}' of '{self.name}' depends on '{name}', "
                    "which the mechanism does not define. Choose an output that the "
                    "presynaptic events alone determine (an open probability instead "
                    "of a voltage-dependent conductance) or give the name a value."
                )
            needed.add(name)
            queue += self._depends_on(name)
        return needed

    def _depends_on(self, name):
        sym = self.symbolic
        found = _names(sym.expand(sym.rates[name])) if name in sym.rates else set()
        for variable, value in sym.statements:
            if variable == name:
                found |= _names(sym.expand(value)) - {name}
        return sorted(found)

    def _closure(self, name):
        """All differential variables that the evolution of ``name`` depends on."""
        closure, queue = set(), [name]
        while queue:
            current = queue.pop()
            if current not in closure and current in self.symbolic.rates:
                closure.add(current)
                queue += self._depends_on(current)
        return closure

    def _split(self, needed):
        """Linear states and the variables that drive them."""
        sym = self.symbolic
        linear = {n for n in needed if n in sym.rates}
        driving = {n for n in needed if n not in sym.rates}
        while True:
            moved = self._nonlinear(linear)
            if not moved:
                break
            linear -= moved
            driving |= moved
        if not linear:
            raise NotEventDrivenError(
                f"'{self.name}' has no linear part: its output '{self.output}' does "
                "not follow a differential equation that is linear in it."
            )
        order = [n for n in sym.rates if n in linear]
        return tuple(order), driving

    def _nonlinear(self, linear):
        """Variables that have to drive because the rest is not linear in them."""
        sym = self.symbolic
        changes = [(n, sym.rates[n]) for n in sorted(linear)]
        changes += [(v, e) for v, e in sym.statements if v in linear]
        for target, value in changes:
            value = sym.expand(value, linear)
            for first in sorted(_names(value) & linear):
                slope = sp.diff(value, symbol(first))
                for second in sorted(_names(slope) & linear):
                    return self._autonomous(first, second, linear, target)
        return set()

    def _autonomous(self, first, second, linear, target):
        """The smaller set that evolves without the output, of two variables."""
        if self.output in self.symbolic.rates:
            seen = {self.output}
        else:
            seen = _names(self.symbolic.expand(symbol(self.output)))
        closures = (self._closure(first), self._closure(second))
        options = [c for c in closures if not c & seen]
        if not options:
            raise NotEventDrivenError(
                f"'{self.name}' is not linear: what happens to '{target}' contains "
                f"'{first}' times '{second}' (or a nonlinear function of them), and "
                "neither evolves independently of the output."
            )
        return min(options, key=lambda c: (len(c), sorted(c))) & linear

    # -- matrices ----------------------------------------------------------------
    def _linear_form(self):
        sym = self.symbolic
        # Only subexpressions that contain linear states are opened; the others
        # (the transmitter's concentration) stay single symbols.
        rates = [sym.expand(sym.rates[s], self.states) for s in self.states]
        matrix = [[sp.diff(r, symbol(s)) for s in self.states] for r in rates]
        zero = {symbol(s): sp.S.Zero for s in self.states}
        return matrix, [r.xreplace(zero) for r in rates]

    def _find_drivers(self):
        entries = [e for row in self._matrix for e in row] + self._offset
        names = set().union(*(_names(e) for e in entries))
        constant = {
            n
            for n in names
            if n in self.symbolic.subexpressions
            and not _names(self.symbolic.subexpressions[n])
        }
        self._constant = {symbol(n): self.symbolic.subexpressions[n] for n in constant}
        return tuple(sorted(names - constant))

    @property
    def size(self):
        """Length of the state vector, the appended constant included."""
        return len(self.states) + self._appended

    def _matrix_function(self):
        n = self.size
        rows = [
            list(row) + [b] * self._appended
            for row, b in zip(self._matrix, self._offset, strict=True)
        ]
        entries = [
            (i, j, e.xreplace(self._constant))
            for i, row in enumerate(rows)
            for j, e in enumerate(row)
        ]
        fixed = np.zeros((n, n))
        varying = []
        for i, j, e in entries:
            if _names(e):
                varying.append((i, j, e))
            else:
                fixed[i, j] = float(e)
        evaluate = numeric(self.drivers, [e for _, _, e in varying])
        where = tuple(
            np.array([(i, j) for i, j, _ in varying], dtype=int).reshape(-1, 2).T
        )

        def matrix_at(drivers):
            drivers = np.asarray(drivers, dtype=float)
            result = np.broadcast_to(fixed, drivers.shape[:-1] + (n, n)).copy()
            if varying:
                values = evaluate(*np.moveaxis(drivers, -1, 0))
                result[(..., *where)] = np.stack(
                    [np.broadcast_to(v, drivers.shape[:-1]) for v in values], -1
                )
            return result

        return matrix_at

    def _needs_constant(self):
        sym = self.symbolic
        jumps = [sym.expand(e) for v, e in sym.statements if v in self.states]
        zero = {symbol(s): sp.S.Zero for s in self.states}
        return int(any(e.xreplace(zero) != 0 for e in [*jumps, *self._offset]))

    def _output_weights(self):
        if self.output in self.states:
            expression = symbol(self.output)
        else:
            expression = self.symbolic.expand(symbol(self.output))
        slopes = [sp.diff(expression, symbol(s)) for s in self.states]
        rest = expression.xreplace({symbol(s): sp.S.Zero for s in self.states})
        if any(_names(e) for e in [*slopes, rest]) or (
            rest != 0 and not self._appended
        ):
            raise NotEventDrivenError(
                f"The output '{self.output}' of '{self.name}' is not a linear "
                "combination of the states with constant factors."
            )
        return np.array([float(e) for e in slopes] + [float(rest)] * self._appended)

    def _jump_function(self):
        """The affine jump of the linear states as a function of the transmitter."""
        sym, states = self.symbolic, [symbol(s) for s in self.states]
        new = {s: s for s in states}
        new |= {symbol(v): e for v, e in sym.statements if v in self.states}
        zero = {s: sp.S.Zero for s in states}
        rows = [
            [sp.diff(new[s], x) for x in states]
            + [new[s].xreplace(zero)] * self._appended
            for s in states
        ]
        names = sorted(set().union(*(_names(e) for row in rows for e in row)))
        self.constant_jump = not names
        memory = self.transmitter.variables
        unknown = set(names) - set(memory)
        if unknown:
            raise NotEventDrivenError(
                f"The event statements of '{self.name}' use {sorted(unknown)}, which "
                "neither the mechanism nor its transmitter defines."
            )
        evaluate = numeric(memory, rows)
        n = self.size

        def jump_at(values):
            matrix = np.eye(n)
            matrix[: len(states)] = np.array(evaluate(*values), dtype=float)
            return matrix

        return jump_at

    def _rest(self, mechanism):
        n = len(self.states)
        matrix = self._matrix_at(self.transmitter.resting_drivers())
        if mechanism.scheme is not None:
            rest = _stationary(matrix[:n, :n])
        else:
            offset = matrix[:n, n] if self._appended else np.zeros(n)
            rest = np.linalg.solve(matrix[:n, :n], -offset) if offset.any() else offset
        return np.append(rest, np.ones(self._appended))

    # -- numbers -----------------------------------------------------------------
    def matrices(self, drivers):
        """:math:`A` for drivers of shape (..., drivers): shape (..., n, n), 1/s."""
        return self._matrix_at(drivers)

    def jump(self, values):
        """Jump matrix, shape (n, n), for the transmitter's values before the event."""
        return self._jump_at(values)


def collect(mechanism):
    """Equations, event statements and namespace with those of the transmitter."""
    equations, statements = mechanism.equations, mechanism.on_pre or ""
    namespace = dict(mechanism.namespace)
    if mechanism.transmitter is not None:
        source = mechanism.transmitter
        equations = source.equations + equations
        statements = (source.on_pre or "") + "\n" + statements
        namespace = {**source.namespace, **namespace}
    return equations, statements, namespace


def _names(expression):
    return {s.name for s in expression.free_symbols}


def _unit_of(equations, output, name):
    from brian2.units.fundamentalunits import get_unit

    if output is None or output not in equations:
        raise NotEventDrivenError(
            f"'{name}' has no output variable to simulate or to tabulate "
            f"(output = {output!r}). Name one in the head of its file."
        )
    return get_unit(equations[output].dim)


def _stationary(matrix):
    # Least squares with the sum as an extra row: robust for any one closed class.
    n = len(matrix)
    scale = np.abs(matrix).max()
    system = np.vstack([matrix / scale, np.ones(n)])
    solution = np.linalg.lstsq(system, np.append(np.zeros(n), 1.0), rcond=None)[0]
    return np.maximum(solution, 0.0) / np.maximum(solution, 0.0).sum()
