"""Tables of synapses: stated errors, limits, published amplitudes, files, bad input."""

import contextlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from brian2 import Hz, ms, mV, prefs, second
from hypothesis import given, settings
from hypothesis import strategies as st

from brian2_multiscale import (
    Mechanism,
    SynapticTable,
    TableFileError,
    ToleranceError,
    tabulate,
)
from brian2_multiscale.kinetics.event_model import EventModel, NotEventDrivenError
from brian2_multiscale.numerics.timegrid import event_grid
from brian2_multiscale.tables.history import history_curve
from brian2_multiscale.tables.pooled import nrmse
from brian2_multiscale.tables.trains import held_out_trains

REFERENCE = Path(__file__).parent / "reference"
RATES = (2, 5, 10, 20, 50, 100)


@pytest.fixture(scope="session")
def receptor_tables():
    """Tables of both published receptors, built anew."""
    return {
        name: tabulate(name, rates=(2, 100) * Hz, tolerance=0.02, cache=False)
        for name in ("ampa_robert_howe", "nmda_ambert")
    }


@pytest.fixture(scope="session")
def small_table():
    return tabulate("biexponential", rates=(5, 50) * Hz, cache=False)


@pytest.mark.parametrize("name", ["ampa_robert_howe", "nmda_ambert"])
def test_accuracy_and_size_at_every_rate(receptor_tables, name):
    table, receptor = receptor_tables[name], Mechanism(name)
    assert table.nbytes <= 500_000
    assert table.error <= 0.02
    for rate, spikes in zip(RATES, held_out_trains(RATES, 60, seed=77), strict=True):
        assert table.nrmse(spikes * second, receptor) <= 0.02, rate


@pytest.mark.parametrize("name", ["ampa_robert_howe", "nmda_ambert"])
def test_the_stated_error_is_that_of_other_trains(receptor_tables, name):
    table, receptor = receptor_tables[name], Mechanism(name)
    (spikes,) = held_out_trains([20.0], 100, seed=5)
    t = np.arange(spikes[0], spikes[-1], 1e-4) * second
    reference = receptor.simulate(spikes * second, t)
    measured = table.nrmse(spikes * second, reference, t)
    direct = nrmse(
        np.asarray(reference), np.asarray(table.response(spikes * second, t))
    )
    assert measured == pytest.approx(direct, rel=1e-6)
    assert measured <= 2 * table.error
    # not trivially zero, and not the same as a table of another receptor
    assert measured > 1e-5


def test_a_single_spike_and_long_silences(receptor_tables):
    table, receptor = receptor_tables["ampa_robert_howe"], Mechanism("ampa_robert_howe")
    t = np.arange(0, 100, 0.1) * ms
    late = table.response([1, 60_000] * ms, 59999 * ms + t)
    alone = table.response([1] * ms, t)
    np.testing.assert_allclose(late, alone, atol=2e-3 * np.max(alone))
    assert table.nrmse([1] * ms, receptor) < 0.02
    assert np.all(table.response([5] * ms, [0, 4.99] * ms) == 0)


def test_errors_do_not_accumulate(receptor_tables):
    table, receptor = receptor_tables["ampa_robert_howe"], Mechanism("ampa_robert_howe")
    (spikes,) = held_out_trains([50.0], 600, seed=3)
    t = np.arange(spikes[0], spikes[-1], 1e-4)
    error = np.asarray(
        receptor.simulate(spikes * second, t * second)
        - table.response(spikes * second, t * second)
    )
    half = len(t) // 2
    early, late = (
        np.sqrt(np.mean(error[:half] ** 2)),
        np.sqrt(np.mean(error[half:] ** 2)),
    )
    assert late < 1.5 * early


def test_linear_synapses_are_exact():
    table = tabulate("biexponential", rates=(5, 50) * Hz, tolerance=1e-3, cache=False)
    synapse = Mechanism("biexponential")
    expected = sorted(
        float(v) for n, v in synapse.namespace.items() if n.startswith("tau")
    )
    found = np.asarray(table.time_constants)
    np.testing.assert_allclose(found[:2], expected, rtol=0.02)


def test_any_scheme_with_any_transmitter():
    for name in ("ampa_destexhe", "nmda_destexhe", "gabaa_destexhe"):
        table = tabulate(name, rates=(2, 60) * Hz, tolerance=0.03, cache=False)
        spikes = [10, 14, 30, 31.5, 200] * ms
        assert table.nrmse(spikes, Mechanism(name)) < 0.04, name


def test_transmitter_that_accumulates_by_an_equation():
    receptor = Mechanism.from_text(CLEARED)
    table = tabulate(receptor, rates=(2, 50) * Hz, tolerance=0.02, cache=False)
    assert table.nrmse([5, 8, 11, 40, 41] * ms, receptor) < 0.02


