"""What populations pass on to populations, differentiated."""

import numpy as np
from brian2.parsing.statements import parse_statement
from brian2.parsing.sympytools import sympy_to_str

from ..codegen.directional import Directional, derivative_name
from ..codegen.straightline import emit, names_in, parse_expression, symbol
from ..kinetics.differentiation import derivative

__all__ = ["derivative_statements"]


def derivative_statements(coupling, statements, direction, moving):
    """
    The derivatives of what the statements of a coupling add.

    Parameters
    ----------
    coupling : `PopulationCoupling`
        Gets the arrays that this needs.
    statements : list of str
        ``variable_post += ...``
    direction : str
        Known to the groups at both ends.
    moving : dict of str to array
        Variables of the pairs, and how fast they are moved.

    Returns
    -------
    list of list of str
        For each statement those to be executed before it.
    """
    for name, rate in moving.items():
        _add_moving(coupling, name, direction, rate)
    result = []
    for number, statement in enumerate(statements):
        target, _, added, _ = parse_statement(statement)
        label = _companion_at_end(coupling, target, "_post", direction, receives=True)
        value = parse_expression(added)
        result.append(_differentiated(coupling, number, value, label, direction))
    return result


def _add_moving(coupling, name, direction, rate):
    v, label = coupling.variables, derivative_name(name, direction)
    dim = v[name].dim / coupling.target.directions[direction]
    values = np.broadcast_to(rate, v[name].size)
    v.add_array(label, v[name].size, dimensions=dim, values=values)
    coupling.companions.add(label)


def _differentiated(coupling, number, value, label, direction):
    """Statements that add the derivative of a value to an array."""
    known = {}
    for name in sorted(names_in(value)):
        companion = _companion(coupling, name, direction)
        if companion:
            known[name] = {"by": symbol(companion)}
    prefix = f"_t_{direction}_{number}"
    step = Directional(("by",), known, derivative, prefix)
    program, found = step([("_added", value)])
    row = found["_added"].get("by")
    if row is None:
        return []
    lines = emit([s for s in program if s[0] != "_added"]).splitlines()
    return [*lines, f"{label} += {sympy_to_str(row)}"]


def _companion(coupling, name, direction):
    """Name of the derivative of what an expression reads, or None."""
    if name in coupling.late:
        source = coupling.late[name]
        if not hasattr(coupling.source, "companion"):
            return None
        return coupling.delayed(
            coupling.source, coupling.source.companion(source, direction)
        )
    for end in ("_pre", "_post"):
        if name.endswith(end):
            return _companion_at_end(coupling, name, end, direction)
    label = derivative_name(name, direction)
    return label if label in coupling.companions else None


def _companion_at_end(coupling, name, end, direction, receives=False):
    """The same of a variable of one of the groups."""
    group = coupling.source if end == "_pre" else coupling.target
    variable, v = coupling.variables[name], coupling.variables
    own = next(n for n, x in group.variables.items() if x is variable)
    if own == "_size" or not hasattr(group, "companion"):
        return None
    label = group.companion(own, direction)
    if receives:
        group.receive_derivative(own, direction)
    if f"{label}{end}" not in v:
        v.add_reference(f"{label}{end}", group, label, index=f"{end}_idx")
        coupling.companions.add(f"{label}{end}")
    return f"{label}{end}"
