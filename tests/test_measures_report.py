"""ScaleComparison: from recordings to verdicts, table, figure, plain numbers."""

import json
import pickle
import sys

import numpy as np
import pytest
from brian2 import Hz, ms, second
from numpy.testing import assert_allclose

from brian2_multiscale.measures import Recording, ScaleComparison
from brian2_multiscale.measures.kinds import MEASURES

BIN, BINS = 0.005, 1000
SECONDS = BIN * BINS
SIZES = (400, 100)


def counts(seed, rates=(10, 20), bins=BINS):
    """Poisson neurons; those of the second population are up half of the time."""
    up = np.arange(bins) // 25 % 2
    rate = np.array([np.full(bins, rates[0]), 2 * up * rates[1]]).T
    return np.random.default_rng(seed).poisson(rate * SIZES * BIN)


def recording(seed, rates=(10, 20), cost=1.0, **changed):
    arguments = {
        "counts": counts(seed, rates),
        "sizes": SIZES,
        "bin": BIN,
        "cpu_time": cost * (SECONDS + 1),
        "duration": SECONDS + 1,
    }
    return Recording(**(arguments | changed))


def noise_free(rates=(10, 20)):
    expected = np.outer(np.ones(BINS), np.array(rates) * SIZES * BIN)
    return recording(0, counts=expected, cost=0.1, noise_free=True)


def several(first, count=6, **options):
    return [recording(first + k, **options) for k in range(count)]


@pytest.fixture(scope="module")
def compared():
    law = {"intervals": [(0.1, 0.8), None]}
    recordings = {
        "mesoscopic": several(100, rates=(10, 30), cost=0.25, **law),
        "spiking": several(0, **law),
        "density": [noise_free()],
    }
    notes = {"hybrid": "left out: <two> noise terms"}
    tolerances = {"rate": 0.05, "event_rate": 0.3}
    return ScaleComparison(recordings, tolerances=tolerances, notes=notes)


def test_values_have_units(compared):
    values = compared.values["spiking"]
    assert values["rate"].shape == (6, 2)
    assert_allclose(values["rate"].mean(0) / Hz, [10, 20], rtol=0.02)
    assert values["variance"].dim == (Hz**2).dim
    assert values["spectrum"].dim == Hz.dim
    assert values["spectrum"].shape == (6, 2, len(compared.bands) - 1)
    assert values["autocorrelation"].shape == (6, 2, len(compared.lags))
    assert values["correlation"].shape == (6, 1)
    assert values["isi_mean"].dim == second.dim
    assert_allclose(compared.lags / ms, 5 * np.arange(1, 21))
    assert_allclose(compared.bands / Hz, [2, 4, 8, 16, 32, 64, 100])
    assert compared.scales[0] == compared.reference == "spiking"
    assert set(values) == set(compared.tolerances) == set(MEASURES)


def test_distances_and_verdicts(compared):
    mesoscopic = compared.distances["mesoscopic"]
    assert_allclose(mesoscopic["rate"].estimate, [0, 0.5], atol=0.02)
    assert mesoscopic["rate"].verdicts.tolist() == ["agrees", "differs"]
    verdicts = compared.verdicts["mesoscopic"]
    assert verdicts["rate"] == verdicts["variance"] == verdicts["spectrum"] == "differs"
    assert verdicts["isi_mean"] == verdicts["isi_cv"] == "agrees"
    assert verdicts["event_rate"] == "agrees"
    assert mesoscopic["isi_mean"].verdicts.tolist() == ["agrees", "not defined"]
    assert mesoscopic["event_rate"].verdicts.tolist() == ["not defined", "agrees"]
    assert "spiking" not in compared.verdicts


def test_one_run_without_noise_is_enough(compared):
    density = compared.distances["density"]
    assert compared.verdicts["density"]["rate"] == "agrees"
    assert_allclose(density["variance"].estimate, -1)
    assert_allclose(density["variance"].low, density["variance"].high)
    assert compared.verdicts["density"]["spectrum"] == "differs"
    assert compared.verdicts["density"]["autocorrelation"] == "not defined"
    # events of the reference are there, and this scale has none
    assert_allclose(density["event_rate"].estimate[1], -1)
    assert compared.verdicts["density"]["event_interval"] == "not defined"