CLEARED = """# Two states and a transmitter that is cleared exponentially
#
# /// mechanism
# name = "cleared"
# kind = "receptor"
# version = 1
# doi = "10.0000/test"
# output = "O"
# on_pre = "T += 1*mM"
# reactions = "C <-> O : a*T, b"
#
# [parameters]
# a = {value = "1/(mM*ms)", source = "chosen"}
# b = {value = "0.2/ms", source = "chosen"}
# tau_T = {value = "2*ms", source = "chosen"}
# ///

dT/dt = -T/tau_T : mM
"""


# -- history ---------------------------------------------------------------------
@pytest.mark.parametrize(
    "name, key, span", [("ampa_robert_howe", "ampa", 0.1), ("nmda_ambert", "nmda", 0.3)]
)
def test_amplitudes_of_the_published_table(name, key, span):
    # Relative to the first response: the published amplitudes are those of implicit
    # Euler steps of 0.1 ms, which lower all peaks by up to 18 %.
    cells = np.load(REFERENCE / "lut_cells.npz")
    model = EventModel(Mechanism(name, clearance=2 / ms))
    times = event_grid(span, 5e-5, 1.1)
    first = history_curve(model, (), times).max()
    ages = np.sort(cells[f"{key}_tau_ms"].astype(float), axis=1)
    published = cells[f"{key}_amplitude"] / cells[f"{key}_first"]
    intervals = np.diff(ages, axis=1, prepend=0) * 1e-3
    keep = np.flatnonzero(np.all(intervals > 0, axis=1))[::3]
    assert len(keep) >= 15
    ours = [history_curve(model, intervals[k], times).max() / first for k in keep]
    difference = np.abs(np.array(ours) / published[keep] - 1)
    assert np.median(difference) < 0.03 and difference.max() < 0.08
    assert np.ptp(published[keep]) > 0.2  # amplitudes that differ


@pytest.fixture(scope="session")
def history():
    options = dict(order=2, window=100 * ms, points=8, cache=False)
    return tabulate("ampa_robert_howe", "history", rates=(2, 20) * Hz, **options)


def test_history_is_right_where_it_remembers_enough(history):
    receptor = Mechanism("ampa_robert_howe")
    assert history.representation == "history"
    for spikes in ([1], [1, 9], [1, 6, 21], [1, 300]):
        assert history.nrmse(spikes * ms, receptor) < 0.08, spikes


def test_history_fails_in_bursts_and_the_state_does_not(history, receptor_tables):
    burst = np.arange(1, 60, 5) * ms
    receptor = Mechanism("ampa_robert_howe")
    assert history.nrmse(burst, receptor) > 0.15
    assert receptor_tables["ampa_robert_howe"].nrmse(burst, receptor) < 0.02


def test_history_does_not_depend_on_the_executor(history):
    with ThreadPoolExecutor(2) as pool:
        again = tabulate(
            "ampa_robert_howe",
            "history",
            rates=(2, 20) * Hz,
            order=2,
            window=100 * ms,
            points=8,
            cache=False,
            executor=pool,
        )
    np.testing.assert_array_equal(again.core.amplitudes, history.core.amplitudes)


@pytest.mark.long
def test_history_on_a_dask_cluster(history):
    distributed = pytest.importorskip("distributed", reason="extra [cluster]")
    options = dict(order=2, window=100 * ms, points=8, cache=False)
    with distributed.Client(n_workers=2, threads_per_worker=1) as client:
        again = tabulate(
            "ampa_robert_howe",
            "history",
            rates=(2, 20) * Hz,
            executor=client.get_executor(),
            **options,
        )
    np.testing.assert_array_equal(again.core.amplitudes, history.core.amplitudes)


def test_history_takes_plasticity_that_the_state_refuses():
    depressing = Mechanism.from_text(DEPRESSING)
    with pytest.raises(NotEventDrivenError, match="history"):
        tabulate(depressing, cache=False)
    options = dict(order=2, window=500 * ms, points=14, cache=False)
    table = tabulate(depressing, "history", rates=(1, 5) * Hz, **options)
    assert table.nrmse([0, 40, 90] * ms, depressing) < 0.03


DEPRESSING = """# A depressing synapse
#
# /// mechanism
# name = "depressing"
# kind = "synapse"
# version = 1
# doi = "10.0000/test"
# output = "g"
# on_pre = '''
# g += u*x
# x -= u*x
# u += U*(1 - u)
# '''
#
# [parameters]
# U = {value = 0.4, source = "chosen"}
# tau_f = {value = "30*ms", source = "chosen"}
# tau_d = {value = "90*ms", source = "chosen"}
# tau = {value = "5*ms", source = "chosen"}
#
# [initial]
# x = 1
# u = "U"
# ///

du/dt = (U - u)/tau_f : 1
dx/dt = (1 - x)/tau_d : 1
dg/dt = -g/tau : 1
"""


