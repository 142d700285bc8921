"""Mechanism files: found, or refused with the place of the fault."""

import os
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
from brian2.core.preferences import prefs
from brian2.equations.equations import Equations
from brian2.units.fundamentalunits import DimensionMismatchError
from brian2.units.stdunits import Hz, ms, mV, nS
from mechanism_texts import SCHEME, SYNAPSE, write

from brian2_multiscale._equations_path import builtin_equations
from brian2_multiscale.mechanisms import (
    Mechanism,
    MechanismError,
    list_mechanisms,
)
from brian2_multiscale.mechanisms import search as search_module
from brian2_multiscale.tables import tabulate

FILES = sorted(builtin_equations().rglob("*.eqs"))


@pytest.fixture(autouse=True)
def _clean_device(monkeypatch):
    # Replaces that of conftest.py: nothing here touches a device.
    monkeypatch.delenv(search_module.ENVIRONMENT, raising=False)
    prefs.codegen.target = "numpy"
    yield
    prefs.multiscale.equations_path = []


# -- wrong arguments -------------------------------------------------------------------
def test_wrong_unit_names_parameter_value_and_unit():
    with pytest.raises(DimensionMismatchError) as error:
        Mechanism("ampa_robert_howe", k1=3 / ms)
    # As Brian2 shows it, which depends on the units that it has met
    assert all(part in str(error.value) for part in ("k1", repr(3 / ms), "mole"))
    with pytest.raises(DimensionMismatchError, match="'clearance'.*hertz"):
        Mechanism("ampa_robert_howe", clearance=2)
    with pytest.raises(DimensionMismatchError, match="'I' of 'lif'.*amp"):
        Mechanism("lif", I=3 * mV)


@pytest.mark.parametrize(
    "value", [[1, 2] * nS, np.nan * nS, np.inf * nS, "2*nS", None, True, [], object()]
)
def test_values_that_are_no_number(value):
    with pytest.raises(MechanismError, match="'gmax' cannot be"):
        Mechanism.from_text(SYNAPSE, gmax=value)


def test_wrong_names_get_suggestions():
    with pytest.raises(MechanismError, match="Did you mean gmax"):
        Mechanism.from_text(SYNAPSE, gmx=1 * nS)
    with pytest.raises(MechanismError, match="no parameter 'rate'"):
        Mechanism.from_text(SYNAPSE, vary="rate")
    with pytest.raises(MechanismError, match="no 'vv' to rename"):
        Mechanism.from_text(SYNAPSE, rename={"vv": "v_post"})
    with pytest.raises(MechanismError, match="'g' cannot be omitted.*There are: I"):
        Mechanism.from_text(SYNAPSE, omit="g")
    with pytest.raises(MechanismError, match="'block' cannot be omitted: 'g' uses it"):
        Mechanism("exponential_mg_block", omit="block")
    with pytest.raises(MechanismError, match="'ampa_robert_howe'"):
        Mechanism("ampa_robert_how")
    with pytest.raises(MechanismError, match="ampa"):
        Mechanism("AMPA")
    for nonsense in (3, None, "", "a b", "../", "*", ["lif"]):
        with pytest.raises(MechanismError):
            Mechanism(nonsense)


@pytest.mark.parametrize("suffix", ["-a", " ", "+", 3, None, "\n"])
def test_bad_suffixes(suffix):
    with pytest.raises(MechanismError):
        Mechanism.from_text(SYNAPSE, suffix=suffix)


def test_names_that_collide():
    text = SYNAPSE + "g_b : 1\n"
    with pytest.raises(MechanismError, match="'g' cannot be renamed to 'g_b'.*in use"):
        Mechanism.from_text(text, suffix="_b")
    for new in ("E", "v", "exp", "volt", "t", "1x"):
        with pytest.raises(MechanismError, match="'g' cannot be renamed"):
            Mechanism.from_text(SYNAPSE, rename={"g": new})


def test_errors_survive_a_process_boundary():
    error = MechanismError("bad", "a.eqs", 3, 4, "Do this.")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "a.eqs:3:4: bad. Do this."
    assert (again.line, again.column) == (3, 4)


