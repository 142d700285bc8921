"""What spikes release, and its derivatives: short-term plasticity without a clock."""

import numpy as np
import sympy as sp
from brian2.units.fundamentalunits import DimensionMismatchError, Quantity

from ...arguments import check_mapping, check_number
from ...callers import user_namespace
from ...codegen.straightline import names_in, symbol
from ...kinetics.differentiation import NotDifferentiableError, derivative
from ...kinetics.reference import check_spike_times
from ...kinetics.symbolic import numeric
from ...projections.rule import SynapticRule
from .fitting_values import FitsValues

__all__ = ["ReleaseDerivatives", "check_trains"]

_GAP = "_gap"


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

    # -- the map from spike to spike ---------------------------------------------------
    def _compile(self, known):
        rule, states = self._rule, self._rule.plastic
        target = rule.targets[0]
        release = sp.S.One if target.release is None else rule.releases[target.release]
        rest, later = self._flow(states)
        now = {symbol(n): symbol(n) for n in states}
        after = [rule.jumps.get(n, symbol(n)) for n in states]
        move = dict(zip(now, later, strict=True))
        names, parameters = states, self.names
        steps = {
            "rest": rest,
            "amplitude": [target.weight * release],
            "after": after,
            "later": [move[symbol(n)] for n in states],
        }
        constants = self._constants([e for row in steps.values() for e in row], known)
        arguments = [*names, *parameters, _GAP]
        self._steps = {}
        for step, row in steps.items():
            row = [sp.sympify(e).xreplace(constants) for e in row]
            slopes = [[derivative(e, symbol(a)) for a in arguments[:-1]] for e in row]
            self._steps[step] = numeric(arguments, [row, slopes])

    def _flow(self, states):
        """State of rest, and where a state is after a time."""
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
        rest = sp.simplify(-matrix.LUsolve(offset))
        later = rest + (matrix * symbol(_GAP)).exp() * (symbols - rest)
        return list(rest), list(later)

    def _constants(self, expressions, known):
        own = {*self._rule.plastic, *self.names, _GAP}
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
            trains = [self._train(gaps, parameters) for gaps in self._gaps]
        amplitudes = np.concatenate([a for a, _ in trains])
        return amplitudes, np.concatenate([d for _, d in trains])[:, columns]

    def fits(self, trains):
        """Whether it was made for these trains, arrays of times (s)."""
        same = len(trains) == len(self._trains)
        return same and all(map(np.array_equal, trains, self._trains))

    def _train(self, gaps, parameters):
        count = len(self._rule.plastic)
        state = np.zeros(count)
        slopes = np.zeros((count, len(parameters)))
        state, slopes = self._step("rest", state, slopes, parameters, 0.0)
        found = []
        for gap in [*gaps, 0.0]:
            found.append(self._step("amplitude", state, slopes, parameters, gap))
            state, slopes = self._step("after", state, slopes, parameters, gap)
            state, slopes = self._step("later", state, slopes, parameters, gap)
        return np.array([a[0] for a, _ in found]), np.array([d[0] for _, d in found])

    def _step(self, step, state, slopes, parameters, gap):
        """One map, and its chain rule."""
        values, partial = self._steps[step](*state, *parameters, gap)
        partial = np.reshape(np.array(partial, float), (len(values), -1))
        count = len(state)
        return np.array(values, float), partial[:, :count] @ slopes + partial[:, count:]
