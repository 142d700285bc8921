"""Code of variables that stand still while a neuron is refractory; needs no JAX."""

import re
from copy import copy

from brian2.core.variables import ArrayVariable
from brian2.utils.stringtools import get_identifiers

from ..straightline import feeding

__all__ = ["moving_statements"]

_FREE = re.compile(r"\bint\(not_refractory\)")


def moving_statements(captured):
    """
    The statements for elements that may move, where no others need them.

    What is written under the condition that a neuron is not refractory is never used of
    others. Some methods compute 0/0 for these, which would end up in derivatives.

    Parameters
    ----------
    captured : `Captured`

    Returns
    -------
    list of `Statement`
    """
    statements, variables = captured.statements, captured.variables
    program = [(s.var, get_identifiers(s.expr)) for s in statements]
    others = {
        s.var
        for s in statements
        if isinstance(variables.get(s.var), ArrayVariable)
        and not _is_held(variables[s.var])
    }
    needed = feeding(program, others)
    return [s if n else _freed(s) for s, n in zip(statements, needed, strict=True)]


def _is_held(variable):
    condition = getattr(variable, "conditional_write", None)
    return getattr(condition, "name", None) == "not_refractory"


def _freed(statement):
    statement = copy(statement)
    statement.expr = _FREE.sub("1", statement.expr)
    return statement
