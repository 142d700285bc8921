"""Straight-line programs in which nothing is assigned or computed twice."""

import ast
import itertools

import sympy as sp

from .straightline import names_in, symbol

__all__ = ["RANDOM", "assigned_once", "assigned_together", "drawn_apart", "shared"]

#: Functions that give another number at every call
RANDOM = {"rand", "randn", "poisson", "binomial"}


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
    # Two draws are not the same number
    draws = {sp.Dummy(real=True): value for value in values if _is_draw(value)}
    hidden = iter(draws)
    values = [next(hidden) if _is_draw(value) else value for value in values]
    common, values = sp.cse(values, symbols=names, order="none", list=True)
    waiting = dict(common)
    result = []
    for (name, _), value in zip(program, values, strict=True):
        _place(value, waiting, result)
        result.append((name, draws.get(value, value)))
    return result


def _is_draw(value):
    return value.func.__name__ in RANDOM


def drawn_apart(code, prefix="_draw"):
    """
    Give every random number a statement of its own.

    Whoever takes ``rand()`` for a mathematical function makes zero of the difference of
    two of them, and draws again where a derivative needs the same number.

    Parameters
    ----------
    code : str
        Abstract code.
    prefix : str
        Beginning of the names of random numbers.

    Returns
    -------
    str
    """
    if not any(name in code for name in RANDOM):
        return code
    split, lines = _Draws(prefix), "\n".join(map(str.strip, code.splitlines()))
    return "\n".join(line for s in ast.parse(lines).body for line in split.lines(s))


class _Draws(ast.NodeTransformer):
    def __init__(self, prefix):
        self.names = map(f"{prefix}_{{}}".format, itertools.count())
        self.found = []

    def lines(self, statement):
        self.found = []
        last = ast.unparse(self.visit(statement))
        return [*self.found, last]

    def visit_Call(self, node):  # noqa: N802 (the name that `ast` looks for)
        node = self.generic_visit(node)
        if getattr(node.func, "id", None) not in RANDOM:
            return node
        name = next(self.names)
        self.found.append(f"{name} = {ast.unparse(node)}")
        return ast.Name(name, ast.Load())


def _place(value, waiting, result):
    """Put in front what a value needs; what it needs in turn first."""
    for needed in sorted(value.free_symbols & waiting.keys(), key=str):
        if needed in waiting:
            definition = waiting.pop(needed)
            _place(definition, waiting, result)
            result.append((needed.name, definition))