def test_both_sides_without_noise():
    recordings = {"a": [noise_free()], "b": [noise_free((10.05, 20.1))]}
    compared = ScaleComparison(recordings, reference="a")
    found = compared.distances["b"]
    assert_allclose(found["rate"].low, 0.005, rtol=1e-9)
    assert_allclose(found["rate"].high, 0.005, rtol=1e-9)
    verdicts = compared.verdicts["b"]
    assert verdicts["rate"] == verdicts["variance"] == verdicts["spectrum"] == "agrees"
    repeated = {"a": [recording(1)] * 3, "b": [recording(1)] * 3}
    found = ScaleComparison(repeated, reference="a").distances["b"]["spectrum"]
    assert_allclose([found.low, found.high], 0, atol=1e-9)


def test_one_run_decides_nothing():
    one = {"spiking": [recording(0)], "mesoscopic": [recording(1, rates=(50, 90))]}
    compared = ScaleComparison(one)
    assert set(compared.verdicts["mesoscopic"].values()) <= {"undecided", "not defined"}
    assert compared.distances["mesoscopic"]["rate"].seeds_needed == np.inf
    assert "undecided (one run)" in compared.table()
    assert "no interval" in compared.table()


def test_costs(compared):
    assert compared.costs == pytest.approx(
        {"spiking": 1, "mesoscopic": 0.25, "density": 0.1}
    )
    assert "0.25 CPU s per simulated s, spiking 1: 4 times faster" in str(compared)
    slow = ScaleComparison(
        {"spiking": several(0, 2), "mesoscopic": several(5, 2, cost=3)}
    )
    assert "3 times slower" in str(slow)


def test_table(compared):
    text = compared.table()
    assert text == str(compared)
    lines = text.splitlines()
    assert "6 spiking, 6 mesoscopic, 1 density; 5 s each in bins of 5 ms" in lines[0]
    block = lines[lines.index("") + 1 :]
    head, rows = block[1], block[2:]
    columns = [head.index(w) for w in ("difference", "tolerance", "verdict")]
    found = [r for r in rows[: rows.index("")] if "rate (Hz)" in r]
    assert len(found) == 3  # of two populations, and of events of one
    estimate = compared.distances["mesoscopic"]["rate"].estimate[1]
    for row, verdict in zip(found, ("agrees", "differs", "agrees"), strict=True):
        assert row[columns[2] :] == verdict
    assert found[1][columns[0] :].startswith(f"{100 * estimate:+.0f} % [")
    assert found[1][columns[1] :].startswith("5 % ")
    variance = compared.measured["spiking"]["variance"].mean(0)[0]
    assert f" {variance:.4g} (sd {variance**0.5:.4g}) " in text
    mean = compared.measured["spiking"]["rate"].mean(0)[1]
    assert f"{mean:.4g}" in found[1]
    assert "differs: rate, variance, spectrum" in text
    assert "mean ISI, CV of ISI of population 1 (no interspike intervals" in text
    assert "correlation, 0, 1" in text
    assert lines[-1] == "hybrid: left out: <two> noise terms"


def test_table_says_how_many_runs_decide():
    runs = {"spiking": several(0), "mesoscopic": several(50)}
    compared = ScaleComparison(runs, tolerances={"variance": 0.02})
    found = compared.distances["mesoscopic"]["variance"][0]
    assert found.verdict == "undecided"
    assert f"undecided (~{found.seeds_needed} runs)" in compared.table()


def test_a_run_without_noise_is_not_too_few():
    runs = {"spiking": several(0), "density": [noise_free((10.1, 20))]}
    compared = ScaleComparison(runs)
    found = compared.distances["density"]["rate"][0]
    assert found.verdict == "undecided"
    assert f"undecided (~{found.seeds_needed} runs)" in compared.table()
    assert "one run" not in compared.table()


