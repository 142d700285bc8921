"""Subexpressions written out."""

from brian2.equations.equations import SUBEXPRESSION

from ..codegen.straightline import parse_expression, symbol

__all__ = ["expand_subexpressions"]


def expand_subexpressions(expression, equations):
    """Replace the names of subexpressions by what they stand for."""
    opened = {
        symbol(n): parse_expression(eq.expr.code)
        for n, eq in equations.items()
        if eq.type == SUBEXPRESSION
    }
    while expression.free_symbols & set(opened):
        expression = expression.xreplace(opened)
    return expression
