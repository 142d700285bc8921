"""Brian2 expressions as Python text for `jax.numpy`."""

import ast

from brian2.parsing.expressions import parse_expression_dimensions
from brian2.parsing.rendering import NodeRenderer
from brian2.utils.stringtools import get_identifiers

from ...kinetics.differentiation import NotDifferentiableError
from ..arrays import unit_name

__all__ = ["JAXNodeRenderer", "SpikeRenderer"]


class JAXNodeRenderer(NodeRenderer):
    """
    Writes an expression.

    Parameters
    ----------
    random : set of str, optional
        Functions that also get the time step ``_jax_s`` and the shape of the result.
    """

    expression_ops = NodeRenderer.expression_ops | {
        "And": "_jax_np.logical_and",
        "Or": "_jax_np.logical_or",
    }

    def __init__(self, random=()):
        super().__init__()
        self.random = random

    def render_func(self, node):
        return f"_jax_f_{node.id}"

    def render_Call(self, node):
        text = super().render_Call(node)
        if node.func.id not in self.random:
            return text
        return text[:-1] + (", " if node.args else "") + "_jax_s, _jax_shape)"

    def render_BinOp(self, node):
        if isinstance(node.op, ast.Pow):
            left, right = self.render_node(node.left), self.render_node(node.right)
            return f"_jax_power({left}, {right})"
        if isinstance(node.op, ast.Div):
            left, right = self.render_node(node.left), self.render_node(node.right)
            return f"_jax_divide({left}, {right})"
        return super().render_BinOp(node)

    def render_BoolOp(self, node):
        function = self.expression_ops[type(node.op).__name__]
        text, *others = map(self.render_node, node.values)
        for other in others:
            text = f"{function}({text}, {other})"
        return text

    def render_UnaryOp(self, node):
        if isinstance(node.op, ast.Not):
            return f"_jax_np.logical_not({self.render_node(node.operand)})"
        return super().render_UnaryOp(node)


class SpikeRenderer(JAXNodeRenderer):
    """
    Writes a condition as number: 1 where it holds, with the surrogate's derivative.

    Parameters
    ----------
    captured : `Captured`
        Of a threshold.
    surrogate : `SurrogateGradient`
    random : set of str
    required : bool
        Whether something has to be compared that has a derivative.

    Attributes
    ----------
    distances : int
        How many comparisons got a derivative.
    """

    def __init__(self, captured, surrogate, random=(), required=True):
        super().__init__(random)
        self.captured, self.surrogate = captured, surrogate
        self.required = required and surrogate.shape != "none"
        self.distances = 0

    def render_condition(self, text):
        """
        Write a condition.

        Raises
        ------
        NotDifferentiableError
            If it compares nothing that has the unit of the surrogate's scale.
        """
        result = self._condition(ast.parse(text.strip(), mode="eval").body)
        drawn = get_identifiers(text) & set(self.random)
        if self.required and not self.distances and not drawn:
            raise NotDifferentiableError(
                f"The threshold '{text}' of '{self.captured.runner.group.name}' "
                "compares nothing of the unit "
                f"{unit_name(self.surrogate.dimensions)}, which is that of the scale of"
                f" {self.surrogate}. Give each group its own: spike={{group: "
                "SurrogateGradient(..., scale=...)}, or leave it out there."
            )
        return result

    def _condition(self, node):
        if isinstance(node, ast.BoolOp):
            parts = [self._condition(value) for value in node.values]
            if isinstance(node.op, ast.And):
                return "*".join(parts)
            return "(1 - " + "*".join(f"(1 - {part})" for part in parts) + ")"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return f"(1 - {self._condition(node.operand)})"
        if isinstance(node, ast.Compare) and self._has_distance(node):
            return self._spike(node)
        return f"_jax_number({self.render_node(node)})"

    def _has_distance(self, node):
        if not isinstance(node.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE):
            return False
        text = NodeRenderer().render_node(node)
        if get_identifiers(text) & set(self.random):
            return False
        side = NodeRenderer().render_node(node.left)
        if _is_zero(node.left):
            side = NodeRenderer().render_node(node.comparators[0])
        dimensions = parse_expression_dimensions(side, self.captured.variables)
        return dimensions is self.surrogate.dimensions

    def _spike(self, node):
        self.distances += 1
        left, right = node.left, node.comparators[0]
        if isinstance(node.ops[0], ast.Lt | ast.LtE):
            left, right = right, left
        distance = f"({self.render_node(left)}) - ({self.render_node(right)})"
        return f"_jax_spike({self.render_node(node)}, {distance})"


def _is_zero(node):
    return isinstance(node, ast.Constant) and node.value == 0
