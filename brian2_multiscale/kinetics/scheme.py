"""Kinetic schemes: reactions as text, everything else derived from them."""

import difflib

import numpy as np
from brian2.equations.equations import Equations
from brian2.units.allunits import hertz, second
from brian2.units.fundamentalunits import DimensionMismatchError, Quantity
from brian2.utils.logger import get_logger
from scipy.linalg import expm

from ..arguments import check_number, check_numbers
from ..numerics.stationary import closed_classes, stationary_distribution
from .evaluation import checked_values, dimensions_of, evaluate, free_names
from .latex import latex_of
from .reactions import parse_reactions
from .reversibility import cycles_of, violates
from .structure import check_connected, warn_unreachable

__all__ = ["KineticScheme"]

logger = get_logger(__name__)


class KineticScheme:
    """States and the rates between them.

    The occupancies `s` of the states follow ``ds/dt = Q s``, where ``Q[i, j]`` is the
    rate from state `j` to state `i` and all columns of the generator `Q` sum to zero.

    Parameters
    ----------
    reactions : str
        One reaction per line, ``A <-> B : forward, backward`` or ``A -> B : rate``;
        ``#`` starts a comment. Rates are Brian2 expressions with dimension 1/second,
        of anything that the equations know when they run: parameters, voltages,
        concentrations, time.
    eliminate : str, optional
        State to write as one minus the sum of the others. By default all states have
        a differential equation, which is what keeps them nonnegative at any time
        step with ``method='kinetic'``.
    namespace : dict, optional
        Values for names in the rates; the default for the methods.
    units : dict, optional
        Units of names in the rates that have no value yet (``{'v': volt}``). A rate
        for which all names are known from here or `namespace` is checked at once, the
        others by Brian2 when they are used.
    flags : sequence of str, optional
        Flags of the differential equations: with ``['clock-driven']`` they are for
        `Synapses` only, which then say nothing about the cost of each state.

    Attributes
    ----------
    states : tuple of str
        Names, in the order in which they occur.
    reactions : list of (str, str, str)
        Source, target and rate of each transition; a two-way reaction has two.
    equations : `~brian2.equations.equations.Equations`
        The differential equations. They refer to the rates as written.
    eliminate : str or None
        The state without differential equation.
    names : set of str
        Names on which the rates depend.

    Raises
    ------
    ReactionError
        If a line is no reaction (with the line).
    ValueError
        If some states have no connection to the others, or `eliminate` is no state.
    DimensionMismatchError
        If a rate is known to have another dimension than 1/second.

    Examples
    --------
    >>> from brian2 import ms
    >>> scheme = KineticScheme('''
    ...     C <-> O : alpha, beta   # opens and closes
    ...     O  -> D : 0.1/ms
    ...     D  -> C : 0.05/ms
    ... ''')
    >>> scheme.states
    ('C', 'O', 'D')
    >>> scheme.steady_state(alpha=1/ms, beta=1.9/ms)
    array([0.4, 0.2, 0.4])
    """

    def __init__(self, reactions, eliminate=None, namespace=None, units=None, flags=()):
        _check_flags(flags)
        self._lines = parse_reactions(reactions)
        pairs = [(line.left, line.right) for line in self._lines]
        self.states = tuple(dict.fromkeys(s for pair in pairs for s in pair))
        self.reactions = [step for line in self._lines for step in line.directed]
        self.names = set().union(*(free_names(rate) for _, _, rate in self.reactions))
        self.eliminate = self._checked_state(eliminate, "eliminate")
        self._namespace = checked_values(namespace, "namespace")
        check_connected(self.states, self.reactions)
        self._check_rates({**checked_values(units, "units"), **self._namespace})
        warn_unreachable(self.states, self.reactions)
        lines = [self._equation(state, flags) for state in self.states]
        self.equations = Equations("\n".join(lines))
        self._cycles = cycles_of(self._lines, self.states)
        known = [c for c in self._cycles if c.names <= self._namespace.keys()]
        self._violations([c for c in known if not c.one_way], self._namespace)

    def generator(self, **values):
        """The generator matrix.

        Parameters
        ----------
        **values
            Values of the names in the rates, beyond the namespace of the scheme.
            Arrays are broadcast against each other.

        Returns
        -------
        Quantity, shape (..., n, n)
            ``Q[..., i, j]`` is the rate from state `j` to state `i`; columns sum to
            zero. Leading axes are those of the values.

        Raises
        ------
        TypeError
            If a value is missing or not used.
        DimensionMismatchError
            If a rate has another dimension than 1/second.
        ValueError
            If a rate is negative or not finite.
        """
        return Quantity(self._generator(values), dim=hertz.dim)

    def steady_state(self, **values):
        """Occupancies that do not change, for constant rates.

        Computed without subtractions: the relative error of each occupancy is at
        rounding level, however small it is.

        Parameters
        ----------
        **values
            As for `generator`.

        Returns
        -------
        ndarray, shape (..., n)
            Nonnegative, sum one, in the order of `states`.

        Raises
        ------
        ValueError
            If the steady state is not unique because there is more than one set of
            states that cannot be left.
        """
        matrix = self._generator(values)
        flat = matrix.reshape(-1, *matrix.shape[-2:])
        return np.array([self._stationary(q) for q in flat]).reshape(matrix.shape[:-1])

    def propagator(self, dt, **values):
        """Transition probabilities within a time, for constant rates.

        Parameters
        ----------
        dt : Quantity
            The time.
        **values
            As for `generator`.

        Returns
        -------
        ndarray, shape (..., n, n)
            ``P[..., i, j]`` is the probability of state `i` a time `dt` after state
            `j`, so that ``s(t + dt) = P s(t)``. Nonnegative, columns sum to one.
        """
        if not isinstance(dt, Quantity) or dt.dim is not second.dim:
            problem = f"dt: expected a time, got {dt!r}. Multiply it by ms or second"
            raise DimensionMismatchError(problem, second.dim)
        step = check_numbers("dt", dt, second, "a time")[..., np.newaxis, np.newaxis]
        if not np.all((step >= 0) & np.isfinite(step)):
            raise ValueError(f"dt: must be finite and not negative, got {dt!r}")
        result = np.clip(expm(self._generator(values) * step), 0, None)
        return result / result.sum(axis=-2, keepdims=True)

    def check_reversibility(self, rtol=1e-6, **values):
        """Find cycles that violate microscopic reversibility, and warn of them.

        Without a source of energy the product of the rates around each cycle is the
        same in both directions. One-way reactions within a cycle always violate it.

        Parameters
        ----------
        rtol : float, optional
            Relative difference of the products that counts as a violation.
        **values
            As for `generator`; what is the same on both sides need not be given.

        Returns
        -------
        list of (tuple of str, float)
            States of each violating cycle, and the product of the rates in this
            direction over the product against it. Only a basis of the cycles is
            looked at: if these are reversible so are all others.
        """
        if not 0 <= check_number("rtol", rtol) < np.inf:
            raise ValueError(f"rtol: must be finite and not negative, got {rtol!r}")
        needed = set().union(*(cycle.names for cycle in self._cycles))
        known = self._known(values, needed)
        for name in sorted(needed):
            if np.ndim(known[name]):
                raise ValueError(f"{name}: expected one number, got {known[name]!r}")
        for line in self._lines:
            for _, _, rate in line.directed:
                if free_names(rate) <= known.keys():
                    _rate(line, rate, known)
        return self._violations(self._cycles, known, rtol)

    def __repr__(self):
        return (
            f"<KineticScheme with {len(self.states)} states "
            f"({', '.join(self.states)}) and {len(self._lines)} reactions>"
        )

    def __str__(self):
        return "\n".join(line.text for line in self._lines)

    def _repr_latex_(self):
        return latex_of(self._lines)

    def _checked_state(self, state, argument):
        if state is None or isinstance(state, str) and state in self.states:
            return state
        near = difflib.get_close_matches(str(state), self.states, n=1)
        hint = f". Did you mean '{near[0]}'?" if near else ""
        raise ValueError(
            f"{argument}: '{state}' is no state of this scheme, which has "
            f"{', '.join(self.states)}{hint}"
        )

    def _equation(self, state, flags):
        if state == self.eliminate:
            others = " + ".join(s for s in self.states if s != state)
            return f"{state} = 1 - ({others}) : 1"
        terms = [f"- ({rate})*{state}" for a, _, rate in self.reactions if a == state]
        terms += [f"+ ({rate})*{a}" for a, b, rate in self.reactions if b == state]
        flags = f" ({', '.join(flags)})" if flags else ""
        return f"d{state}/dt = {' '.join(terms).removeprefix('+ ')} : 1{flags}"

    def _check_rates(self, known):
        for line in self._lines:
            for _, _, rate in line.directed:
                if free_names(rate) <= self._namespace.keys():
                    _rate(line, rate, self._namespace)
                elif free_names(rate) <= known.keys():
                    _check_rate(line, rate, known)

    def _known(self, values, needed):
        unused = sorted(values.keys() - self.names)
        if unused:
            raise TypeError(
                f"{', '.join(unused)}: no rate depends on it. The rates depend on "
                f"{', '.join(sorted(self.names)) or 'nothing'}"
            )
        known = {**self._namespace, **checked_values(values, "values")}
        missing = sorted(needed - known.keys())
        if missing:
            raise TypeError(
                f"No value for {', '.join(missing)}. Give it as a keyword argument, "
                f"for example {missing[0]}=..., or in the namespace of the scheme"
            )
        return known

    def _generator(self, values):
        known = self._known(values, self.names)
        index = {state: k for k, state in enumerate(self.states)}
        rates = [
            _rate(line, r, known) for line in self._lines for _, _, r in line.directed
        ]
        batch = np.broadcast_shapes(*(rate.shape for rate in rates))
        matrix = np.zeros((*batch, len(index), len(index)))
        for (source, target, _), rate in zip(self.reactions, rates, strict=True):
            j, i = index[source], index[target]
            matrix[..., i, j] += rate
            matrix[..., j, j] -= rate
        return matrix

    def _stationary(self, matrix):
        classes = closed_classes(matrix)
        if len(classes) > 1:
            names = ["{" + ", ".join(self.states[k] for k in c) + "}" for c in classes]
            raise ValueError(
                f"The steady state depends on the initial state: {' and '.join(names)} "
                "cannot be left at these rates. Choose rates that connect them"
            )
        return stationary_distribution(matrix)

    @staticmethod
    def _violations(cycles, known, rtol=1e-6):
        violations = []
        for cycle in cycles:
            ratio = cycle.ratio(known)
            if violates(ratio, rtol):
                violations.append((cycle.states, ratio))
                logger.warn(
                    f"The cycle {cycle} is not reversible: the product of its rates "
                    f"is {ratio:.6g} times that in the other direction. Without a "
                    "source of energy it must be the same: check the rates",
                    "irreversible_cycle",
                )
        return violations


def _check_flags(flags):
    known = isinstance(flags, list | tuple) and all(isinstance(f, str) for f in flags)
    if not known:
        raise TypeError(f"flags: a list of strings is expected, got {flags!r}")


def _check_rate(line, rate, known):
    problem = f"{line.describe()}: rate '{rate}' must have the unit 1/second"
    try:
        dimensions = dimensions_of(rate, known)
    except DimensionMismatchError as error:
        raise DimensionMismatchError(f"{problem}. {error.desc}", *error.dims) from None
    if dimensions is not hertz.dim:
        given = ", ".join(f"{n} = {known[n]!r}" for n in sorted(free_names(rate)))
        problem += f"; got {given}" if given else ""
        raise DimensionMismatchError(problem, dimensions)


def _rate(line, rate, known):
    _check_rate(line, rate, known)
    value = evaluate(rate, known)
    if np.all((value >= 0) & np.isfinite(value)):
        return value
    wrong = value[~((value >= 0) & np.isfinite(value))].flat[0]
    raise ValueError(
        f"{line.describe()}: rate '{rate}' is {wrong:g}/second. Rates must be finite "
        "and not negative"
    )
