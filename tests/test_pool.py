"""Pooled exponentials on all targets."""

import numpy as np
import pytest
from brian2 import (
    BrianObjectException,
    DimensionMismatchError,
    Network,
    NeuronGroup,
    defaultclock,
    ms,
    nS,
)
from codegen_models import TAUS, pooled_model, reference_pools, shared_results
from targets import TARGETS, run_on_targets, use_compiler_flags

from brian2_multiscale.codegen.pool import PooledExponentials


@pytest.fixture(scope="module")
def results():
    return shared_results()


@pytest.mark.parametrize("target", TARGETS)
def test_pooled_exponentials_are_exact(results, target):
    found = results[target]
    g, h, x = reference_pools(found["pool_times"])
    np.testing.assert_allclose(found["g"], g, rtol=1e-12, atol=1e-24)
    np.testing.assert_allclose(found["h"], h, rtol=1e-12, atol=1e-24)
    # the state update of the same step has seen it
    np.testing.assert_allclose(found["x"], x, rtol=1e-12)


@pytest.mark.standalone
def test_default_compiler_flags():
    """The whole optimisation of Brian2, with -O3, once."""
    use_compiler_flags("default")
    results = run_on_targets(pooled_model, 4 * ms, targets=["cpp_standalone"])
    found = results["cpp_standalone"]
    g, h, _ = reference_pools(found["pool_times"])
    np.testing.assert_allclose(found["g"], g, rtol=1e-12, atol=1e-24)
    np.testing.assert_allclose(found["h"], h, rtol=1e-12, atol=1e-24)


POOL_TARGET = """
dv/dt = -v/second : 1
g : siemens
fixed : siemens (constant)
one : siemens (shared)
sub = 2*g : siemens
count : integer
"""


@pytest.mark.parametrize(
    "variable, taus, error, message",
    [
        ("gg", TAUS, KeyError, "no variable 'gg'"),
        ("v", TAUS, TypeError, "'v' of .* write 'v : 1'"),
        ("sub", TAUS, TypeError, "'sub' of .* write 'sub : siemens'"),
        ("fixed", TAUS, TypeError, "neither constant nor shared"),
        ("one", TAUS, TypeError, "neither constant nor shared"),
        ("count", TAUS, TypeError, "floating point"),
        ("g", [1, 2], DimensionMismatchError, "taus must be times"),
        ("g", [0, 2] * ms, ValueError, "positive and finite"),
        ("g", [1, np.nan] * ms, ValueError, "positive and finite"),
        ("g", [] * ms, ValueError, r"shape \(0,\)"),
        ("g", np.ones((2, 2)) * ms, ValueError, r"shape \(2, 2\)"),
    ],
)
def test_pool_refuses(variable, taus, error, message):
    group = NeuronGroup(2, POOL_TARGET, method="exact", name="pool_target")
    with pytest.raises(error, match=message):
        PooledExponentials(group, variable, taus)


def test_two_pools_for_one_variable():
    group = NeuronGroup(4, "g : siemens", name="grp_two")
    first = PooledExponentials(group[:2], "g", TAUS, name="pool_one")
    second_pool = PooledExponentials(group[2:], "g", TAUS, name="pool_two")
    network = Network(group, first, second_pool)
    network.run(defaultclock.dt)
    network.add(PooledExponentials(group[1:2], "g", TAUS, name="pool_three"))
    with pytest.raises(BrianObjectException) as error:
        network.run(defaultclock.dt)
    message = "both write to 'g' of neurons 1 to 1; give them variables of their own"
    assert message in str(error.value.__cause__)


def test_pools_are_stored_and_restored():
    group = NeuronGroup(2, "g : siemens", name="grp_store")
    pool = PooledExponentials(group, "g", TAUS, name="pool_store")
    network = Network(group, pool)
    pool.z1 = [1, 2] * nS
    network.store()
    network.run(1 * ms)
    once = np.array(group.g)
    network.restore()
    network.run(1 * ms)
    np.testing.assert_array_equal(once, np.asarray(group.g))
    assert once[1] == pytest.approx(2e-9 * np.exp(-0.9 / 2))