def test_html_is_the_same_table(compared):
    text = compared._repr_html_()
    assert text.count("<table>") == 2
    assert "&lt;two&gt;" in text
    assert text.count("<td>agrees</td>") == compared.table().count("  agrees")
    assert "ScaleComparison against 'spiking'" in repr(compared)


def test_plain_numbers_survive_json(compared):
    plain = compared.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert set(plain["scales"]) == set(compared.scales)
    found = plain["scales"]["mesoscopic"]
    assert_allclose(found["values"]["rate"], compared.measured["mesoscopic"]["rate"])
    rate = compared.distances["mesoscopic"]["rate"]
    assert found["distances"]["rate"]["estimate"] == rate.estimate.tolist()
    assert found["distances"]["rate"]["verdict"] == "differs"
    assert found["distances"]["isi_mean"]["estimate"][1] is None
    assert "distances" not in plain["scales"]["spiking"]
    assert plain["tolerances"]["rate"] == 0.05
    assert plain["tolerances"]["spectrum"] == 0.1


def test_comparison_can_be_pickled(compared):
    again = pickle.loads(pickle.dumps(compared))
    assert again.to_dict() == compared.to_dict()
    assert again.table() == compared.table()


def test_results_do_not_depend_on_the_order_of_runs():
    runs = {"spiking": several(0, 3), "mesoscopic": several(20, 3)}
    turned = {scale: found[::-1] for scale, found in reversed(runs.items())}
    for first, second_ in zip(
        ScaleComparison(runs).distances["mesoscopic"].values(),
        ScaleComparison(turned).distances["mesoscopic"].values(),
        strict=True,
    ):
        assert_allclose(first.low, second_.low, rtol=1e-9, atol=1e-12)


def test_short_recordings_have_fewer_measures():
    short = {"counts": counts(3, bins=12)[:, :1], "sizes": [400]}
    runs = {"spiking": [recording(0, **short)] * 2, "density": [recording(1, **short)]}
    compared = ScaleComparison(runs)
    assert len(compared.bands) == 0
    assert len(compared.lags) == 3
    assert compared.verdicts["density"]["spectrum"] == "not defined"
    assert "spectrum (the recording is too short)" in compared.table()
    assert "correlation, 0" not in compared.table()
    compared.to_dict()


def test_segment_sets_the_lowest_band():
    runs = {"spiking": several(0, 2), "mesoscopic": several(9, 2)}
    compared = ScaleComparison(runs, segment=200 * ms)
    assert_allclose(compared.bands[:2] / Hz, [10, 20])
    # a quarter of the recording at most
    compared = ScaleComparison(runs, segment=60 * second)
    assert_allclose(compared.bands[0] / Hz, 2 / (SECONDS / 4))


# -- figure ----------------------------------------------------------------------------
@pytest.fixture
def close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_figure(compared, tmp_path, close_figures):
    figure = compared.plot()
    axes = np.reshape(figure.axes, (3 + 3, 2))
    labels = [[axis.get_ylabel() for axis in row] for row in axes]
    assert [row[0] for row in labels if row[0]] == [
        "activity (Hz)",
        "spectrum (Hz²/Hz)",
        "autocorrelation",
    ]
    drawn = axes[-1, 1].get_lines()
    names = [t.get_text() for t in axes[-1, 0].get_yticklabels()]
    assert names[:3] == ["rate (±5 %)", "variance (±5 %)", "spectrum 2-4 Hz (±10 %)"]
    # points are differences in units of the tolerance, in the line of their label
    found = compared.distances["mesoscopic"]["rate"].estimate[1] / 0.05
    assert any(np.isclose(line.get_xdata()[0], found) for line in drawn)
    event = names.index("event rate (±30 %)")
    points = [p.get_xydata()[0] for p in drawn if len(p.get_xdata()) == 1]
    near = sorted(x for x, y in points if abs(y - event) < 0.3)
    assert_allclose(near[0], -1 / 0.3)
    figure.savefig(tmp_path / "comparison.png", dpi=50)
    assert (tmp_path / "comparison.png").stat().st_size > 10_000


