"""Reactions in LaTeX."""

import sympy
from brian2.parsing.sympytools import str_to_sympy

__all__ = ["latex_of"]


def _latex(text):
    return sympy.latex(str_to_sympy(text))


def _row(line):
    left, right = (rf"\mathrm{{{_latex(s)}}}" for s in (line.left, line.right))
    if line.backward is None:
        arrow = rf"\overset{{{_latex(line.forward)}}}{{\longrightarrow}}"
    else:
        above = rf"\overset{{{_latex(line.forward)}}}{{\rightleftharpoons}}"
        arrow = rf"\underset{{{_latex(line.backward)}}}{{{above}}}"
    return rf"{left} &{arrow}& {right}"


def latex_of(lines):
    """One row per reaction, rates above and below the arrows.

    Parameters
    ----------
    lines : list of `Reaction`
        The scheme.

    Returns
    -------
    str
        In dollar signs, for IPython.
    """
    rows = r" \\ ".join(_row(line) for line in lines)
    return rf"$$\begin{{array}}{{rcl}} {rows} \end{{array}}$$"
