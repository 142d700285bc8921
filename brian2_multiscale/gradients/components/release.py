"""What spikes release, and its derivatives: short-term plasticity without a clock."""

import numpy as np
import sympy as sp
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.parsing.sympytools import sympy_to_str
from brian2.units.fundamentalunits import DimensionMismatchError, Quantity
from brian2.utils.stringtools import get_identifiers

from ...arguments import check_mapping, check_number
from ...callers import user_namespace
from ...codegen.straightline import names_in, symbol
from ...kinetics.differentiation import NotDifferentiableError, derivative
from ...kinetics.reference import check_spike_times
from ...kinetics.symbolic import numeric
from ...numerics.flow import Flow
from ...projections.rule import SynapticRule
from .fitting_values import FitsValues

__all__ = ["ReleaseDerivatives", "check_trains"]


def check_trains(spikes):
    """Times of one train or of several, as a list of arrays (s)."""
    trains = [spikes] if isinstance(spikes, Quantity) else spikes
    if not isinstance(trains, list | tuple) or not len(trains):
        raise TypeError(
            f"spikes must be times, or a list of arrays of times, got {spikes!r}."
        )
    try:
        return [check_spike_times(train) for train in trains]
    except DimensionMismatchError as error:
        raise DimensionMismatchError(f"spikes: {error.desc}", *error.dims) from None
    except (TypeError, ValueError) as error:
        raise type(error)(f"spikes: {error}") from None


