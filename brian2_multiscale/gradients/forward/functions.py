"""Derivatives of functions among the names that strings may use."""

from brian2.core.functions import Function

from ...codegen.slopes import Slopes

__all__ = ["functions_in", "slopes_in"]


def functions_in(namespace):
    """
    Functions in a namespace that say what their derivatives are.

    Parameters
    ----------
    namespace : dict of str to object
        As users write it: functions may still be those of Python, with units.

    Returns
    -------
    dict of str to `Function`
    """
    stated = {n: f for n, f in namespace.items() if hasattr(f, "derivatives")}
    return {n: _as_function(f) for n, f in stated.items() if hasattr(f, "_arg_units")}


def _as_function(value):
    # What has a derivative gives the same whenever it is called
    return value if isinstance(value, Function) else Function(value, stateless=True)


def slopes_in(namespace):
    """
    What the functions in a namespace say of their derivatives.

    Parameters
    ----------
    namespace : dict of str to object

    Returns
    -------
    `~brian2_multiscale.codegen.slopes.Slopes`
    """
    return Slopes(functions_in(namespace))
