"""Work that is interrupted or done twice: no half-written file, and it goes on."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from brian2 import Hz, prefs
from brian2.utils.logger import catch_logs

from brian2_multiscale import SynapticTable, tabulate
from brian2_multiscale.parallel import map_jobs

needs_signals = pytest.mark.skipif(
    not hasattr(signal, "SIGKILL"), reason="has no SIGKILL"
)

OURS = ("brian2_multiscale",)
ROOT = Path(__file__).parents[1]

#: How other processes begin; ``ready()`` tells the test, ``wait()`` waits for it
PRELUDE = """
import os, pathlib, sys, time
from brian2 import *
import numpy as np  # Brian2 has a module of its own of that name
from brian2_multiscale import *
folder = pathlib.Path(sys.argv[1])
prefs.multiscale.table_cache = str(folder / "cache")

def ready():
    (folder / f"ready-{os.getpid()}").touch()

def wait():
    while not (folder / "go").exists():
        time.sleep(0.005)

def small():
    return tabulate("exponential", rates=(5, 20)*Hz)
"""


def start(folder, script):
    """Another Python, in a process group of its own."""
    code = PRELUDE + textwrap.dedent(script)
    root = os.environ.get("PYTHONPATH", "")
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{root}"},
    )


def until(condition, process=None, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        died = process is not None and process.poll() is not None
        assert not died, process.communicate()[1][-2000:]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def until_ready(folder, processes):
    for process in processes:
        until(lambda p=process: (folder / f"ready-{p.pid}").exists(), process)


def finish(process):
    """Its output; it must have succeeded."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err[-3000:]
    return out + err


def kill(process, how=None):
    """It and all that it started."""
    os.killpg(process.pid, how or signal.SIGKILL)
    process.communicate(timeout=60)


def small(folder):
    prefs.multiscale.table_cache = str(folder / "cache")
    return tabulate("exponential", rates=(5, 20) * Hz)


# -- interrupted ----------------------------------------------------------------------
#: Writing a table stops in the middle
HALF = """
def half(file, **arrays):
    file.write(b"PK" + bytes(3000))
    file.flush()
    ready()
    time.sleep(1000)
"""


@needs_signals
def test_killed_while_a_table_is_written(tmp_path):
    """In the cache, and over a table of the user that is there already."""
    a, b = tmp_path / "a", tmp_path / "b"
    a.mkdir(), b.mkdir()
    table = small(tmp_path)
    table.save(b / "mine.npz")
    before = (b / "mine.npz").read_bytes()
    processes = [
        start(a, HALF + "np.savez_compressed = half\nsmall()"),
        start(b, HALF + "t = small()\nnp.savez_compressed = half\nt.save('mine.npz')"),
    ]
    for folder, process in zip((a, b), processes, strict=True):
        until_ready(folder, [process])
        kill(process)
    assert not list((a / "cache").glob("*.npz"))
    assert list((a / "cache").glob("*.part")) and list(b.glob("*.part"))
    assert (b / "mine.npz").read_bytes() == before
    # the next call works, and in the end nothing is left behind
    for folder in (a / "cache", b):
        for part in folder.glob("*.part"):
            os.utime(part, (0, 0))
    same(small(a), table)
    SynapticTable.load(b / "mine.npz").save(b / "mine.npz")
    assert [p.suffix for p in (a / "cache").iterdir()] == [".npz"]
    assert not list(b.glob("*.part"))


def same(first, second):
    for name in ("propagators", "responses", "powers", "time_constants"):
        np.testing.assert_array_equal(
            getattr(first.core, name), getattr(second.core, name)
        )


