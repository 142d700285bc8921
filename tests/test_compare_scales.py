"""compare_scales: runs, seeds, drives, intervals, and what it refuses."""

import json
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from brian2 import (
    BrianObjectException,
    DimensionMismatchError,
    Hz,
    PoissonInput,
    TimedArray,
    ms,
    mV,
    prefs,
    second,
)

from brian2_multiscale import ScaleComparison, compare_scales
from brian2_multiscale.scales.compare import _own_seeds
from brian2_multiscale.scales.intervals import _moments_of_flow, spike_intervals

MODEL = """
dv/dt = (mu - v + h)/tau : volt (unless refractory)
dh/dt = -h/(5*ms) : volt
rho = 10*Hz*exp((v - 15*mV)/(2*mV)) : Hz
mu : volt
"""
FIRING = {
    "threshold": "rand() < rho*dt",
    "reset": "v = 0*mV",
    "refractory": 4 * ms,
    "namespace": {"tau": 20 * ms},
}
QUICK = {
    "duration": 0.5 * second,
    "warmup": 0.1 * second,
    "seeds": 2,
    "dt": 0.5 * ms,
    "target": "numpy",
}
# Random connections
INHIBITION = {
    "on_pre": "h_post += w",
    "weights": -0.1 * mV,
    "delay": 1 * ms,
    "p": 0.5,
}
NOISY = "dv/dt = (I - v)/(20*ms) + 0.2*(20*ms)**-0.5*xi : 1\nI : 1"
CROSSING = {"threshold": "v > 1", "reset": "v = 0", "method": "euler"}


def poisson_kicks(group):
    return [PoissonInput(group, "h", 10, 100 * Hz, 0.2 * mV)]


def counts(comparison, scale):
    return [run.counts for run in comparison.recordings[scale]]


@pytest.fixture(scope="module")
def meso():
    """A comparison that several tests look at."""
    return compare_scales(
        [200, 50],
        MODEL,
        **FIRING,
        **QUICK,
        drive={"mu": [16, 18] * mV},
        projections=[INHIBITION],
    )


# -- what is simulated ---------------------------------------------------------------
def test_the_admitted_scales_are_simulated_and_the_others_explained(meso):
    assert isinstance(meso, ScaleComparison)
    assert meso.scales == ["spiking", "mesoscopic"]
    assert set(meso.notes) == {"density", "hybrid"}
    assert "rand() < rho*dt" in meso.notes["density"]
    assert "rand() < rho*dt" in str(meso)
    for scale in meso.scales:
        assert [c.shape for c in counts(meso, scale)] == [(100, 2)] * 2
        assert meso.costs[scale] > 0
    json.dumps(meso.to_dict())


def test_scales_of_a_model_with_noise_in_the_voltage():
    found = compare_scales(100, NOISY, **CROSSING, **QUICK, drive={"I": 0.9})
    assert found.scales == ["spiking", "density", "hybrid"]
    rates = [np.mean(found.measured[s]["rate"]) for s in found.scales]
    np.testing.assert_allclose(rates, rates[0], rtol=0.15)
    # The density fluctuates as neurons do
    assert found.measured["density"]["variance"].min() > 0


def test_spikes_of_all_scales_are_whole_numbers_with_noise(meso):
    for scale in meso.scales:
        for run in counts(meso, scale):
            np.testing.assert_array_equal(run, np.round(run))


def test_without_noise_one_run_is_enough_and_its_variance_differs():
    found = compare_scales(
        200, MODEL, **FIRING, **QUICK, drive={"mu": 17 * mV}, noise=False
    )
    assert len(found.recordings["spiking"]) == 2
    assert len(found.recordings["mesoscopic"]) == 1
    assert found.recordings["mesoscopic"][0].noise_free
    assert found.verdicts["mesoscopic"]["variance"] == "differs"


# -- random numbers ------------------------------------------------------------------
def test_runs_differ_and_results_do_not_depend_on_processes(meso):
    arguments = {
        **FIRING,
        **QUICK,
        "drive": {"mu": [16, 18] * mV},
        "projections": INHIBITION,
    }
    np.random.seed(5)
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        again = compare_scales([200, 50], MODEL, **arguments, executor=pool)
    # ... nor do the random numbers of the user's own script
    after = np.random.random()
    np.random.seed(5)
    assert after == np.random.random()
    for scale in meso.scales:
        first, second_ = counts(meso, scale)
        assert np.any(first != second_)
        np.testing.assert_array_equal(counts(again, scale), counts(meso, scale))


def test_seeds_of_scales_are_different():
    seeds = [s for name in ("spiking", "density") for s in _own_seeds(name, range(50))]
    assert len(set(seeds)) == 100
    # ... and part of what is promised: results can be repeated
    assert _own_seeds("spiking", [3]) == [719160322]


