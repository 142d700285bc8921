"""Damaged mechanism files: refused with the place of the fault, or of use."""

import random

import pytest
from brian2 import Equations
from brian2.core.preferences import prefs
from mechanism_texts import SYNAPSE

from brian2_multiscale import Mechanism, MechanismError
from brian2_multiscale._equations_path import builtin_equations

FILES = sorted(builtin_equations().rglob("*.eqs"))

#: What damage consists of, besides parts of the file itself
TOKENS = [
    *("'''", '"""', '"', "# ///", "# /// mechanism", "[", "]", "{", "}", "= ", ": "),
    *("10**400", "1e999", "9" * 5000, "-1", "nan", "inf", "0x1F", "1_000", "1e-400"),
    *("d/dt", "dv/dt = -v/dt : volt", "<->", "->", "xi", "rand()", "import os", "∂"),
    *("\0", "\r", "\r\n", "\t", "\ufeff", "\u2028", "\u202e", "\U0001f9e0", "é", "ﬁ"),
    *("(" * 500, "-" * 500, "[" * 500, "lambda: 0", "__import__('os')", "None", ";"),
    *("# [parameters]\n", "# name = 3\n", "# version = 2\n", "# [external]\n# v = 1\n"),
]


@pytest.fixture(autouse=True)
def _clean_device():
    # Replaces that of conftest.py: nothing here touches a device.
    prefs.codegen.target = "numpy"


def damaged(data, rng):
    """The bytes of a file after one to four accidents."""
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        data = rng.choice(ACCIDENTS)(data, rng)
    return data


def _part(data, rng):
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice([1, 1, 3, 10, 60, 400]))


def _flip(data, rng):
    place = rng.randrange(len(data)) if data else 0
    flipped = bytes([data[place] ^ 1 << rng.randrange(8)]) if data else b"#"
    return data[:place] + flipped + data[place + 1 :]


def _delete(data, rng):
    start, end = _part(data, rng)
    return data[:start] + data[end:]


def _repeat(data, rng):
    start, end = _part(data, rng)
    return data[:end] + data[start:end] * rng.choice([1, 1, 5]) + data[end:]


def _cut(data, rng):
    return data[: rng.randrange(len(data) + 1)]


def _replace(data, rng):
    start, end = _part(data, rng)
    token = rng.choice(TOKENS).encode()
    return data[:start] + token + data[rng.choice([start, end]) :]


def _swap_lines(data, rng):
    lines = data.split(b"\n")
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    return b"\n".join(lines)


def _swap_words(data, rng):
    words = data.split(b" ")
    i, j = rng.randrange(len(words)), rng.randrange(len(words))
    words[i], words[j] = words[j], words[i]
    return b" ".join(words)


def _move_line(data, rng):
    lines = data.split(b"\n")
    line = lines.pop(rng.randrange(len(lines)))
    lines.insert(rng.randrange(len(lines) + 1), line)
    return b"\n".join(lines)


ACCIDENTS = [_flip, _delete, _repeat, _cut, _replace, _swap_lines, _swap_words]
ACCIDENTS += [_move_line, _replace, _flip]


def check(path, number, seed):
    """Damage files, and return how many were refused, and how many still load."""
    rng, originals = random.Random(seed), [f.read_bytes() for f in FILES]
    refused = 0
    for k in range(number):
        data = damaged(originals[k % len(originals)], rng)
        path.write_bytes(data)
        try:
            mechanism = Mechanism(path)
        except MechanismError as error:
            refused += 1
            _check_place(error, path, data)
        else:
            _check_use(mechanism, path)
    return refused, number - refused


def _check_place(error, path, data):
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    assert error.path == path and error.reason, str(error)
    assert error.line is not None, str(error)
    assert 1 <= error.line <= len(lines), str(error)
    assert str(error).startswith(f"{path}:{error.line}:"), str(error)
    if error.column is not None:
        assert 1 <= error.column <= len(lines[error.line - 1]) + 2, str(error)


def _check_use(mechanism, path):
    assert str(mechanism) and str(path) in repr(mechanism)
    assert isinstance(mechanism.equations, Equations)
    assert len(mechanism.hash) == 64 and mechanism.namespace is not None
    try:
        _ = mechanism.initial
    except MechanismError as error:
        assert error.line is not None
    again = Mechanism.from_text(mechanism.to_text(), path=path)
    assert again == mechanism


def test_damaged_files_never_crash(tmp_path):
    refused, loaded = check(tmp_path / "damaged.eqs", 600, seed=5)
    assert refused > 300 and loaded > 60, (refused, loaded)


@pytest.mark.parametrize("lines", ["", '# "a b" = 1\n# c = [1, {}]\n'])
def test_any_figure_survives_writing(lines):
    """Empty tables came back as none, keys with blanks without quotes."""
    text = SYNAPSE.replace("# ///\n", f"#\n# [figure]\n{lines}# ///\n")
    mechanism = Mechanism.from_text(text)
    assert Mechanism.from_text(mechanism.to_text()) == mechanism
    assert mechanism.figure == ({"a b": 1, "c": [1, {}]} if lines else None)


@pytest.mark.long
def test_many_damaged_files_never_crash(tmp_path):
    refused, loaded = check(tmp_path / "damaged.eqs", 10_000, seed=6)
    assert refused > 5000 and loaded > 1000, (refused, loaded)