def test_figure_of_many_populations(close_figures):
    runs = {
        scale: [
            recording(k, counts=np.tile(counts(k)[:, :1], 6), sizes=[400] * 6)
            for k in seeds
        ]
        for scale, seeds in {"spiking": (1, 2), "renewal": (3, 4)}.items()
    }
    figure = ScaleComparison(runs, populations=list("abcdef")).plot()
    titles = [axis.get_title() for axis in figure.axes[:4]]
    assert titles == [f"{name}, 400 neurons" for name in "abcd"]
    assert "Not shown: population e, f." in figure.get_supxlabel().replace("\n", " ")


def test_figure_of_a_short_recording(close_figures, tmp_path):
    short = {"counts": counts(3, bins=3), "duration": 1}
    runs = {"spiking": [recording(0, **short)], "density": [recording(1, **short)]}
    ScaleComparison(runs).plot().savefig(tmp_path / "short.png", dpi=50)


def test_figure_without_matplotlib(compared, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="install it with: pip install"):
        compared.plot()


# -- bad input -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"counts": np.ones(5)}, ValueError, r"counts must have the shape"),
        ({"counts": np.full((5, 2), np.nan)}, ValueError, "counts must be finite"),
        ({"counts": -np.ones((5, 2))}, ValueError, "not negative"),
        ({"counts": np.ones((1, 2))}, ValueError, "at least 2 bins"),
        ({"sizes": [400]}, ValueError, "each of the 2 populations"),
        ({"sizes": [400, 0]}, ValueError, "at least 1"),
        ({"bin": 5 * ms}, TypeError, "bin must be a number of seconds without unit"),
        ({"bin": 0}, ValueError, "bin must be positive"),
        ({"bin": np.inf}, ValueError, "bin must be positive and finite"),
        ({"cpu_time": -1}, ValueError, "cpu_time must be positive"),
        ({"duration": 2.0}, ValueError, "duration is 2 s, but the 1000 bins"),
        ({"intervals": [None]}, ValueError, "one entry for each of the 2"),
        ({"intervals": [None, (0, 1)]}, ValueError, "positive mean"),
        ({"intervals": [None, (1, 2, 3)]}, ValueError, "mean in seconds, CV"),
        ({"intervals": [None, (np.nan, 1)]}, ValueError, "mean in seconds, CV"),
    ],
)
def test_bad_recordings(changed, error, message):
    with pytest.raises(error, match=message):
        recording(0, **changed)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"reference": "hybrid"}, ValueError, "'hybrid' has no recordings.*'spiking'"),
        (
            {"tolerances": {"rates": 0.1}},
            ValueError,
            "no measure 'rates'; known: rate",
        ),
        ({"tolerances": {"rate": 0}}, ValueError, r"tolerances\['rate'\] must be pos"),
        ({"tolerances": {"rate": 1 * Hz}}, TypeError, "a number without unit"),
        ({"confidence": 95}, ValueError, "between 0 and 1, got 95"),
        ({"confidence": "high"}, TypeError, "confidence must be a number"),
        ({"populations": ["E"]}, ValueError, "each of the 2 populations"),
        ({"segment": 1}, TypeError, "segment must be a time"),
        ({"segment": 0 * ms}, ValueError, "segment must be positive"),
    ],
)
def test_bad_comparisons(arguments, error, message):
    with pytest.raises(error, match=message):
        ScaleComparison({"spiking": several(0, 2)}, **arguments)


def test_recordings_must_fit_together():
    first = several(0, 2)
    cases = {
        "bin is 0.004": recording(1, bin=0.004),
        r"sizes is \[400.0, 90.0\]": recording(1, sizes=(400, 90)),
        r"shape of counts is \(900, 2\)": recording(1, counts=counts(1)[:900]),
    }
    for message, other in cases.items():
        with pytest.raises(ValueError, match=message):
            ScaleComparison({"spiking": first, "density": [other]})
    with pytest.raises(ValueError, match="has none of 'density'"):
        ScaleComparison({"spiking": first, "density": []})
    with pytest.raises(TypeError, match="must be a list of Recording"):
        ScaleComparison({"spiking": first, "density": [counts(1)]})
