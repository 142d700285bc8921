"""Numbers for expressions, before a run."""

import numpy as np
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.core.functions import Function
from brian2.parsing.rendering import NumpyNodeRenderer
from brian2.parsing.sympytools import sympy_to_str
from brian2.utils.stringtools import get_identifiers

__all__ = ["evaluate"]


def evaluate(expression, group, namespace, given=None):
    """
    Value of an expression now.

    Parameters
    ----------
    expression : sympy expression or str
    group : Group
        Whose variables it refers to.
    namespace : dict
        Constants and functions.
    given : dict of str to float or ndarray
        Values of names, instead of the ones of the group.

    Returns
    -------
    ndarray
        In base units; one value per population if it depends on variables of the group.

    Raises
    ------
    KeyError
        If a name is not known.
    NotImplementedError
        If a value is only computed in the run (C++ standalone, values set by strings).
    """
    code = expression if isinstance(expression, str) else sympy_to_str(expression)
    given = {} if given is None else given
    names = get_identifiers(code) - set(given)
    known = group.resolve_all(names, namespace, user_identifiers=names)
    values = {name: _value(v, group) for name, v in known.items()} | given
    rendered = NumpyNodeRenderer().render_expr(code)
    with np.errstate(all="ignore"):
        return np.asarray(eval(rendered, {**_NUMPY, **values}), dtype=float)


_NUMPY = {"logical_not": np.logical_not}


def _value(variable, group):
    if isinstance(variable, Function):
        return variable.implementations[NumpyCodeObject].get_code(group)
    value = np.asarray(variable.get_value())
    return value.item() if variable.scalar else value
