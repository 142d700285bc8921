"""A mechanism as text for people."""

from .writer import equations_text, parameter_text

__all__ = ["describe"]

_STRINGS = ("on_pre", "threshold", "reset", "refractory", "hazard", "method", "output")


def describe(mechanism):
    """
    Return equations, values with their sources, and where it all comes from.

    Parameters
    ----------
    mechanism : `Mechanism`
    """
    title = f"{mechanism.name} ({mechanism.kind}, version {mechanism.version})"
    parts = [title, mechanism.description]
    if mechanism.doi:
        parts.append(f"https://doi.org/{mechanism.doi}")
    parts.append(f"File: {mechanism.path}")
    if mechanism.scheme is not None:
        parts.append("Reactions:\n" + _indent(mechanism._string("reactions")))
    parts.append("Equations:\n" + _indent(_equations(mechanism)))
    for key in _STRINGS:
        text = getattr(mechanism, key)
        if text:
            parts.append(f"{key}: " + text.strip().replace("\n", "\n    "))
    if mechanism.external:
        parts.append("Defined elsewhere: " + ", ".join(mechanism.external))
    if mechanism.transmitter is not None:
        parts.append(f"Transmitter: {mechanism.transmitter.name}")
    if mechanism.parameters:
        parts.append("Values:\n" + _indent(_table(mechanism)))
    return "\n".join(part for part in parts if part)


def _equations(mechanism):
    states = set(mechanism.scheme.states) if mechanism.scheme is not None else set()
    own = [e for n, e in mechanism.equations.items() if n not in states]
    return equations_text(type(mechanism.equations)(own)) or "(those of the reactions)"


def _table(mechanism):
    rows = [
        (
            name,
            parameter_text(mechanism, parameter),
            ("varies; " if name in mechanism.varied else "") + parameter.source,
        )
        for name, parameter in mechanism.parameters.items()
    ]
    widths = [max(len(row[k]) for row in rows) for k in range(2)]
    return "\n".join(
        f"{n:<{widths[0]}}  {v:<{widths[1]}}  {source}" for n, v, source in rows
    )


def _indent(text):
    return "\n".join("    " + line.strip() for line in text.strip().split("\n"))
