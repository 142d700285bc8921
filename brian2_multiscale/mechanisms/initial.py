"""Initial values of a mechanism."""

from brian2.groups.group import Group
from brian2.units.fundamentalunits import DimensionMismatchError

from .values import ValueSyntaxError, evaluate

__all__ = ["initial_values", "set_initial_values"]


def initial_values(mechanism, file, renaming):
    """
    Return name to number, `Quantity` or, where it is more than arithmetic, text.

    Raises
    ------
    MechanismError
        If the steady state of the reactions needs a value that is not known.
    """
    values = {n: p.value for n, p in mechanism.parameters.items()}
    result = {}
    for old, text in file.head.initial.items():
        name, text = renaming.name(old), renaming.text(text)
        try:
            result[name] = values[name] = evaluate(text, values)
        except (ValueSyntaxError, DimensionMismatchError):
            result[name] = text
    if mechanism.scheme is not None:
        result = {**_steady_state(mechanism, file, values), **result}
    return result


def _steady_state(mechanism, file, values):
    scheme = mechanism.scheme
    line, _ = file.head_place("reactions")
    missing = sorted(scheme.names - set(values))
    if missing:
        raise file.source.error(
            f"the reactions have no initial state: {', '.join(missing)} unknown",
            line,
            fix="Give each external name of the rates a value in [initial].",
        )
    used = {name: values[name] for name in scheme.names}
    try:
        state = scheme.steady_state(**used)
    except (ArithmeticError, TypeError, ValueError, DimensionMismatchError) as error:
        reason = f"the reactions have no initial state: {error}"
        raise file.source.error(reason, line) from error
    return dict(zip(scheme.states, state.tolist(), strict=True))


def set_initial_values(mechanism, group):
    """Set the variables of a group that follow the mechanism's equations."""
    if not isinstance(group, Group):
        raise TypeError(f"group must be a NeuronGroup or Synapses, got {group!r}.")
    equations = mechanism.equations
    variables = set(equations.names) - set(equations.subexpr_names)
    values = {**mechanism.varied, **mechanism.initial}
    # Expressions come last: they may use the numbers.
    for name in sorted(values, key=lambda n: isinstance(values[n], str)):
        if name in variables:
            setattr(group, name, values[name])
