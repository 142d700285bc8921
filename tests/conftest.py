"""Test settings: a clean device for every test, and as little compiling as possible."""

import gc
import logging
import os

# Threads of linear algebra only get in each other's way on small matrices.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import brian2
import pytest
from brian2 import prefs
from hypothesis import settings
from targets import clean_device, use_compiler_flags

#: Files that share the build of codegen_models.py, which is made once per process
SHARED = ("test_codegen.py", "test_binomial.py", "test_pool.py")

# A test that imports * from brian2 would run the whole suite of Brian2
brian2.test.__test__ = False


# Slow machines are no failures; in CI the same commit always gets the same cases.
settings.register_profile("here", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("here")


def pytest_configure(config):
    prefs.codegen.target = "numpy"
    prefs.codegen.string_expression_target = "numpy"
    use_compiler_flags("fast")
    # Brian2 2.9 starts as many compilers as there are files
    prefs.devices.cpp_standalone.extra_make_args_unix = ["-j2"]
    # spinning threads take seconds per step on a machine that is shared
    environment = {"OMP_WAIT_POLICY": "passive"}
    prefs.devices.cpp_standalone.run_environment_variables = environment
    prefs._backup()
    # the report of a failing test would have every line of generated code
    logging.getLogger("brian2").setLevel(logging.INFO)


def pytest_collection_modifyitems(items):
    """By convention the fixture ``results`` holds runs on all targets.

    Scripts and files that compile come first: they take long, and with one of them at
    the end the other processes of xdist would wait for it.
    """
    for item in items:
        if "results" in item.fixturenames:
            item.add_marker("standalone")
    slow = {i.path for i in items if i.get_closest_marker("standalone")}
    items.sort(key=lambda i: (i.path.stem != "test_examples", i.path not in slow))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests of a file, and those that share a build, are for one process."""
    from xdist.scheduler import LoadFileScheduling

    class BuildScheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return SHARED[0] if file.endswith(SHARED) else file

    config.option.loadscopereorder = False  # as pytest_collection_modifyitems says
    return BuildScheduling(config, log)


def pytest_collection_finish():
    # Cleaning collects garbage after every test: without all that was imported that
    # takes milliseconds instead of a third of a second
    gc.freeze()


@pytest.fixture(autouse=True)
def _clean_device():
    yield
    prefs._restore()
    clean_device()
