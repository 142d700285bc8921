"""Values at the beginning, which may depend on what is fitted."""

import numpy as np
from brian2.units.fundamentalunits import get_unit

from ...arguments import check_mapping, check_numbers
from ...codegen.directional import derivative_name
from ...codegen.straightline import emit, names_in, parse_expression
from ...mechanisms.values import unit_text
from ..rates import inlined
from .accumulate import total_derivatives

__all__ = ["check_initial", "set_initial"]


def check_initial(model, param_init, fitted, trials):
    """
    Values of parameters that are not fitted, and of variables at the beginning.

    Returns
    -------
    dict of str to str or ndarray
        In base units, a number or one per trial.
    """
    check_mapping("param_init", param_init)
    given = dict(param_init or {})
    known = model.diff_eq_names | model.parameter_names
    unknown = sorted(given.keys() - known)
    if unknown:
        raise ValueError(
            f"param_init has {unknown}, which are no variables or parameters of the "
            f"model; it has {sorted(known)}."
        )
    for name in sorted(model.parameter_names - given.keys() - set(fitted)):
        raise ValueError(
            f"The parameter '{name} : {unit_text(model[name].dim)}' of the model has "
            f"neither bounds ({name}=[low, high]) nor a value "
            f"(param_init={{'{name}': ...}})."
        )
    both = sorted(given.keys() & set(fitted))
    if both:
        raise ValueError(
            f"{both[0]!r} has both bounds and a value in param_init; leave out one."
        )
    return {n: _value(n, given[n], model, trials) for n in _in_order(model, given)}


def _in_order(model, given):
    """Parameters first: values of variables may depend on them."""
    return sorted(given, key=lambda n: n in model.diff_eq_names)


def _value(name, value, model, trials):
    if isinstance(value, str):
        return value
    label = f"param_init[{name!r}]"
    if model[name].var_type == "boolean":
        value = np.asarray(value) * 1  # a number from here on
    number = check_numbers(label, value, get_unit(model[name].dim))
    if number.ndim > 1 or (number.ndim and len(number) not in (1, trials)):
        raise ValueError(
            f"{label} must be one value or one per trial ({trials}), got an array of "
            f"shape {number.shape}."
        )
    if not np.isfinite(number).all():
        raise ValueError(f"{label} must be finite, got {value!r}.")
    return number


def set_initial(group, model, values, parameters, count, slopes=None):
    """
    Give the variables of a group, and their derivatives, what they begin with.

    Strings are evaluated in the order in which they are given.
    """
    for name in sorted(model.diff_eq_names):
        for p in parameters:
            setattr(group, derivative_name(name, p) + "_", 0.0)
    for name, value in values.items():
        if not isinstance(value, str):
            spread = np.tile(np.atleast_1d(value), count)
            # One value, or one per trial for every point
            getattr(group, name + "_")[:] = (
                spread if len(spread) == len(group) else np.resize(value, len(group))
            )
            continue
        expression = inlined(parse_expression(value), model)
        known = total_derivatives(
            expression, model.diff_eq_names, parameters, slopes=slopes
        )
        group.namespace.update(getattr(slopes, "used", {}))
        if name in model.diff_eq_names:
            for p, slope in known.items():
                if slope != 0:
                    code = emit([("x", slope)]).removeprefix("x = ")
                    setattr(group, derivative_name(name, p), code)
        elif any(slope != 0 for slope in known.values()):
            raise ValueError(
                f"param_init[{name!r}] = {value!r} depends on "
                f"{sorted(names_in(expression) & set(parameters))}, which is fitted: "
                f"write '{name} = {value} : ...' in the model instead."
            )
        setattr(group, name, value)
