"""Straight-line programs: reading, differentiating, taking constants out."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from brian2_multiscale.codegen.straightline import (
    Hoister,
    emit,
    names_in,
    parse,
    simultaneous,
    symbol,
    tangents,
)

A, B, C, P, Q = (symbol(n) for n in "abcpq")
#: Values at which programs are evaluated
POINT = {A: 0.7, B: -1.3, C: 0.4, P: 1.9, Q: 0.6}


def _run(statements, values):
    """Execute statements one by one."""
    values = dict(values)
    for name, value in statements:
        values[symbol(name)] = float(sp.sympify(value).xreplace(values))
    return values


def _composed(statements):
    """The results in terms of what a program starts from."""
    now = {}
    for name, value in statements:
        now[symbol(name)] = sp.sympify(value).xreplace(now)
    return now


# -- reading ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    "code, expected",
    [
        ("a = b + 1", [("a", B + 1)]),
        ("a += b", [("a", A + B)]),
        ("a -= b*c", [("a", A - B * C)]),
        ("a *= 2", [("a", 2 * A)]),
        ("a /= b", [("a", A / B)]),
        ("a **= 2", [("a", A**2)]),
        ("a = b; b = a # both", [("a", B), ("b", A)]),
        ("\n# nothing\n  a = 1\n\n", [("a", sp.S.One)]),
        ("", []),
    ],
)
def test_parse(code, expected):
    assert parse(code) == expected


def test_emitted_code_is_read_back():
    statements = parse("a = exp(-b/c)*clip(p, 0, 1); q = a**2 - int(b > c)")
    assert parse(emit(statements)) == statements


def test_simultaneous_gives_the_values_after_all_statements():
    swap = parse("_old = a; a = b; b = _old + a; a += 1")
    assert simultaneous(swap, {"a", "b"}) == {"a": B + 1, "b": A + B}
    assert simultaneous(swap, {"b"}) == {"b": A + B}
    assert simultaneous([], {"a"}) == {}


# -- random programs -------------------------------------------------------------------
_FORMS = (
    lambda x, y: x + 2 * y,
    lambda x, y: x * y,
    lambda x, y: x**2 - y,
    lambda x, y: sp.exp(-(x**2)) * y,
    lambda x, y: x / (2 + y**2),
    lambda x, y: sp.sin(x) + 3,
)


@st.composite
def programs(draw, start=(A, B, P)):
    """Each statement uses two of the names before it."""
    known, statements = list(start), []
    for k in range(draw(st.integers(1, 5))):
        form = draw(st.sampled_from(_FORMS))
        x, y = draw(st.sampled_from(known)), draw(st.sampled_from(known))
        statements.append((f"y{k}", form(x, y)))
        known.append(symbol(f"y{k}"))
    return statements


def _close(found, expected):
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-11)


# -- differentiation -------------------------------------------------------------------
@settings(max_examples=60)
@given(programs())
def test_derivatives_are_those_of_the_composed_expression(program):
    output, derivative, _ = tangents(program, ["a", "b"])
    values = _run(output, POINT)
    for name, value in _composed(program).items():
        _close(values[name], float(value.xreplace(POINT)))
        for seed in (A, B):
            row = derivative.get(name.name, {})
            found = sp.sympify(row.get(seed.name, 0)).xreplace(values)
            _close(float(found), float(sp.diff(value, seed).xreplace(POINT)))


SPREAD = {("a", "a"): 0.5, ("a", "b"): -0.2, ("b", "a"): -0.2, ("b", "b"): 0.3}


@settings(max_examples=60)
@given(programs())
def test_correction_of_the_means_is_half_the_trace(program):
    output, _, correction = tangents(program, ["a", "b"], SPREAD)
    values = _run(output, POINT)
    for name, value in _composed(program).items():
        hessian = sp.hessian(value, (A, B)).xreplace(POINT)
        spread = sp.Matrix([[0.5, -0.2], [-0.2, 0.3]])
        found = sp.sympify(correction.get(name.name, 0)).xreplace(values)
        _close(float(found), float((hessian * spread).trace() / 2))


def test_mean_of_a_quadratic_map_is_exact():
    program = parse("c = a*b - 3*b; q = p*c + a**2 + 1")
    output, _, correction = tangents(program, ["a", "b"], SPREAD)
    values = _run(output, POINT)
    # the same mean and covariance as SPREAD, with four points
    root = np.linalg.cholesky([[0.5, -0.2], [-0.2, 0.3]])
    points = np.sqrt(2) * np.hstack([root, -root])
    a, b = np.array([[POINT[A]], [POINT[B]]]) + points
    expected = np.mean(POINT[P] * (a * b - 3 * b) + a**2 + 1)
    found = values[Q] + float(correction["q"].xreplace(values))
    assert found == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("code", ["c = f(a)", "b = a; c = 2*f(b*p)"])
def test_unknown_functions_cannot_be_differentiated(code):
    with pytest.raises(ValueError, match="cannot be differentiated"):
        tangents(parse(code), ["a"])


def test_unknown_functions_of_constants_can():
    _, derivative, _ = tangents(parse("c = f(p)*a"), ["a"])
    assert names_in(sp.sympify(derivative["c"]["a"])) in ({"p"}, {"_d_c_a"})


# -- taking constants out --------------------------------------------------------------
def _constant_parts(expression, varying):
    """Whatever could still be taken out of a loop."""
    for part in sp.preorder_traversal(expression):
        if part.is_Number or part.is_Boolean:
            continue
        if not names_in(part) & varying and not part.is_Symbol:
            yield part
        if part.is_Add or part.is_Mul:
            fixed = [x for x in part.args if not names_in(x) & varying]
            if len(fixed) > 1:
                yield part.func(*fixed)


@settings(max_examples=80)
@given(programs(start=(A, B, C, P, Q)))
def test_hoisting_leaves_the_result_and_nothing_constant(program):
    hoister = Hoister({"a", "b"})
    inner = hoister.apply(program)
    outer = _run(hoister.statements, {s: POINT[s] for s in (C, P, Q)})
    values = _run(inner, {**POINT, **outer})
    values.update({k: float(v.xreplace(values)) for k, v in hoister.outside.items()})
    expected = _run(program, POINT)
    for name, _ in program:
        _close(values[symbol(name)], expected[symbol(name)])
    for _, value in inner:
        assert not list(_constant_parts(value, hoister.varying)), value
        assert names_in(value) <= hoister.varying | set(hoister.names)


def test_hoisting_keeps_what_it_is_told_to():
    hoister = Hoister({"a"})
    inner = hoister.apply(parse("c = p*q; b = c*a"), kept={"c"})
    assert [name for name, _ in inner] == ["c", "b"]
    assert hoister.statements == [("_outer_0", P * Q)]


def test_the_same_constant_is_taken_out_once():
    hoister = Hoister({"a"})
    hoister.apply([("b", A * sp.exp(P)), ("c", A + sp.exp(P))])
    assert hoister.statements == [("_outer_0", sp.exp(P))]
