"""How good the scales are for a model: simulate all of them and compare."""

import inspect
import numbers
import os
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from brian2.core.clocks import defaultclock
from brian2.core.preferences import prefs
from brian2.devices.device import RuntimeDevice, get_device
from brian2.equations.equations import FLOAT, PARAMETER
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity
from brian2.units.stdunits import ms
from brian2.utils.stringtools import get_identifiers

from ..arguments import check_flag, check_mapping, check_names, check_whole
from ..callers import user_namespace
from ..measures.comparison import ScaleComparison, check_report
from ..mesoscopic.checks import check_sizes, check_time
from ..parallel import check_executor, map_jobs
from ..projections.projection import Projection
from ..spiking.strings import assigned_names
from .admissible import admissible_scales
from .population import check_scale, population
from .simulate import check_task, simulate
from .task import Task, constants_of, driven_model, per_population

__all__ = ["compare_scales"]

# Time steps of all runs from which on it pays to compile a program
_MANY_STEPS = 500_000

_OF_PROJECTION = tuple(inspect.signature(Projection).parameters)[2:]

#: Names that the equations have anyway
_OWN_NAMES = {"t", "dt", "i", "N", "xi", "lastspike", "not_refractory"}


def compare_scales(
    N,
    model,
    method=("exact", "euler", "heun"),
    method_options=None,
    threshold=None,
    reset=None,
    refractory=False,
    hazard=None,
    scales=None,
    duration=10 * second,
    warmup=1 * second,
    drive=None,
    initial=None,
    projections=(),
    connect=None,
    noise=True,
    seeds=8,
    bin=5 * ms,
    reference="spiking",
    tolerances=None,
    confidence=0.95,
    populations=None,
    namespace=None,
    dt=None,
    target=None,
    executor=None,
    report=None,
    **options,
):
    """
    Simulate a model at several scales, and report how far they are apart.

    Parameters
    ----------
    N, model, method, method_options, threshold, reset, refractory, hazard :
        The populations, as in `population`.
    scales : list of str, optional
        Which scales; by default all that the model admits.
    duration : `Quantity`, optional
        Simulated time that is compared, of every run.
    warmup : `Quantity`, optional
        Simulated time before it, which is left out.
    drive : dict, optional
        Values of parameters of the model: a quantity (or one per population), a
        `TimedArray` of time (or of time and population), or an expression such as
        ``'15*mV + 3*mV*sin(2*pi*5*Hz*t)'``.
    initial : dict, optional
        Values of variables at the beginning, one or one per population.
    projections : list of dict, optional
        Arguments of `Projection`, without source and target: coupling of the
        populations among themselves.
    connect : callable, optional
        For everything else: gets the group and returns a list of further objects of the
        network. A function at module level, because it is sent to other processes; what
        their strings refer to are the constants of the model, or given by their
        ``namespace``.
    noise : bool, optional
        False: mesoscopic populations and densities as infinitely many neurons.
    seeds : int or list of int, optional
        Number of runs of every scale, or a seed for each.
    bin : `Quantity`, optional
        Time in which spikes are counted.
    reference : str, optional
        The scale that the others are compared with.
    tolerances, confidence, populations : optional
        Of the report, see `ScaleComparison`.
    namespace : dict, optional
        Constants of the strings; by default those where the function is called.
    dt : `Quantity`, optional
        Time step; by default that of `defaultclock`.
    target : str, optional
        'numpy', 'cython' or 'cpp_standalone'. By default the target of the preferences,
        or, for more than half a million time steps in all, C++ programs.
    executor : `concurrent.futures.Executor`, optional
        Where the runs are done; by default processes of this machine.
    report : {None, 'text', 'stdout', 'stderr'}, optional
        Where progress is printed.
    **options
        Options of single scales, as in `population`. Densities get ``match_dt=True``,
        because neurons look at their threshold once per time step.

    Returns
    -------
    ScaleComparison
        ``print`` it, ``plot()`` it; `verdicts`, `distances`, `costs`, `to_dict()`.

    Raises
    ------
    TypeError, ValueError, DimensionMismatchError
        For bad arguments, before anything is simulated.
    RuntimeError
        If a simulation fails.

    Notes
    -----
    *Guarantees.* Every run has random numbers of its own, derived from the seed and the
    scale: results do not depend on how many processes there are. Runs of different
    scales are independent.

    *Intervals of single neurons* come from their spikes (spiking) and from the cohorts
    (mesoscopic); densities do not have them. They are not defined where neurons of a
    cohort differ (adaptation, sparse connections), where many neurons fire later than
    the memory at a rate that varies, or where the run is shorter than ten intervals.

    *Costs* are CPU times of the simulation without compilation.

    Examples
    --------
    >>> eqs = '''dv/dt = (mu - v + h)/(20*ms) : volt (unless refractory)
    ...          dh/dt = -h/(5*ms) : volt
    ...          rho = 10*Hz*exp((v - 15*mV)/(2*mV)) : Hz
    ...          mu : volt'''
    >>> found = compare_scales(
    ...     500, eqs, threshold='rand() < rho*dt', reset='v = 0*mV', refractory=4*ms,
    ...     drive={'mu': 18*mV},
    ...     projections=[dict(on_pre='h_post += w', weights=-0.05*mV, delay=1*ms)],
    ... )                                                           # doctest: +SKIP
    >>> print(found)                                                # doctest: +SKIP
    """
    check_executor(executor, report)
    _check_processes(executor)
    for name in set(options) & set(inspect.signature(population).parameters):
        raise TypeError(f"compare_scales() has no argument {name!r}.")
    strings = {"threshold": threshold, "reset": reset, "refractory": refractory}
    names, notes = _chosen(scales, reference, model, {**strings, "hazard": hazard})
    count = len(check_sizes(N))
    model, values, constants = driven_model(model, drive, count)
    check_mapping("initial", initial)
    check_mapping("tolerances", tolerances)
    check_report(tolerances, confidence, populations, count)
    for name, value in (initial or {}).items():
        values[name] = per_population(f"initial[{name!r}]", value, count)
    known = user_namespace() if namespace is None else namespace
    texts = {**strings, "hazard": hazard}
    projections = _checked_projections(projections)
    constants.update(_constants(model, _texts(texts), projections, known))
    arguments = {
        **{"N": N, "model": model, "method": method, "method_options": method_options},
        **{**strings, "hazard": hazard},
        **{"match_dt": True, **options},
    }
    _check_connect(connect)
    varied = connect is not None
    _check_values(model, values, texts, projections, connect)
    times = _times(duration, warmup, bin, dt)
    seeds = _seeds(seeds)
    target = _target(target, len(names) * len(seeds) * times["duration"] / times["dt"])
    tasks = [
        Task(
            scale=name,
            arguments={**arguments, "noise": _noise(name, noise)},
            constants=constants,
            values=values,
            projections=projections,
            connect=connect,
            target=target,
            seeds=_own_seeds(
                name, seeds if varied or _noise(name, noise) else seeds[:1]
            ),
            **times,
        )
        for name in names
    ]
    for task in tasks:
        check_task(task)
    return ScaleComparison(
        _run(tasks, executor, report),
        reference=reference,
        tolerances=tolerances,
        confidence=confidence,
        notes=notes,
        populations=populations,
    )


