"""Straight-line programs in which nothing is assigned or computed twice."""

import sympy as sp

from .straightline import names_in, symbol

__all__ = ["assigned_once", "assigned_together", "shared"]


def assigned_once(program, kept=()):
    """
    Give every assigned value a name of its own.

    Parameters
    ----------
    program : list of (str, sympy expression)
    kept : collection of str
        Names that keep their values: what is assigned to them gets another name.

    Returns
    -------
    program : list of (str, sympy expression)
    last : dict of str to str
        Under what name the last value of an assigned name is.
    """
    last, result = {}, []
    seen = set(kept)
    for name, value in program:
        value = value.xreplace({symbol(a): symbol(b) for a, b in last.items()})
        new = name
        while new in seen:
            new = f"_new{new}" if new.startswith("_") else f"_new_{new}"
        seen.add(new)
        last[name] = new
        result.append((new, value))
    return result, last


def assigned_together(values, prefix="_after"):
    """
    Assign values that may depend on what variables were before any of them changed.

    Parameters
    ----------
    values : dict of str to sympy expression
    prefix : str
        Beginning of the names of values that have to wait.

    Returns
    -------
    list of (str, sympy expression)
    """
    waiting, last = [], []
    for name, value in values.items():
        value = sp.sympify(value)
        if names_in(value) & (values.keys() - {name}):
            waiting.append((f"{prefix}_{name}", value))
            value = symbol(f"{prefix}_{name}")
        last.append((name, value))
    return waiting + last


def shared(program, prefix="_common"):
    """
    Compute common subexpressions once.

    Parameters
    ----------
    program : list of (str, sympy expression)
        Every name is assigned at most once, and not used before.
    prefix : str
        Beginning of the names of what is shared.

    Returns
    -------
    list of (str, sympy expression)
    """
    names = sp.numbered_symbols(f"{prefix}_", real=True)
    values = [sp.sympify(value) for _, value in program]
    common, values = sp.cse(values, symbols=names, order="none", list=True)
    waiting = dict(common)
    result = []
    for (name, _), value in zip(program, values, strict=True):
        _place(value, waiting, result)
        result.append((name, value))
    return result


def _place(value, waiting, result):
    """Put in front what a value needs; what it needs in turn first."""
    for needed in sorted(value.free_symbols & waiting.keys(), key=str):
        if needed in waiting:
            definition = waiting.pop(needed)
            _place(definition, waiting, result)
            result.append((needed.name, definition))
