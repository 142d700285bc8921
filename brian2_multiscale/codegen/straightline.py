"""Straight-line programs: lists of assignments as sympy expressions.

Brian2's state updaters give abstract code: one assignment per line. Here such code is
taken apart, differentiated and put together again, so that what is derived from it
(a derivative, the part that is the same for many elements) follows the numerical
method that the user chose.
"""

import itertools

import sympy as sp
from brian2.parsing.statements import parse_statement
from brian2.parsing.sympytools import str_to_sympy, sympy_to_str

__all__ = [
    "Hoister",
    "emit",
    "feeding",
    "names_in",
    "parse",
    "simultaneous",
    "symbol",
    "tangents",
]


def symbol(name):
    """The sympy symbol that Brian2's parser makes of a name."""
    return str_to_sympy(name)


def names_in(expression):
    """Names of the variables in an expression."""
    return {s.name for s in expression.free_symbols}


def _real_functions(expression):
    # Comparisons and powers need to know that these functions are real.
    expression = expression.replace(
        lambda e: e.func.__name__ == "sqrt" and len(e.args) == 1,
        lambda e: sp.sqrt(e.args[0]),
    )
    return expression.replace(
        lambda e: isinstance(e, sp.core.function.AppliedUndef),
        lambda e: sp.Function(e.func.__name__, real=True)(*e.args),
    )


def parse_expression(code):
    """A Brian2 expression as sympy expression."""
    return _real_functions(sp.sympify(str_to_sympy(code)))


def parse(code):
    """
    Assignments of abstract code.

    Parameters
    ----------
    code : str
        Statements, one per line or separated by ``;``. ``+=`` and its like are
        resolved.

    Returns
    -------
    list of (str, sympy expression)
    """
    statements = []
    for line in code.replace(";", "\n").splitlines():
        if not line.split("#")[0].strip():
            continue
        name, operation, right, _ = parse_statement(line.strip())
        value, old = parse_expression(right), symbol(name)
        if operation != "=":
            value = {
                "+=": old + value,
                "-=": old - value,
                "*=": old * value,
                "/=": old / value,
                "**=": old**value,
            }[operation]
        statements.append((name, value))
    return statements


def simultaneous(statements, known):
    """
    The value after all statements of every known variable that they change.

    Parameters
    ----------
    statements : list of (str, sympy expression)
    known : collection of str
        Variables; other names on the left are local and vanish.

    Returns
    -------
    dict of str to sympy expression
        In terms of the values before the first statement.
    """
    now = {}
    for name, value in statements:
        now[symbol(name)] = value.xreplace(now)
    return {s.name: value for s, value in now.items() if s.name in known}


def emit(statements):
    """Abstract code of a list of (name, sympy expression)."""
    return "\n".join(f"{name} = {sympy_to_str(value)}" for name, value in statements)


def tangents(statements, seeds, covariances=None, prefix="_d"):
    r"""
    Differentiate a straight-line program.

    Parameters
    ----------
    statements : list of (str, sympy expression)
        Every name is assigned at most once.
    seeds : sequence of str
        Variables to differentiate with respect to.
    covariances : dict, optional
        ``(str, str)``: covariance of two seeds (both orders). With it the means of
        the results follow to second order: ``E y = y(mean) + tr(y'' C)/2``.
    prefix : str, optional
        Beginning of the names of derivatives.

    Returns
    -------
    statements : list of (str, sympy expression)
        The program with statements for the derivatives (and, with `covariances`, for
        the corrections of the means).
    derivative : dict of str to dict of str to sympy expression
        ``derivative[name][seed]``; zero derivatives are left out.
    correction : dict of str to sympy expression
        What to add to the mean of a result; zeros are left out.
    """
    derivative = {name: {name: sp.S.One} for name in seeds}
    output, correction = [], {}
    for name, value in statements:
        inner = sorted(names_in(value) & set(derivative))
        first = {a: sp.diff(value, symbol(a)) for a in inner}
        _refuse_unknown(value, first.values())
        extra = sp.S.Zero
        if covariances is not None:
            extra = _second_order(value, inner, derivative, covariances)
            extra += sum(first[a] * correction.get(a, 0) for a in inner)
        row = {}
        for seed in seeds:
            total = sum(first[a] * derivative[a].get(seed, 0) for a in inner)
            if total != 0:
                row[seed] = sp.sympify(total)
        output.append((name, value))
        if extra != 0:
            correction[name] = symbol(f"{prefix}_mean_{name}")
            output.append((correction[name].name, extra))
        for seed, expression in row.items():
            if not expression.is_Number:
                target = f"{prefix}_{name}_{seed}"
                output.append((target, expression))
                row[seed] = symbol(target)
        if row:
            derivative[name] = row
    return output, derivative, correction


