"""Kinetic schemes as text: parsing, generator, steady state, reversibility."""

from fractions import Fraction

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Function,
    Hz,
    Quantity,
    mM,
    ms,
    mV,
    second,
    volt,
)
from brian2.utils.logger import catch_logs
from hypothesis import given, settings
from hypothesis import strategies as st
from published_receptors import AMPA, AMPA_RATES, NMDA, NMDA_RATES

from brian2_multiscale.kinetics import KineticScheme, ReactionError

TRIANGLE = "A <-> B : k1, l1\nB <-> C : k2, l2\nC <-> A : k3, l3"


def triangle_rates(*numbers):
    names = ("k1", "l1", "k2", "l2", "k3", "l3")
    return {name: x / ms for name, x in zip(names, numbers, strict=True)}


# ---- text to scheme


def test_reactions_and_states():
    scheme = KineticScheme("""
    # a comment
    R0 <-> R1 : 4*k1*glu, km1   # binding
    R1  -> D  : f(v, 3*mV)/ms
    D -> R0: 1/ms
    """)
    assert scheme.states == ("R0", "R1", "D")
    assert scheme.reactions == [
        ("R0", "R1", "4*k1*glu"),
        ("R1", "R0", "km1"),
        ("R1", "D", "f(v, 3*mV)/ms"),
        ("D", "R0", "1/ms"),
    ]
    assert scheme.names == {"k1", "glu", "km1", "f", "v"}
    assert KineticScheme(str(scheme)).reactions == scheme.reactions
    assert "3 states (R0, R1, D)" in repr(scheme)
    assert scheme._repr_latex_().count(r"\rightleftharpoons") == 1


def test_equations():
    scheme = KineticScheme("A <-> B : k, l\nA -> C : m\nC -> B : 2*k")
    codes = {name: eq.expr.code for name, eq in scheme.equations.items()}
    assert codes == {
        "A": "- (k)*A - (m)*A + (l)*B",
        "B": "- (l)*B + (k)*A + (2*k)*C",
        "C": "- (2*k)*C + (m)*A",
    }
    assert {eq.type for eq in scheme.equations.values()} == {"differential equation"}


def test_flags():
    scheme = KineticScheme("A <-> B : k, l", eliminate="A", flags=["clock-driven"])
    assert scheme.equations["B"].flags == ["clock-driven"]
    assert scheme.equations["A"].flags == []


def test_eliminated_state():
    scheme = KineticScheme("A <-> B : k, l\nB <-> C : k, l", eliminate="B")
    assert scheme.equations["B"].expr.code == "1 - (A + C)"
    assert scheme.equations["B"].type == "subexpression"
    assert scheme.equations.diff_eq_names == {"A", "C"}
    with pytest.raises(ValueError, match="eliminate: 'Opn'.*Did you mean 'Open'"):
        KineticScheme("Shut <-> Open : k, l", eliminate="Opn")


@pytest.mark.parametrize(
    "line, reason",
    [
        ("A <> B : 1/ms, 2/ms", "Write 'A <-> B : forward, backward'"),
        ("A <-> B", "not understood"),
        ("A + B <-> C : k, l", "not understood"),
        ("A <-> B : 1/ms", "needs 2 rates, got 1"),
        ("A -> B : 1/ms, 2/ms", "needs 1 rate, got 2"),
        ("A <-> B : k,", "cannot be read"),
        ("A <-> B : (k, l", "cannot be read"),
        ("A <-> B : k), (l", "do not support tuples"),
        ("A -> B : k = 3", "cannot be read"),
        ("A -> B : k[0]", "indexing"),
        ("A -> B : k.real", "attributes"),
        ("A -> B : lambda: k", "Lambda"),
        ("A -> B : k < l", "no nonnegative quantity"),
        ("A -> B : -3", "no nonnegative quantity"),
        ("A -> A : k", "cannot react to itself"),
        ("A -> t : k", "special meaning"),
        ("A -> exp : k", "function"),
        ("A -> mV : k", "unit"),
        ("A -> 2B : k", "not a valid variable name"),
    ],
)
def test_malformed_reaction(line, reason):
    with pytest.raises(ReactionError, match="line 3") as error:
        KineticScheme(f"A <-> B : k, l\n\n{line}\nB -> C : m")
    assert line in str(error.value) and reason in str(error.value)


