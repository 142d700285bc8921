"""Mechanisms written back as mechanism files."""

import json

from brian2.equations.equations import DIFFERENTIAL_EQUATION

from .values import unit_text, value_text

__all__ = ["equations_text", "parameter_text", "write"]


def write(mechanism):
    """Return the text of a file that gives ``mechanism``."""
    parts = [f"# {line}".rstrip() for line in mechanism.description.split("\n")]
    parts += ["#", "# /// mechanism"]
    head = "\n".join(_head(mechanism)).split("\n")
    parts += [f"# {line}".rstrip() for line in head]
    parts += ["# ///", "", equations_text(_all_equations(mechanism))]
    return "\n".join(parts) + "\n"


def _head(mechanism):
    file, renaming = mechanism._file, mechanism._renaming
    strings = {k: renaming.text(v) for k, v in file.head.strings.items()}
    strings["name"], strings["kind"] = mechanism.name, mechanism.kind
    lines = [f"{key} = {_toml(value)}" for key, value in strings.items()]
    lines.insert(2, f"version = {mechanism.version}")
    if isinstance(mechanism.figure, str):
        lines.append(f"figure = {_toml(mechanism.figure)}")
    if mechanism.parameters:
        lines += ["", "[parameters]"]
        lines += [_parameter(mechanism, p) for p in mechanism.parameters.values()]
    initial = {renaming.name(k): renaming.text(v) for k, v in file.head.initial.items()}
    units = {n: unit_text(d) for n, d in mechanism.external.items() if d is not None}
    lines += _table("initial", initial) + _table("external", units)
    if isinstance(mechanism.figure, dict):
        lines += _table("figure", mechanism.figure)
    return lines


def parameter_text(mechanism, parameter):
    """Return a value as the file has it, or exactly if it is another one."""
    for name, entry in mechanism._file.head.parameters.items():
        same_name = mechanism._renaming.name(name) == parameter.name
        if same_name and entry.value == parameter.value:
            return entry.text
    return value_text(parameter.value)


def _parameter(mechanism, parameter):
    text, source = parameter_text(mechanism, parameter), _toml(parameter.source)
    return f"{parameter.name} = {{value = {_toml(text)}, source = {source}}}"


def _table(name, table):
    lines = [f"{_key(key)} = {_toml(value)}" for key, value in table.items()]
    return ["", f"[{name}]", *lines] if lines else []


def _toml(value):
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(_toml(v) for v in value)}]"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, int | float) else value.isoformat()


def _key(key):
    return key if key.isidentifier() and key.isascii() else _string(key)


def _string(text):
    plain = text.isprintable() or all(c.isprintable() or c == "\n" for c in text)
    if "\n" in text and plain and "'''" not in text:
        return f"'''\n{text}\n'''"
    # JSON's escapes are those of TOML's basic strings, except for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _all_equations(mechanism):
    """The equations without those of the reactions, with all parameter lines."""
    file = mechanism._file
    kept = [
        equation
        for name, equation in file.body.equations.items()
        if name not in file.states and name not in mechanism._omit
    ]
    return mechanism._renaming.equations(type(file.body.equations)(kept))


def equations_text(equations):
    """Return equations as text that Brian2 reads as the same equations."""
    return "\n".join(_line(e) for e in equations.values())


def _line(equation):
    left = equation.varname
    if equation.type == DIFFERENTIAL_EQUATION:
        left = f"d{left}/dt"
    if equation.expr is not None:
        left += f" = {equation.expr.code}"
    kinds = {"boolean": "boolean", "integer": "integer"}
    unit = kinds.get(equation.var_type) or unit_text(equation.dim)
    flags = f" ({', '.join(equation.flags)})" if equation.flags else ""
    return f"{left} : {unit}{flags}"
