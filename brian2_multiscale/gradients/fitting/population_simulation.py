"""All trials of all points as populations of one group, with their derivatives."""

from dataclasses import dataclass

import numpy as np
from brian2.equations.equations import Equations
from brian2.monitors.statemonitor import StateMonitor
from brian2.units.allunits import second
from brian2.units.fundamentalunits import DIMENSIONLESS, Quantity

from ...codegen.directional import derivative_name
from ...codegen.straightline import emit, parse_expression, symbol
from ...mesoscopic.group import MesoscopicGroup
from ..prepared import PreparedNetwork
from ..rates import inlined
from .accumulate import TraceSummand, total_derivatives
from .simulation import Model
from .stimuli import stimulus_arrays, stimulus_equations, timed

__all__ = ["PopulationModel", "PopulationSimulation"]

_DIRECTION = "fit"

# What happens in a step; all else is a state at its beginning
_COUNTS = ("A", "A_expected", "n")


@dataclass
class PopulationModel(Model):
    """
    A population that is fitted: see `Model`, and `MesoscopicGroup` for the rest.

    Attributes
    ----------
    hazard : str or None
        Without it `threshold` says what the escape noise is.
    memory : `Quantity` or None
    closure_order : {2, 1}
    size : int
        Number of neurons, which nothing depends on but `n`.
    """

    hazard: str | None = None
    memory: object = None
    closure_order: int = 2
    size: int = 1000


class _Unwatched(MesoscopicGroup):
    """Populations one of which may break without the others."""

    def make_guard(self, run_namespace):
        guard = super().make_guard(run_namespace)
        guard.drivers, guard.results = [], []
        return guard


