"""prefs.multiscale.fast_equations: the same numbers, from loops with vectors."""

import os
import subprocess
import sys
from pathlib import Path

import brian2
import numpy as np
import pytest
from brian2 import (
    Hz,
    Network,
    NeuronGroup,
    Synapses,
    TimedArray,
    linked_var,
    ms,
    mV,
    nA,
    nS,
    pF,
    prefs,
    us,
)
from brian2.core.preferences import PreferenceError
from brian2.stateupdaters.base import StateUpdateMethod
from targets import (
    assert_targets_agree,
    clean_device,
    run_on_targets,
    use_compiler_flags,
)

from brian2_multiscale import MesoscopicGroup
from brian2_multiscale.codegen.fast_methods import FastMethod

ROOT = Path(__file__).parents[1]
OWN = "multiscale_independent_stateupdate"
SINE = "dv/dt = (sin(v) - v*exp(-v))/ms : 1"


@pytest.fixture(autouse=True)
def _slow_afterwards():
    yield
    prefs.multiscale.fast_equations = False


@pytest.fixture
def fast():
    prefs.multiscale.fast_equations = True


def generated(*objects, duration=0.1 * ms):
    """The C++ that the state updaters of objects become, without a build."""
    clean_device()
    brian2.set_device("cpp_standalone", build_on_run=False)
    made = [make() for make in objects]
    Network(made).run(duration)
    return [str(one.state_updater.codeobj.code.cpp_file) for one in made]


def hair_cells():
    """Of Verhulst, Altoe and Vasilkov (2018), with a stimulus per cell."""
    times = np.arange(400)[:, None] * 10e-6
    sound = 1e-6 * np.sin(2 * np.pi * 1000 * times) * np.linspace(0, 3, 11)
    namespace = {"bm": TimedArray(sound, dt=10 * us, name="fast_bm")}
    model = """
    x = 0.118*bm(t, i) : 1
    kinf = 1/(1 + exp(-(v + 31*mV)/(10.5*mV))) : 1
    minf = 1/(1 + exp((20e-9 - x)/48e-9)*(1 + exp((20e-9 - x)/16e-9))) : 1
    dm/dt = (minf - m)/(50*us) : 1
    dkf/dt = (kinf - kf)/(0.3*ms) : 1
    dks/dt = (kinf - ks)/(8*ms) : 1
    dv/dt = (30*nS*m*(90*mV - v) + 230*nS*kf*(-71*mV - v)
             + 230*nS*ks*(-78*mV - v))/(12.5*pF) : volt
    """
    group = NeuronGroup(
        11,
        model,
        method="exponential_euler",
        namespace={**namespace, "nS": nS, "mV": mV, "ms": ms, "us": us, "pF": pF},
        dt=10 * us,
        name="fast_cells",
    )
    group.v, group.m, group.kf, group.ks = -57.6563 * mV, 0.1, 0.073, 0.073
    return [group], {"v": lambda: group.v[:], "m": lambda: group.m[:]}


def refractory_neurons():
    """Vectors of Brian2's exprel and of refractory times; a 1-d array in the past."""
    ramp = TimedArray(np.linspace(0, 2, 50) * nA, dt=0.1 * ms, name="fast_ramp")
    model = """
    dv/dt = (30*nS*(-70*mV - v) + 60*nS*mV*exp((v + 50*mV)/(2*mV)) + I - w)/(281*pF)
            : volt (unless refractory)
    dw/dt = (4*nS*(v + 70*mV) - w)/(144*ms) : amp
    dg/dt = (1/exprel(clip(v/mV + 50, -9, 9)) - g)/(5*ms) : 1
    I = ramp(t - i*0.05*ms) + i*0.5*nA : amp
    """
    group = NeuronGroup(
        19,
        model,
        threshold="v > -40*mV",
        reset="v = -70*mV; w += 0.08*nA",
        refractory=0.35 * ms,
        method="euler",
        namespace={"ramp": ramp, "nS": nS, "nA": nA, "mV": mV, "ms": ms, "pF": pF},
        dt=0.05 * ms,
        name="fast_refractory",
    )
    group.v = -70 * mV
    spikes = brian2.SpikeMonitor(group, name="fast_spikes")
    readers = {
        "V": lambda: group.v[:],
        "w": lambda: group.w[:],
        "g": lambda: group.g[:],
    }
    readers["spikes"] = lambda: spikes.count[:]
    return [group, spikes], readers


def clocked_synapses():
    model = (
        "ds/dt = (tanh(rate*t) - s*log(2 + s**1.5))/ms : 1 (clock-driven)\nrate : Hz"
    )
    source = NeuronGroup(3, "a : 1", name="fast_source")
    synapses = Synapses(source, source, model, method="rk4", name="fast_synapses")
    synapses.connect()
    synapses.rate = "(1 + i + j)*100*Hz"
    return [source, synapses], {"s": lambda: synapses.s[:]}


MODELS = [hair_cells, refractory_neurons, clocked_synapses]


@pytest.mark.standalone
def test_numbers_stay(fast):
    use_compiler_flags("default")  # vectors need -O3
    results = run_on_targets(MODELS, 4 * ms, targets=("numpy", "cpp_standalone"))
    assert_targets_agree(results, rtol=1e-10)
    assert results["numpy"]["spikes"].sum() > 10
    assert np.ptp(results["numpy"]["v"]) > 1e-3


