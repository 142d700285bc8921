"""Fits of equation strings to recordings, by derivatives."""

import numpy as np
from brian2.units.allunits import second
from brian2.units.fundamentalunits import DIMENSIONLESS, get_unit

from ...arguments import (
    as_equations,
    check_choice,
    check_mapping,
    check_method,
    check_number,
    check_numbers,
    check_positive,
    check_whole,
)
from ...callers import user_namespace
from ...numerics.transforms import Box
from ...parallel import check_executor
from ...spiking.checks import check_refractory
from .checks import (
    check_fitted,
    check_inputs,
    check_intervals,
    check_model,
    check_no_index,
    check_strings,
    event_name,
    used_names,
)
from .data import fit_data
from .dimensions import check_units, distance_dimension
from .initial import check_initial
from .losses import SpikeLikelihood, TraceLoss, check_loss
from .param import as_param, bounds_of
from .population_checks import check_population, check_population_fit, check_scale
from .population_simulation import PopulationModel
from .running import run_once, simulation_of
from .search import Plan, check_seed, gradient_check, search
from .simulation import Model

__all__ = ["GradientFitter"]


class GradientFitter:
    """
    Fit parameters of equation strings to recordings.

    All trials of all starts are simulated at once in Brian2's generated code, with
    the derivatives of all variables (`Sensitivity`); a Levenberg-Marquardt search
    with bounds goes down from many starts.

    Parameters
    ----------
    model : str or `Equations`
        Of one neuron, synapse or receptor. What is fitted are parameters of it
        (``gl : siemens``).
    threshold, reset, refractory, method
        As in `NeuronGroup`. The threshold must be one comparison.
    dt : `Quantity`
        Time step, of the recordings, too.
    input : dict, optional
        Stimuli: ``{'I': values}`` for the name ``I`` of the model, of shape (trials,
        time steps) or (time steps,); with `on_pre` also times of the spikes that
        arrive: ``{'pre': times}``, one array per trial.
    output : dict
        Recordings: variables or subexpressions of the model, ``{'v': values}``, of
        shape (trials, time steps), nan where there is no value; ``{'spikes': times}``,
        one array per trial. Sample k is the value at ``k*dt``, as a `StateMonitor`
        records it.
    on_pre : str, optional
        What a spike that arrives does (``'g += w'``), as in `Synapses` without delay:
        after the threshold was tested and before the reset, and nothing to variables
        that stand still while refractory.
    param_init : dict, optional
        Values of variables at the beginning, and of parameters that are not fitted:
        quantities, one or one per trial, or strings; strings may depend on what is
        fitted (``{'v': 'EL'}``). Variables begin at zero.
    duration : `Quantity`, optional
        Of the trials, if there are spikes only; must be that of the signals if not.
    namespace : dict, optional
        Other names in the strings; by default those where the fitter is made.
    scale : {'neuron', 'mesoscopic'}, optional
        'mesoscopic': the model is that of the neurons of a `MesoscopicGroup`, one
        infinitely large population per trial. What is recorded is its activity,
        ``{'A': rates}``, where sample k is the rate in the time step from ``k*dt`` on.
    hazard : str, optional
        'mesoscopic' only: the escape rate, or ``threshold='rand() < rho*dt'``.
    memory : `Quantity`, optional
        'mesoscopic' only, as in `MesoscopicGroup`: about five times the longest time
        constant between the bounds, plus the refractory period. Needed if a time
        constant of what the reset renews is fitted.

    Raises
    ------
    ValueError, TypeError, DimensionMismatchError
        Before anything is simulated: names what is wrong, its value and the unit. Also
        for an input that nothing refers to, and for strings with `i` or `N`: what
        differs between trials is an input.
    NotDifferentiableError
        If the model has an expression, or a kind of object, without derivative.

    Notes
    -----
    Works with the targets 'numpy' and 'cython' of ``prefs.codegen.target``, and in C++
    after ``set_device('cpp_standalone')``.

    Examples
    --------
    >>> from brian2 import *
    >>> from brian2_multiscale import *
    >>> fitter = GradientFitter('''dv/dt = (R*I - v)/tau : volt
    ...                            R : ohm
    ...                            tau : second''', dt=0.1*ms, method='exact',
    ...                         input={'I': current}, output={'v': recording})
    >>> result = fitter.fit(R=[1, 500]*Mohm, tau=Param(1*ms, 100*ms, scale='log'))
    """

    def __init__(
        self,
        model,
        *,
        dt,
        output,
        input=None,
        threshold=None,
        reset=None,
        refractory=False,
        on_pre=None,
        method="exponential_euler",
        param_init=None,
        duration=None,
        namespace=None,
        scale="neuron",
        hazard=None,
        memory=None,
    ):
        self.equations = as_equations(model)
        self.dt = check_positive("dt", dt, second, "a time")
        check_method("method", method)
        if duration is not None:
            duration = check_positive("duration", duration, second, "a time")
        check_strings(threshold, hazard, reset, on_pre)
        event = event_name(on_pre, input)
        self.data = fit_data(input, output, event, self.dt, duration)
        self.threshold, self.reset, self.on_pre = threshold, reset, on_pre
        self.refractory, self.method = check_refractory(refractory), method
        self.param_init = param_init
        check_scale(scale, hazard, memory)
        self.scale, self.hazard, self.memory = scale, hazard, memory
        check_mapping("namespace", namespace)
        check_mapping("param_init", param_init)
        check_no_index(self)
        check_inputs(self)
        known = user_namespace() if namespace is None else namespace
        self._namespace = used_names(self, known)
        self._distance = DIMENSIONLESS
        self._kept = None  # the last simulation of `evaluate`
        check_units(self, self._namespace)
        if scale == "mesoscopic":
            check_population(self)
            return
        check_model(self)
        self._distance = distance_dimension(self, self._namespace)

    def fit(
        self,
        *,
        loss=None,
        polish=None,
        n_starts=20,
        steps=100,
        target=0.0,
        seed=None,
        report=None,
        backend="brian2",
        executor=None,
        **params,
    ):
        """
        Search for the best parameters.

        Parameters
        ----------
        loss : `TraceLoss` or `SpikeLikelihood`, optional
            By default `SpikeLikelihood` if spikes were recorded, else `TraceLoss`.
        polish : `TraceLoss`, optional
            A loss of neurons that run freely, minimised afterwards, without
            derivatives, around the best ends.
        n_starts : int, optional
            Points from which the search begins, evenly spread between the bounds.
        steps : int, optional
            Simulations (of all starts) at most.
        target : float, optional
            Loss at which the search ends.
        seed : int, optional
            Of the starts.
        report : {None, 'text', 'stdout', 'stderr'}
            Where progress is printed.
        backend : {'brian2', 'jax'}, optional
            What computes derivatives: code that Brian2 generates, or JAX (for
            `TraceLoss` of models that do not fire, or with ``forced=True``; needs the
            extra [gradients]).
        executor : `concurrent.futures.Executor`, optional
            Runs shares of the starts, such as ``ProcessPoolExecutor(8)`` or that of a
            cluster; by default all starts are simulated together in this process.
        **params : `Param` or pair of `Quantity`
            Bounds: ``gl=[1, 100]*nS`` or ``gl=Param(0.1*nS, 100*nS, scale='log')``.

        Returns
        -------
        `FitResult`

        Raises
        ------
        ValueError
            If a name is no parameter of the model, a bound is missing, or what was
            recorded does not suffice for the loss.
        TypeError
            If an argument is of the wrong kind.
        DimensionMismatchError
            If a bound, or the width or a scale of the loss, has another unit than what
            it belongs to.
        NotDifferentiableError
            If an expression has no known derivative, or there is none by a parameter.
        FloatingPointError
            If no start has a finite loss with finite derivatives: names the variable
            and the time at which one is not finite, or the parameters.
        """
        loss = self._loss(loss)
        if polish is not None:
            polish = self._loss(polish, "polish")
            if polish.forced:
                raise ValueError(
                    f"polish must be a loss of free neurons: TraceLoss(), got {polish}."
                )
        check_whole("n_starts", n_starts)
        check_whole("steps", steps)
        check_choice("backend", backend, ("brian2", "jax"))
        if self.scale == "mesoscopic":
            check_population_fit(loss, polish, backend)
        model, box = self._model(params)
        if np.isnan(check_number("target", target)):
            raise ValueError(f"target must be a loss, got {target!r}.")
        check_seed(seed)
        check_executor(executor, report)
        plan = Plan(loss, polish, n_starts, steps, target, seed, report, backend)
        return search(model, box, plan, executor)

    def check_gradient(
        self, *, loss=None, seed=None, step=1e-6, backend="brian2", **params
    ):
        """
        Compare derivatives with central finite differences.

        Parameters
        ----------
        loss : `TraceLoss` or `SpikeLikelihood`, optional
            As in `fit`; of several widths the last one.
        seed : int, optional
            Of the point between the bounds at which they are compared.
        step : float, optional
            Of the differences, as a fraction of the distance of the bounds.
        backend : {'brian2', 'jax'}, optional
            As in `fit`.
        **params : `Param` or pair of `Quantity`
            Bounds.

        Returns
        -------
        dict of str to tuple of float
            For every parameter the derivative of the loss by the coordinate that goes
            from 0 at the lower to 1 at the upper bound, and its finite difference.
            Where neurons fire freely, the two differ by the first order of dt.

        Raises
        ------
        ValueError, TypeError, DimensionMismatchError, NotDifferentiableError
            As `fit`.
        """
        model, box = self._model(params)
        step = check_positive("step", step)
        check_seed(seed)
        check_choice("backend", backend, ("brian2", "jax"))
        return gradient_check(model, box, self._loss(loss), seed, step, backend)

    def evaluate(self, *, loss=None, **values):
        """
        Losses of any number of points, all simulated at once.

        For other searches and for pictures of the loss. The simulation is kept for the
        next call with as many points.

        Parameters
        ----------
        loss : `TraceLoss` or `SpikeLikelihood`, optional
            As in `fit`; of several widths the last one, as in `FitResult.loss`.
        **values : `Quantity`
            Of every parameter that is not in `param_init`, arrays of one length.

        Returns
        -------
        ndarray, shape (points,)

        Raises
        ------
        ValueError
            If a name is no parameter, a value is missing or not finite, or the arrays
            have several lengths.
        TypeError, DimensionMismatchError
            If a value is no number, or has another unit than the parameter.
        """
        loss, names = self._loss(loss), tuple(self._known(values))
        points = self._points(values)
        key = (names, len(points), repr(loss))
        if self._kept is None or self._kept[0] != key:
            simulation = simulation_of(self._with(names), loss, len(points), False)
            self._kept = key, simulation
        return self._kept[1](points)[0]

    def _points(self, values):
        """Values of parameters as an array, one row per point."""
        columns = [self._column(n, v) for n, v in values.items()]
        if len({len(c) for c in columns}) > 1:
            raise ValueError(
                "The values of all parameters must be arrays of one length, got the "
                f"lengths {dict(zip(values, map(len, columns), strict=True))}."
            )
        return np.stack(columns, axis=1)

    def _column(self, name, value):
        unit = get_unit(self.equations[name].dim)
        column = np.atleast_1d(check_numbers(name, value, unit))
        if column.ndim > 1 or not column.size or not np.isfinite(column).all():
            raise ValueError(
                f"{name} must be a finite value or an array of some, got {value!r}."
            )
        return column

    def simulate(self, **values):
        """
        Run the model, freely, with given values of the parameters.

        Parameters
        ----------
        **values : `Quantity`
            Of the parameters that are not in `param_init`.

        Returns
        -------
        dict of str to `Quantity` or list of `Quantity`
            For every recorded variable an array of shape (trials, time steps); with a
            threshold also ``'spikes'``, arrays of times, one per trial.

        Raises
        ------
        ValueError, TypeError, DimensionMismatchError
            As `evaluate`; also if there are values of several points.
        """
        points = self._points(self._known(values))
        if len(points) != 1:
            raise ValueError(
                f"simulate() runs one point; got {len(points)} values of "
                f"{next(iter(values))!r}."
            )
        return run_once(self._with(tuple(values)), points[0])

    def _loss(self, loss, name="loss"):
        if loss is None:
            loss = SpikeLikelihood() if self.data.spikes is not None else TraceLoss()
        check_loss(name, loss)
        if loss.forced and self.data.spikes is None:
            raise ValueError(
                f"{loss} resets neurons at recorded spikes; give their times: "
                "output={'spikes': times}."
            )
        if isinstance(loss, TraceLoss) and not self.data.traces:
            raise ValueError(
                f"{loss} needs a recorded trace: output={{'v': values, ...}}; only "
                "spikes were given."
            )
        if isinstance(loss, TraceLoss) and set(loss.scale or {}) - set(
            self.data.traces
        ):
            raise ValueError(
                f"scale has {sorted(loss.scale)}, recorded are "
                f"{sorted(self.data.traces)}."
            )
        return loss

    def _known(self, params):
        if not params:
            raise ValueError(
                "Nothing is fitted: give bounds of parameters of the model, such as "
                f"{sorted(self.equations.parameter_names)}: name=[low, high]."
            )
        unknown = sorted(params.keys() - self.equations.parameter_names)
        if unknown:
            raise ValueError(
                f"{unknown[0]!r} is no parameter of the model; it has "
                f"{sorted(self.equations.parameter_names)}. Declare it: "
                f"'{unknown[0]} : unit'."
            )
        return params

    def _model(self, params):
        """What is simulated, and the box of what is fitted."""
        params = {n: as_param(n, p) for n, p in self._known(params).items()}
        check_fitted(self, params)
        dims = {n: self.equations[n].dim for n in params}
        low, high, log = bounds_of(params, dims)
        return self._with(tuple(params)), Box(low, high, log)

    def _with(self, parameters):
        equations = self.equations
        initial = check_initial(
            equations, self.param_init, parameters, self.data.trials
        )
        check_intervals(self, initial, self._namespace)
        kind, more = Model, {}
        if self.scale == "mesoscopic":
            kind = PopulationModel
            more = {"hazard": self.hazard, "memory": self.memory}
        return kind(
            **more,
            equations=equations,
            threshold=self.threshold,
            reset=self.reset,
            on_pre=self.on_pre,
            refractory=self.refractory,
            method=self.method,
            dt=self.dt,
            data=self.data,
            initial=initial,
            parameters=parameters,
            namespace=self._namespace,
            distance=self._distance,
        )
