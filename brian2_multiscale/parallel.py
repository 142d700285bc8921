"""Independent jobs on several processes, through the concurrent.futures API."""

import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from .arguments import check_choice

__all__ = ["check_executor", "map_jobs"]


def check_executor(executor, report):
    """Refuse what cannot run jobs, or what cannot be reported to."""
    # Executors of clusters need not be a concurrent.futures.Executor
    usable = callable(getattr(executor, "map", None)) and hasattr(executor, "submit")
    if executor is not None and (isinstance(executor, type) or not usable):
        raise TypeError(
            f"executor must be a concurrent.futures.Executor or None, got {executor!r}."
        )
    check_choice("report", report, ("text", "stdout", "stderr", None))


def map_jobs(function, jobs, executor=None, report=None, what="jobs"):
    """
    ``[function(job) for job in jobs]``, in order, on several processes.

    Parameters
    ----------
    function : callable
        At module level, so that it can be sent to another process.
    jobs : sequence
    executor : `concurrent.futures.Executor`, optional
        For instance ``dask.distributed.Client(...).get_executor()``. By default as
        many local processes as the machine has cores where processes can be forked;
        elsewhere the jobs run in this process.
    report : {None, 'text', 'stdout', 'stderr'}, optional
        Where progress is printed ('text' is 'stdout').
    what : str
        What the jobs are called in the progress report.

    Returns
    -------
    results : list
        Independent of the number of workers.

    Raises
    ------
    RuntimeError
        If a local process was killed.
    """
    jobs = list(jobs)
    if executor is not None:
        return _collect(executor.map(function, jobs), len(jobs), report, what)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    can_fork = "fork" in multiprocessing.get_all_start_methods()
    # Spawned processes would run an unguarded user script a second time.
    if len(jobs) < 2 or cores < 2 or not can_fork or sys.platform == "darwin":
        return _collect(map(function, jobs), len(jobs), report, what)
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(min(cores, len(jobs)), context) as pool:
        try:
            return _collect(pool.map(function, jobs), len(jobs), report, what)
        except BrokenProcessPool as error:
            raise RuntimeError(
                f"A process that worked on the {what} was killed from outside, often "
                "because memory ran out. Give an executor with fewer processes: "
                "executor=ProcessPoolExecutor(1)."
            ) from error
        except BaseException:
            # Leaving 'with' would wait for all jobs, hours after Ctrl-C.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _collect(results, total, report, what):
    start = shown = time.monotonic()
    collected = []
    for result in results:
        collected.append(result)
        now = time.monotonic()
        if report and (len(collected) == total or now - shown > 5):
            shown = now
            stream = sys.stderr if report == "stderr" else sys.stdout
            print(
                f"{len(collected)} of {total} {what} ({now - start:.0f} s)",
                file=stream,
                flush=True,
            )
    return collected