@pytest.mark.standalone
def test_vector_instructions_where_available(fast, tmp_path):
    """GCC reports the loop as vectorised, and calls the vector functions of glibc."""
    probe = (
        "#include <cmath>\n#if defined(__x86_64__) && defined(__GLIBC__)\nyes\n#endif"
    )
    command = ["g++", "-xc++", "-E", "-"]
    found = subprocess.run(command, input=probe, capture_output=True, text=True)
    if "yes" not in found.stdout or "clang" in found.stdout:
        pytest.skip("no glibc with vector functions")
    brian2.set_device("cpp_standalone", build_on_run=False)
    (group,), _ = hair_cells()
    Network(group).run(1 * ms)
    brian2.device.build(directory=str(tmp_path), compile=False, run=False)
    flags = "-w -O3 -ffast-math -fno-finite-math-only -mavx2 -mfma -std=c++17".split()
    source = tmp_path / "code_objects" / "fast_cells_stateupdater_codeobject.cpp"
    folders = [f"-I{tmp_path}", f"-I{tmp_path / 'brianlib'}"]
    command = ["g++", *flags, *folders, "-S", str(source), "-o", "-", "-fopt-info-vec"]
    built = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "loop vectorized using 32 byte vectors" in built.stderr
    assert "_ZGVdN4v_exp" in built.stdout


def test_off_is_brian2s_own_code():
    make = [lambda b=build: b()[0][0] for build in MODELS[:2]]
    ours = generated(*make)
    for code in ours:
        assert "__simd__" not in code and "ivdep" not in code
        assert "_row(" not in code
    own = {n: m.own for n, m in StateUpdateMethod.stateupdaters.items() if is_ours(m)}
    StateUpdateMethod.stateupdaters.update(own)
    try:
        assert generated(*make) == ours
    finally:
        wrapped = {name: FastMethod(method) for name, method in own.items()}
        StateUpdateMethod.stateupdaters.update(wrapped)


def is_ours(method):
    return isinstance(method, FastMethod)


def test_switched_on_and_off_between_models():
    """Brian2 keeps what methods return for the same equations and names."""
    build = [lambda: NeuronGroup(2, SINE, method="euler", name="fast_switched")]
    for wanted in (False, True, False, True):
        prefs.multiscale.fast_equations = wanted
        (code,) = generated(*build)
        assert ("ivdep" in code) == wanted


def test_only_standalone(fast):
    prefs.codegen.target = "numpy"
    group = NeuronGroup(2, SINE, method="euler")
    Network(group).run(0.1 * ms)
    assert group.state_updater.template == "stateupdate"


@pytest.mark.parametrize(
    "model",
    [
        "dv/dt = -v/ms + xi/ms**0.5 : 1",
        "dv/dt = (rand() - v)/ms : 1",
        "dv/dt = (poisson(2) - v)/ms : 1",
    ],
)
def test_random_numbers_keep_their_order(fast, model):
    (code,) = generated(lambda: NeuronGroup(2, model, method="euler"))
    assert "ivdep" not in code


def test_random_refractory_period_keeps_its_order(fast):
    def make():
        strings = {"threshold": "v > 1", "refractory": "rand()*ms"}
        return NeuronGroup(2, SINE, method="euler", **strings)

    assert "ivdep" not in generated(make)[0]


def test_neurons_that_read_each_other_are_left_alone(fast):
    def make():
        model = "dv/dt = -(v + w)/ms : 1\nw : 1 (linked)"
        group = NeuronGroup(3, model, method="euler")
        group.w = linked_var(group, "v", index=np.array([2, 0, 1]))
        return group

    assert "ivdep" not in generated(make)[0]


def test_other_groups_still_work(fast):
    """Theirs are not the state updaters that take the template."""
    group = MesoscopicGroup(
        100, "dv/dt = -v/(10*ms) : 1", hazard="exp(v)*Hz", reset="v = 0", method="exact"
    )
    prefs.codegen.target = "numpy"
    Network(group).run(1 * ms, namespace={"Hz": Hz, "ms": ms})


def test_methods_still_answer_by_themselves(fast):
    """What is asked of a method without a group is text, as ever."""
    euler = StateUpdateMethod.stateupdaters["euler"]
    equations = brian2.Equations(SINE)
    assert euler(equations) == brian2.euler(equations)
    assert euler.output == brian2.euler.output


def test_wrong_values_are_refused():
    with pytest.raises(PreferenceError):
        prefs.multiscale.fast_equations = "yes"


UNTOUCHED = """
from brian2 import *
from brian2.stateupdaters.base import StateUpdateMethod
names = list(StateUpdateMethod.stateupdaters)  # the package has one of its own
def known():
    methods = [StateUpdateMethod.stateupdaters[name] for name in names]
    return methods, TimedArray.implementations["cpp"]
before = known()
from brian2_multiscale import *
assert known() == before
prefs.multiscale.fast_equations = False
assert known() == before
prefs.multiscale.fast_equations = True
assert known()[0] != before[0] and known()[1] != before[1]
"""


def test_brian2_is_not_touched_before_the_preference_is_set():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", UNTOUCHED],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
