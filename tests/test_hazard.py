"""Escape noise written as a threshold."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from brian2_multiscale.codegen.straightline import names_in, parse_expression, symbol
from brian2_multiscale.mesoscopic.hazard import hazard_of_threshold


@pytest.mark.parametrize(
    "threshold, hazard, rule",
    [
        ("rand() < rho*dt", "rho", "linear"),
        ("rand() <= rho*dt", "rho", "linear"),
        ("rho*dt > rand()", "rho", "linear"),
        ("dt*rho >= rand()", "rho", "linear"),
        ("rand() < dt/tau", "1/tau", "linear"),
        ("rand() < (a + b)*dt", "a + b", "linear"),
        ("rand() < a*dt + b*dt", "a + b", "linear"),
        ("rand() < exp((v - th)/d)*dt/tau", "exp((v - th)/d)/tau", "linear"),
        ("rand() < 1 - exp(-rho*dt)", "rho", "exponential"),
        ("1 - exp(-dt*rho) > rand()", "rho", "exponential"),
        ("rand() < 1 - exp(-dt*(a + b))", "a + b", "exponential"),
        ("rand() < 1 - exp(-a*dt)*exp(-b*dt)", "a + b", "exponential"),
        ("rand() < -expm1(-rho*dt)", "rho", "exponential"),
        ("rand() < -(exp(-rho*dt) - 1)", "rho", "exponential"),
        ("  rand()<rho*dt ", "rho", "linear"),
        ("rand() < 1 - exp(-exp((v - th)/d)*dt)", "exp((v - th)/d)", "exponential"),
    ],
)
def test_accepted(threshold, hazard, rule):
    found, found_rule = hazard_of_threshold(threshold)
    assert found_rule == rule
    assert sp.simplify(parse_expression(found) - parse_expression(hazard)) == 0


@pytest.mark.parametrize(
    "threshold",
    [
        "v > v_th",
        "v > v_th + 0.1*randn()",
        "rand() > rho*dt",
        "rho*dt < rand()",
        "rand() < p",
        "rand() < 0.1",
        "rand() < rho*dt**2",
        "rand() < rho*sqrt(dt)",
        "rand() < rho*dt + 0.1",
        "rand() < exp(-rho*dt)",
        "rand() < 1 - 2*exp(-rho*dt)",
        "rand() < 1 - exp(-rho*dt**2)",
        "rand() < tanh(rho*dt)",
        "rand() < rand()*rho*dt",
        "rand() < rho*dt and v > v_th",
        "not rand() > rho*dt",
        "0 < rand() < rho*dt",
        "rand() == rho*dt",
        "rand(3) < rho*dt",
        "2*rand() < rho*dt",
        "rand < rho*dt",
        "rand() < rho*dt; v > 3",
        "rand() <",
        "True",
        "",
    ],
)
def test_refused(threshold):
    with pytest.raises(ValueError, match="threshold=") as error:
        hazard_of_threshold(threshold)
    assert threshold in str(error.value)


def test_deterministic_thresholds_are_sent_elsewhere():
    with pytest.raises(ValueError, match=r"DensityGroup.*NeuronGroup"):
        hazard_of_threshold("v > v_th")


@pytest.mark.parametrize("threshold", [5, None, True, b"rand() < rho*dt", ["rand()"]])
def test_only_strings(threshold):
    with pytest.raises(TypeError, match="threshold must be a string"):
        hazard_of_threshold(threshold)


_RATES = st.sampled_from(
    ["a", "b/c", "a*exp(-b)", "exp((a - b)/c)", "a + b*c", "a/(1 + exp(-b))", "c*a**2"]
)
_FORMS = st.sampled_from(
    [
        ("rand() < ({})*dt", "linear"),
        ("dt*({}) > rand()", "linear"),
        ("rand() < 1 - exp(-({})*dt)", "exponential"),
        ("1 - exp(-dt*({})) > rand()", "exponential"),
        ("rand() < -expm1(-dt*({}))", "exponential"),
    ]
)


@settings(max_examples=40)
@given(st.lists(_RATES, min_size=1, max_size=3), _FORMS)
def test_the_rate_is_found_again(rates, form):
    rate, (text, rule) = " + ".join(rates), form
    found, found_rule = hazard_of_threshold(text.format(rate))
    values = {symbol(n): x for n, x in zip("abc", (0.7, 1.3, 2.1), strict=True)}
    expected = float(parse_expression(rate).xreplace(values))
    assert float(parse_expression(found).xreplace(values)) == pytest.approx(expected)
    assert found_rule == rule and "dt" not in names_in(parse_expression(found))


@settings(max_examples=200)
@given(st.text("rand()<>=rho*dt 1-exp.'\"[]{}:\\\n;@é", max_size=24))
def test_any_other_text_is_refused_with_the_same_errors(text):
    try:
        hazard, rule = hazard_of_threshold(text)
    except (ValueError, TypeError) as error:
        assert "threshold" in str(error), error
    else:
        assert rule in ("linear", "exponential") and np.size(hazard) == 1


@pytest.mark.parametrize(
    "threshold",
    [
        "rand() < 'a'*dt",
        "rand() < [rho]*dt",
        "rand() < rho*dt if v else 0",
        "rand() < (lambda: rho)()*dt",
        "rand() < x[0]*dt",
        "rand() < v.rho*dt",
        "rand() < rho*dt\x00",
        "rand() < f(rho, a=1)*dt",
        "rand() < (a < b)*dt",
        "rand() < rho*dt % 2",
    ],
)
def test_python_that_is_no_brian2_expression(threshold):
    try:
        hazard_of_threshold(threshold)
    except ValueError as error:
        assert "threshold" in str(error)
