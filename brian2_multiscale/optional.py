"""Packages that only some parts need, imported when these are used."""

import importlib

__all__ = ["require"]


def require(name, extra, purpose):
    """
    Import a package that is not installed with the core.

    Parameters
    ----------
    name : str
        Of the module.
    extra : str
        The optional extra of this package that brings it.
    purpose : str
        What needs it, for the message: ``'Training surrogates'``.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        That names the command that installs it; with the cause, if it is installed and
        cannot be imported.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{purpose} needs the package {name!r}, which cannot be imported "
            f'({error}). Install it with: pip install "brian2-multiscale[{extra}]"',
            name=name,
        ) from error
