"""What a spike that arrives does, in the place where `Synapses` do it.

That is after the threshold was tested, and before the reset; variables that stand still
while a neuron is refractory, that is also once it fires in this step, do not change.
"""

import sympy as sp

from ...codegen.straightline import emit, parse, parse_expression, symbol
from ..rates import held_variables

__all__ = ["ARRIVES", "arrival_code"]

#: Whether a spike arrives in this step
ARRIVES = "fit_events(t, fit_trial) > 0.5"


def arrival_code(on_pre, equations, refractory, condition=None):
    """
    Statements that say themselves when they do nothing, as derivatives must know it.

    Parameters
    ----------
    on_pre : str
    equations : `Equations`
    refractory : object
        As in `NeuronGroup`.
    condition : str, optional
        Whether a spike arrives at all; by default it does.

    Returns
    -------
    str
    """
    held = held_variables(equations) if refractory is not False else []
    program = []
    for name, value in parse(on_pre):
        conditions = ["not_refractory"] * (name in held)
        if condition is not None and name in equations.names:
            conditions.append(condition)
        for text in conditions:
            value = _chosen(text, value, symbol(name))
        program.append((name, value))
    return emit(program)


def _chosen(condition, value, otherwise):
    if sp.sympify(value).is_Boolean:
        known = parse_expression(condition)
        return sp.Or(sp.And(known, value), sp.And(sp.Not(known), otherwise))
    known = parse_expression(f"int({condition})")
    return known * value + (1 - known) * otherwise
