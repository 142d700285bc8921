"""All trials of all points in one group, run again and again."""

from dataclasses import dataclass

import numpy as np
from brian2.equations.equations import Equations
from brian2.groups.neurongroup import NeuronGroup
from brian2.monitors.spikemonitor import SpikeMonitor
from brian2.monitors.statemonitor import StateMonitor
from brian2.units.allunits import second
from brian2.units.fundamentalunits import DIMENSIONLESS

from ...codegen.subexpressions import shared
from ...mesoscopic.names import pairs
from ..forward.events import event_program, reset_dimensions
from ..forward.functions import functions_in, slopes_in
from ..forward.sensitivity import sensitivity_equations
from ..forward.unit_safe import emit_with_units
from ..prepared import PreparedNetwork
from .accumulate import (
    LOSS,
    WIDTH,
    Accumulating,
    accumulator_equations,
    gradient_name,
    matrix_name,
    summands,
)
from .arrivals import ARRIVES, arrival_code
from .data import SPIKES
from .initial import set_initial
from .stimuli import stimulus_arrays, stimulus_equations, timed, value_at

__all__ = ["Model", "Simulation"]


@dataclass
class Model:
    """
    What is simulated.

    Attributes
    ----------
    equations : `Equations`
    threshold, reset, on_pre : str or None
    refractory : object
        As in `NeuronGroup`.
    method : str
    dt : float
    data : `FitData`
    initial : dict
        See `check_initial`.
    parameters : tuple of str
        Those that are fitted.
    namespace : dict
    distance : `Dimension`
        Of the distance from threshold.
    """

    equations: Equations
    threshold: str | None
    reset: str | None
    on_pre: str | None
    refractory: object
    method: str
    dt: float
    data: object
    initial: dict
    parameters: tuple
    namespace: dict
    distance: object = DIMENSIONLESS

    def dimensions(self, names):
        return {n: self.equations[n].dim for n in names}


