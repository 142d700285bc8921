"""Derivatives of functions in equations: how a function states them."""

import inspect
from collections.abc import Mapping

import sympy as sp
from brian2.core.functions import Function
from brian2.core.variables import Variables

from .straightline import parse_expression, symbol

__all__ = ["CodeWithFunctions", "Slopes", "with_derivatives"]


def with_derivatives(*slopes):
    """
    Say what the derivatives of a function in equations are.

    A decorator, to be put above Brian2's own ones. What is stated is used wherever
    equations are differentiated.

    Parameters
    ----------
    *slopes : str, `Function` or None
        For each argument the partial derivative by it: an expression in the names of
        the arguments, a function of the same arguments, or None if it is not known.

    Returns
    -------
    callable
        Gives the function back, with the attribute `derivatives`.

    Raises
    ------
    TypeError
        If a derivative is something else.
    ValueError
        If there are more or fewer of them than arguments, or an expression has other
        names than theirs.

    Examples
    --------
    >>> from brian2 import check_units
    >>> import numpy as np
    >>> from brian2_multiscale.gradients import with_derivatives
    >>> @with_derivatives("exp(-x**2)*2/sqrt(pi)")
    ... @check_units(x=1, result=1)
    ... def erf(x):
    ...     return scipy.special.erf(x)
    """
    for slope in slopes:
        blank = isinstance(slope, str) and not slope.strip()
        if blank or not isinstance(slope, str | Function | None):
            raise TypeError(
                "A derivative must be an expression in the names of the arguments, a "
                f"Function or None, got {slope!r}."
            )

    def state(function):
        function.derivatives = slopes
        known = function if isinstance(function, Function) else Function(function)
        _checked("the function", known, slopes)
        return function

    return state


def _argument_names(function):
    names = function._arg_names or getattr(function.pyfunc, "_arg_names", None)
    return list(names or inspect.signature(function.pyfunc).parameters)


def _checked(name, function, slopes):
    """Names of the arguments, if the derivatives fit to them."""
    names = _argument_names(function)
    if len(names) != len(slopes):
        raise ValueError(
            f"{name} has {len(names)} arguments ({', '.join(names)}), but "
            f"{len(slopes)} derivatives are given; write None where one is not known."
        )
    for slope in (s for s in slopes if isinstance(s, str)):
        others = {s.name for s in parse_expression(slope).free_symbols} - set(names)
        if others:
            raise ValueError(
                f"The derivative '{slope}' of {name} uses {sorted(others)}, which are "
                f"none of its arguments {names}; write numbers, or give a Function."
            )
    return names


def _filled_in(expression, places, values):
    return expression.xreplace(dict(zip(places, values, strict=True)))


class Slopes(Mapping):
    """
    What the functions among some variables say of their derivatives.

    A mapping for `~brian2_multiscale.kinetics.differentiation.derivative`: from the
    name of a function to callables of sympy expressions.

    Parameters
    ----------
    variables : dict of str to object
        What the names in expressions refer to (as Brian2's ``resolve_all`` gives it);
        functions with the attribute ``derivatives`` count (see `with_derivatives`).

    Attributes
    ----------
    used : dict of str to `Function`
        Functions that derivatives so far have used, by their name in these: generated
        code has to know them.
    """

    def __init__(self, variables):
        self.used, self._rows = {}, {}
        for name, function in variables.items():
            if isinstance(function, Function):
                stated = getattr(function, "derivatives", None)
                stated = stated or getattr(function.pyfunc, "derivatives", None)
                if stated:
                    self._rows[name] = self._row(name, function, stated)

    def _row(self, name, function, slopes):
        names = _checked(f"'{name}'", function, slopes)
        return tuple(
            None if slope is None else self._callable(name, argument, slope, names)
            for argument, slope in zip(names, slopes, strict=True)
        )

    def _callable(self, name, argument, slope, names):
        if isinstance(slope, str):
            expression = parse_expression(slope)
            places = [symbol(n) for n in names]
            return lambda *args: _filled_in(expression, places, args)
        label = f"_{name}_by_{argument}"

        def call(*args):
            self.used[label] = slope
            return sp.Function(label, real=True)(*args)

        return call

    def __getitem__(self, name):
        return self._rows[name]

    def __iter__(self):
        return iter(self._rows)

    def __len__(self):
        return len(self._rows)


class CodeWithFunctions:
    """
    Abstract code of a time step that calls functions the group does not know.

    What an integration method returns instead of a string; Brian2 calls it with the
    state updater.

    Parameters
    ----------
    code : str
    functions : dict of str to `Function`
    """

    def __init__(self, code, functions):
        self.code, self.functions = code, dict(functions)

    def __str__(self):
        return self.code

    def __call__(self, updater):
        updater.variables = Variables(updater)
        for name, function in self.functions.items():
            updater.variables._add_variable(name, function)
        return self.code