def test_published_spacing_of_the_intervals():
    table = tabulate(
        "exponential",
        "history",
        rates=(5, 20) * Hz,
        order=1,
        window=50 * ms,
        grid=1 * ms,
        cache=False,
    )
    assert table.core.amplitudes.shape == (50,)
    # an exponential synapse has no history
    np.testing.assert_allclose(
        table.core.amplitudes, table.core.amplitudes[0], rtol=1e-4
    )


# -- files and cache ---------------------------------------------------------------
@pytest.mark.parametrize("kind", ["small_table", "history"])
def test_saved_tables_are_the_same(kind, request, tmp_path):
    table = request.getfixturevalue(kind)
    table.save(tmp_path / "folder" / "table.npz")
    again = SynapticTable.load(tmp_path / "folder" / "table.npz")
    spikes, t = [1, 5, 30] * ms, np.arange(0, 80, 0.7) * ms
    np.testing.assert_array_equal(again.response(spikes, t), table.response(spikes, t))
    assert again.errors == table.errors and again.nbytes == table.nbytes
    assert again.unit == table.unit and again.report["doi"] == table.report["doi"]
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["table.npz"]


def test_receptor_tables_survive_a_file(receptor_tables, tmp_path):
    table = receptor_tables["ampa_robert_howe"]
    table.save(tmp_path / "ampa.npz")
    spikes, t = [1, 5, 30] * ms, np.arange(0, 80, 0.7) * ms
    again = SynapticTable.load(tmp_path / "ampa.npz")
    np.testing.assert_array_equal(again.response(spikes, t), table.response(spikes, t))


@pytest.mark.parametrize("damage", ["cut", "text", "bytes", "empty", "header"])
def test_damaged_files_are_named(small_table, tmp_path, damage):
    path = tmp_path / "table.npz"
    small_table.save(path)
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "text":
        path.write_text("no table")
    elif damage == "bytes":
        path.write_bytes(content[:200] + b"\0" * 200 + content[400:])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        np.savez(path, header=np.array(json.dumps({"format": 1})))
    with pytest.raises(TableFileError, match="table.npz.*tabulate"):
        SynapticTable.load(path)


def test_pickles_in_a_file_are_not_executed(tmp_path):
    path = tmp_path / "evil.npz"
    np.savez(path, header=np.array([object()], dtype=object))
    with pytest.raises(TableFileError):
        SynapticTable.load(path)


def test_files_of_another_version_are_named(small_table, tmp_path):
    path = tmp_path / "table.npz"
    small_table.save(path)
    with np.load(path) as data:
        arrays = dict(data)
    header = json.loads(str(arrays["header"]))
    header["format"] = 99
    arrays["header"] = np.array(json.dumps(header))
    np.savez(path, **arrays)
    with pytest.raises(TableFileError, match="99"):
        SynapticTable.load(path)
    with pytest.raises(TableFileError, match="no table file"):
        SynapticTable.load(tmp_path / "missing.npz")


def test_an_interrupted_save_leaves_the_old_file(small_table, tmp_path, monkeypatch):
    path = tmp_path / "table.npz"
    small_table.save(path)
    before = path.read_bytes()

    def fail(*args, **kwds):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(KeyboardInterrupt):
        small_table.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["table.npz"]


def test_cache_follows_the_mechanism(tmp_path):
    prefs.multiscale.table_cache = str(tmp_path)
    first = tabulate("exponential", rates=(5, 20) * Hz)
    assert len(list(tmp_path.iterdir())) == 1
    again = tabulate("exponential", rates=(5, 20) * Hz)
    np.testing.assert_array_equal(first.core.responses, again.core.responses)
    parameter = next(n for n in Mechanism("exponential").namespace if "tau" in n)
    tabulate("exponential", rates=(5, 20) * Hz, **{parameter: 7 * ms})
    assert len(list(tmp_path.iterdir())) == 2
    # a damaged file in the cache is replaced
    for path in tmp_path.iterdir():
        path.write_bytes(b"damaged")
    rebuilt = tabulate("exponential", rates=(5, 20) * Hz)
    np.testing.assert_allclose(rebuilt.core.responses, first.core.responses, rtol=1e-12)


