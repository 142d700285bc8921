"""The examples, in a short form; they check their own numbers and fail if wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
README_EXAMPLE = ROOT / "examples" / "receptor_in_a_network.py"


def run_script(arguments, folder):
    """Standard output of a Python script that has to succeed."""
    environment = {
        **os.environ,
        "BRIAN2_MULTISCALE_SHORT": "1",
        "BRIAN2_MULTISCALE_RESULTS": str(folder),
        "MPLBACKEND": "Agg",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def rows(output, label):
    """All rows of numbers after a label."""
    found = re.findall(rf"^ *{re.escape(label)} +((?:[\d.]+ *)+)", output, re.MULTILINE)
    return [[float(number) for number in row.split()] for row in found]


def is_png(path):
    return path.is_file() and path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_demo(tmp_path):
    output = run_script([ROOT / "examples" / "demo.py"], tmp_path)
    for receptor in ("AMPA", "NMDA"):
        (table,) = rows(output, f"{receptor}, table")
        (exponentials,) = rows(output, f"{receptor}, exponentials")
        assert len(table) == 3 and max(table) <= 0.05
        assert exponentials[-1] > 0.3
    kinetic, table = (rows(output, kind)[0][0] for kind in ("kinetic", "table"))
    assert kinetic > 1  # Hz
    assert table == pytest.approx(kinetic, rel=0.5)  # another microstate, 120 neurons
    assert is_png(tmp_path / "demo.png")


def test_paper(tmp_path):
    name = "Pham_Yu_Bouteiller_Berger_2021"
    output = run_script([ROOT / "examples" / "frompapers" / f"{name}.py"], tmp_path)
    state, history = rows(output, "state"), rows(output, "history")
    kinetic = rows(output, "kinetic, dt = 0.1 ms")
    # AMPA against converged and NEURON, then NMDA
    assert len(state) == len(history) == len(kinetic) == 4
    for k in (0, 2):
        at_10_hz, at_50_hz, *_ = state[k]
        assert max(at_10_hz, at_50_hz) <= 0.05
        assert history[k][1] > 5 * at_50_hz  # bursts of more than two spikes
        # Our implicit Euler is nearer to NEURON's than anything that is converged.
        assert kinetic[k + 1][0] < 0.7 * state[k + 1][0]
    assert is_png(tmp_path / f"{name}.png")


@pytest.mark.long
def test_populations_with_plasticity(tmp_path):
    name = "Schmutz_Gerstner_Schwalger_2020"
    output = run_script([ROOT / "examples" / "frompapers" / f"{name}.py"], tmp_path)
    for kind in ("facilitating", "depressing"):
        # rate, mean and sd of single neurons
        found = rows(output.replace(" Hz ", " "), f"{kind:<13}N = 50")
        assert len(found) == 2 and found[1][0] > 1.5 * found[0][0] > 3
    spiking, cohorts = (
        rows(output, f"rate, {label}")[1][0]
        for label in ("spiking neurons", "cohorts, order 2")
    )
    assert 1 < spiking < 5  # Hz, mostly population spikes
    assert cohorts == pytest.approx(spiking, rel=0.35)
    assert is_png(tmp_path / f"{name}.png")


def test_column(tmp_path):
    name = "Schwalger_Deger_Gerstner_2017"
    run_script([ROOT / "examples" / "frompapers" / f"{name}.py"], tmp_path)
    assert is_png(tmp_path / f"{name}.png")


def test_column_at_every_scale(tmp_path):
    name = "column_at_every_scale"
    output = run_script([ROOT / "examples" / f"{name}.py"], tmp_path)
    rates = {
        label: np.array(rows(output, f"static, {label}")[0])[:8]
        for label in ("spiking", "mesoscopic", "mixed")
    }
    for scale in ("mesoscopic", "mixed"):
        assert rates[scale] == pytest.approx(rates["spiking"], rel=0.35)
    # Receptors are slow: layer 5 fires less, the others as before.
    receptors = np.array(rows(output, "receptors, mixed")[0])[:8]
    assert np.all(receptors[4:6] < rates["mixed"][4:6])
    assert is_png(tmp_path / f"{name}.png")


def test_converted_networks(tmp_path):
    name = "converted_networks"
    output = run_script([ROOT / "examples" / f"{name}.py"], tmp_path)
    changed = {
        "CUBA": "population, Projection",
        "COBAHH": "TableFunction",
        "Wang": "TabulatedSynapses",
    }
    for network, variant in changed.items():
        before, after = (
            rows(output, f"{network}, {v}:")[0][0] for v in ("Brian2", variant)
        )
        assert 1 < before and after == pytest.approx(before, rel=0.3)
    assert is_png(tmp_path / f"{name}.png")


def test_synchronous_events(tmp_path):
    name = "Du_Xie_Zhou_2023"
    output = run_script([ROOT / "examples" / "frompapers" / f"{name}.py"], tmp_path)
    for scale in ("particles", "density", "hybrid"):
        ((fired, _),) = rows(output, f"B, {scale}: spikes around the pulse")
        assert fired == pytest.approx(1.012, abs=0.04)
    assert rows(output, "A, density: events") == [[0, 0]]
    assert rows(output, "C, density: events") == [[2, 2]]
    small, large = (
        rows(output, f"kick {kick}, density: fired")[0][0] for kick in (0.15, 0.16)
    )
    assert small < 0.1 < 0.9 < large
    assert is_png(tmp_path / f"{name}.png")


def test_blow_up(tmp_path):
    name = "Caceres_Carrillo_Perthame_2011"
    output = run_script([ROOT / "examples" / "frompapers" / f"{name}.py"], tmp_path)
    assert rows(output, "close, b = 1.5: events") == [[1, 1]]
    ((first, _),) = rows(output, "far, b = 3: time of the first event")
    assert first == pytest.approx(3.418, abs=0.025)
    assert is_png(tmp_path / f"{name}.png")


@pytest.mark.long
def test_sensory_surrogates(tmp_path):
    pytest.importorskip("jax")
    name = "Drakopoulos_Baby_Verhulst_2021"
    output = run_script([ROOT / "examples" / "frompapers" / f"{name}.py"], tmp_path)
    for measure, tolerance in (("growth", 0.05), ("rate H", 4)):
        ears = ("equations", "compact")
        exact, compact = (rows(output, f"{measure}, {ear}")[0] for ear in ears)
        assert compact == pytest.approx(exact, rel=0.05, abs=tolerance)
    (paper,), (exact,) = (
        rows(output, f"recovery H, {e}") for e in ("paper", "equations")
    )
    assert exact[0] == pytest.approx(paper[0], abs=0.04)
    assert is_png(tmp_path / f"{name}.png")


@pytest.mark.long
def test_surrogate_that_spikes(tmp_path):
    pytest.importorskip("jax")
    name = "hodgkin_huxley_surrogate"
    output = run_script([ROOT / "examples" / f"{name}.py"], tmp_path)
    exact, network = (
        np.array(rows(output, f"{label} us, spikes")[0])
        for label in ("rk4, 25", "surrogate, 50")
    )
    assert len(exact) == 21 and exact[0] == network[0] == 0
    # Up to 45 uA/cm^2; beyond, spikes are as high as the threshold
    assert network[2:10] == pytest.approx(exact[2:10], abs=2)
    assert network[-4:].max() <= 2
    assert is_png(tmp_path / f"{name}.png")


@pytest.mark.long
def test_trained_network(tmp_path):
    pytest.importorskip("jax")
    name = "Wang_Lyu_Zhang_He_Wu_2024"
    output = run_script([ROOT / "examples" / "frompapers" / f"{name}.py"], tmp_path)
    # 20 updates on three cues; then Brian2 with the weights, right, and the same
    for wiring in ("dense", "random", "distance"):
        right, seconds = rows(output, f"{wiring}, seed 0")[0]
        assert right > 0.6 and seconds > 0
    for way in ("Brian2, 10 trials", "C++ standalone, 40 trials"):
        in_brian, in_jax, equal = rows(output, way)[0]
        assert equal >= 0.98 and in_brian == pytest.approx(in_jax, abs=0.05)
    right, seconds = rows(output, "e-prop, three cues")[0]
    assert 0.2 < right < 1 and seconds > 0
    first, trained = (
        rows(output, f"excitatory, {when}")[0] for when in ("first", "trained")
    )
    assert first[3] == 0 and trained[3] > 0  # Dale's law: some are zero now
    assert is_png(tmp_path / f"{name}_network.png")
    assert is_png(tmp_path / f"{name}_neurons.png")


WITHOUT_COMPILER = """
import os, runpy, sys
from brian2 import prefs
prefs.codegen.target = "numpy"
sys.path.insert(0, os.path.dirname(sys.argv[1]))
runpy.run_path(sys.argv[1], run_name="__main__")
"""


def test_one_word(tmp_path):
    script = ROOT / "examples" / "spiking_or_mesoscopic.py"
    output = run_script(["-c", WITHOUT_COMPILER, script], tmp_path)
    assert rows(output, "NeuronGroup:") and rows(output, "MesoscopicGroup:")
    assert is_png(tmp_path / "spiking_or_mesoscopic.png")


def test_hearing(tmp_path):
    script = ROOT / "examples" / "hearing_to_spikes.py"
    output = run_script(["-c", WITHOUT_COMPILER, script], tmp_path)
    exact, surrogate = (
        np.array(rows(output, f"rates, {kind}")[0])
        for kind in ("equations", "surrogate")
    )
    high, medium, low, bushy, octopus = exact
    assert 170 > high > medium > low > 25
    assert 120 > bushy > 15 and 4 > octopus > 0.5
    # 12 places: chance alone does 7 % to LSR fibres, more to the few octopus cells
    assert surrogate[:3] == pytest.approx(exact[:3], rel=0.3)
    assert surrogate[3:] == pytest.approx(exact[3:], rel=0.7)
    mean_error, largest = rows(output, "error")[0]
    assert 0 < mean_error < largest < 5  # %
    for kind in ("equations", "surrogate"):
        fibres, bushy = rows(output, f"synchrony, {kind}")[0]
        assert bushy > fibres + 0.02
    assert is_png(tmp_path / "hearing_to_spikes.png")


@pytest.mark.long
def test_dendrite(tmp_path):
    pytest.importorskip("jax")
    script = ROOT / "examples" / "dendrite_surrogate.py"
    output = run_script(["-c", WITHOUT_COMPILER, script], tmp_path)
    error = float(re.search(r"error on new input: ([\d.]+) %", output)[1])
    assert 0.1 < error < 30  # 14 % after a fifteenth of the training; else 0.4 %
    assert (tmp_path / "dendrite.npz").is_file()
    assert is_png(tmp_path / "dendrite_surrogate.png")


@pytest.mark.long
def test_fitted_population(tmp_path):
    output = run_script([ROOT / "examples" / "fit_population.py"], tmp_path)
    assert rows(output, "held out: explained")[0][0] > 0.9
    assert rows(output, "held out: rest over finite-size variance")[0][0] < 1.3
    assert is_png(tmp_path / "fit_population.png")


@pytest.mark.long
def test_fitted_recording(tmp_path):
    output = run_script([ROOT / "examples" / "fit_recording.py"], tmp_path)
    model = rows(output, "Gamma (4 ms) of the model")[0][0]
    between = rows(output, "Gamma (4 ms) between repetitions")[0][0]
    assert 0.5 * between < model < 1
    assert is_png(tmp_path / "fit_recording.png")


README_TEST = """
import runpy, sys
from brian2 import prefs
prefs.codegen.target = "numpy"
made = runpy.run_path(sys.argv[1])
nrmse = made["tables"]["g_ampa"].nrmse(made["train"], made["ampa"])
print("nrmse", nrmse)
print("rate", float(made["spikes"].num_spikes) / 500)
"""


def test_readme_example(tmp_path):
    (tmp_path / "docs" / "images").mkdir(parents=True)
    output = run_script(["-c", README_TEST, README_EXAMPLE], tmp_path)
    assert rows(output, "nrmse")[0][0] <= 0.02
    assert 1 < rows(output, "rate")[0][0] < 100
    assert is_png(tmp_path / "docs" / "images" / f"{README_EXAMPLE.stem}.png")


def test_readme_shows_the_example():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert README_EXAMPLE.read_text(encoding="utf-8") in readme
    assert len(README_EXAMPLE.read_text(encoding="utf-8").splitlines()) < 40
    images = re.findall(r"!\[[^]]*\]\(([^)]+)\)", readme)
    assert images and all(is_png(ROOT / image) for image in images)