class PopulationSimulation:
    """
    Simulates `count` points at once: a loss and its derivatives, as `Simulation` does.

    Every trial of every point is a population of one deterministic `MesoscopicGroup`,
    once for each parameter, in whose direction its derivatives go.

    Parameters
    ----------
    model : `PopulationModel`
    loss : `TraceLoss` or None
    count : int
        Points per call.
    derivatives : bool, optional
    recorded : list of str, optional
        Variables to record, by default those of the data.

    Notes
    -----
    Sample k of the activity ``A`` is that of the time step from ``k*dt`` on, as a
    `PopulationRateMonitor` gives it; of other variables it is the mean over the
    population at ``k*dt``, as a `StateMonitor` gives it.
    """

    #: As `Simulation`: no sequence of smoother losses
    widths, width = (None,), None

    def __init__(self, model, loss, count, derivatives=True, recorded=()):
        self.model, self.count, self.loss = model, count, loss
        self.parameters = model.parameters if derivatives else ()
        self._directions = max(len(self.parameters), 1)
        self.summands = []
        if loss is not None:
            self.summands = [
                TraceSummand(n, model.data, loss, model.dt) for n in model.data.traces
            ]
        self._names = list(recorded) or list(model.data.traces)
        self._make()

    def _make(self):
        self._objects()
        self.network = PreparedNetwork(self.group, *self._monitors.values())
        self.network.run(0 * second, namespace={})
        self.network.store("fit")

    def _objects(self):
        self.group = self._group()
        self._monitors = {n: self._monitor(n) for n in self._names}

    # -- the group -------------------------------------------------------------------
    def _group(self):
        model = self.model
        arrays = timed(stimulus_arrays(model.data), model.dt)
        group = _Unwatched(
            [model.size] * self.count * self._directions * model.data.trials,
            model.equations
            + Equations("fit_trial : integer (constant)")
            + stimulus_equations(model.data),
            threshold=model.threshold,
            hazard=model.hazard,
            reset=model.reset or "",
            refractory=model.refractory,
            method=model.method,
            memory=model.memory,
            closure_order=model.closure_order,
            noise=False,
            dt=model.dt * second,
            namespace={**model.namespace, **arrays},
            name="fit_populations",  # always the same code, which is then found again
        )
        if self.parameters:
            moving = dict.fromkeys(self.parameters, 0.0)
            group.add_direction(_DIRECTION, DIMENSIONLESS, moving)
        group.fit_trial = np.tile(
            np.arange(model.data.trials), self.count * self._directions
        )
        return group

    def _monitor(self, name):
        names = [name, *([derivative_name(name, _DIRECTION)] * bool(self.parameters))]
        when = "end" if name in _COUNTS else "start"
        return StateMonitor(self.group, names, record=True, when=when)

    # -- runs ------------------------------------------------------------------------
    def __call__(self, points):
        """
        Loss, gradient and Gauss-Newton matrix of every point.

        Parameters
        ----------
        points : ndarray, shape (count, parameters)
            In base units.

        Returns
        -------
        loss : ndarray, shape (count,)
        gradient : ndarray, shape (count, parameters)
        matrix : ndarray, shape (count, parameters, parameters)
        """
        outputs = self.run(points)
        number = len(self.parameters)
        loss = np.zeros(self.count)
        gradient = np.zeros((self.count, number))
        matrix = np.zeros((self.count, number, number))
        with np.errstate(all="ignore"):
            for summand in self.summands:
                values, slopes = outputs[summand.name]
                # Weights and targets have the shape (steps, trials)
                rest = values - summand.target.T
                weighted = slopes * summand.weight.T[..., None]
                loss += np.einsum("ckt,kt,ckt->c", rest, summand.weight.T, rest)
                gradient += 2 * np.einsum("ckt,cktp->cp", rest, weighted)
                matrix += 2 * np.einsum("cktp,cktq->cpq", weighted, slopes)
        return loss, gradient, matrix

    def run(self, points):
        """
        What the populations do.

        Returns
        -------
        dict of str to tuple
            By variable: values of shape (count, trials, steps) and derivatives of shape
            (count, trials, steps, parameters), in base units.
        """
        self._run(np.asarray(points, dtype=float))
        return {name: self._read(name) for name in self._names}

    def _run(self, points):
        self.network.restore("fit")
        for k, name in enumerate(self.model.parameters):
            self.group.variables[name].set_value(self._spread(points[:, k]))
        self._begin()
        with np.errstate(all="ignore"):
            self.network.run(self._duration, namespace={})

    @property
    def _duration(self):
        return self.model.data.steps * self.model.dt * second

    def _read(self, name):
        shape = (self.count, self._directions, self.model.data.trials, -1)
        values = self._samples(name, name).reshape(shape)[:, 0]
        if not self.parameters:
            return values, np.empty((*values.shape, 0))
        slopes = self._samples(name, derivative_name(name, _DIRECTION))
        return values, np.moveaxis(slopes.reshape(shape), 1, -1)

    def _samples(self, name, recorded):
        """What the monitor of a variable has recorded, one row per population."""
        # A copy: memory of a monitor is gone with it
        return np.array(getattr(self._monitors[name], recorded + "_"))

    def _spread(self, values):
        """One value per point for all of its populations."""
        return np.repeat(values, self._directions * self.model.data.trials)

    def _begin(self):
        """Directions of the derivatives, and where populations begin."""
        for k, name in enumerate(self.parameters):
            rate = np.zeros((self.count, self._directions, self.model.data.trials))
            rate[:, k] = 1
            array = self.group.variables[derivative_name(name, _DIRECTION)]
            array.set_value(rate.ravel())
        for name, value in self.model.initial.items():
            self._begin_with(name, value)

    def _begin_with(self, name, value):
        """Give a variable, and its derivative, what it begins with."""
        if not isinstance(value, str):
            copies = self.count * self._directions * self.model.data.trials
            self.group.variables[name].set_value(np.resize(value, copies))
            return
        setattr(self.group, name, value)
        equations = self.model.equations
        expression = inlined(parse_expression(value), equations)
        slope = sum(
            slope * symbol(derivative_name(p, _DIRECTION))
            for p, slope in total_derivatives(expression, (), self.parameters).items()
        )
        if slope != 0:
            code = emit([("x", slope)]).removeprefix("x = ")
            setattr(self.group, derivative_name(name, _DIRECTION), code)

    # -- as a search needs it --------------------------------------------------------
    def recorded(self, point):
        """What one point gives, as quantities of shape (trials, steps)."""
        outputs = self.run(np.repeat(np.atleast_2d(point), self.count, axis=0))
        return {
            name: Quantity(values[0], dim=self.group.variables[name].dim)
            for name, (values, _) in outputs.items()
        }