def _second_order(value, inner, derivative, covariances):
    total = sp.S.Zero
    for a, b in itertools.product(inner, repeat=2):
        second = sp.diff(value, symbol(a), symbol(b))
        if second != 0:
            total += second * sum(
                derivative[a][i] * derivative[b][j] * covariances.get((i, j), 0)
                for i in derivative[a]
                for j in derivative[b]
            )
    return total / 2


def _refuse_unknown(value, derivatives):
    for expression in derivatives:
        if expression.has(sp.Derivative, sp.Subs):
            raise ValueError(f"'{sympy_to_str(value)}' cannot be differentiated")


class Hoister:
    """
    Takes out of an inner loop what does not depend on its index.

    Parameters
    ----------
    varying : collection of str
        Names that depend on the inner index; all others do not.
    prefix : str
        Beginning of the names of what is taken out.

    Attributes
    ----------
    statements : list of (str, sympy expression)
        Assignments to execute before the inner loop.
    outside : dict of symbol to sympy expression
        Local names of the inner loop that turned out to be the same for all.
    """

    def __init__(self, varying, prefix="_outer"):
        self.varying = set(varying)
        self.prefix = prefix
        self.statements = []
        self.outside = {}
        self._names = {}

    @property
    def names(self):
        return [name for name, _ in self.statements]

    def apply(self, statements, kept=()):
        """
        The statements that remain in the loop.

        Names in `kept` are assigned in the loop in any case.
        """
        result = []
        for name, value in statements:
            value = sp.sympify(value).xreplace(self.outside)
            fixed = not names_in(value) & self.varying and not value.is_Boolean
            if fixed and name not in kept:
                self.outside[symbol(name)] = self._constant(value)
                continue
            result.append((name, self(value)))
            self.varying.add(name)
        return result

    def __call__(self, expression):
        if not names_in(expression) & self.varying:
            return self._constant(expression)
        if expression.is_Add or expression.is_Mul:
            return self._associative(expression)
        if expression.args:
            return expression.func(*(self(a) for a in expression.args))
        return expression

    def _associative(self, expression):
        fixed = [a for a in expression.args if not names_in(a) & self.varying]
        moving = [a for a in expression.args if names_in(a) & self.varying]
        parts = [self(a) for a in moving]
        if fixed:
            parts.append(self._constant(expression.func(*fixed)))
        return expression.func(*parts)

    def _constant(self, expression):
        if expression.is_Number or expression.is_Boolean:
            return expression
        if expression.is_Symbol and expression.name in self.names:
            return expression
        if expression not in self._names:
            name = f"{self.prefix}_{len(self.statements)}"
            self._names[expression] = symbol(name)
            self.statements.append((name, expression))
        return self._names[expression]


def feeding(program, ends):
    """
    Which statements of a straight-line program some variables depend on.

    Parameters
    ----------
    program : list of (str, set of str)
        What is assigned, and the names that it is made of.
    ends : iterable of str
        The variables.

    Returns
    -------
    list of bool
    """
    needed, found = set(ends), []
    for name, used in reversed(program):
        found.append(name in needed)
        if found[-1]:
            needed |= used
    return found[::-1]
