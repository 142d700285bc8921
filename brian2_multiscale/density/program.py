"""The step of a density group as abstract code."""

from dataclasses import dataclass

import sympy as sp

from ..codegen.straightline import Hoister, emit, symbol
from ..mesoscopic.integration import method_code

__all__ = ["Program", "at_middle", "inline", "make_program"]


@dataclass(frozen=True)
class Program:
    """
    Abstract code in blocks.

    Attributes
    ----------
    blocks : dict of str to str
        'population': once per population; 'face': at the upper end of every bin.
    hoisted : list of str
        What the first block computes for the second.
    """

    blocks: dict
    hoisted: list


def make_program(group, variables):
    """
    Common variables, then drift and diffusion at the ends of bins.

    Common variables enter with the mean of their values before and after the step, and
    functions of time in its middle: second order in the step for what drives the
    density.
    """
    noisy = group.noisy
    changing = group.common_variables
    middle = at_middle(group, "_face")
    private = symbol("_private")
    values = [
        ("_drift_here", noisy.drift.xreplace(middle)),
        ("_diffusion_here", noisy.diffusion.xreplace(middle) + private),
    ]
    hoister = Hoister({"_face"})
    inner = hoister.apply(values, kept=("_drift_here", "_diffusion_here"))
    used = [
        n
        for n in changing
        if any(middle[symbol(n)] in e.free_symbols for _, e in values)
    ]
    lines = [f"_before_{n} = {n}" for n in used]
    if changing:
        lines.append(method_code(group, group.equations, variables, "common_method"))
    lines += [f"_middle_{n} = 0.5*(_before_{n} + {n})" for n in used]
    # Private input since the last step, spread over this one
    lines += ["_private = _input_var/(2*dt)", "_input_var = 0"]
    lines += ["_kick = _mean - _saved"]
    lines += [emit(inline(hoister.statements))]
    blocks = {"population": "\n".join(lines), "face": emit(inline(inner))}
    return Program(blocks, [*hoister.names])


def at_middle(group, voltage):
    """What names in the equations of a group stand for in its step."""
    middle = {symbol(n): symbol(f"_middle_{n}") for n in group.common_variables}
    middle[symbol("t")] = symbol("t") + symbol("dt") / 2
    middle[symbol(group.noisy.name)] = symbol(voltage)
    return middle


def inline(statements):
    """An exponential that fits into vector loops."""
    return [
        (n, sp.sympify(e).replace(sp.exp, sp.Function("inline_exp", real=True)))
        for n, e in statements
    ]
