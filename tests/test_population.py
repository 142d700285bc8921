"""`population`: the same call at every scale, and what every group satisfies."""

import re

import numpy as np
import pytest
from brian2 import (
    Hz,
    Network,
    NeuronGroup,
    PoissonInput,
    PopulationRateMonitor,
    SpikeGeneratorGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    TimedArray,
    defaultclock,
    linked_var,
    ms,
    mV,
    seed,
)
from brian2.units.fundamentalunits import DimensionMismatchError

from brian2_multiscale import (
    DensityGroup,
    HybridGroup,
    MesoscopicGroup,
    Projection,
    SpikingGroup,
    admissible_scales,
    population,
)

DT = 0.2 * ms
CLASSES = {
    "spiking": SpikingGroup,
    "mesoscopic": MesoscopicGroup,
    "density": DensityGroup,
    "hybrid": HybridGroup,
}

#: What is common to all neurons of a population: `h`, `s` and `k` are to be moved
COMMON = """
dh/dt = (drive(t, i) - h)/(5*ms) : 1
s : 1
k : 1
mu : volt
"""
NOISE = f"""
dv/dt = (mu - v)/(10*ms) + 2*mV*xi*(10*ms)**-0.5 : volt (unless refractory)
{COMMON}
"""
ESCAPE = f"""
dv/dt = (mu - v)/(10*ms) : volt (unless refractory)
rho = 50*Hz*exp((v - 12*mV)/(2*mV)) : Hz
{COMMON}
"""
#: Options of all scales at once
OPTIONS = {"memory": 60 * ms, "closure_order": 1, "bins": 40, "v_min": -15 * mV}
RULES = {"reset": "v = 0*mV", "refractory": 1 * ms, "method": "euler"}
#: A scale, and how its neurons are noisy
CASES = {
    "spiking": ("spiking", NOISE, {"threshold": "v > 12*mV"}),
    "spiking-escape": ("spiking", ESCAPE, {"hazard": "rho"}),
    "mesoscopic": ("mesoscopic", ESCAPE, {"hazard": "rho"}),
    "density": ("density", NOISE, {"threshold": "v > 12*mV"}),
    "hybrid": ("hybrid", NOISE, {"threshold": "v > 12*mV"}),
}


def drive(name):
    values = np.random.default_rng(3).uniform(0, 4, (30, 2))
    return TimedArray(values, dt=1 * ms, name=f"{name}_drive")


def make(case, sizes=(60, 40), name="made", mu=(13, 16), **changes):
    """Populations at a scale that fire some ten times in 30 ms."""
    defaultclock.dt = DT
    scale, model, rule = CASES[case]
    names = {"mV": mV, "ms": ms, "Hz": Hz, "drive": drive(name)}
    arguments = {**RULES, **rule, **OPTIONS, "namespace": names, **changes}
    group = population(list(sizes), model, scale=scale, name=name, **arguments)
    group.mu = np.array(mu[: len(sizes)]) * mV
    return group


every = pytest.mark.parametrize("case", CASES)


def run(*objects, duration=30 * ms, seed_=5):
    network = Network(*objects)
    seed(seed_)
    network.run(duration, namespace={})
    return network


