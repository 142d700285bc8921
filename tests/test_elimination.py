"""Mathematics of kinetic schemes: elimination, stationary distribution, cycles."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published_receptors import AMPA

from brian2_multiscale.kinetics import KineticScheme
from brian2_multiscale.numerics.cycles import cycle_basis
from brian2_multiscale.numerics.elimination import LinearSystem, eliminate
from brian2_multiscale.numerics.stationary import stationary_distribution


@given(st.data(), st.integers(2, 9))
@settings(max_examples=100, deadline=None)
def test_stationary_distribution_of_any_chain(data, n):
    """Balance holds relative to what flows through each state."""
    exponents = st.floats(-12, 12)
    rates = 10 ** np.array([[data.draw(exponents) for _ in range(n)] for _ in range(n)])
    rates *= np.array([[data.draw(st.booleans()) for _ in range(n)] for _ in range(n)])
    for k in range(n):  # a ring keeps it irreducible
        rates[(k + 1) % n, k] += 1
    np.fill_diagonal(rates, 0)
    p = stationary_distribution(rates)
    assert p.min() >= 0 and abs(p.sum() - 1) < 1e-14
    np.testing.assert_allclose(rates @ p, rates.sum(axis=0) * p, rtol=1e-12)


@given(
    st.integers(1, 7),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=14),
)
def test_cycle_basis(n, edges):
    edges = [(a % n, b % n) for a, b in edges if a % n != b % n]
    basis = cycle_basis(n, edges)
    parents = list(range(n))

    def root(a):
        return a if parents[a] == a else root(parents[a])

    for a, b in edges:
        parents[root(a)] = root(b)
    components = len({root(a) for a in range(n)})
    assert len(basis) == len(edges) - n + components
    incidence = np.zeros((len(basis), len(edges)))
    for row, cycle in zip(incidence, basis, strict=True):
        ends = [edges[k][::d] for k, d in cycle]
        for (_, end), (start, _) in zip(ends, ends[1:] + ends[:1], strict=True):
            assert end == start
        for k, d in cycle:
            row[k] += d
    assert np.linalg.matrix_rank(incidence) == len(basis) if len(basis) else True


def execute(statements, values, one):
    names = dict(values)
    for name, expression in statements:
        names[name] = eval(expression.replace("1/(", "one/("), {"one": one}, names)
    return names


def random_system(data, n, lowest, highest):
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    used = data.draw(st.lists(st.sampled_from(pairs), unique=True, max_size=3 * n))
    values = {f"w{i}{j}": 10 ** data.draw(st.floats(lowest, highest)) for i, j in used}
    values.update({f"y{i}": 10 ** data.draw(st.floats(-9, 0)) for i in range(n)})
    weights = {(i, j): [f"w{i}{j}"] for i, j in used}
    return weights, [[f"y{i}"] for i in range(n)], values


@given(st.data(), st.integers(2, 7))
@settings(max_examples=100, deadline=None)
def test_elimination_is_accurate_in_every_component(data, n):
    """Against exact rational arithmetic, for weights over 24 orders of magnitude."""
    weights, rhs, values = random_system(data, n, -12, 12)
    system = LinearSystem(weights, rhs, sums=[["1"] for _ in range(n)])
    statements, solution = eliminate(system)
    assert not any("-" in expression for _, expression in statements)
    floats = execute(statements, values, 1.0)
    exact = {name: Fraction(value) for name, value in values.items()}
    exact = execute(statements, exact, Fraction(1))
    total = sum(Fraction(values[f"y{i}"]) for i in range(n))
    assert sum(exact[x] for x in solution) == total
    for i, x in enumerate(solution):  # the exact program solves the system
        row = exact[x] * (
            1 + sum(Fraction(values[f"w{k}{j}"]) for k, j in weights if j == i)
        )
        row -= sum(
            Fraction(values[f"w{k}{j}"]) * exact[solution[j]]
            for k, j in weights
            if k == i
        )
        assert row == Fraction(values[f"y{i}"])
        assert floats[x] == pytest.approx(float(exact[x]), rel=1e-14)


@given(st.data(), st.integers(2, 6))
@settings(max_examples=50, deadline=None)
def test_elimination_of_general_systems(data, n):
    weights, rhs, values = random_system(data, n, -2, 0)
    values.update({f"d{i}": data.draw(st.floats(20, 30)) for i in range(n)})
    system = LinearSystem(weights, rhs, diagonal=[[f"d{i}", "-w"] for i in range(n)])
    values["w"] = 0.5
    statements, solution = eliminate(system)
    names = execute(statements, values, 1.0)
    matrix = np.diag([values[f"d{i}"] - 0.5 for i in range(n)])
    for (i, j), (w,) in weights.items():
        matrix[i, j] = -values[w]
    expected = np.linalg.solve(matrix, [values[f"y{i}"] for i in range(n)])
    np.testing.assert_allclose([names[x] for x in solution], expected, rtol=1e-12)


def test_one_division_per_state_and_constants_first():
    scheme = KineticScheme(AMPA)
    index = {state: k for k, state in enumerate(scheme.states)}
    weights = {
        (index[b], index[a]): [f"w{k}"] for k, (a, b, _) in enumerate(scheme.reactions)
    }
    constant = {
        f"w{k}" for k, (_, _, rate) in enumerate(scheme.reactions) if "glu" not in rate
    }
    system = LinearSystem(
        weights, [[s] for s in index], sums=[["1"]] * 16, constant=constant
    )
    statements, _ = eliminate(system)
    divisions = [e for _, e in statements if "/" in e]
    assert len(divisions) == 16
    # O2, O3, O4 and E4, R4 lose nothing at a rate that depends on glutamate
    assert sum(set(e[3:-1].split(" + ")) <= constant | {"1"} for e in divisions) >= 4


def test_linear_system_needs_sums_or_diagonal():
    with pytest.raises(ValueError, match="either"):
        LinearSystem({}, [["y"]])