class ReleaseDerivatives(FitsValues):
    r"""
    Amplitudes of the responses to the spikes of a train, with their derivatives.

    The strings are those of `Synapses` or of a `Projection`: differential equations
    that are linear between spikes, and what a spike does. From spike to spike they are
    solved in closed form, so that nothing depends on a time step.

    Parameters
    ----------
    model : str or `Equations`
        Differential equations and parameters of the plasticity.
    on_pre : str
        Statements for a spike; what it adds to a postsynaptic variable (``g_post +=
        A*u*x``) is the amplitude.
    spikes : `Quantity` or list of `Quantity`
        Sorted times; one train, or several.
    values : dict
        Values of all parameters of the model, for those that are fitted a guess.
    namespace : dict, optional
        Constants, by default those where this is made.

    Attributes
    ----------
    names : list of str
        Parameters of the model.

    Raises
    ------
    ProjectionError
        If the strings cannot be separated into what is presynaptic and the rest.
    NotDifferentiableError
        If the equations have no state of rest, or are not linear between spikes.

    Notes
    -----
    Before the first spike, variables are at rest, which depends on parameters as well.

    Examples
    --------
    >>> from brian2 import *
    >>> from brian2_multiscale.gradients import ReleaseDerivatives
    >>> stp = ReleaseDerivatives(
    ...     '''dx/dt = (1 - x)/tau_d : 1 (event-driven)
    ...        tau_d : second
    ...        U : 1
    ...        A : siemens''',
    ...     '''g_post += A*U*x
    ...        x -= U*x''',
    ...     [0, 50]*ms, {'tau_d': 200*ms, 'U': 0.5, 'A': 1*nS})
    >>> amplitudes, derivatives = stp.simulate()
    """

    def __init__(self, model, on_pre, spikes, values, namespace=None):
        check_mapping("namespace", namespace)
        known = user_namespace() if namespace is None else namespace
        self._rule = rule = SynapticRule(model, on_pre)
        if len(rule.targets) != 1:
            raise ValueError(
                f"on_pre must add to one postsynaptic variable, adds to "
                f"{[t.variable for t in rule.targets]}."
            )
        parameters = {*rule.source_parameters, *rule.pair_parameters}
        self.names = [n for n in rule.equations if n in parameters]
        self.dimensions = {n: rule.equations[n].dim for n in self.names}
        self.initial = self._values(values)
        self._trains = check_trains(spikes)
        self._gaps = [np.diff(train) for train in self._trains]
        self._compile(known)
        self.result_dimension = self._dimension(known)

    def _values(self, values):
        check_mapping("values", values)
        missing = sorted(set(self.names) ^ set(values or ()))
        if missing:
            raise ValueError(
                f"values must be those of the parameters {self.names}; check "
                f"{missing}, got {values!r}."
            )
        return {n: self._number(n, values[n]) for n in self.names}

    def _number(self, name, value):
        if not isinstance(value, Quantity):
            return check_number(name, value)
        return check_number(name, value, Quantity(1.0, dim=self.dimensions[name]))

    @property
    def _amplitude(self):
        """What a spike adds, as an expression."""
        target = self._rule.targets[0]
        if target.release is None:
            return target.weight
        return target.weight * self._rule.releases[target.release]

    def _dimension(self, known):
        """Of the amplitudes; None if the strings do not say, such as ``x**n``."""
        amplitude = sympy_to_str(self._amplitude)
        used = get_identifiers(amplitude) & known.keys()
        names = {n: known[n] for n in used} | DEFAULT_FUNCTIONS
        try:
            return parse_expression_dimensions(
                amplitude, {**names, **self._rule.equations}
            )
        except (KeyError, SyntaxError, TypeError, ValueError, DimensionMismatchError):
            return None

    # -- the map from spike to spike ---------------------------------------------------
    def _compile(self, known):
        rule, states = self._rule, self._rule.plastic
        matrix, rest = self._linear(states)
        steps = {
            "matrix": matrix,
            "rest": rest,
            "amplitude": [self._amplitude],
            "after": [rule.jumps.get(n, symbol(n)) for n in states],
        }
        constants = self._constants([e for row in steps.values() for e in row], known)
        arguments = [*states, *self.names]
        self._steps = {}
        for step, row in steps.items():
            row = [sp.sympify(e).xreplace(constants) for e in row]
            slopes = [[derivative(e, symbol(a)) for a in arguments] for e in row]
            self._steps[step] = numeric(arguments, [row, slopes])

    def _linear(self, states):
        """Coefficients of the equations, row by row, and the state of rest."""
        symbols = sp.Matrix([symbol(n) for n in states])
        rates = sp.Matrix([self._rule.rates[n] for n in states])
        if not states:
            return [], []
        matrix = rates.jacobian(symbols)
        constant = not names_in(matrix) & {*states, "t"}
        if not constant or matrix.det() == 0:
            raise NotDifferentiableError(
                f"The equations of {states} must be linear between spikes, with "
                "constant coefficients and a state of rest."
            )
        offset = rates.xreplace(dict.fromkeys(symbols, sp.S.Zero))
        return list(matrix), list(sp.simplify(-matrix.LUsolve(offset)))

    def _constants(self, expressions, known):
        own = {*self._rule.plastic, *self.names}
        used = set().union(*(names_in(sp.sympify(e)) for e in expressions)) - own
        missing = sorted(n for n in used if n not in known)
        if missing:
            raise ValueError(
                f"The strings use {missing}, which are neither parameters of the model "
                "nor constants."
            )
        return {symbol(n): sp.Float(float(np.asarray(known[n])), 17) for n in used}

    # -- trains ------------------------------------------------------------------------
    def simulate(self, values=None, names=None):
        """
        Amplitudes at the spikes.

        Parameters
        ----------
        values : dict of str to float or `Quantity`, optional
            Of some parameters, numbers in base units; others have those given at the
            beginning.
        names : list of str, optional
            By which parameters to differentiate (all).

        Returns
        -------
        amplitudes : ndarray, shape (spikes,)
            In base units; of all trains one after another.
        derivatives : ndarray, shape (spikes, parameters)
        """
        now = self._present(values)
        columns = [self.names.index(n) for n in self._chosen(names)]
        parameters = np.array([now[n] for n in self.names])
        with np.errstate(all="ignore"):
            flow = self._flow(parameters)
            trains = [self._train(gaps, parameters, flow) for gaps in self._gaps]
        amplitudes = np.concatenate([a for a, _ in trains])
        return amplitudes, np.concatenate([d for _, d in trains])[:, columns]

    def fits(self, trains):
        """Whether it was made for these trains, arrays of times (s)."""
        same = len(trains) == len(self._trains)
        return same and all(map(np.array_equal, trains, self._trains))

    def _flow(self, parameters):
        """What happens between spikes, for given values."""
        count = len(self._rule.plastic)
        none = np.zeros(count), np.zeros((count, len(parameters)))
        matrix, slopes = self._step("matrix", *none, parameters)
        slopes = slopes.T.reshape(len(parameters), count, count)
        return Flow(matrix.reshape(count, count), slopes, np.concatenate(self._gaps))

    def _train(self, gaps, parameters, flow):
        count = len(self._rule.plastic)
        none = np.zeros(count), np.zeros((count, len(parameters)))
        rest = state, slopes = self._step("rest", *none, parameters)
        found = [self._step("amplitude", state, slopes, parameters)]
        for gap in gaps.tolist():
            state, slopes = self._step("after", state, slopes, parameters)
            away = flow(gap, state - rest[0], slopes - rest[1])
            state, slopes = rest[0] + away[0], rest[1] + away[1]
            found.append(self._step("amplitude", state, slopes, parameters))
        return np.array([a[0] for a, _ in found]), np.array([d[0] for _, d in found])

    def _step(self, step, state, slopes, parameters):
        """One map, and its chain rule."""
        values, partial = self._steps[step](*state, *parameters)
        count = len(state)
        shape = len(values), count + len(parameters)
        partial = np.reshape(np.array(partial, float), shape)
        return np.array(values, float), partial[:, :count] @ slopes + partial[:, count:]
