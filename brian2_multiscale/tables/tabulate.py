"""tabulate: from any event-driven synapse to a table with a stated error."""

import functools
import sys
from importlib.metadata import PackageNotFoundError, version

import brian2
import numpy as np
from brian2.units.allunits import hertz, second
from brian2.units.stdunits import Hz, ms

from ..arguments import (
    check_choice,
    check_flag,
    check_number,
    check_numbers,
    check_whole,
)
from ..kinetics.event_model import EventModel
from ..kinetics.reference import Trajectory
from ..mechanisms import Mechanism
from ..numerics.timegrid import event_grid
from ..parallel import check_executor, map_jobs
from .cache import cache_path, load_cached, save_cached
from .history import (
    history_axis,
    history_curve,
    history_intervals,
    history_jobs,
    history_table,
)
from .pooled import nrmse, pooled_output, worst_peak
from .source import TransmitterSource
from .state import LEVELS, StateTableBuilder
from .table import SynapticTable
from .trains import SHORTEST_INTERVAL, held_out_trains, spaced_rates, training_trains

__all__ = ["ToleranceError", "tabulate"]

_SAMPLE = 1e-4  # seconds between the samples of the held-out outputs
_MOST_SIMULATIONS = 200_000
# Refine until the error on the held-out trains is this much below the tolerance:
# other trains have other errors.
_SAFETY = 0.8


class ToleranceError(ValueError):
    """The wanted accuracy is out of reach; the message says what is not."""


def tabulate(
    mechanism,
    representation="state",
    rates=(1, 100) * Hz,
    tolerance="default",
    order=3,
    window=300 * ms,
    grid=None,
    points=12,
    exponentials=6,
    executor=None,
    report=None,
    cache=True,
    **parameters,
):
    """
    Make a table of a synapse's response to any spike train.

    Parameters
    ----------
    mechanism : `Mechanism` or str
        Any kinetic scheme or event-driven synapse; a name is looked up with
        ``**parameters``.
    representation : {'state', 'history'}
        'state': the receptor's state is carried from spike to spike, in the few
        combinations that matter; no limit on how many spikes are remembered.
        'history': the amplitude of each response is looked up from the times of the
        ``order`` previous spikes, as in doi:10.3389/fncom.2021.733155; for any
        synapse, but wrong in bursts of more than ``order`` spikes.
    rates : `Quantity`
        Lowest and highest mean rate of the Poisson trains that the table is made for
        and judged by.
    tolerance : float or None, optional
        Largest NRMSE on held-out trains at six rates in that range, 0.02 by default
        for a 'state' table, which is refined until it is met. A 'history' table has
        nothing to refine; there a tolerance is only demanded if it is given. None: no
        demand.
    order : int
        'history' only: number of previous spikes.
    window : `Quantity`
        'history' only: spikes older than this are forgotten.
    grid : `Quantity`, optional
        'history' only: even spacing of the intervals (as published).
    points : int
        'history' only, without ``grid``: number of intervals, spaced evenly in their
        logarithm from 0.5 ms to the window; kilobytes instead of megabytes.
    exponentials : int
        'history' only: number of exponentials of the responses.
    executor : `concurrent.futures.Executor`, optional
        For the simulations of a 'history' table (by default local processes). A
        'state' table takes seconds and is made in this process.
    report : {None, 'text', 'stdout', 'stderr'}, optional
        Show progress.
    cache : bool
        Keep the table on disk, by the hash of the mechanism's text and values, and
        use it from there (folder: ``prefs.multiscale.table_cache``).
    **parameters
        Parameters of the mechanism, if it is given by name.

    Returns
    -------
    table : `SynapticTable`
        With its ``error`` on held-out trains and its size.

    Raises
    ------
    ToleranceError
        If ``tolerance`` cannot be met; with the error that can.
    NotEventDrivenError
        If the mechanism does not have the form that the representation needs.
    """
    if isinstance(tolerance, str) and tolerance == "default":
        tolerance = 0.02 if representation == "state" else None
    mechanism = _as_mechanism(mechanism, parameters)
    low, high = _checked_rates(rates)
    check_flag("cache", cache)
    check_executor(executor, report)
    _check_options(representation, tolerance, order, window, grid, points, exponentials)
    options = {
        "representation": representation,
        "rates": [low, high],
        "varied": sorted(mechanism.varied),
    }
    if representation == "state":
        options["tolerance"] = tolerance
    else:
        options |= {
            "order": order,
            "window": float(window),
            "grid": None if grid is None else float(grid),
            "points": points,
            "exponentials": exponentials,
        }
    path = cache_path(mechanism, options)
    table = load_cached(path) if cache else None
    if table is None:
        make = _state if representation == "state" else _history
        table = make(mechanism, options, executor, report)
        if cache:
            save_cached(table, path)
    _enforce(table, tolerance, representation)
    return table