def test_parts_of_processes_at_work_stay(tmp_path):
    table = small(tmp_path)
    for name, age in (("t.npz.x.part", 10), ("t.npz.y.part", 9999), ("u.part", 9999)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    table.save(tmp_path / "t.npz")
    assert {p.name for p in tmp_path.glob("*.part")} == {"t.npz.x.part", "u.part"}


@needs_signals
def test_ctrl_c_while_tabulating(tmp_path):
    """The user's Ctrl-C only reaches the first process when it is in a notebook."""
    script = """
        ready()
        tabulate(
            "exponential", "history", rates=(5, 20)*Hz, order=4, window=50*ms,
            points=12, report="stdout",
        )
    """
    process = start(tmp_path, script)
    until_ready(tmp_path, [process])
    time.sleep(0.2)  # into the simulations
    began = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    assert time.monotonic() - began < 20
    assert process.returncode == -signal.SIGINT  # Python's for KeyboardInterrupt
    assert not list(tmp_path.glob("cache/*"))
    until(lambda: not _alive(process.pid), seconds=20)


def _alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _die(job):
    if job == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def _wait(job):
    time.sleep(0.2 if job else 0)
    if job == 0:
        raise KeyboardInterrupt
    return job


@needs_signals
def test_a_killed_worker_is_an_error():
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="jobs was killed.*executor="):
        map_jobs(_die, range(8))
    assert time.monotonic() - began < 20


def test_an_interrupt_does_not_wait_for_all_jobs():
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        map_jobs(_wait, range(400))
    assert time.monotonic() - began < 10


# -- twice at the same time ------------------------------------------------------------
TWICE = """
ready()
wait()
table = small()
np.save(folder / f"result-{os.getpid()}.npy", table.core.responses)
print(len(list((folder / "cache").glob("*.npz"))), "files")
"""


@needs_signals
@pytest.mark.parametrize("cache", ["empty", "damaged"])
def test_two_processes_make_the_same_table(tmp_path, cache):
    if cache == "damaged":
        small(tmp_path)
        (file,) = (tmp_path / "cache").iterdir()
        file.write_bytes(file.read_bytes()[:2000])
    processes = [start(tmp_path, TWICE) for _ in range(2)]
    until_ready(tmp_path, processes)
    (tmp_path / "go").touch()
    outputs = [finish(process) for process in processes]
    (file,) = (tmp_path / "cache").iterdir()  # one file, and no leftovers
    results = [np.load(path) for path in tmp_path.glob("result-*.npy")]
    assert len(results) == 2
    for result in results:
        np.testing.assert_array_equal(result, SynapticTable.load(file).core.responses)
    warned = ["Building the table again" in text for text in outputs]
    assert any(warned) == (cache == "damaged"), outputs


def test_a_damaged_cache_is_told(tmp_path):
    table = small(tmp_path)
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(b"no table")
    with catch_logs(only_from=OURS) as logs:
        again = small(tmp_path)
    same(table, again)
    (text,) = [m for level, _, m in logs if level == "WARNING"]
    assert "Building the table again" in text and str(file) in text
    with catch_logs(only_from=OURS) as logs:
        same(table, small(tmp_path))
    assert not logs


# -- standalone builds -----------------------------------------------------------------
BUILD = """
set_device("cpp_standalone", directory=str(folder / "project"))
prefs.devices.cpp_standalone.extra_make_args_unix = ["-j2"]
prefs.codegen.cpp.extra_compile_args_gcc = ["-O0"]
group = MesoscopicGroup(
    100, "dv/dt = (20*mV - v)/(10*ms) : volt\\nrho = 10*Hz*exp(v/(5*mV)) : Hz",
    hazard="rho", reset="v = 0*mV", noise=False,
)
run(5*ms)
np.save(folder / "result.npy", np.array(group.A/Hz))
"""


@needs_signals
@pytest.mark.long
@pytest.mark.standalone
@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_an_interrupted_build_goes_on(tmp_path, how):
    """Stopped at several moments of compilation, in the same folder."""
    project = tmp_path / "project"
    for number in (1, 3, 5):  # objects are kept, so that each build gets further
        process = start(tmp_path, BUILD)
        until(lambda n=number: len(list(project.rglob("*.o"))) >= n, process)
        time.sleep(0.1)  # into the next ones
        kill(process, getattr(signal, how))
        assert not (tmp_path / "result.npy").exists()
    finish(start(tmp_path, BUILD))
    resumed = np.load(tmp_path / "result.npy")
    (tmp_path / "fresh").mkdir()
    finish(start(tmp_path / "fresh", BUILD))
    np.testing.assert_array_equal(resumed, np.load(tmp_path / "fresh" / "result.npy"))
