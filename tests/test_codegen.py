"""Own templates and functions with arrays, on all targets."""

import gc
import weakref

import numpy as np
import pytest
from brian2 import (
    BrianObjectException,
    DimensionMismatchError,
    Network,
    NeuronGroup,
    StateMonitor,
    defaultclock,
    device,
    get_device,
    ms,
    mV,
    nS,
    prefs,
    set_device,
    volt,
)
from brian2.codegen.runtime.cython_rt import CythonCodeObject
from brian2.codegen.runtime.cython_rt.extension_manager import (
    cython_extension_manager,
)
from brian2.codegen.runtime.GSLcython_rt import GSLCythonCodeObject
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from codegen_models import (
    AXES_2D,
    EXTRAPOLATIONS,
    POINTS_2D,
    POINTS_5D,
    TABLE_1D,
    TABLE_2D,
    TABLE_5D,
    TAUS,
    make_row_sum,
    reference_2d,
    shared_results,
)
from scipy.interpolate import RegularGridInterpolator
from targets import TARGETS, assert_targets_agree, clean_device, run_on_targets

from brian2_multiscale import DensityGroup
from brian2_multiscale.codegen.arrays import ArrayFunction
from brian2_multiscale.codegen.lookup import LookupFunction
from brian2_multiscale.codegen.pool import PooledExponentials
from brian2_multiscale.codegen.targets import target_class


@pytest.fixture(scope="module")
def results():
    return shared_results()


@pytest.mark.parametrize("target", ["numpy", "cython"])
def test_target_class_follows_the_preference(target):
    prefs.codegen.target = target
    chosen = target_class()
    assert chosen.class_name == target
    assert target_class(chosen) is chosen
    assert chosen.templater.multiscale_pooled_decay.variables == {"N"}
    assert chosen.templater.stateupdate is not None  # Brian2's are behind it


def test_target_class_in_standalone_mode():
    set_device("cpp_standalone", build_on_run=False)
    assert target_class().templater.extension == ".cpp"
    # project files must come from Brian2's own class
    project_class = get_device().code_object_class()
    with pytest.raises((KeyError, AttributeError)):  # Brian2 2.9, later
        project_class.templater.multiscale_pooled_decay  # noqa: B018


def test_target_without_templates_is_refused():
    with pytest.raises(NotImplementedError, match="GSLCython.*'cython'.*prefs"):
        target_class(GSLCythonCodeObject)
    group = NeuronGroup(1, "g : siemens")
    pool = PooledExponentials(group, "g", TAUS, codeobj_class=GSLCythonCodeObject)
    with pytest.raises(BrianObjectException) as error:
        Network(group, pool).run(defaultclock.dt)
    assert isinstance(error.value.__cause__, NotImplementedError)


def test_targets_give_the_same_numbers(results):
    exact = {
        target: {name: values[name] for name in values if "draws" not in name}
        for target, values in results.items()
    }
    assert_targets_agree(exact, rtol=1e-14)


@pytest.mark.parametrize("policy", EXTRAPOLATIONS)
def test_lookup_agrees_with_scipy(results, policy):
    expected = reference_2d(policy)
    outside = slice(200, 205)
    assert np.all(np.isnan(expected[outside]) == (policy == "nan"))
    assert np.isnan(expected[-1])
    table = LookupFunction(TABLE_2D, AXES_2D, policy)
    from_python = table(POINTS_2D[:, 0] * volt, POINTS_2D[:, 1])
    for found in [np.asarray(from_python), *(results[t][policy] for t in TARGETS)]:
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-17)


def test_lookup_in_one_and_five_dimensions(results):
    one = RegularGridInterpolator([np.linspace(0, 1, 31)], np.asarray(TABLE_1D))
    grid = [np.linspace(0, 1, n) for n in TABLE_5D.shape]
    five = RegularGridInterpolator(grid, TABLE_5D.astype(np.float32).astype(float))
    for target in TARGETS:
        np.testing.assert_allclose(
            results[target]["one"], one(POINTS_5D[:, :1]), rtol=1e-11
        )
        np.testing.assert_allclose(
            results[target]["five"], five(POINTS_5D), rtol=0, atol=1e-13
        )


@pytest.mark.parametrize("target", TARGETS)
def test_array_function_with_an_integer_argument(results, target):
    rows = np.arange(12.0).reshape(3, 4)
    n = np.ceil(4 * POINTS_5D[:, 0]).astype(int)
    expected = [rows[k % 3, : n[k]].sum() for k in range(len(n))]
    np.testing.assert_array_equal(results[target]["rows"], expected)


# Over all samplers and parameters, correct code fails with this probability.


def overflowing_model():
    table = LookupFunction(np.arange(4) * nS, {"v": (0 * mV, 3 * mV)}, name="ramp")
    group = NeuronGroup(
        4, "v : volt\ng = ramp(v) : siemens", name="grp_ramp", namespace={"ramp": table}
    )
    group.run_regularly("v += 1*mV", name="step_ramp")
    group.v = [0, 0.5, 0.7, 0.9] * mV
    monitor = StateMonitor(group, "g", True, when="end", name="mon_ramp")
    return [group, monitor], {"g": lambda: monitor.g}


@pytest.mark.standalone
@pytest.mark.parametrize("target", TARGETS)
def test_use_outside_the_range_ends_the_simulation(target, capfd):
    # the second neuron leaves the range in the third step
    with pytest.raises((BrianObjectException, RuntimeError)) as error:
        run_on_targets(overflowing_model, 1 * ms, targets=[target])
    printed = capfd.readouterr().out
    cause = str(error.value.__cause__ or printed)
    for part in ["ramp", "'v'", "0.0035", "[0, 0.003]", "extrapolate='clip'"]:
        assert part in cause