def _as_mechanism(mechanism, parameters):
    if isinstance(mechanism, Mechanism):
        if parameters:
            raise TypeError(
                f"tabulate() got the parameters {sorted(parameters)} and a Mechanism; "
                "give them to the Mechanism instead."
            )
        return mechanism
    return Mechanism(mechanism, **parameters)


def _checked_rates(rates):
    values = np.atleast_1d(check_numbers("rates", rates, hertz, "two rates"))
    if values.shape not in ((1,), (2,)) or not np.all(np.isfinite(values)):
        raise ValueError(f"rates is (lowest, highest), got {rates!r}.")
    low, high = values[0], values[-1]
    if not 0 < low <= high:
        raise ValueError(
            f"rates has to be positive and in increasing order, got {rates!r}."
        )
    return float(low), float(high)


def _check_options(
    representation, tolerance, order, window, grid, points, exponentials
):
    check_choice("representation", representation, ("state", "history"))
    if tolerance is not None and not 0 < check_number("tolerance", tolerance) < 1:
        raise ValueError(
            f"tolerance is a relative error between 0 and 1 (0.02, say) or None, "
            f"got {tolerance!r}."
        )
    check_whole("order", order, 1, 5)
    check_whole("exponentials", exponentials, 1, 12)
    check_whole("points", points, 3, 1000)
    step = 2 * SHORTEST_INTERVAL
    if grid is not None:
        step = check_number("grid", grid, second, "a time")
    length = check_number("window", window, second, "a time")
    if not 0 < 3 * step <= length < np.inf:
        raise ValueError(
            f"window = {window} has to be finite and at least three positive steps "
            f"of the grid long (grid = {grid})."
        )


def _enforce(table, tolerance, representation):
    if tolerance is None or table.error <= tolerance:
        return
    reached = ", ".join(f"{r:g} Hz: {e:.2g}" for r, e in sorted(table.errors.items()))
    raise ToleranceError(
        f"tolerance={tolerance:g} cannot be met for '{table.name}' with "
        f"representation='{representation}': the most accurate table has an NRMSE of "
        f"{table.error:.3g} ({reached}). Ask for a larger tolerance or a narrower "
        "range of rates."
    )


# -- state tables ----------------------------------------------------------------
def _state(mechanism, options, executor, report):
    model = EventModel(mechanism)
    rates = spaced_rates(*options["rates"])
    _tell(report, f"Tabulating '{mechanism.name}': training trains ...")
    builder = StateTableBuilder(model, training_trains(rates))
    judge = _Judge(mechanism, model, rates)
    best = None
    for level in LEVELS:
        table = judge.table(builder.build(*level))
        _tell(report, f"  {table!r}")
        if best is None or table.error < best.error:
            best = table
        wanted = options["tolerance"]
        if wanted is not None and table.error <= _SAFETY * wanted:
            return table
    return best