# -- broken files ----------------------------------------------------------------------
BROKEN = {
    "no head": (SYNAPSE.replace("/// mechanism", "/// other"), 1, "no mechanism head"),
    "open head": (SYNAPSE.replace("# ///\n", ""), 20, "lacks '# '"),
    "toml": (SYNAPSE.replace('kind = "synapse"', 'kind = "synapse'), 5, "TOML"),
    "no kind": (SYNAPSE.replace('# kind = "synapse"\n', ""), 3, "no 'kind'"),
    "kind": (SYNAPSE.replace('"synapse"', '"synapses"'), 5, "unknown kind"),
    "key": (SYNAPSE.replace("on_pre", "onpre"), 7, "Did you mean 'on_pre'"),
    "doi": (SYNAPSE.replace("10.1000", "doi:10.1000"), 6, "not a DOI"),
    "no source": (SYNAPSE.replace(', source = "chosen"', ""), 13, "no source"),
    "empty source": (SYNAPSE.replace('"chosen"', '" "'), 13, "empty source"),
    "value": (SYNAPSE.replace("2*nS", "2*nz"), 12, "not a unit"),
    "executed": (SYNAPSE.replace("2*nS", "exit()"), 12, "only numbers"),
    "default's unit": (SYNAPSE.replace("2*nS", "2*mV"), 12, "volt.*siemens"),
    "initial": (SYNAPSE.replace("gmax/2", "gmax*2*ms"), 16, "instead of siemens"),
    "initial name": (SYNAPSE.replace('g = "gmax', 'gg = "gmax'), 16, "'gg'.*unknown"),
    "equation": (SYNAPSE.replace("E   ", "E = "), 25, "not an equation"),
    "unit": (SYNAPSE.replace(": volt (", ": mV ("), 25, "not a base unit"),
    "flag": (SYNAPSE.replace("volt (constant)", "volt (fixed)"), 25, "unknown flag"),
    "twice": (SYNAPSE.replace("E  ", "g  "), 22, "defined twice"),
    "dimension": (SYNAPSE.replace("-g/tau", "-g*tau"), 22, "'g' has unit"),
    "sum": (SYNAPSE.replace("E - v", "E - g"), 23, "inconsistent units"),
    "syntax": (SYNAPSE.replace("E - v)", "E - v"), 23, "'I'"),
    "power": (SYNAPSE.replace("-g/tau", "-g/tau**9**9**9"), 22, "exponent"),
    "statement": (SYNAPSE.replace("g += gmax", "g gmax"), 7, "not a statement"),
    "statement's unit": (SYNAPSE.replace("gmax*scale", "scale"), 7, "on_pre"),
    "output": (SYNAPSE.replace('output = "g"', 'output = "h"'), 8, "output 'h'"),
    "two heads": (SYNAPSE + SYNAPSE, 28, "a second head"),
    "empty head": ("# /// mechanism\n# ///\n\nx : 1\n", 1, "head is empty"),
    "nested": (
        SYNAPSE.replace("version", "x").replace(
            '# doi = "10.1000/182"', "# doi = " + "[" * 5000
        ),
        3,
        "nested",
    ),
    "text": (SYNAPSE.replace('"g += gmax*scale"', "3"), 7, "has to be a text"),
    "name": (SYNAPSE.replace('"tester"', '"a tester"'), 4, "is not a name"),
    "version": (
        SYNAPSE.replace("# doi", "# version = 0\n# doi"),
        6,
        "positive integer",
    ),
    "figure": (SYNAPSE.replace("# doi", "# figure = 3\n# doi"), 6, "text or a table"),
    "table": (
        SYNAPSE.replace('# [external]\n# v = "volt"\n', "").replace(
            "# doi", "# external = 3\n# doi"
        ),
        6,
        "'external' has to be a table",
    ),
    "parameter's name": (SYNAPSE.replace("# scale", "# ms"), 13, "unit"),
    "bare value": (
        SYNAPSE.replace('{value = 3, source = "chosen"}', "3"),
        13,
        "'scale' has no source",
    ),
    "part": (SYNAPSE.replace("value = 3", 'unit = "1"'), 13, "unknown part"),
    "list": (SYNAPSE.replace("value = 3", "value = [3]"), 13, "is not a value"),
    "external's unit": (SYNAPSE.replace('"volt"', "1"), 19, "'v' has no unit"),
    "external's prefix": (SYNAPSE.replace('"volt"', '"mV"'), 19, "not a base unit"),
    "unknown table": (SYNAPSE.replace("[external]", "[extern]"), 18, "'external'"),
    "default of a line": (SYNAPSE.replace("# scale", "# I"), 13, "follows an equation"),
    "assignment": (SYNAPSE.replace("g += gmax*", "g = "), 7, "1 instead of siemens"),
    "function": (
        SYNAPSE.replace("-g/tau", "-g/tau*poisson(g, g)"),
        22,
        "cannot be used",
    ),
    "reserved": (SYNAPSE.replace("E  ", "dt  "), 25, "'dt'"),
}
REACTIONS = {
    "arrow": ("C <-> O", "C <= O", 10, "not a reaction"),
    "rates": ("1/tau, 2/tau", "1/tau", 10, "1 rates instead of 2"),
    "rate's unit": ("2/tau", "2*tau", 10, "instead of hertz"),
    "no unit": ("v/mV/tau", "v/mV", 11, "'v/mV'.*instead of hertz"),
    "syntax": ("1/ms ", "1/(ms ", 11, "the rates"),
    "itself": ("O <-> D", "O <-> O", 11, "reacts to itself"),
    "name": ("O <-> D", "O <-> N", 11, "'N'"),
    "negative": ("1/tau, 2/tau", "-1/ms, 2/tau", 10, "not negative"),
    "taken": ("O <-> D", "O <-> tau", 11, "'tau' is also defined"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_tell_where(case, tmp_path):
    text, line, reason = BROKEN[case]
    assert text != SYNAPSE
    path = write(tmp_path, "broken", text)
    with pytest.raises(MechanismError, match=reason) as error:
        Mechanism(path)
    assert error.value.line == line and error.value.path == path
    assert str(error.value).startswith(f"{path}:{line}:")


@pytest.mark.parametrize("case", REACTIONS)
def test_broken_reactions_tell_where(case):
    old, new, line, reason = REACTIONS[case]
    assert Mechanism.from_text(SCHEME).scheme.states == ("C", "O", "D")
    with pytest.raises(MechanismError, match=reason) as error:
        Mechanism.from_text(SCHEME.replace(old, new))
    assert error.value.line == line


def test_statements_may_have_local_names():
    lines = "'''\n# half = gmax/2\n# g += half*scale\n# '''"
    text = SYNAPSE.replace('"g += gmax*scale"', lines)
    m = Mechanism.from_text(text, suffix="_s")
    assert m.on_pre == "half = gmax_s/2\ng_s += half*scale_s"
    assert set(m.external) == {"v"}
    with pytest.raises(MechanismError, match="<text>:9.*unit V"):
        Mechanism.from_text(text.replace("half = gmax/2", "half = v"))


def test_unconnected_reactions_are_refused():
    text = SCHEME.replace("O <-> D", "B <-> D")
    with pytest.raises(MechanismError, match="<text>:9"):
        Mechanism.from_text(text)


def test_scheme_needs_values_for_its_initial_state():
    m = Mechanism.from_text(SCHEME)
    with pytest.raises(MechanismError, match="initial state: v unknown"):
        _ = m.initial
    m = Mechanism.from_text(SCHEME.replace('# g = "', '# v = "1*mV"\n# g = "'))
    assert m.initial["C"] / m.initial["O"] == pytest.approx(2)
    with pytest.raises(MechanismError, match="<text>:9.*no initial state.*negative"):
        _ = Mechanism.from_text(
            SCHEME.replace('# g = "', '# v = "-1*mV"\n# g = "')
        ).initial


def test_unreadable_files(tmp_path):
    (tmp_path / "latin.eqs").write_bytes(b"# a\n# \xe4\n")
    with pytest.raises(MechanismError, match="latin.eqs:2: not UTF-8"):
        Mechanism(tmp_path / "latin.eqs")
    (tmp_path / "big.eqs").write_bytes(b"#" * 2_000_000)
    with pytest.raises(MechanismError, match="too many"):
        Mechanism(tmp_path / "big.eqs")
    with pytest.raises(MechanismError, match="no such file.*latin"):
        Mechanism(tmp_path / "lati.eqs")
    with pytest.raises(MechanismError, match="folder"):
        Mechanism(tmp_path)


@pytest.mark.parametrize("text", ["ds/dt = -s/(5*ms) : 1", "C <-> O : a, b", "s\nx"])
def test_a_model_is_no_name(text):
    for make in (Mechanism, tabulate):
        with pytest.raises(
            MechanismError, match="is a model, not.*Equations.*from_text"
        ):
            make(text)
    with pytest.raises(MechanismError, match="not by.*Mechanism.from_text"):
        tabulate(Equations("ds/dt = -s/(5*ms) : 1"))


# -- search ----------------------------------------------------------------------------
def test_search_order(tmp_path, monkeypatch):
    class Point:
        def load(self):
            return str(tmp_path / "package")

    class BrokenPoint:
        def load(self):
            raise ImportError("gone")

    def gmax(value):
        return SYNAPSE.replace("2*nS", f"{value}*nS")

    points = [BrokenPoint(), Point()]
    monkeypatch.setattr(search_module, "entry_points", lambda group: points)
    write(tmp_path / "package" / "deep" / "er", "lif", gmax(3))
    assert Mechanism("lif").namespace["gmax"] == 3 * nS
    write(tmp_path / "environment", "lif", gmax(4))
    folders = [str(tmp_path / "environment"), str(tmp_path / "other")]
    (tmp_path / "other").mkdir()
    monkeypatch.setenv(search_module.ENVIRONMENT, os.pathsep.join(folders))
    assert Mechanism("lif").namespace["gmax"] == 4 * nS
    write(tmp_path / "preference", "lif", gmax(5))
    prefs.multiscale.equations_path = [tmp_path / "preference"]
    assert Mechanism("lif").namespace["gmax"] == 5 * nS
    path = write(tmp_path / "path", "lif", gmax(6))
    assert Mechanism(str(path)).namespace["gmax"] == 6 * nS
    assert list_mechanisms().count("lif") == 1


def test_two_files_of_one_name(tmp_path):
    paths = [write(tmp_path / folder, "twice") for folder in "ab"]
    prefs.multiscale.equations_path = [tmp_path / "a", str(tmp_path / "b")]
    with pytest.raises(MechanismError) as error:
        Mechanism("twice")
    assert all(str(path) in str(error.value) for path in paths)
    # One file that is reached twice is one file.
    prefs.multiscale.equations_path = [tmp_path, tmp_path / "a"]
    paths[1].unlink()
    assert Mechanism("twice").path.resolve() == paths[0].resolve()


def test_name_in_the_file_must_be_that_of_the_file(tmp_path):
    path = tmp_path / "other.eqs"
    path.write_text(SYNAPSE)
    prefs.multiscale.equations_path = [tmp_path]
    with pytest.raises(MechanismError, match="other.eqs:4.*'tester'"):
        Mechanism("other")
    assert Mechanism(path).name == "tester"


def test_list_mechanisms(tmp_path):
    assert set(list_mechanisms()) == {path.stem for path in FILES}
    assert "lif" in list_mechanisms("neuron") and "lif" not in list_mechanisms(
        "synapse"
    )
    with pytest.raises(MechanismError, match="unknown kind"):
        list_mechanisms("neurons")
    prefs.multiscale.equations_path = [tmp_path / "nowhere"]
    assert "lif" in list_mechanisms()
    write(tmp_path, "broken", "nothing")
    write(tmp_path, "mine")
    prefs.multiscale.equations_path = [tmp_path]
    assert {"broken", "mine"} <= set(list_mechanisms())
    assert "mine" in list_mechanisms("synapse")
    assert "broken" not in list_mechanisms("synapse")


def test_preferences_are_registered_once():
    import importlib

    from brian2_multiscale import preferences

    prefs.multiscale.equations_path = ["/somewhere"]
    importlib.reload(preferences)
    assert prefs.multiscale.equations_path == ["/somewhere"]
    with pytest.raises(Exception, match="equations_path"):
        prefs.multiscale.equations_path = "/somewhere"


# -- mutations ----------------------------------------------------------------------
PIECES = [chr(c) for c in range(32, 127)] + ["\n", "\t", "\r", "\0", "é", "\u2028"]
PIECES += ["# ", "///", "'''", '"', "**", "9**9", "d/dt", "1e999", "= ", ": ", "<->"]
PIECES += ["lambda", "import os", "0x", "(" * 300, "-" * 300, "1_0", "\x1b", "\x7f"]


def mutate(text, rng):
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice([1, 1, 2, 5, 20, 100]))
        kind = rng.randrange(6)
        if kind == 0:
            text = text[:start] + text[end:]
        elif kind == 1:
            text = text[:start] + rng.choice(PIECES) + text[start:]
        elif kind == 2:
            text = text[:start] + rng.choice(PIECES) + text[end:]
        elif kind == 3:
            text = text[:end] + text[start:end] + text[end:]
        elif kind == 4:
            lines = text.split("\n")
            i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[i], lines[j] = lines[j], lines[i]
            text = "\n".join(lines)
        else:
            text = text[:start]
    return text


def check_mutations(texts, number, seed):
    rng, refused = random.Random(seed), 0
    for _ in range(number):
        text = mutate(rng.choice(texts), rng)
        try:
            mechanism = Mechanism.from_text(text)
            str(mechanism), mechanism.hash, mechanism.to_text()
            _ = mechanism.initial
        except MechanismError as error:
            refused += 1
            last = text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
            assert error.reason and 1 <= (error.line or 1) <= last
            assert error.line is not None
    return refused


def test_mutated_files_never_crash():
    refused = check_mutations([SYNAPSE, SCHEME], 2000, 1)
    assert refused > 1000


@pytest.mark.long
def test_mutations_of_all_files_never_crash():
    texts = [path.read_text(encoding="utf-8") for path in FILES]
    assert check_mutations(texts, 10_000, 2) > 5000


def test_no_code_of_a_file_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    attack = "__import__('pathlib').Path('ran').touch()"
    places = ["5*ms", "gmax/2", "-g/tau", "g*(E - v)", "siemens (constant)", '"g"']
    for place in [*places, '"volt"', "g += gmax*scale", "gmax*scale"]:
        text = SYNAPSE.replace(place, attack if '"' not in place else f'"{attack}"')
        assert text != SYNAPSE
        with pytest.raises(MechanismError):
            Mechanism.from_text(text)
    assert not Path("ran").exists()
    assert Mechanism.from_text(SYNAPSE, tau=1 / Hz).namespace["tau"] == 1000 * ms
