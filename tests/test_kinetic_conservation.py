"""``method='kinetic'`` keeps sums and signs at any time step."""

import numpy as np
import pytest
from brian2 import Equations, Hz, NeuronGroup, StateMonitor, mM, ms, second
from hypothesis import given, settings
from hypothesis import strategies as st
from published_receptors import AMPA, AMPA_RATES, RECEPTORS
from stepping import plain_step
from targets import run_on_targets

from brian2_multiscale.kinetics import KineticScheme


def random_scheme(data, n):
    """Reactions along a random tree plus some more, with rates over 12 decades."""
    edges = [(data.draw(st.integers(0, k - 1)), k) for k in range(1, n)]
    more = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))
    edges += [(a, b) for a, b in data.draw(st.lists(more, max_size=n)) if a != b]
    rate = st.floats(-6, 6).map(lambda x: 10.0**x)
    lines, rates = [], {}
    for k, (a, b) in enumerate(edges):
        rates[f"f{k}"] = data.draw(rate)
        if data.draw(st.booleans()):
            lines.append(f"S{a} -> S{b} : f{k}")
        else:
            rates[f"b{k}"] = data.draw(st.one_of(rate, st.just(0.0)))
            lines.append(f"S{a} <-> S{b} : f{k}, b{k}")
    return KineticScheme("\n".join(lines)), rates


@given(st.data(), st.integers(2, 8), st.sampled_from([1, 2]), st.floats(-3, 6))
@settings(max_examples=60, deadline=None)
def test_any_scheme_stays_nonnegative_and_keeps_its_sum(data, n, order, exponent):
    scheme, rates = random_scheme(data, n)
    step = plain_step(scheme.equations, order)
    state = np.array([data.draw(st.floats(0, 1)) for _ in range(n)])
    state = state / state.sum() if state.sum() > 0 else np.ones(n) / n
    state = dict(zip(scheme.states, state, strict=True))
    dt = 10.0**exponent
    for _ in range(10):
        old, state = state, step({**state, **rates, "dt": dt})
        assert min(state.values()) >= 0
        assert abs(sum(state.values()) - 1) < 1e-14
    if order == 1:
        q = np.asarray(scheme.generator(**{k: v * Hz for k, v in rates.items()}))
        s = np.array([[s[name] for name in scheme.states] for s in (old, state)])
        residual = s[1] - dt * q @ s[1] - s[0]
        scale = s[1] + dt * np.abs(q) @ s[1] + s[0]
        assert np.all(np.abs(residual) <= 1e-13 * scale + 1e-280)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", RECEPTORS)
def test_published_receptors_at_any_step(name, order):
    reactions, rates = RECEPTORS[name]
    scheme = KineticScheme(reactions)
    step = plain_step(scheme.equations, order)
    values = {key: float(rate) for key, rate in rates.items()}
    for dt in 10.0 ** np.arange(-3, 7):
        state = dict(
            zip(scheme.states, scheme.steady_state(glu=0 * mM, **rates), strict=True)
        )
        for glu in [1.0] * 10 + [0.0] * 10 + [0.3] * 40:
            state = step({**state, **values, "glu": glu, "dt": dt * 1e-3})
            assert min(state.values()) >= 0
            assert abs(sum(state.values()) - 1) < 1e-14
    steady = scheme.steady_state(glu=0.3 * mM, **rates)
    np.testing.assert_allclose([state[s] for s in scheme.states], steady, rtol=1e-9)


def test_sums_other_than_one_are_kept():
    """Channel numbers, and a scheme with an inflow and a leak."""
    step = plain_step(KineticScheme("A <-> B : k, l\nB <-> C : k, l").equations)
    state = {"A": 1000.0, "B": 20.0, "C": 3.0}
    for _ in range(100):
        state = step({**state, "k": 2.0, "l": 0.3, "dt": 0.1})
    assert sum(state.values()) == pytest.approx(1023, rel=1e-13)
    open_system = "dA/dt = r - k*A + l*B : 1\ndB/dt = k*A - l*B - m*B : 1"
    for order in (1, 2):
        step, state = plain_step(open_system, order), {"A": 0.0, "B": 0.0}
        for _ in range(200):
            state = step({**state, "r": 3.0, "k": 2.0, "l": 0.3, "m": 0.5, "dt": 10.0})
            assert min(state.values()) >= 0
        assert state["B"] == pytest.approx(6) and state["A"] == pytest.approx(2.4)


def test_eliminated_state_gives_the_same():
    full, reduced = (KineticScheme(AMPA, eliminate=e) for e in (None, "R0"))
    values = {key: float(rate) for key, rate in AMPA_RATES.items()}
    rest = full.steady_state(glu=0 * mM, **AMPA_RATES)
    state = dict(zip(full.states, rest, strict=True))
    steps = plain_step(full.equations), plain_step(reduced.equations)
    one = other = state
    for glu in [1.0] * 20 + [0.0] * 50:
        inputs = {**values, "glu": glu, "dt": 1e-4}
        one = steps[0]({**one, **inputs})
        other = steps[1](
            {**other, "R0": 1 - sum(v for k, v in other.items() if k != "R0"), **inputs}
        )
        assert min(other.values()) >= 0
    for name in other:
        assert other[name] == pytest.approx(one[name], rel=1e-10)


@pytest.mark.long
@pytest.mark.standalone
def test_a_million_steps():
    """Occupancy sums to 1e-12, with constant and with fast varying glutamate."""

    def build():
        objects, readers = [], {}
        for name, (reactions, rates) in RECEPTORS.items():
            scheme = KineticScheme(reactions)
            for order in (1, 2):
                key = f"{name}{order}"
                total = " + ".join(scheme.states)
                smallest = " + ".join(f"int({s} < 0)" for s in scheme.states)
                group = NeuronGroup(
                    8,
                    scheme.equations
                    + Equations(
                        f"""
                        glu = 0.2*mM*(1 + varying*sin(2*pi*t/period)) : mM
                        period = (3 + i)*7.3*ms : second
                        varying = int(i % 2 == 0) : 1
                        total = {total} : 1
                        negative = {smallest} : 1
                        """
                    ),
                    method="kinetic",
                    method_options={"order": order},
                    namespace=rates,
                    name=f"drift_{key}",
                )
                group.set_states({scheme.states[0]: 1})
                monitor = StateMonitor(
                    group,
                    ["total", "negative"],
                    record=True,
                    dt=99.7 * ms,
                    name=f"m_{key}",
                )
                objects += [group, monitor]
                readers[f"{key}_total"] = lambda m=monitor: m.total
                readers[f"{key}_negative"] = lambda m=monitor: m.negative
        return objects, readers

    results = run_on_targets(build, duration=100 * second, targets=["cpp_standalone"])
    for key, values in results["cpp_standalone"].items():
        if key.endswith("total"):
            assert values.shape[1] > 1000
            assert np.abs(values - 1).max() <= 1e-12, key
        else:
            assert not values.any(), key