@pytest.mark.parametrize("kind", ["shape", "nan", "name", "errors"])
def test_inconsistent_files_are_named(small_table, tmp_path, kind):
    path = tmp_path / "table.npz"
    small_table.save(path)
    with np.load(path) as data:
        arrays = dict(data)
    header = json.loads(str(arrays["header"]))
    if kind == "shape":
        arrays["propagators"] = arrays["propagators"][:1]
    elif kind == "nan":
        arrays["responses"] = arrays["responses"] * np.nan
    elif kind == "name":
        header["representation"] = "banana"
    else:
        header["report"]["errors"] = []
    arrays["header"] = np.array(json.dumps(header))
    np.savez(path, **arrays)
    with pytest.raises(TableFileError, match="garbles"):
        SynapticTable.load(path)


def test_random_damage_is_always_named(small_table, tmp_path):
    path = tmp_path / "table.npz"
    small_table.save(path)
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = content.copy()
        for place in rng.integers(len(content), size=3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        with contextlib.suppress(TableFileError):
            SynapticTable.load(path)  # harmless, or this error and no other


def test_tables_can_be_read_by_others(small_table, tmp_path):
    path = tmp_path / "table.npz"
    old = os.umask(0o022)
    try:
        small_table.save(path)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o644


# -- bad input ---------------------------------------------------------------------
def test_tolerance_out_of_reach_says_what_is_in_reach():
    with pytest.raises(ToleranceError, match="1e-08.*cannot be met.*NRMSE of"):
        tabulate("gabaa_destexhe", rates=(2, 20) * Hz, tolerance=1e-8, cache=False)


def test_a_given_tolerance_holds_for_histories_too():
    options = dict(rates=(20, 50) * Hz, order=1, points=4, cache=False)
    with pytest.raises(ToleranceError, match="history"):
        tabulate("ampa_destexhe", "history", tolerance=0.02, **options)


def test_trains_outside_the_range(receptor_tables):
    table = receptor_tables["ampa_robert_howe"]
    dense = np.arange(1, 2.5, 0.1) * ms
    with pytest.raises(ValueError, match="denser.*extrapolate='clip'"):
        table.response(dense, 5 * ms)
    assert np.isfinite(table.response(dense, 5 * ms, extrapolate="clip"))


def test_intervals_below_a_history_table(history):
    with pytest.raises(ValueError, match="begins at 0.5 ms"):
        history.response([1, 1.2] * ms, 5 * ms)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (dict(mechanism="ampa_robert_how"), ValueError, "ampa_robert_howe"),
        (dict(representation="both"), ValueError, "'state' or 'history'"),
        (dict(rates=(10, 1) * Hz), ValueError, "increasing"),
        (dict(rates=(0, 1) * Hz), ValueError, "positive"),
        (dict(rates=(1, 2, 3) * Hz), ValueError, "lowest, highest"),
        (dict(tolerance=0), ValueError, "tolerance"),
        (dict(tolerance=-1), ValueError, "tolerance"),
        (dict(tolerance=float("nan")), ValueError, "tolerance"),
        (dict(order=9), ValueError, "order"),
        (dict(points=1), ValueError, "points"),
        (dict(window=0 * ms), ValueError, "window"),
        (dict(no_such_parameter=3), ValueError, "no_such_parameter"),
        (dict(representation="history", grid=0.1 * ms), ValueError, "simulations"),
    ],
)
def test_bad_arguments(arguments, error, words):
    arguments = {"mechanism": "ampa_robert_howe", "cache": False, **arguments}
    with pytest.raises(error, match=words):
        tabulate(**arguments)


def test_wrong_units():
    with pytest.raises(Exception, match="rates"):
        tabulate("exponential", rates=(1, 2) * mV, cache=False)
    with pytest.raises(TypeError, match="Mechanism"):
        tabulate(Mechanism("exponential"), tau=3 * ms, cache=False)


def test_reference_without_times(small_table):
    with pytest.raises(ValueError, match="t is missing"):
        small_table.nrmse([1] * ms, np.zeros(3))
    with pytest.raises(Exception, match="unit|dimension"):
        small_table.nrmse([1] * ms, [1, 2] * mV, [2, 3] * ms)


@settings(max_examples=40, deadline=None)
@given(gaps=st.lists(st.floats(0.02, 0.5), min_size=1, max_size=8))
def test_linear_tables_superpose(small_table, gaps):
    # A biexponential synapse is linear: its response to a train is the sum of the
    # responses to the spikes.
    spikes = np.cumsum(gaps)
    t = np.linspace(0, spikes[-1] + 0.1, 60) * second
    total = np.asarray(small_table.response(spikes * second, t))
    single = sum(np.asarray(small_table.response([s] * second, t)) for s in spikes)
    np.testing.assert_allclose(total, single, atol=3e-3 * np.abs(single).max())
