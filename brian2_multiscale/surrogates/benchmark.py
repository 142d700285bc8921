"""What a surrogate costs beside the equations that it stands for."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ..arguments import check_whole
from .benchmark_models import (
    drives,
    has_equations,
    surrogate_objects,
    teacher_objects,
)
from .compact import CompactSurrogate
from .surrogate import Surrogate
from .task import SurrogateTask
from .task_arguments import positive_time
from .teacher import check_runtime
from .timing import runtime_time, standalone_time

__all__ = ["SurrogateBenchmark", "benchmark"]

_EQUATIONS = "equations, {}"
_FAST = _EQUATIONS.format("C++, fast_equations")
_AS_IS = _EQUATIONS.format("C++")
_SURROGATE = "surrogate, {}"
_IN_CPP = tuple(_SURROGATE.format(f"C++, float{bits}") for bits in (64, 32))
_WHOLE = "surrogate, apply (before the run)"


@dataclass
class SurrogateBenchmark:
    """
    What `benchmark` found.

    Attributes
    ----------
    times : dict of str to dict of int to float
        By row and number of channels: CPU milliseconds per channel and second of
        signal, of one thread.
    preparation : dict of str to dict of int to float
        Seconds of code generation and compilation (a second time, much of it may come
        from a cache).
    duration : float
        Seconds of signal.
    """

    times: dict = field(default_factory=dict)
    preparation: dict = field(default_factory=dict)
    duration: float = 0.0

    @property
    def ratios(self):
        """By number of channels: time of the fastest equations in C++ by that of the
        fastest form of the surrogate. Above one, the surrogate is faster."""
        best = {
            n: (self._best((_FAST, _AS_IS), n), self._best((*_IN_CPP, _WHOLE), n))
            for n in self.numbers
        }
        return {n: a / b for n, (a, b) in best.items() if a and b}

    @property
    def numbers(self):
        return list(next(iter(self.times.values()), {}))

    def _best(self, rows, n):
        return min((self.times[r][n] for r in rows if r in self.times), default=None)

    def to_dict(self):
        """Plain numbers and strings, for JSON."""
        tables = {"times": self.times, "preparation": self.preparation}
        named = {
            name: {
                row: {str(n): v for n, v in found.items()} for row, found in t.items()
            }
            for name, t in tables.items()
        }
        ratios = _with_text(self.ratios)
        return {**named, "ratios": ratios, "duration": self.duration}

    def __str__(self):
        head = ["ms per channel and second", *(f"n = {n}" for n in self.numbers)]
        rows = [[r, *(f"{v:.3g}" for v in t.values())] for r, t in self.times.items()]
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = [_aligned(row, widths) for row in (head, *rows)]
        if not self.ratios:
            lines.append("No equations to compare with: the model is not in Brian2.")
        return "\n".join([*lines, *map(_sentence, self.ratios.items())])

    __repr__ = __str__


def _with_text(by_number):
    return {str(n): value for n, value in by_number.items()}


def _aligned(cells, widths):
    first, *others = (c.ljust(w) for c, w in zip(cells, widths, strict=True))
    return "  ".join([first, *(c.strip().rjust(len(c)) for c in others)])


def _sentence(item):
    n, ratio = item
    word, factor = ("faster", ratio) if ratio >= 1 else ("slower", 1 / ratio)
    what = f"{n} channel{'s' if n > 1 else ''}"
    return (
        f"Best against best, {what}: the surrogate is {factor:.2g} times {word} than "
        "its equations in C++."
    )


def benchmark(task, surrogate, n=(1, 20, 201), duration=None, repeats=3, report=None):
    """
    Cost of a surrogate and of the equations that it stands for, on all targets.

    Parameters
    ----------
    task : `SurrogateTask`
        Its model and validation signals are used. With a function or recorded data as
        model there is nothing to compare with, and only the surrogate is measured.
    surrogate : `CompactSurrogate` or `EncoderDecoderCNN`
        Trained. A CNN is measured by `Surrogate.response` on whole signals.
    n : int or sequence of int
        Numbers of channels.
    duration : `Quantity`, optional
        Of the signals; by default 0.1 seconds or 2000 samples, whichever is longer.
    repeats : int
        Medians of so many runs.
    report : callable, optional
        Is called with a line of text before every measurement.

    Returns
    -------
    `SurrogateBenchmark`
        Print it for a table; the last lines compare with compiled equations.

    Raises
    ------
    ValueError, TypeError
        If an argument makes no sense.
    RuntimeError
        Without C++ compiler and make, or while ``set_device('cpp_standalone')`` is in
        effect.

    Notes
    -----
    Times are CPU times of one thread and of the simulation alone. C++ programs are
    built in temporary folders: 10 to 30 s each, two of the equations and two of the
    surrogate for each number of channels.
    """
    _check(task, surrogate, report)
    numbers = _numbers(n)
    duration = _samples(task, duration) * float(task.step)
    repeats = check_whole("repeats", repeats)
    found = SurrogateBenchmark(duration=duration)
    for number in numbers:
        signals = drives(task, number, round(duration / float(task.step)))
        for row, measure in _rows(task, surrogate, signals, duration, repeats):
            if report is not None:
                report(f"{row}, {number} channels")
            seconds, preparation = measure()
            per = 1e3 * seconds / (number * duration)
            found.times.setdefault(row, {})[number] = per
            found.preparation.setdefault(row, {})[number] = preparation
    return found


def _numbers(n):
    if isinstance(n, np.ndarray) and n.ndim == 1:
        n = n.tolist()
    several = n if isinstance(n, list | tuple | range) else [n]
    if not len(several):
        raise ValueError("n must have at least one number of channels, it is empty.")
    return [check_whole("n", one) for one in several]


def _check(task, surrogate, report):
    if not isinstance(task, SurrogateTask):
        raise TypeError(f"task must be a SurrogateTask, got {task!r}.")
    if not isinstance(surrogate, Surrogate) or not surrogate.trained:
        raise TypeError(f"surrogate must be a trained surrogate, got {surrogate!r}.")
    names = tuple(s.name for s in surrogate.inputs)
    if names != tuple(task.inputs) or abs(surrogate.step / task.step - 1) > 1e-6:
        raise ValueError(
            f"surrogate has the inputs {names} and the step {surrogate.step}, but the "
            f"task has {tuple(task.inputs)} and {task.step}: benchmark a surrogate "
            "with the task that it was trained on."
        )
    if report is not None and not isinstance(report, Callable):
        raise TypeError(f"report must be a function of a text, got {report!r}.")
    check_runtime()


def _samples(task, duration):
    if duration is None:
        return max(round(0.1 / float(task.step)), 2000)
    return max(round(positive_time("duration", duration) / float(task.step)), 1)


def _rows(task, surrogate, signals, duration, repeats):
    """Name and measurement of every row."""
    size = {"duration": duration, "repeats": repeats}
    if has_equations(task):
        build = partial(teacher_objects, task, signals)
        for target, name in (("numpy", "Python (numpy)"), ("cython", "Cython")):
            row = _EQUATIONS.format(name)
            yield row, partial(runtime_time, build, target=target, **size)
        for row, fast in ((_AS_IS, False), (_FAST, True)):
            yield row, partial(standalone_time, build, fast=fast, **size)
    if not isinstance(surrogate, CompactSurrogate):
        yield _WHOLE, partial(_whole_time, surrogate, signals, repeats)
        return
    double, single = (
        partial(surrogate_objects, surrogate, signals, dtype)
        for dtype in (np.float64, np.float32)
    )
    for target, name in (("numpy", "Python (numpy)"), ("cython", "Cython")):
        row = _SURROGATE.format(name)
        yield row, partial(runtime_time, double, target=target, **size)
    for row, build in zip(_IN_CPP, (double, single), strict=True):
        yield row, partial(standalone_time, build, fast=False, **size)


def _whole_time(surrogate, signals, repeats):
    names = [s.name for s in surrogate.inputs]
    given = {
        s.name: s.quantity(signals[..., k]) for k, s in enumerate(surrogate.inputs)
    }
    given = given if len(names) > 1 else given[names[0]]
    times = []
    for _ in range(repeats):
        began = time.process_time()
        surrogate.response(given)
        times.append(time.process_time() - began)
    return float(np.median(times)), 0.0