# -- drives --------------------------------------------------------------------------
@pytest.mark.parametrize(
    "drive",
    [
        "16*mV + 4*mV*int(t > 300*ms)",
        TimedArray([16, 16, 16, 20, 20, 20] * mV, dt=100 * ms),
        TimedArray(np.outer([16, 16, 16, 20, 20, 20], [1, 1]) * mV, dt=100 * ms),
    ],
    ids=["expression", "array of time", "array of time and population"],
)
def test_a_drive_that_changes_in_time(drive):
    quick = {**QUICK, "seeds": 1}
    found = compare_scales([500, 500], MODEL, **FIRING, **quick, drive={"mu": drive})
    for scale in found.scales:
        (run,) = counts(found, scale)
        assert run[50:].sum() > 2 * run[:35].sum() > 0


def test_every_population_has_its_own_drive(meso):
    for scale in meso.scales:
        assert np.all(np.diff(meso.measured[scale]["rate"], axis=1) > 2)


def test_initial_values_and_further_objects():
    quick = {**QUICK, "seeds": 1, "warmup": 0 * ms, "duration": 0.3 * second}
    base = compare_scales(300, MODEL, **FIRING, **quick, drive={"mu": 14 * mV})
    more = compare_scales(
        300,
        MODEL,
        **FIRING,
        **quick,
        drive={"mu": 14 * mV},
        initial={"v": 20 * mV},
        connect=poisson_kicks,
    )
    for scale in base.scales:
        low, high = counts(base, scale)[0], counts(more, scale)[0]
        assert high[:2].sum() > low[:2].sum() + 30
        assert high[30:].sum() > 1.2 * low[30:].sum()


# -- intervals of single neurons -----------------------------------------------------
def test_intervals_of_poisson_neurons_with_dead_time():
    """Hazard 50 Hz, 10 ms of silence: mean 30 ms, CV 2/3, at both scales."""
    found = compare_scales(
        20000,
        "dx/dt = -x/(10*ms) : 1\nrho = 50*Hz : Hz",
        threshold="rand() < rho*dt",
        reset="x = 0",
        refractory=10 * ms,
        **{**QUICK, "dt": 0.1 * ms, "duration": 1 * second, "seeds": 1},
    )
    for scale in found.scales:
        ((mean, cv),) = found.recordings[scale][0].intervals
        # A linear rule is half a step early: 29.9 ms
        assert mean == pytest.approx(0.0299, rel=0.002)
        assert cv == pytest.approx(2 / 3, abs=0.005)


def test_intervals_from_spikes():
    class Monitor:
        i = np.array([0, 1, 0, 0, 1, 2])
        t = np.array([0.1, 0.1, 0.2, 0.4, 0.4, 0.5])

    # Fewer than fifty intervals are none
    assert spike_intervals(Monitor, [2, 1], 0, 1) == [None, None]
    # ... and so are those that are not much shorter than the run
    Monitor.i, Monitor.t = np.repeat(np.arange(100), 2), np.tile([0.0, 0.2], 100)
    assert spike_intervals(Monitor, [100], 0, 1) == [None]
    times = np.cumsum(np.tile([0.01, 0.03], 100))
    Monitor.i, Monitor.t = np.zeros(200, dtype=int), times
    ((mean, cv), other) = spike_intervals(Monitor, [1, 1], 0, 4)
    assert mean == pytest.approx(0.02, rel=0.01) and other is None
    assert cv == pytest.approx(0.5, rel=0.01)


def test_the_pool_has_an_exponential_tail():
    # Everything in the pool: memory plus an exponential
    flow, age, rate = np.array([[0.0], [5.0]]), np.zeros((2, 1)), np.full((2, 1), 20.0)
    mean, cv = _moments_of_flow(flow, age, rate, 0.05)
    assert mean == pytest.approx(0.1) and cv == pytest.approx(0.5)
    assert _moments_of_flow(0 * flow, age, rate, 0.05) is None
    # Of neurons that fire at a rate that varies, the age is not known
    flow, rate = (
        np.array([[1.0, 1.0], [5.0, 2.0]]),
        np.array([[20.0, 20.0], [20.0, 5.0]]),
    )
    assert _moments_of_flow(flow, np.zeros((2, 2)), rate, 0.05) is None


def test_neurons_of_a_cohort_that_differ_have_no_intervals():
    adapting = MODEL + "dw/dt = -w/(100*ms) : volt\n"
    adapting = adapting.replace("mu - v + h", "mu - v + h - w")
    firing = {**FIRING, "reset": "v = 0*mV; w += 0.3*mV"}
    quick = {**QUICK, "seeds": 1, "duration": 2 * second}
    found = compare_scales(100, adapting, **firing, **quick, drive={"mu": 18 * mV})
    assert found.recordings["mesoscopic"][0].intervals is None
    assert found.recordings["spiking"][0].intervals[0] is not None
    assert found.verdicts["mesoscopic"]["isi_cv"] == "not defined"


