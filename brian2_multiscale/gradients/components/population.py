"""Derivatives of the activity of deterministic mesoscopic populations."""

from contextlib import contextmanager

import numpy as np
from brian2.devices.device import RuntimeDevice, get_device
from brian2.monitors.statemonitor import StateMonitor
from brian2.units.allunits import second
from brian2.units.fundamentalunits import DIMENSIONLESS

from ...arguments import check_mapping, check_positive
from ...callers import user_namespace
from ...codegen.directional import derivative_name
from ...kinetics.differentiation import NotDifferentiableError
from ...mesoscopic.group import MesoscopicGroup
from ...projections.populations import PopulationsToPopulations
from ...projections.projection import Projection
from ..prepared import PreparedNetwork
from .fitting_values import FitsValues
from .places import check_plasticity, find_places

__all__ = ["PopulationDerivatives"]

_DIRECTION = "theta"


class PopulationDerivatives(FitsValues):
    r"""
    The activity of mesoscopic populations, and its derivatives by parameters.

    The derivatives are those of the numbers that the groups compute (without noise:
    infinitely many neurons): every statement of their step, of short-term plasticity
    and of couplings is differentiated. They are computed by the groups' own generated
    code, in one run per parameter.

    Parameters
    ----------
    objects : list of BrianObject
        `MesoscopicGroup` objects with ``noise=False``, the `Projection` objects between
        them, and whatever else the network has.
    parameters : dict of str to tuple
        What to differentiate by, under names of your own: ``(group, 'tau')`` for a
        parameter of the model, ``(group, 'mu', 0)`` of one population only,
        ``(projection, 'w')`` and ``(projection, 'w', 0, 1)`` for a weight,
        ``(projection, 'U')`` for a parameter of short-term plasticity.
    duration : `Quantity`
    record : list of tuple, optional
        ``(group, variable)``: what to return, ``(group, 'A')`` of all groups if left
        out.
    namespace : dict, optional
        Constants, by default those where this is made.

    Attributes
    ----------
    names : list of str
    initial : dict of str to float
        Values of the parameters in the network, in base units.
    t : `Quantity`
        Of the steps.

    Raises
    ------
    NotDifferentiableError
        For what has no derivative: noisy groups, delays, refractory periods, other
        kinds of groups at the end of a projection. It is a `ValueError`.
    TypeError, ValueError
        For other arguments, and after ``set_device('cpp_standalone')``.

    Notes
    -----
    Works with the targets 'numpy' and 'cython' of ``prefs.codegen.target``. The objects
    remain the user's own: `set` gives them fitted values. They cannot be part of
    another network any more.

    Examples
    --------
    >>> from brian2 import *
    >>> from brian2_multiscale import *
    >>> from brian2_multiscale.gradients import PopulationDerivatives
    >>> group = MesoscopicGroup(
    ...     1000, '''dv/dt = (mu - v)/tau : volt
    ...              mu : volt
    ...              tau : second''', noise=False, memory=100*ms, reset='v = 0*mV',
    ...     hazard='10*Hz*exp((v - 15*mV)/(2*mV))', method='exponential_euler')
    >>> group.mu, group.tau = 18*mV, 20*ms
    >>> model = PopulationDerivatives([group], {'tau': (group, 'tau')}, 100*ms)
    >>> activity, derivatives = model.simulate()
    """

    def __init__(self, objects, parameters, duration, record=None, namespace=None):
        _check_device()
        if not isinstance(objects, list | tuple):
            raise TypeError(f"objects must be a list of objects, got {objects!r}.")
        check_mapping("namespace", namespace)
        check_mapping("parameters", parameters)
        parameters = {} if parameters is None else parameters
        duration = check_positive("duration", duration, second, "a time")
        self._duration = duration * second
        self._namespace = user_namespace() if namespace is None else namespace
        self._places = find_places(parameters)
        self.names = list(self._places)
        self.dimensions = {n: place.dim for n, place in self._places.items()}
        self.initial = {n: place.value for n, place in self._places.items()}
        groups = [x for x in objects if isinstance(x, MesoscopicGroup)]
        self._check(objects, groups, [x for x in objects if isinstance(x, Projection)])
        self._follow(groups, objects)
        record = _pairs(record, groups)
        self._monitors = self._record(record)
        dims = {g.variables[n].dim for g, n in record}
        self.result_dimension = dims.pop() if len(dims) == 1 else DIMENSIONLESS
        self._network = PreparedNetwork(*objects, *self._monitors)
        self._ready = False

    # -- before the first run ----------------------------------------------------------
    def _check(self, objects, groups, projections):
        holders = {id(place.holder) for place in self._places.values()}
        known = {id(g) for g in groups}
        known |= {id(getattr(p.way, "coupling", None)) for p in projections}
        if not groups or not holders <= known:
            raise ValueError(
                "objects must contain the groups and projections that parameters "
                f"refer to, got {[getattr(x, 'name', x) for x in objects] or 'none'}."
            )
        for p in projections:
            ends = p.source.whole, p.target.whole
            if not any(id(end) in known for end in ends):
                continue
            between = isinstance(p.way, PopulationsToPopulations)
            if not between or not all(isinstance(e, MesoscopicGroup) for e in ends):
                self._check_other(p)
            else:
                check_plasticity(p)

    def _check_other(self, projection):
        """Input from elsewhere is the same whatever the parameters are."""
        names = {s.name for t in projection.rule.targets for s in t.weight.free_symbols}
        varying = {n for n in names if n.endswith("_post") and n != "N_post"}
        if isinstance(projection.source.whole, MesoscopicGroup) or varying:
            raise NotDifferentiableError(
                f"{projection.name!r} carries what depends on the populations between "
                "them and another kind of group, which has no derivatives."
            )

    def _follow(self, groups, objects):
        places = self._places.values()
        for group in groups:
            moving = {p.variable: 0.0 for p in places if p.holder is group}
            group.add_direction(_DIRECTION, DIMENSIONLESS, moving)
        for projection in (x for x in objects if isinstance(x, Projection)):
            coupling = getattr(projection.way, "coupling", None)
            if coupling is not None and coupling.has_code:
                moving = {p.variable: 0.0 for p in places if p.holder is coupling}
                coupling.add_direction(_DIRECTION, moving)

    def _record(self, record):
        self._recorded = [variable for _, variable in record]
        return [
            StateMonitor(g, [n, derivative_name(n, _DIRECTION)], record=True)
            for g, n in record
        ]

    # -- runs --------------------------------------------------------------------------
    def set(self, values):
        """
        Give parameters values in the groups and projections.

        Parameters
        ----------
        values : dict of str to float or `Quantity`
            Numbers are in base units.

        Raises
        ------
        TypeError, ValueError, DimensionMismatchError
            If a name is no parameter, or a value no number of its unit.
        """
        now = self._present(values)
        for name in values:
            self._places[name].set(now[name])

    def simulate(self, values=None, names=None):
        """
        A run from the state in which the network was when it was first simulated.

        Afterwards the parameters in the groups and projections are what they were
        before; only `set` changes them.

        Parameters
        ----------
        values : dict of str to float or `Quantity`, optional
            Of some of the parameters; the others have their initial values.
        names : list of str, optional
            By which parameters to differentiate (all); each takes a run.

        Returns
        -------
        values : ndarray, shape (steps, populations)
            In base units; populations of all recorded groups.
        derivatives : ndarray, shape (steps, populations, parameters)

        Raises
        ------
        TypeError, ValueError, DimensionMismatchError
            If a name is no parameter, or a value no number of its unit.
        FloatingPointError
            If a variable becomes nan or infinite: names it, and the time.
        """
        self._prepare()
        values, names = self._present(values), self._chosen(names)
        with self._parameters_kept():
            runs = [self._run(values, name) for name in names or [None]]
        slopes = [slope for _, slope in runs][: len(names)]
        empty = np.empty((*runs[0][0].shape, 0))
        return runs[0][0], np.stack(slopes, -1) if slopes else empty

    def _prepare(self):
        if not self._ready:
            self._network.run(0 * second, namespace=self._namespace)
            self._network.store()
            self._ready = True

    @contextmanager
    def _parameters_kept(self):
        """The objects are the user's: values of a simulation are not for them."""
        before = [(place, place.array) for place in self._places.values()]
        try:
            yield
        finally:
            for place, array in before:
                place.restore(array)

    def _run(self, values, direction):
        self._network.restore()
        self.set(values)
        for place in self._places.values():
            place.move(_DIRECTION, 0.0)
        if direction is not None:
            self._places[direction].move(_DIRECTION, 1.0)
        self._network.run(self._duration, namespace=self._namespace)
        return self._read(""), self._read(_DIRECTION)

    def _read(self, direction):
        columns = [
            getattr(m, f"{derivative_name(n, direction) if direction else n}_")
            for m, n in zip(self._monitors, self._recorded, strict=True)
        ]
        return np.concatenate(columns).T.copy()

    @property
    def t(self):
        """Times of the steps."""
        dt = float(self._monitors[0].clock.dt)
        steps = int(round(float(self._duration) / dt))
        return np.arange(steps) * dt * second


def _check_device():
    """Objects of a C++ program cannot go back to where they began."""
    if not isinstance(get_device(), RuntimeDevice):
        raise ValueError(
            "PopulationDerivatives runs its objects again and again, which is not "
            "possible after set_device('cpp_standalone'). Fit before that, with "
            "prefs.codegen.target = 'cython' (compiled as well), and give the values "
            "to the groups of the program: group.mu = result.params['mu']."
        )


def _pairs(record, groups):
    """What to record: pairs of group and name."""
    if record is None:
        return [(g, "A") for g in groups]
    for each in record if isinstance(record, list | tuple) and len(record) else [None]:
        if not isinstance(each, tuple) or len(each) != 2:
            raise ValueError(
                f"record must be a list of pairs (group, 'A'), got {record!r}."
            )
    return list(record)