# -- arguments -----------------------------------------------------------------------
def _chosen(scales, reference, model, strings):
    """Scales to be simulated, and why others are not."""
    found = admissible_scales(model, **strings)
    check_scale("reference", reference)
    wanted = list(found) if scales is None else check_names("scales", scales)
    if not wanted:
        raise ValueError(f"scales must name at least one scale, got {scales!r}.")
    wanted = list(wanted)
    for name in wanted:
        check_scale("scales", name)
        if name not in found:
            raise ValueError(
                f"scales has {name!r}, which the model does not admit: "
                f"{found.reasons[name]}"
            )
    if reference not in wanted:
        wanted.insert(0, reference)
    notes = {name: why for name, why in found.reasons.items()} if scales is None else {}
    if reference in notes:
        raise ValueError(f"reference={reference!r} is not admitted: {notes[reference]}")
    return list(dict.fromkeys(wanted)), notes


def _check_processes(executor):
    if isinstance(executor, ThreadPoolExecutor):
        raise TypeError(
            f"executor must have processes, got {executor!r}: random numbers, devices "
            "and preferences of Brian2 are those of a process. Take a "
            "ProcessPoolExecutor."
        )


def _check_connect(connect):
    if connect is None:
        return
    try:
        usable = callable(connect) and bool(pickle.dumps(connect))
    except (pickle.PicklingError, AttributeError, TypeError):
        usable = False
    if not usable:
        raise TypeError(
            "connect must be a function at module level (it is sent to other "
            f"processes) that gets the group and returns objects, got {connect!r}."
        )


def _texts(strings):
    return [text for text in strings.values() if isinstance(text, str)]


def _check_values(model, values, strings, projections, connect):
    """Parameters that nobody sets are zero, which hardly anybody wants."""
    changed = assigned_names(strings["reset"] or "")
    for one in projections:
        changed |= get_identifiers(str(one.get("on_pre", "")).replace("_post", ""))
    used = set().union(
        *(eq.identifiers for eq in model.values() if eq.type != PARAMETER),
        *map(get_identifiers, _texts(strings)),
    )
    for name, eq in model.items():
        known = eq.type != PARAMETER or name in values or name in changed
        if name in used and not known and connect is None and eq.var_type == FLOAT:
            raise ValueError(
                f"The parameter '{name}' of the model has no value: give "
                f"drive={{'{name}': ...}} (or initial=)."
            )