# -- C++ programs ---------------------------------------------------------------------
@pytest.mark.standalone
def test_programs_give_the_same_law_and_leave_the_device_alone():
    from brian2.devices.device import RuntimeDevice, get_device

    quick = {**QUICK, "target": "cpp_standalone", "scales": ["mesoscopic"]}
    quick["reference"] = "mesoscopic"
    found = compare_scales(5000, MODEL, **FIRING, **quick, drive={"mu": 18 * mV})
    other = {**quick, "target": "numpy"}
    numpy = compare_scales(5000, MODEL, **FIRING, **other, drive={"mu": 18 * mV})
    assert isinstance(get_device(), RuntimeDevice)
    first, second_ = counts(found, "mesoscopic")
    assert np.any(first != second_)
    rates = [c.measured["mesoscopic"]["rate"].mean() for c in (found, numpy)]
    assert rates[0] == pytest.approx(rates[1], rel=0.02)


# -- bad input -----------------------------------------------------------------------
BAD = {
    "scales": ("cortical", "scales must be one of 'spiking'"),
    "reference": ("density", "reference='density' is not admitted"),
    "duration": (3, "duration must be a time"),
    "warmup": (-1 * ms, "warmup must be"),
    "bin": (0.7 * ms, "bin must be a whole number of time steps"),
    "seeds": (0, "seeds must be"),
    "noise": (1, "noise must be True or False"),
    "drive": ({"nu": 3 * mV}, "'nu', which is no parameter"),
    "initial": ({"v": [1, 2, 3] * mV}, r"initial\['v'\] must be"),
    "projections": ([3], "projections must be a list of dict"),
    "target": ("fortran", "target must be one of"),
    "executor": (4, "executor must be"),
    "report": ("loud", "report must be"),
    "tolerances": ({"speed": 0.1}, "speed"),
    "confidence": (95, "confidence must be"),
    "connect": (lambda group: [], "connect must be a function at module level"),
    "scale": ("spiking", "no argument 'scale'"),
    "memory_of_elephants": (1, "no argument 'memory_of_elephants'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments(name):
    value, message = BAD[name]
    arguments = {**FIRING, **QUICK, "drive": {"mu": 18 * mV}, name: value}
    wrong = (TypeError, ValueError, DimensionMismatchError)
    with pytest.raises(wrong, match=message):
        compare_scales(100, MODEL, **arguments)


def test_a_scale_that_the_model_does_not_admit_says_why():
    with pytest.raises(ValueError, match="does not admit.*MesoscopicGroup"):
        compare_scales(100, MODEL, **FIRING, **QUICK, scales=["density"])


def test_parameters_without_a_value_are_no_zeros():
    with pytest.raises(ValueError, match="'mu' of the model has no value"):
        compare_scales(100, MODEL, **FIRING, **QUICK)


def test_threads_share_random_numbers():
    with ThreadPoolExecutor(1) as pool, pytest.raises(TypeError, match="processes"):
        compare_scales(
            100, MODEL, **FIRING, **QUICK, drive={"mu": 1 * mV}, executor=pool
        )


def test_units_of_a_drive():
    for value in (3 * ms, TimedArray([1, 2] * ms, dt=1 * ms)):
        with pytest.raises(DimensionMismatchError, match=r"drive\['mu'\]"):
            compare_scales(100, MODEL, **FIRING, **QUICK, drive={"mu": value})


def test_constants_have_to_be_sent_to_other_processes():
    firing = {**FIRING, "namespace": {"tau": lambda: 20 * ms}}
    with pytest.raises(TypeError, match="'tau'.*cannot be sent"):
        compare_scales(100, MODEL, **firing, **QUICK, drive={"mu": 18 * mV})


def test_constants_are_those_of_the_caller():
    tau = 20 * ms  # noqa: F841 (the model refers to it)
    firing = {k: v for k, v in FIRING.items() if k != "namespace"}
    quick = {**QUICK, "seeds": 1, "duration": 50 * ms}
    assert compare_scales(50, MODEL, **firing, **quick, drive={"mu": 20 * mV}).costs


def test_what_is_missing_is_found_before_anything_is_simulated():
    firing = {**FIRING, "namespace": {"x": 1}}
    with pytest.raises(BrianObjectException) as raised:
        compare_scales(100, MODEL, **firing, **QUICK, drive={"mu": 1 * mV})
    assert 'The identifier "tau" could not be resolved' in str(raised.value.__cause__)


def explode(group):
    group.run_regularly("v = sqrt(-1 - i)*mV", dt=100 * ms)


def test_a_simulation_that_fails_says_which_scale():
    with pytest.raises(RuntimeError, match="scale 'spiking' failed.*not finite"):
        compare_scales(
            100, MODEL, **FIRING, **QUICK, drive={"mu": 1 * mV}, connect=explode
        )


def test_no_programs_while_another_device_is_active():
    from brian2 import set_device
    from brian2.devices.device import reset_device

    before = prefs.codegen.target
    set_device("cpp_standalone", build_on_run=False)
    try:
        with pytest.raises(RuntimeError, match="before set_device"):
            compare_scales(100, MODEL, **FIRING, **QUICK, drive={"mu": 18 * mV})
    finally:
        reset_device()
        prefs.codegen.target = before
