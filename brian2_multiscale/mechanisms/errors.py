"""The error of a mechanism file: where, why, and what to do."""

__all__ = ["MechanismError"]


class MechanismError(ValueError):
    """
    A mechanism that cannot be found, read or used as asked.

    Parameters
    ----------
    reason : str
        What is wrong.
    path : str or `~pathlib.Path`, optional
        The file.
    line, column : int, optional
        Position in the file, both counted from 1.
    fix : str, optional
        What to do about it.

    Attributes
    ----------
    reason, path, line, column, fix
        As given; the message joins them as ``path:line:column: reason fix``.
    """

    def __init__(self, reason, path=None, line=None, column=None, fix=None):
        self.reason, self.fix = reason, fix
        self.path, self.line, self.column = path, line, column
        place = [str(part) for part in (path, line, column) if part is not None]
        parts = [":".join(place) + ":"] if place else []
        parts.append(reason if reason.endswith((".", "?", "!")) else reason + ".")
        if fix:
            parts.append(fix)
        super().__init__(" ".join(parts))

    def __reduce__(self):
        # Exceptions pickle by their args, which here are the joined message.
        arguments = (self.reason, self.path, self.line, self.column, self.fix)
        return type(self), arguments
