"""One test body for all code generation targets."""

import contextlib
import gc
import hashlib
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import brian2
import numpy as np
import pytest
from brian2 import Network, Quantity, device, ms, prefs
from brian2.devices.device import reinit_devices, reset_device

__all__ = [
    "TARGETS",
    "assert_targets_agree",
    "cache_folder",
    "clean_device",
    "run_on_targets",
    "use_compiler_flags",
]

TARGETS = ("numpy", "cython", "cpp_standalone")

_DEFAULT_FLAGS = tuple(prefs.codegen.cpp.extra_compile_args_gcc)


def cache_folder():
    """Where compiled code survives between test runs.

    ``$BRIAN2_MULTISCALE_TEST_CACHE`` or ``.cache`` in the repository.
    """
    default = Path(__file__).parents[1] / ".cache"
    return Path(os.environ.get("BRIAN2_MULTISCALE_TEST_CACHE", default)).resolve()


def use_compiler_flags(kind):
    """Choose what tests are compiled with.

    Parameters
    ----------
    kind : {'fast', 'default'}
        'fast' is -O1, which takes 30 % less time to compile with Cython (15 % less
        in C++) than 'default', the -O3 of Brian2. All else stays, ``-ffast-math`` too.
        Brian2 does not compile Cython code again because flags change: hence another
        cache, and objects in tests with other flags need names of their own.
    """
    optimise = {"default": "-O3", "fast": "-O1"}[kind]
    prefs.codegen.cpp.extra_compile_args_gcc = [
        optimise if flag == "-O3" else flag for flag in _DEFAULT_FLAGS
    ]
    prefs.codegen.runtime.cython.cache_dir = str(cache_folder() / f"cython-{kind}")


def clean_device():
    """Go back to an empty runtime device and the default time step; keep preferences.

    Also frees the names of objects that are gone, so that the same test makes the
    same names, and the same compiled code is found, in whatever order tests run.
    """
    preferences = dict(prefs.items())
    reset_device("runtime")
    reinit_devices()  # goes back to the preferences of the last prefs._backup()
    prefs.update(preferences)
    gc.collect()
    # Cython leaves half a million objects behind: without them collecting garbage
    # takes milliseconds instead of a third of a second, twice after every test
    if len(gc.get_objects()) > 50_000:
        gc.freeze()


def run_on_targets(build, duration=10 * ms, targets=TARGETS, seed=1234, name=None):
    """Run the same model on several targets and collect what it gives.

    Parameters
    ----------
    build : callable or list of callables
        ``build()`` makes the model, once per target, and returns ``(objects,
        readers)``: a `Network` or the objects to put into one, and a dict of names to
        functions without arguments that are called after the run. The models of
        several callables go into one network, with one C++ build for all of them.
        Names of readers must differ; objects should have fixed names. Equations see
        the names of the module that a callable is in.
    duration : `Quantity` or callable, optional
        Time to run, or ``duration(network)`` that does all runs itself.
    targets : sequence of str, optional
        From ``'numpy'``, ``'cython'``, ``'cpp_standalone'``.
    seed : int, optional
        Set before building the model. Models that draw only ``rand()`` get the same
        numbers on all targets.
    name : str, optional
        Name of the folder for the C++ project; by default that of the test.

    Returns
    -------
    dict of str to dict of str to ndarray
        ``results[target][name]``, in base units.
    """
    _skip_without_compiler(targets)
    preferred_target = prefs.codegen.target
    builders = [build] if callable(build) else list(build)
    results = {}
    for target in targets:
        clean_device()
        try:
            if target == "cpp_standalone":
                results[target] = _run_standalone(builders, duration, seed, name)
            else:
                prefs.codegen.target = target
                results[target] = _read(*_run(builders, duration, seed))
        finally:
            prefs.codegen.target = preferred_target
            clean_device()
    return results


def assert_targets_agree(results, rtol=1e-10):
    """Compare each target with the first, relative to the largest value of an array.

    Parameters
    ----------
    results : dict
        From `run_on_targets`, with at least two targets.
    rtol : float, optional
        Largest difference over the largest magnitude in the array.
    """
    (first, expected), *others = results.items()
    assert others, "nothing to compare: only one target was run"
    for target, values in others:
        assert values.keys() == expected.keys()
        for key, reference in expected.items():
            scale = np.max(np.abs(reference), initial=0, where=np.isfinite(reference))
            np.testing.assert_allclose(
                values[key],
                reference,
                rtol=0,
                atol=rtol * scale,
                err_msg=f"{key}: {target} differs from {first}",
            )


def _skip_without_compiler(targets):
    compilers = [os.environ.get("CXX", "c++"), "g++", "clang++"]
    if set(targets) != {"numpy"} and not any(map(shutil.which, compilers)):
        pytest.skip(f"found no C++ compiler (tried {', '.join(compilers)})")


def _run(builders, duration, seed):
    brian2.seed(seed)
    network, readers, namespace = Network(), {}, {}
    for builder in builders:
        namespace.update(builder.__globals__)
        objects, own_readers = builder()
        if isinstance(objects, Network):
            objects = objects.objects
        network.add(objects)
        assert not readers.keys() & own_readers.keys(), "two readers with one name"
        readers.update(own_readers)
    if isinstance(duration, Quantity):
        network.run(duration, namespace=namespace)
    else:
        duration(network)
    return network, readers


def _read(network, readers):
    # the network is an argument so that its objects live until here
    return {name: np.array(reader(), subok=False) for name, reader in readers.items()}


def _run_standalone(builders, duration, seed, name):
    with _project_folder(name) as folder:
        brian2.set_device("cpp_standalone", build_on_run=False)
        network, readers = _run(builders, duration, seed)
        device.build(directory=str(folder), with_output=False)
        return _read(network, readers)


@contextlib.contextmanager
def _project_folder(name):
    """A folder that keeps the compiled files of this test, or a temporary one.

    The key has everything that make does not know to change the object files.
    """
    name = name or os.environ.get("PYTEST_CURRENT_TEST", "unnamed").split(" ")[0]
    name = re.sub(r"\W+", "-", name.split("tests/")[-1])
    flags = repr(sorted((key, repr(value)) for key, value in prefs.items()))
    text = f"{sys.prefix} {brian2.__version__} {flags}"
    key = hashlib.sha256(text.encode()).hexdigest()[:8]
    folder = cache_folder() / "standalone" / f"{name}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        if _try_lock(lock):
            shutil.rmtree(folder / "results", ignore_errors=True)
            yield folder
        else:
            with tempfile.TemporaryDirectory() as other:
                yield Path(other)


def _try_lock(file):
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True