# -- what every group satisfies --------------------------------------------------------
@every
def test_variables_and_monitors(case):
    group = make(case)
    assert type(group) is CLASSES[CASES[case][0]]
    assert group.sizes == [60, 40] and len(group) == 2 and "made" in repr(group)
    states = StateMonitor(group, ["n", "A", "v", "h", "mu"], True, when="end")
    run(group, states)
    counts = np.asarray(states.n)
    assert np.all(counts.sum(axis=1) > 10)
    rate = counts / np.array([[60], [40]]) / float(DT)
    np.testing.assert_allclose(np.asarray(states.A), rate, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(states.mu[:, -1] / mV, [13, 16])
    assert np.all(np.isfinite(states.v)) and np.ptp(states.v[0]) > 1 * mV


@every
def test_spikes(case):
    """Virtual or not: N neurons, and as many spikes as are counted."""
    group = make(case)
    assert len(group.spikes) == 100
    spikes = SpikeMonitor(group.spikes)
    part = SpikeMonitor(group[1:2].spikes)
    rate = PopulationRateMonitor(group[:1].spikes)
    counts = StateMonitor(group, "n", True, when="end")
    run(group, spikes, part, rate, counts)
    found = np.add.reduceat(np.asarray(spikes.count), [0, 60])
    # A density counts fractions: whole spikes follow
    slack = 1.01 if case in ("density", "hybrid") else 1e-9
    assert np.abs(found - counts.n.sum(axis=1)).max() < slack
    assert part.num_spikes == found[1] > 10
    assert np.asarray(rate.rate).sum() * float(DT) * 60 == pytest.approx(found[0])
    pairs = set(zip(spikes.i, np.asarray(spikes.t / DT).round(), strict=True))
    assert len(pairs) == spikes.num_spikes
    with pytest.raises(ValueError, match="has populations, not neurons"):
        SpikeMonitor(group)


@every
def test_parts(case):
    group = make(case)
    part = group[1:2]
    assert len(part) == 1
    part.mu = 20 * mV
    np.testing.assert_allclose(group.mu / mV, [13, 20])
    later = StateMonitor(part, ["A", "n"], True, when="end")
    all_ = StateMonitor(group, ["A", "n"], True, when="end")
    part.run_regularly("k += 1", dt=2 * ms)
    run(group, later, all_)
    np.testing.assert_array_equal(later.n[0], all_.n[1])
    assert np.asarray(group.k).tolist() == [0, 15]


@every
def test_common_variables_are_exact(case):
    """A `TimedArray` of time and population, with kicks at regular times."""
    group = make(case)
    group.h = [3, 0.5]
    group.run_regularly("h += 1 + i", dt=2 * ms)
    states = StateMonitor(group, "h", True, when="end")
    run(group, states)
    values = np.repeat(drive("again").values, 5, axis=0)
    h, expected = np.array([3, 0.5]), []
    for step in range(150):
        h = h + (np.array([1, 2]) if step % 10 == 0 else 0)
        h = h + 0.2 / 5 * (values[step] - h)
        expected.append(h)
    np.testing.assert_allclose(states.h, np.transpose(expected), rtol=1e-9)


@every
def test_targets_of_synapses(case):
    """Spikes, sums, and a projection."""
    group = make(case)
    source = SpikeGeneratorGroup(2, [0, 1, 1], [3, 5, 5.2] * ms)
    kick = Synapses(source, group, on_pre="k_post += 2 + i", delay=1 * ms)
    kick.connect()
    clock = NeuronGroup(1, "x = t/ms : 1")
    sums = Synapses(clock, group, "s_post = x_pre*(1 + j) : 1 (summed)")
    sums.connect()
    projection = Projection(source, group[:1], on_pre="k_post += 100*w", weights=1)
    states = StateMonitor(group, ["k", "s"], True, when="end")
    run(group, source, clock, kick, sums, projection, states)
    steps = np.arange(150)
    arrived = 2.0 * (steps >= 20) + 3 * (steps >= 30) + 3 * (steps >= 31)
    direct = 100.0 * ((steps >= 15).astype(int) + (steps >= 25) + (steps >= 26))
    found = np.asarray(states.k)
    np.testing.assert_allclose(found, [arrived + direct, arrived], rtol=1e-12)
    np.testing.assert_allclose(states.s[1], 2 * 0.2 * steps, atol=1e-12)


@every
def test_poisson_input(case):
    """Every spike adds its weight: 60 in 30 ms, within five deviations."""
    group, without = make(case), make(case, name="without")
    poisson = PoissonInput(group, "h", 10, 200 * Hz, 0.5)
    states = [StateMonitor(g, "h", True, when="end") for g in (group, without)]
    run(group, without, poisson, *states)
    excess = np.asarray(states[0].h - states[1].h)
    spikes = np.diff(excess, axis=1) + 0.04 * excess[:, :-1]
    number = spikes / 0.5
    np.testing.assert_allclose(number, np.round(number), atol=1e-9)
    assert np.abs(number.sum(axis=1) - 60).max() < 5 * 60**0.5


@every
def test_means_can_be_linked_to(case):
    group = make(case)
    follower = NeuronGroup(2, "x : volt (linked)\ny : volt")
    follower.x = linked_var(group, "v")
    follower.run_regularly("y = x", when="start")
    states = StateMonitor(group, "v", True, when="end")
    seen = StateMonitor(follower, "y", True, when="end")
    run(group, follower, states, seen)
    np.testing.assert_array_equal(seen.y[:, 1:], states.v[:, :-1])


@every
def test_input_to_the_voltage(case):
    """The same kick of the voltage at every scale, as long as nobody fires."""
    group = make(case, mu=(0, 0))
    source = SpikeGeneratorGroup(1, [0], [1] * ms)
    kick = Synapses(source, group, on_pre="v_post += 3*mV*(1 + j)")
    kick.connect()
    still = make(case, mu=(0, 0), name="still")
    states = [StateMonitor(g, "v", True, when="end") for g in (group, still)]
    network = Network(group, source, kick, still, *states)
    seed(1)
    network.run(1.4 * ms, namespace={"mV": mV})
    change = np.asarray(states[0].v - states[1].v)[:, 5:] * 1e3
    spread = 0 if "escape" in case or case == "mesoscopic" else 0.2
    spread = 5 * 0.8 / 40**0.5 if case == "spiking" else spread
    assert change[:, 0] == pytest.approx([3, 6], abs=spread + 0.05)
    assert change[:, 1] == pytest.approx([3 * 0.98, 6 * 0.98], abs=spread + 0.05)


@every
def test_same_seed_and_divided_runs(case):
    found = []
    for parts in ((30,), (30,), (11, 19)):
        group = make(case)
        spikes = SpikeMonitor(group.spikes)
        network = Network(group, spikes)
        seed(8)
        for part in parts:
            network.run(part * ms, namespace={})
        found.append([np.array(spikes.i), np.array(spikes.t), np.array(group.v)])
    for other in found[1:]:
        for first, second in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(first, second)
    assert len(found[0][0]) > 20


@every
def test_store_and_restore(case):
    group = make(case)
    spikes = SpikeMonitor(group.spikes)
    network = Network(group, spikes)
    seed(8)
    network.run(11 * ms, namespace={})
    network.store()
    found = []
    for _ in range(2):
        network.restore()
        seed(2)
        network.run(19 * ms, namespace={})
        found.append([np.array(spikes.i), np.array(group.n), np.array(group.v)])
    for first, second in zip(*found, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("case", ["mesoscopic", "density", "hybrid"])
def test_populations_of_a_group_are_groups_of_their_own(case):
    """Without noise; a hybrid as long as it is quiet."""
    mu, noise = ((3, 4), True) if case == "hybrid" else ((10, 14), False)
    both = make(case, noise=noise, mu=mu)
    one = make(case, (60,), "one", mu[:1], noise=noise)
    two = make(case, (40,), "two", mu[1:], noise=noise)
    table = {"drive": drive("of_two")}
    monitors = [StateMonitor(g, ["n", "v"], True, when="end") for g in (both, one, two)]
    run(both, one, two, *monitors)
    for x, scale in (("n", 1), ("v", 1e3)):
        all_, *alone = (np.asarray(getattr(m, x)) * scale for m in monitors)
        np.testing.assert_allclose(all_, np.concatenate(alone), atol=1e-9, rtol=1e-9)
    assert table and monitors[0].n.sum() > (1e-6 if case == "hybrid" else 20)


@every
def test_single_precision_of_common_variables(case):
    group = make(case, dtype={"k": np.float32})
    group.run_regularly("k += 0.5", dt=2 * ms)
    run(group)
    assert group.k[:].dtype == np.float32 and np.all(group.k == 7.5)


# -- rates agree between scales --------------------------------------------------------
@pytest.mark.parametrize(
    "cases", [("spiking-escape", "mesoscopic"), ("spiking", "density", "hybrid")]
)
def test_scales_have_the_same_rate(cases):
    """The same call, 400 neurons, 300 ms: rates within 4.5 standard errors and 3 %."""
    counts = []
    for case in cases:
        more = {"match_dt": True} if "spiking" in cases else {}
        group = make(case, (400, 400), mu=(11, 14), noise=True, **more)
        counter = StateMonitor(group, "n", True, when="end")
        run(group, counter, duration=350 * ms)
        counts.append(np.asarray(counter.n)[:, 250:].sum(axis=1))
    counts = np.array(counts)
    assert counts.min() > 1000
    # Intervals vary by less than 1
    error = 4.5 * np.sqrt(2 / counts.min()) + 0.03
    assert np.abs(counts / counts[0] - 1).max() < error, counts


# -- arguments -------------------------------------------------------------------------
def refuse(error, match, scale="spiking", N=10, model=NOISE, **changes):
    arguments = {"threshold": "v > 12*mV", **RULES, **changes}
    with pytest.raises(error, match=match) as caught:
        population(N, model, scale=scale, **arguments)
    return caught.value


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "argument, value, error",
    [
        ("N", 0, ValueError),
        ("N", [10, -1], ValueError),
        ("N", "ten", TypeError),
        ("model", 3, TypeError),
        ("name", "no name", ValueError),
        ("dt", 3, DimensionMismatchError),
        ("namespace", 3, TypeError),
        ("method", 3, TypeError),
        ("noise", 1, TypeError),
        ("reset", 3, TypeError),
        ("refractory", "3*", ValueError),
        ("order", "first", TypeError),
    ],
)
def test_bad_arguments_are_named(case, argument, value, error):
    """The same error at every scale."""
    scale, model, rule = CASES[case]
    arguments = {"N": 10, "model": model, **RULES, **rule, argument: value}
    with pytest.raises(error) as caught:
        population(scale=scale, **arguments)
    message = " ".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert re.search(rf"\b{argument}\b", message), message


@every
def test_units_of_parameters(case):
    group = make(case)
    with pytest.raises(DimensionMismatchError):
        group.mu = 3
    with pytest.raises(ValueError, match="3"):
        group.mu = [1, 2, 3] * mV


def test_unknown_scales():
    words = "'spiking', 'mesoscopic', 'density', 'hybrid', got "
    refuse(ValueError, f"scale must be one of {words}'neurons'", "neurons")
    refuse(ValueError, f"scale must be one of {words}None", None)
    refuse(ValueError, "scale must be one of", ["spiking"])


@pytest.mark.parametrize("scale", CLASSES)
def test_unknown_options(scale):
    """Those of other scales are known; what no scale has is not."""
    error = refuse(TypeError, "no argument 'memori'", scale, memori=3 * ms)
    for option in ("memory", "bins", "switch_up", "closure_order", "v_min"):
        assert option in str(error)
    assert "common_method" not in str(error) and " self" not in str(error)


def test_options_reach_their_scale():
    """And are checked there."""
    assert make("mesoscopic").memory_in_steps == 300
    assert make("mesoscopic").closure_order == 1
    assert make("density").bins == make("hybrid").bins == 40
    refuse(ValueError, "bins", "density", bins=0)
    escape = {"model": ESCAPE, "threshold": None, "hazard": "rho"}
    refuse(ValueError, "memory", "mesoscopic", memory=0 * ms, **escape)
    # Not looked at elsewhere
    population(10, NOISE, "euler", threshold="v > 12*mV", reset="v = 0*mV", bins=0)


def test_noise():
    assert make("mesoscopic").noise and not make("mesoscopic", noise=False).noise
    assert make("density").noise and not make("density", noise=False).noise
    for scale in ("spiking", "hybrid"):
        refuse(ValueError, f"noise=False.*{scale}", scale, noise=False)


def test_default_names_are_those_of_the_classes():
    for case, (scale, model, rule) in CASES.items():
        group = population(3, model, scale=scale, **RULES, **rule)
        assert group.name.startswith(f"{scale}group"), case


def test_a_scale_that_the_model_does_not_admit():
    """The error is that of the class; a note says what would be possible."""
    error = refuse(ValueError, "rand\\(\\) <", "mesoscopic")
    (note,) = error.__notes__
    assert "scale='mesoscopic'" in note
    assert "the scales: spiking, density, hybrid." in note
    escape = {"threshold": None, "hazard": "rho", "model": ESCAPE}
    for scale in ("density", "hybrid"):
        error = refuse(ValueError, "hazard='rho' is escape noise", scale, **escape)
        assert "the scales: spiking, mesoscopic." in error.__notes__[0]
        assert "escape noise; a density needs" in error.__notes__[0]


def test_a_wrong_argument_has_no_note():
    error = refuse(ValueError, "at least 1, got 0", "density", N=0)
    assert not getattr(error, "__notes__", [])


# -- admissible scales -----------------------------------------------------------------
LIF = "dv/dt = (mu - v)/tau + sigma*xi*tau**-0.5 : volt (unless refractory)"
PLAIN = "dv/dt = (mu - v)/tau : volt (unless refractory)"
KICK = "dg/dt = -g/(5*ms) : volt"
HAZARD = "rho = 10*Hz*exp((v - 10*mV)/mV) : Hz"
ADAPTED = PLAIN.replace("- v", "- v - w") + "\ndw/dt = -w/(100*ms) : volt"
ALL_BUT_MESO = "spiking density hybrid"
ADMITTED = {
    "noise": (LIF, {}, ALL_BUT_MESO, {"mesoscopic": "rand() <"}),
    "no noise": (PLAIN, {}, "spiking", {"density": "'v' has no noise"}),
    "hazard": (f"{PLAIN}\n{HAZARD}", {"hazard": "rho"}, "spiking mesoscopic", {}),
    "escape": (
        f"{PLAIN}\n{HAZARD}",
        {"threshold": "rand() < rho*dt"},
        "spiking mesoscopic",
        {"density": "'v > v_th'", "hybrid": "'v > v_th'"},
    ),
    "hazard and noise": (
        f"{LIF}\n{HAZARD}",
        {"hazard": "rho"},
        "spiking mesoscopic",
        {"density": "hazard='rho' is escape noise"},
    ),
    "two terms": (
        LIF.replace("xi*", "xi_1*").replace(" :", " + mV*xi_2*ms**-0.5 :"),
        {},
        ALL_BUT_MESO,
        {},
    ),
    "two noisy variables": (
        LIF + "\ndw/dt = -w/ms + xi_2*ms**-0.5 : 1",
        {},
        "spiking",
        {"density": "Not only 'v' but also 'w'"},
    ),
    "adaptation": (
        ADAPTED.replace(" :", " + mV*xi*ms**-0.5 :", 1),
        {"reset": "v = 0*mV; w += mV"},
        "spiking",
        {"density": "changes 'w' besides 'v'", "mesoscopic": "rand() <"},
    ),
    "adaptation and hazard": (
        f"{ADAPTED}\n{HAZARD}",
        {"hazard": "rho", "reset": "v = 0*mV; w += mV"},
        "spiking mesoscopic",
        {},
    ),
    "synaptic current": (
        f"{LIF.replace('mu', 'mu + g')}\n{KICK}",
        {},
        ALL_BUT_MESO,
        {},
    ),
    "refractory string": (LIF, {"refractory": "2*ms"}, ALL_BUT_MESO, {}),
    "refractory parameter": (
        LIF + "\nsilent : second",
        {"refractory": "silent"},
        ALL_BUT_MESO,
        {},
    ),
    "refractory condition": (
        f"{PLAIN}\n{HAZARD}",
        {"hazard": "rho", "refractory": "v > 5*mV"},
        "spiking",
        {"mesoscopic": "is a condition"},
    ),
    "shift": (
        LIF.replace(" (unless refractory)", ""),
        {"reset": "v -= 12*mV", "refractory": False},
        ALL_BUT_MESO,
        {},
    ),
    "two conditions": (
        LIF,
        {"threshold": "v > 12*mV and mu > 0*mV"},
        "spiking",
        {"density": "must compare one variable"},
    ),
    "no reset": (LIF, {"reset": None}, "spiking", {"density": "reset must be"}),
    "random reset": (LIF, {"reset": "v = rand()*mV"}, "spiking", {"hybrid": "'rand'"}),
    "linked": (
        LIF + "\nx : 1 (linked)",
        {},
        "",
        dict.fromkeys(("spiking", "density"), "linked"),
    ),
}
VALUES = {"tau": 10 * ms, "mu": 13 * mV, "sigma": 2 * mV}
VALUES |= {"mV": mV, "ms": ms, "Hz": Hz}


def _strings(rule):
    rule = {"reset": "v = 0*mV", "refractory": 1 * ms, **rule}
    return rule if "hazard" in rule else {"threshold": "v > 12*mV", **rule}


@pytest.mark.parametrize("name", ADMITTED)
def test_admissible_scales(name):
    """They run, the others raise, with the same reason."""
    model, rule, expected, words = ADMITTED[name]
    strings = _strings(rule)
    found = admissible_scales(model, **strings)
    assert list(found) == expected.split()
    assert sorted([*found, *found.reasons]) == sorted(CLASSES)
    for scale, word in words.items():
        assert word in found.reasons[scale]
    for scale in CLASSES:
        more = {"memory": 30 * ms, "v_min": -10 * mV, "namespace": VALUES}
        call = {"model": model, "scale": scale, **strings, **more, "dt": 0.5 * ms}
        if scale in found:
            group = population([20, 30], **call)
            if "silent" in model:
                group.silent = 1 * ms
            Network(group).run(2 * ms, namespace={})
            assert np.all(np.isfinite(group.v))
        else:
            with pytest.raises((TypeError, ValueError, NotImplementedError)) as caught:
                population([20, 30], **call)
            if "hazard" not in strings or scale == "mesoscopic":
                assert str(caught.value) == found.reasons[scale]
            assert str(found) in "".join(caught.value.__notes__)


def test_no_model_at_all():
    with pytest.raises(TypeError, match="model must be a string or Equations"):
        admissible_scales(3, threshold="v > 1", reset="v = 0")
    with pytest.raises(TypeError, match="Give threshold="):
        admissible_scales(LIF, reset="v = 0*mV")
    with pytest.raises(TypeError, match="either threshold or hazard"):
        admissible_scales(LIF, "v > 1*mV", "v = 0*mV", hazard="1*Hz")
