"""The parts of a mechanism put together from its file."""

from brian2.equations.equations import (
    DIFFERENTIAL_EQUATION,
    PARAMETER,
    Equations,
    SingleEquation,
)

from .file import MechanismFile
from .parameters import dimensions_of, settable, unknown
from .search import find_mechanism

__all__ = [
    "assemble_equations",
    "assemble_scheme",
    "clock_driven",
    "distribute",
    "readout",
    "transmitter_file",
]


def transmitter_file(file):
    """
    Return the file of the transmitter that a receptor names, or None.

    Raises
    ------
    MechanismError
        If there is none, or it has a transmitter itself.
    """
    name = file.head.get("transmitter")
    if name is None:
        return None
    line, _ = file.head_place("transmitter")
    folder = getattr(file.source.path, "parent", None)
    try:
        path = find_mechanism(name, beside=folder)
    except ValueError as error:
        raise file.source.error(f"the transmitter: {error}", line) from None
    found = MechanismFile.read(path)
    if found.head.get("transmitter") is not None:
        reason = f"the transmitter '{name}' has a transmitter itself"
        raise file.source.error(reason, line, fix="Name that one.")
    return found


def distribute(given, file, transmitter):
    """
    Split names into those of a mechanism and those of its transmitter.

    Raises
    ------
    MechanismError
        If neither has a parameter of that name.
    """
    own = settable(file)
    there = settable(transmitter) if transmitter is not None else set()
    for name in given:
        if name not in own | there:
            raise unknown(file, name, own | there)
    mine = {n: v for n, v in given.items() if n in own}
    return mine, {n: v for n, v in given.items() if n not in own}


def assemble_scheme(file, renaming):
    """
    Return the `KineticScheme` of the reactions, or None.

    Raises
    ------
    MechanismError
        At the reaction that the message of the scheme quotes, if it quotes one.
    """
    if not file.reactions:
        return None
    # Imported late: mechanisms without reactions need no kinetics.
    from ..kinetics import KineticScheme

    try:
        return KineticScheme(renaming.text(file.head.get("reactions")))
    except (ValueError, SyntaxError, TypeError) as error:
        line, _ = file.head_place("reactions")
        for reaction in file.reactions:
            if renaming.text(reaction.code) in str(error):
                line = reaction.line
        raise file.source.error(f"the reactions: {error}", line) from error


def assemble_equations(file, renaming, values, vary, omit, scheme):
    """
    Return the complete equations.

    Parameters
    ----------
    file : `MechanismFile`
    renaming : `Renaming`
    values : dict
        Parameters with a value; their lines go, except for those in ``vary``.
    vary, omit : tuple of str
    scheme : `KineticScheme` or None

    Raises
    ------
    MechanismError
        If a name in ``omit`` is no subexpression, or still needed.
    """
    _check_omitted(file, omit)
    kept = []
    for name, equation in file.body.equations.items():
        constant = name in values and name not in vary
        given = equation.type == PARAMETER and (constant or name in file.states)
        if not given and name not in omit:
            kept.append(equation)
    for name in vary:
        if name not in file.body.equations:
            dimensions = dimensions_of(file, name)
            kept.append(SingleEquation(PARAMETER, name, dimensions, flags=["constant"]))
    equations = renaming.equations(Equations(kept))
    return equations if scheme is None else equations + scheme.equations


def _check_omitted(file, omit):
    equations = file.body.equations
    for name in omit:
        if name not in equations.subexpr_names:
            known = ", ".join(sorted(equations.subexpr_names)) or "none"
            reason = f"'{name}' cannot be omitted: it is no subexpression"
            raise file.source.error(reason, fix=f"There are: {known}.")
        for other, equation in equations.items():
            if name in equation.identifiers and other not in omit:
                reason = f"'{name}' cannot be omitted: '{other}' uses it"
                raise file.source.error(reason, fix="Omit both.")


def readout(equations, head):
    """Return the subexpressions that depend on the output, and their helpers."""
    output = head.get("output")
    lines = {n: equations[n].identifiers for n in equations.subexpr_names}
    found = {output}
    for equation in equations.ordered:
        if equation.varname in lines and found & equation.identifiers:
            found.add(equation.varname)
    helpers = set(found)
    while True:
        used = set().union(*(lines[n] for n in helpers & set(lines) if n != output))
        if used <= helpers:
            break
        helpers |= used
    chosen = [n for n in lines if n in helpers and n != output]
    return Equations([equations[n] for n in chosen if found != {output}])


def clock_driven(equations):
    """Return equations with that flag on what is not event-driven."""
    flagged = []
    for equation in equations.values():
        flags = list(equation.flags)
        if equation.type == DIFFERENTIAL_EQUATION and "event-driven" not in flags:
            flags += [] if "clock-driven" in flags else ["clock-driven"]
        flagged.append(
            SingleEquation(
                equation.type,
                equation.varname,
                equation.dim,
                var_type=equation.var_type,
                expr=equation.expr,
                flags=flags,
            )
        )
    return Equations(flagged)