class Simulation:
    """
    Simulates `count` points at once, and sums up a loss and its derivatives.

    Parameters
    ----------
    model : `Model`
    loss : `TraceLoss` or `SpikeLikelihood` or None
    count : int
        Points per call.
    derivatives : bool, optional
        Whether also gradient and matrix are wanted.
    recorded : list of str, optional
        Variables to record in every step; with any, spikes are, too.

    Notes
    -----
    Code is generated once: what `Network.run` prepares anew is kept.
    """

    def __init__(self, model, loss, count, derivatives=True, recorded=()):
        self.model, self.count = model, count
        self.parameters = model.parameters if derivatives else ()
        refractory = model.refractory is not False
        self.slopes = slopes_in(model.namespace)
        #: What is added up; of several, some may be left out for a while
        self.summands = []
        if loss is not None:
            self.summands = summands(
                loss, model.threshold, refractory, model.data, model.dt, model.distance
            )
        self.width = self.widths[-1]
        self.switches = {s.switch: s for s in self.summands if s.switch}
        self._make(loss, list(recorded))

    def _make(self, loss, recorded):
        self._objects(loss, recorded)
        self.network = PreparedNetwork(self.group, *self.monitors.values())
        # Makes the code: nothing has moved afterwards
        self.network.run(0 * second, namespace={})
        self.network.store("fit")

    def _objects(self, loss, recorded):
        """The group, and what is recorded of it."""
        self.group, self.monitors = self._group(loss), {}
        if recorded:
            self.monitors["traces"] = StateMonitor(self.group, recorded, record=True)
            if self.model.threshold is not None:
                self.monitors["spikes"] = SpikeMonitor(self.group)

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
            Without derivatives of shape (count, 0); the matrix, too.
        matrix : ndarray, shape (count, parameters, parameters)
        """
        self._run(np.asarray(points, dtype=float))
        return self._sums()

    def _run(self, points):
        self.network.restore("fit")
        for k, name in enumerate(self.model.parameters):
            getattr(self.group, name + "_")[:] = self._spread(points[:, k])
        self._begin()
        for name, value in self._settings().items():
            self.group.variables[name].set_value(value)
        try:
            with np.errstate(all="ignore"):
                self.network.run(self.duration, namespace={})
        except ZeroDivisionError as error:  # Cython's; others go on with inf or nan
            zero = [
                p
                for p, x in zip(self.model.parameters, points.T, strict=True)
                if not x.all()
            ]
            raise FloatingPointError(
                f"A step divides by zero. Parameters that have been zero: {zero}; move "
                "their bounds away from zero, or choose another method."
            ) from error

    def _settings(self):
        """Values that are the same for all neurons."""
        settings = {n: float(s in self.summands) for n, s in self.switches.items()}
        return settings if self.width is None else {**settings, WIDTH: self.width}

    def _begin(self):
        """Values at the beginning."""
        model = self.model
        given = self.parameters, self.count, self.slopes
        set_initial(self.group, model.equations, model.initial, *given)

    def _spread(self, values):
        """One value per point for all of its trials."""
        return np.repeat(values, self.model.data.trials)

    @property
    def duration(self):
        return self.model.data.steps * self.model.dt * second

    def recorded(self, point):
        """Traces and spikes of one point, as quantities."""
        self._run(np.repeat(np.atleast_2d(point), self.count, axis=0))
        return self._recordings()

    def _recordings(self):
        traces = self.monitors["traces"]
        found = {n: getattr(traces, n).copy() for n in traces.record_variables}
        if "spikes" in self.monitors:
            trains = self.monitors["spikes"].spike_trains()
            found[SPIKES] = [trains[k] for k in range(len(self.group))]
        return found

    @property
    def widths(self):
        """Values of `width` that are to be used one after another."""
        return self.summands[0].widths if self.summands else (None,)

    def _sums(self):
        loss = self._sum(LOSS)
        gradient = np.empty((self.count, len(self.parameters)))
        matrix = np.empty((self.count, *2 * (len(self.parameters),)))
        for i, p in enumerate(self.parameters):
            gradient[:, i] = 2 * self._sum(gradient_name(p))
        index = {p: i for i, p in enumerate(self.parameters)}
        for p, q in pairs(self.parameters):
            i, j = index[p], index[q]
            matrix[:, i, j] = matrix[:, j, i] = 2 * self._sum(matrix_name(p, q))
        return loss, gradient, matrix

    def _sum(self, name):
        values = self._values(name)
        return values.reshape(self.count, -1).sum(axis=1)

    def _values(self, name):
        return np.asarray(getattr(self.group, name + "_")[:])

    def _group(self, loss):
        model = self.model
        forced = loss is not None and loss.forced
        threshold = model.threshold
        if threshold is not None and forced:
            threshold = _at("fit_spikes")
        group = NeuronGroup(
            model.data.trials * self.count,
            self._equations(),
            threshold=threshold,
            reset=self._reset(forced),
            refractory=model.refractory,
            events=self._events(forced),
            method=Accumulating(
                model.method,
                self.parameters,
                model.equations,
                self.summands,
                self.slopes,
            ),
            dt=model.dt * second,
            namespace={
                **model.namespace,
                **functions_in(model.namespace),
                **self._arrays(forced),
            },
            name="fit_neurons",  # always the same code, which is then found again
        )
        self._arrive(group)
        group.namespace.update(self.slopes.used)
        group.fit_trial = np.tile(np.arange(model.data.trials), self.count)
        return group

    def _together(self, forced):
        """
        Whether a spike that arrives when the neuron fires is part of the reset.

        The time of the neuron's own spike moves; how fast depends on what was before
        the other one arrived.
        """
        moves = bool(self.parameters) and not forced
        return moves and self.model.threshold and self.model.data.events is not None

    def _reset(self, forced):
        model = self.model
        together = self._together(forced)
        held = self.parameters and model.refractory is not False
        if model.threshold is None or not (model.reset or held or together):
            return model.reset
        code = model.reset or ""  # the end of refractoriness moves without any, too
        if together:
            arrive = arrival_code(
                model.on_pre, model.equations, model.refractory, ARRIVES
            )
            code = f"{arrive}\n{code}"
        return self._statements(code, exact=not forced)

    def _events(self, forced):
        if self.model.data.events is None:
            return {}
        if not self._together(forced):
            return {"pre": ARRIVES}
        free = " and not_refractory" if self.model.refractory is not False else ""
        return {"pre": f"{ARRIVES} and not (({self.model.threshold}){free})"}

    def _arrive(self, group):
        """Spikes that arrive come between thresholds and resets, as in `Synapses`."""
        model = self.model
        if model.data.events is None:
            return
        code = model.on_pre
        if self.parameters:
            code = arrival_code(code, model.equations, model.refractory)
        runner = group.run_on_event(
            "pre", self._statements(code, exact=False), when="synapses"
        )
        # Unlike a reset, this changes nothing that stands still
        runner.override_conditional_write = ()
        # Before the neuron's own spike, which makes it refractory
        group.set_event_schedule("pre", when="before_thresholds")

    def _equations(self):
        model = self.model
        equations = model.equations + Equations("fit_trial : integer (constant)")
        equations += stimulus_equations(model.data)
        equations += sensitivity_equations(model.equations, self.parameters)
        for summand in self.summands:
            equations += summand.equations()
        return equations + accumulator_equations(
            self.parameters, model.dimensions(self.parameters)
        )

    def _arrays(self, forced):
        data = self.model.data
        arrays = stimulus_arrays(data)
        for summand in self.summands:
            arrays |= summand.arrays()
        if forced:
            arrays["fit_spikes"] = (data.spikes.T.astype(float), DIMENSIONLESS)
        if data.events is not None:
            arrays["fit_events"] = (data.events.T.astype(float), DIMENSIONLESS)
        return timed(arrays, self.model.dt)

    def _statements(self, code, exact):
        """A reset, with what it does to derivatives and sums."""
        if not self.parameters:
            return code
        model = self.model

        def also(shifts, values):
            return [
                statement
                for summand in self.summands
                for statement in summand.at_spike(model.equations, shifts, values)
            ]

        program = event_program(
            model.equations + stimulus_equations(model.data),
            model.threshold,
            code,
            self.parameters,
            exact,
            also,
            self.slopes,
        )
        return emit_with_units(
            shared(program), reset_dimensions(model.equations, self.parameters)
        )


def _at(array):
    return f"{value_at(array)} > 0.5"