def changing_model():
    table = LookupFunction([1.0, 2.0, 3.0], {"x": (0, 1)}, name="changing")
    group = NeuronGroup(
        2, "x : 1\ny : 1", name="grp_change", namespace={"table": table}
    )
    group.x = [0, 0.75]
    group.run_regularly("y = table(x)", name="step_change")
    return table, group


@pytest.mark.parametrize("target", ["numpy", "cython"])
def test_new_values_act_at_once(target):
    prefs.codegen.target = target
    table, group = changing_model()
    network = Network(group)
    network.run(defaultclock.dt)
    assert list(group.y) == [1, 2.5]
    modules = len(cython_extension_manager._code_cache)
    table.values = [10, 20, 40]
    network.run(defaultclock.dt)
    assert list(group.y) == [10, 30]
    assert len(cython_extension_manager._code_cache) == modules
    with pytest.raises(ValueError, match=r"has shape \(3,\), new values have \(2,\)"):
        table.values = [1, 2]
    with pytest.raises(DimensionMismatchError, match="values of changing"):
        table.values = [1, 2, 3] * mV
    with pytest.raises(ValueError, match="not finite, the first .nan. at x = 0.5"):
        table.values = [1, np.nan, 3]


@pytest.mark.standalone
def test_new_values_need_no_compilation_in_standalone_mode(tmp_path):
    times = []
    for values in [[1, 2, 3], [10, 20, 40]]:
        set_device("cpp_standalone", build_on_run=False)
        table, group = changing_model()
        table.values = values
        Network(group, name="net_change").run(defaultclock.dt)
        device.build(directory=str(tmp_path), with_output=False)
        np.testing.assert_allclose(group.y, np.interp(group.x, [0, 0.5, 1], values))
        times.append({p.name: p.stat().st_mtime_ns for p in tmp_path.rglob("*.o")})
        del table, group
        clean_device()
    assert times[0] and times[0] == times[1]


def test_tables_are_freed_after_a_simulation():
    # Brian2 keeps its caches for ever; a table in one of them would never be freed
    # and would keep its name, so that no compiled code is found again
    def simulate():
        table = LookupFunction([1.0, 2.0], {"x": (0, 1)})
        assert table.name == "lookupfunction"
        group = NeuronGroup(
            1, "dy/dt = -y*f(y)/second : 1", method="euler", namespace={"f": table}
        )
        Network(group).run(defaultclock.dt)
        return weakref.ref(table)

    for _ in range(2):
        table = simulate()
        gc.collect()
        assert table() is None


@pytest.mark.parametrize(
    "arrays, error, message",
    [
        ({"a": np.zeros(3, dtype=bool)}, TypeError, "'a' has type bool, must be one"),
        ({"a": np.zeros((0, 3))}, ValueError, "'a' is empty"),
    ],
)
def test_array_function_refuses_arrays(arrays, error, message):
    with pytest.raises(error, match=message):
        ArrayFunction(arrays, np.add, "", ["x"], [1])


def test_array_function_from_python():
    function = make_row_sum()
    assert function(1, 2) == 9 * volt
    assert function.nbytes == 12 * 8 + 2 * 4
    assert "'row_sum'(row, n), 104 bytes" in repr(function)
    function.set_array("rows", np.ones((3, 4)))
    assert function(1, 2) == 2 * volt
    with pytest.raises(KeyError, match=r"\['rows', 'size'\], not 'columns'"):
        function.set_array("columns", 3)
    with pytest.raises(ValueError):
        function.arrays["rows"][0] = 1
    with pytest.raises(TypeError, match=r"takes 2 arguments \(row, n\), got 1"):
        function(1)


@pytest.mark.parametrize(
    "values, axes, message",
    [
        (np.zeros((2, 2)), {"x": (0, 1)}, r"2 dimensions but 1 axes \(x\)"),
        (np.zeros((2,) * 6), dict.fromkeys("abcdfg", (0, 1)), "must have 1 to 5"),
        ([1, np.inf], {"x": (0, 1)}, r"not finite, the first \(inf\) at x = 1"),
        ([1], {"x": (0, 1)}, "has 1 points, needs at least 2"),
        ([1, 2], {"x": 3}, r"must be \(lo, hi\[, spacing\]\)"),
    ],
)
def test_lookup_function_refuses(values, axes, message):
    with pytest.raises(ValueError, match=message):
        LookupFunction(values, axes)


def test_a_missing_compiler_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(RuntimeError, match="C\\+\\+ compiler.*prefs.codegen.target"):
        target_class(CythonCodeObject)
    assert target_class(NumpyCodeObject) is not None  # needs none


def test_code_that_cython_refuses_is_an_error(monkeypatch):
    """Brian2 shows the message of Cython and goes on without the code."""
    monkeypatch.setattr(
        cython_extension_manager, "create_extension", lambda *args, **kwds: None
    )
    prefs.codegen.target = "cython"
    group = DensityGroup(
        10, "dv/dt = -v/ms + xi*ms**-0.5 : 1", threshold="v > 1", reset="v = 0"
    )
    with pytest.raises(BrianObjectException) as error:
        Network(group).run(0.1 * ms)
    assert "could not translate" in str(error.value.__cause__)