class _Judge:
    """Held-out trains and their converged outputs."""

    def __init__(self, mechanism, model, rates):
        self.model, self.rates = model, rates
        self.source = TransmitterSource.of(mechanism, model)
        self.transmitter = self.source.transmitter()
        self.provenance = {
            "mechanism": mechanism.name,
            "doi": mechanism.doi,
            "hash": mechanism.hash,
            "rates": [float(r) for r in rates],
            "made_with": f"brian2_multiscale {_version()}, Brian2 {brian2.__version__}",
        }
        self.cases = []
        for spikes in held_out_trains(rates):
            times = np.arange(spikes[0], spikes[-1] + 0.1, _SAMPLE)
            output = Trajectory(model, spikes, times[-1]).output(times)
            self.cases.append((spikes, times, output - model.weights @ model.rest))

    def table(self, core):
        """The core as a `SynapticTable` that knows its error."""
        errors, worst = {}, 0.0
        for rate, (spikes, times, reference) in zip(
            self.rates, self.cases, strict=True
        ):
            increments = core.increments(self.transmitter, spikes, "clip")
            values = pooled_output(spikes, increments, core.time_constants, times)
            errors[float(rate)] = nrmse(reference, values)
            worst = max(worst, worst_peak(spikes, times, reference, values))
        report = {"errors": errors, "worst_amplitude": worst, **self.provenance}
        return SynapticTable(core, self.source, self.model.unit, report)


# -- history tables --------------------------------------------------------------
def _history(mechanism, options, executor, report):
    model = EventModel(mechanism)
    axis = history_axis(
        5 * SHORTEST_INTERVAL, options["window"], options["points"], options["grid"]
    )
    needed = sum((axis.n - 1) ** k for k in range(options["order"] + 1))
    if needed > _MOST_SIMULATIONS:
        raise ValueError(
            f"A history table of order {options['order']} with {axis.n} intervals "
            f"needs {needed} simulations ({8e-6 * axis.n ** options['order']:.0f} MB); "
            f"at most {_MOST_SIMULATIONS} are done. Use a coarser grid, fewer points "
            "or a lower order."
        )
    jobs = list(history_jobs(axis, options["order"]))
    times = event_grid(_response_time(model), 5e-5, 1.1)
    chunks = np.array_split(np.array(jobs), max(1, len(jobs) // 50))
    simulate = functools.partial(_curves, mechanism, axis, times)
    _tell(report, f"Tabulating '{mechanism.name}': {len(jobs)} simulations ...")
    done = map_jobs(simulate, chunks, executor, report, "parts")
    curves = {
        tuple(index): curve
        for chunk, part in zip(chunks, done, strict=True)
        for index, curve in zip(chunk.tolist(), part, strict=True)
    }
    core = history_table(axis, options["order"], times, curves, options["exponentials"])
    return _Judge(mechanism, model, spaced_rates(*options["rates"])).table(core)


def _response_time(model):
    """Time (s) until the response to one spike has fallen to a thousandth."""
    times = np.geomspace(1e-4, 20, 400)
    output = np.abs(history_curve(model, (), times))
    last = np.flatnonzero(output > 1e-3 * output.max())[-1]
    return float(times[last])


@functools.lru_cache(maxsize=8)
def _model_of(key):
    return EventModel(key.mechanism)


class _Key:
    """A mechanism that hashes by its content, for the cache of a worker."""

    def __init__(self, mechanism):
        self.mechanism = mechanism

    def __hash__(self):
        return hash(self.mechanism.hash)

    def __eq__(self, other):
        return self.mechanism.hash == other.mechanism.hash


def _curves(mechanism, axis, times, indices):
    model = _model_of(_Key(mechanism))
    return [history_curve(model, history_intervals(axis, i), times) for i in indices]


def _version():
    try:
        return version("brian2-multiscale")
    except PackageNotFoundError:  # used from a source folder
        return "unknown"


def _tell(report, text):
    if report:
        print(text, file=sys.stderr if report == "stderr" else sys.stdout, flush=True)