def test_no_reaction():
    with pytest.raises(ReactionError, match="there is none"):
        KineticScheme("# nothing\n")
    with pytest.raises(TypeError, match="a string is expected"):
        KineticScheme([("A", "B", "k")])


@given(st.text(alphabet="AB<->:,k/ms()*#\n 1t", max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_scheme_or_an_error_that_says_where(text):
    try:
        scheme = KineticScheme(text)
    except ReactionError as error:
        assert "(line " in str(error) or "there is none" in str(error)
    except (ValueError, DimensionMismatchError) as error:
        assert "reaction" in str(error)
    else:
        assert len(scheme.states) >= 2


def test_units_are_checked_as_soon_as_they_are_known():
    line = r"reaction 'A <-> B : 2\*k\*c, l' \(line 2\): rate '2\*k\*c'.*1/second"
    reactions = "B <-> C : l, l\nA <-> B : 2*k*c, l"
    KineticScheme(reactions)  # nothing is known
    KineticScheme(reactions, units={"k": 1 / mM / ms, "c": mM, "l": Hz})
    with pytest.raises(DimensionMismatchError, match=line):
        KineticScheme(reactions, units={"k": Hz, "c": mM})
    with pytest.raises(DimensionMismatchError, match=line):
        KineticScheme(reactions, namespace={"k": 3 / ms, "c": 2 * mM})
    with pytest.raises(DimensionMismatchError, match=line):
        KineticScheme(reactions).generator(k=3 / ms, c=2 * mM, l=1 / ms)
    with pytest.raises(DimensionMismatchError, match="inconsistent units"):
        KineticScheme("A -> B : (k + c)/ms", units={"k": volt, "c": 1})
    with pytest.raises(DimensionMismatchError, match="rate '3'"):
        KineticScheme("A -> B : 3")


def test_parts_without_connection():
    with pytest.raises(ValueError, match="nothing connects A, B with Bb, C"):
        KineticScheme("A <-> B : k, l\nBb <-> C : k, l")


def test_warning_for_states_out_of_reach():
    with catch_logs(only_from=("brian2_multiscale",)) as logs:
        KineticScheme("A -> B : k\nB -> C : k")  # from A one gets everywhere
        assert logs == []
        KineticScheme("A -> B : k\nC -> B : k")
    assert len(logs) == 1 and "no way from A to C" in logs[0][2]


# ---- generator, steady state, propagator


def test_two_states():
    scheme = KineticScheme("C <-> O : a, b")
    a, b = 3.0, 1.5
    values = {"a": a / ms, "b": b / ms}
    q = scheme.generator(**values)
    assert isinstance(q, Quantity) and q.dim is Hz.dim
    np.testing.assert_allclose(np.asarray(q), 1e3 * np.array([[-a, b], [a, -b]]))
    np.testing.assert_allclose(
        scheme.steady_state(**values), [b / (a + b), a / (a + b)]
    )
    decay = np.exp(-(a + b) * 0.2)
    expected = (np.array([[b, b], [a, a]]) + decay * np.array([[a, -b], [-a, b]])) / (
        a + b
    )
    np.testing.assert_allclose(
        scheme.propagator(0.2 * ms, **values), expected, rtol=1e-13
    )


def test_values_and_functions():
    rate = Function(lambda v: v / volt / second, arg_units=[volt], return_unit=Hz)
    scheme = KineticScheme(
        """
        A <-> B : exp(v/(10*mV))/ms, clip(x, 0, 2)*Hz
        A -> C : r(v)
        C -> A : int(x > 1)*Hz
        """,
        namespace={"r": rate, "x": 3},
    )
    q = np.asarray(scheme.generator(v=20 * mV))
    assert q[1, 0] == pytest.approx(1e3 * np.exp(2))
    assert (q[0, 1], q[2, 0], q[0, 2]) == (2, 0.02, 1)
    assert np.asarray(scheme.generator(v=20 * mV, x=0.5))[0, 1] == 0.5


def test_arrays_of_values():
    scheme = KineticScheme(NMDA, namespace=NMDA_RATES)
    glutamate = np.array([[0.0, 1e-6, 1e-3], [0.1, 1.0, 3.0]]) * mM
    q = scheme.generator(glu=glutamate)
    assert q.shape == (2, 3, 15, 15)
    assert np.abs(np.asarray(q).sum(axis=-2)).max() < 1e-9 * np.abs(np.asarray(q)).max()
    p = scheme.propagator(1 * ms, glu=glutamate)
    s = scheme.steady_state(glu=glutamate)
    assert p.shape == q.shape and s.shape == (2, 3, 15)
    one = scheme.steady_state(glu=glutamate[1, 0])
    np.testing.assert_allclose(s[1, 0], one, rtol=1e-14)
    np.testing.assert_allclose(np.einsum("...ij,...j->...i", p, s), s, atol=1e-13)


def test_missing_unknown_and_impossible_values():
    scheme = KineticScheme("A <-> B : 2*k*c, l", namespace={"l": 1 / ms})
    with pytest.raises(TypeError, match="No value for c, k.*c=..."):
        scheme.generator()
    with pytest.raises(TypeError, match="typo: no rate depends on it.*c, k, l"):
        scheme.steady_state(c=1, k=1 / ms, typo=3)
    for bad in (-1, np.nan, np.inf):
        with pytest.raises(ValueError, match="'2.k.c' is .*not negative"):
            scheme.generator(c=bad, k=1 / ms)
    with pytest.raises(ValueError, match="rate '-1/ms' is -1000/second"):
        KineticScheme("A -> B : -1/ms")
    for bad in (1, 3 * mV, -1 * ms, np.nan * ms):
        with pytest.raises((DimensionMismatchError, ValueError), match="dt: "):
            scheme.propagator(bad, c=1, k=1 / ms)


@pytest.mark.parametrize("nonsense", ["3", None, [1, "a"], {"k": 1}, 1j, object()])
def test_values_that_are_none(nonsense):
    with pytest.raises(TypeError, match="'k' must be a number or quantity"):
        KineticScheme("A -> B : k", namespace={"k": nonsense})
    with pytest.raises(TypeError, match="'k' must be a number or quantity"):
        KineticScheme("A -> B : k").generator(k=nonsense)
    if nonsense is not None and not isinstance(nonsense, dict):
        with pytest.raises(TypeError, match="units: expected a dict"):
            KineticScheme("A -> B : k", units=nonsense)


def test_tiny_occupancies_are_accurate():
    """A ladder whose last rung holds 1e-240, to 14 digits."""
    rungs = 21
    lines = [
        f"S{k} <-> S{k + 1} : {k + 1}*up, {rungs - k}*down" for k in range(rungs - 1)
    ]
    scheme = KineticScheme("\n".join(lines))
    state = scheme.steady_state(up=1e-12 / ms, down=1 / ms)
    exact = [Fraction(1)]
    for k in range(rungs - 1):
        exact.append(exact[-1] * (k + 1) * Fraction(1e-12) / (rungs - k))
    exact = np.array([float(p / sum(exact)) for p in exact])
    assert exact[-1] < 1e-239
    np.testing.assert_allclose(state, exact, rtol=1e-14)


def test_transient_states_are_empty():
    scheme = KineticScheme("A -> B : 1/ms\nB <-> C : 2/ms, 1/ms")
    np.testing.assert_allclose(scheme.steady_state(), [0, 1 / 3, 2 / 3])
    resting = KineticScheme(AMPA).steady_state(glu=0 * mM, **AMPA_RATES)
    assert np.count_nonzero(resting) == 2


def test_no_unique_steady_state():
    scheme = KineticScheme("A -> B : 1/ms\nA -> C : 1/ms")
    with pytest.raises(ValueError, match=r"\{B\} and \{C\} cannot be left"):
        scheme.steady_state()


@pytest.mark.parametrize("reactions, rates", [(AMPA, AMPA_RATES), (NMDA, NMDA_RATES)])
def test_propagators_are_stochastic(reactions, rates):
    scheme = KineticScheme(reactions)
    for dt in (0 * ms, 1e-3 * ms, 1 * ms, 1e6 * ms):
        p = scheme.propagator(dt, glu=0.3 * mM, **rates)
        assert p.min() >= 0
        np.testing.assert_allclose(p.sum(axis=0), 1, atol=1e-14)
    steady = scheme.steady_state(glu=0.3 * mM, **rates)
    np.testing.assert_allclose(p, np.outer(steady, np.ones(len(p))), atol=1e-5)
    half = scheme.propagator(0.5 * ms, glu=0.3 * mM, **rates)
    one = scheme.propagator(1 * ms, glu=0.3 * mM, **rates)
    np.testing.assert_allclose(half @ half, one, atol=1e-13)


# ---- microscopic reversibility


def test_reversible_and_irreversible_cycles():
    scheme = KineticScheme(TRIANGLE)
    with catch_logs(only_from=("brian2_multiscale",)) as logs:
        assert scheme.check_reversibility(**triangle_rates(1, 2, 6, 3, 1, 1)) == []
        assert logs == []
        ((states, ratio),) = scheme.check_reversibility(
            **triangle_rates(1, 2, 6, 3, 5, 1)
        )
    assert set(states) == {"A", "B", "C"}
    forward = states.index("B") == (states.index("A") + 1) % 3
    assert ratio == pytest.approx(5 if forward else 1 / 5)
    assert len(logs) == 1 and "not reversible" in logs[0][2]
    assert " - ".join((*states, states[0])) in logs[0][2]


def test_wrong_factor_is_noticed_without_values():
    with catch_logs(only_from=("brian2_multiscale",)) as logs:
        KineticScheme(
            "A <-> B : 2*k, l\nB <-> C : k, 2*l\nC <-> D : m, n\nD <-> A : n, m"
        )
        assert logs == []
        KineticScheme("A <-> B : 2*k, l\nB <-> C : k, l\nC <-> A : 1/ms, 1/ms")
        assert logs == []  # depends on k and l
        KineticScheme(
            "A <-> B : 2*k, l\nB <-> C : n, m\nC <-> D : l, k\nD <-> A : m, n"
        )
    assert len(logs) == 1
    assert "is 2 times" in logs[0][2] or "is 0.5 times" in logs[0][2]


def test_one_way_cycles():
    ring = KineticScheme("A -> B : k\nB <-> C : k, l\nC <-> A : k, l")
    ((_, ratio),) = ring.check_reversibility(k=1 / ms, l=1 / ms)
    assert ratio in (0, np.inf)
    blocked = KineticScheme("A -> B : k\nC -> B : k\nC <-> A : k, l")
    assert blocked.check_reversibility(k=1 / ms, l=1 / ms) == []


def test_parallel_reactions_are_a_cycle():
    scheme = KineticScheme("A <-> B : k, l\nA <-> B : 3*k, l")
    ((states, ratio),) = scheme.check_reversibility()
    assert states == ("A", "B") or states == ("B", "A")
    assert ratio in (pytest.approx(3), pytest.approx(1 / 3))


def test_the_published_receptors():
    """The NMDA scheme is reversible, the AMPA scheme is not: R0-D0-D1-R1."""
    assert KineticScheme(NMDA).check_reversibility(**NMDA_RATES) == []
    ((states, ratio),) = KineticScheme(AMPA).check_reversibility(**AMPA_RATES)
    assert set(states) == {"R0", "R1", "D0", "D1"}
    expected = (4 * 3.3e-6) * (3 * 10) * 0.017 * 7 / (0.001 * 0.00041 * 0.42 * (4 * 10))
    assert ratio in (pytest.approx(expected), pytest.approx(1 / expected))