def _checked_projections(projections):
    many = [projections] if isinstance(projections, dict) else projections
    known = isinstance(many, list | tuple)
    if not known or not all(isinstance(one, dict) and one for one in many):
        raise TypeError(
            "projections must be a list of dict with the arguments of Projection, such "
            f"as dict(on_pre='h_post += w', weights=0.1*mV), got {projections!r}."
        )
    checked = []
    for one in many:
        for name in ("source", "target"):
            if name in one:
                raise ValueError(
                    f"projections must not give {name!r}: they couple the populations "
                    "among themselves. Use connect= for other objects."
                )
        for name in one:
            if name not in _OF_PROJECTION:
                raise TypeError(
                    f"projections has {name!r}, which is no argument of Projection; "
                    f"these are {', '.join(_OF_PROJECTION)}; got {projections!r}."
                )
        checked.append(dict(one))
    return checked


def _constants(model, texts, projections, known):
    """What the strings of groups and projections refer to."""
    own = set(model.names) | _OWN_NAMES
    texts = [*texts, *(eq.expr.code for eq in model.values() if eq.expr is not None)]
    for one in projections:
        texts += [str(one.get("model", "")), str(one.get("on_pre", ""))]
    names = {n: v for n, v in known.items() if n not in own}
    return constants_of(texts, names)


def _times(duration, warmup, bin, dt):
    """All times in seconds, as whole numbers of time steps."""
    dt = float(defaultclock.dt if dt is None else check_time("dt", dt) * second)
    bin = check_time("bin", bin)
    if abs(bin / dt - round(bin / dt)) > 1e-6 or bin < dt * (1 - 1e-9):
        raise ValueError(
            f"bin must be a whole number of time steps, got {bin * 1e3:g} ms with a "
            f"time step of {dt * 1e3:g} ms."
        )
    warmup = check_time("warmup", warmup, positive=False)
    if check_time("duration", duration) < 2 * bin:
        raise ValueError(f"duration must be at least two bins, got {duration}.")
    return {
        "duration": warmup + check_time("duration", duration),
        "warmup": warmup,
        "bin": bin,
        "dt": dt,
    }


def _seeds(seeds):
    """A list of seeds."""
    if isinstance(seeds, numbers.Number) and not isinstance(seeds, Quantity):
        return list(range(check_whole("seeds", seeds)))
    if not isinstance(seeds, list | tuple | range):
        raise TypeError(f"seeds must be a number or a list of numbers, got {seeds!r}.")
    found = [check_whole("seeds", one, 0, 2**32 - 1) for one in seeds]
    if not found or len(set(found)) < len(found):
        raise ValueError(f"seeds must be different numbers, got {seeds}.")
    return found


def _own_seeds(scale, seeds):
    """Seeds for the random numbers of a scale: no two scales share them."""
    key = int.from_bytes(scale.encode(), "little")
    sequences = [np.random.SeedSequence([s, key]) for s in seeds]
    return [int(s.generate_state(1)[0]) for s in sequences]


def _noise(scale, noise):
    """What a scale is told; neurons cannot be without fluctuations."""
    return check_flag("noise", noise) or scale in ("spiking", "hybrid")


def _target(target, steps):
    if not isinstance(get_device(), RuntimeDevice):
        raise RuntimeError(
            "compare_scales makes programs of its own: call it before set_device (or "
            "after device.reset), with target='cpp_standalone' if you want C++."
        )
    targets = ("numpy", "cython", "cpp_standalone")
    if target is not None and target not in targets:
        raise ValueError(f"target must be one of {targets} or None, got {target!r}.")
    if target is not None:
        return target
    compiler = shutil.which(os.environ.get("CXX", "c++").split()[0])
    if steps > _MANY_STEPS and compiler and shutil.which("make"):
        return "cpp_standalone"
    return prefs.codegen.target


# -- simulations ---------------------------------------------------------------------
def _run(tasks, executor, report):
    """Recordings by scale."""
    jobs = [job for task in tasks for job in _jobs(task)]
    results = map_jobs(_safely, jobs, executor, report, "jobs")
    recordings = {task.scale: [] for task in tasks}
    for job, (found, problem) in zip(jobs, results, strict=True):
        if problem is not None:
            raise RuntimeError(
                f"The simulation at the scale {job.scale!r} failed: {problem}"
            )
        recordings[job.scale].extend(found)
    return recordings


def _jobs(task):
    """A run is a job; with C++ programs, runs that share what is compiled are one."""
    size = 1
    if task.target == "cpp_standalone":
        # Neurons take longest: half of the runs each for two processes
        size = -(-len(task.seeds) // (2 if task.scale == "spiking" else 1))
    parts = [task.seeds[k : k + size] for k in range(0, len(task.seeds), size)]
    return [replace(task, seeds=part) for part in parts]


def _safely(task):
    """Not every exception of Brian2 survives the way from another process."""
    try:
        return simulate(task), None
    except Exception as error:
        causes = [str(error)]
        while error.__cause__ is not None:
            error = error.__cause__
            causes.append(f"{type(error).__name__}: {error}")
        return None, " ".join(causes)
