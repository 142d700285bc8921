"""Where mechanism files are found."""

import os
import re
from difflib import get_close_matches
from importlib.metadata import entry_points
from pathlib import Path

from brian2.core.preferences import prefs
from brian2.utils.logger import get_logger

from .. import preferences as _registered  # noqa: F401
from .._equations_path import builtin_equations
from .errors import MechanismError
from .head import KINDS, read_head
from .source import Source

__all__ = ["ENTRY_POINTS", "ENVIRONMENT", "find_mechanism", "list_mechanisms"]

logger = get_logger(__name__)

#: Environment variable with further folders, separated as in ``PATH``.
ENVIRONMENT = "BRIAN2_EQUATIONS"
#: Group of the entry points by which an installed package offers its files.
ENTRY_POINTS = "brian2_multiscale.equations"
_SUFFIX = ".eqs"
# Equations and reactions
_MODEL = re.compile(r"\bd\w+\s*/\s*dt\s*=|->|\n")
_FOR_TEXT = (
    "equations and reactions become a mechanism by a head that says what a spike does "
    "(on_pre) and what comes out (output): Mechanism.from_text(text), see "
    "docs/mechanism_files.md."
)


def _levels():
    """Folders by level; the first level that has a name wins."""
    environment = os.environ.get(ENVIRONMENT, "").split(os.pathsep)
    yield (
        f"prefs.multiscale.equations_path = {prefs.multiscale.equations_path}",
        [Path(folder) for folder in prefs.multiscale.equations_path],
    )
    yield ENVIRONMENT, [Path(folder) for folder in environment if folder]
    yield "entry points", _offered()
    yield "built-in", [builtin_equations()]


def _folder_of(point):
    """Folder of an entry point: a path, or the folder of the package it names."""
    target = point.load()
    return Path(target if isinstance(target, str | Path) else target.__path__[0])


def _offered():
    folders = []
    for point in entry_points(group=ENTRY_POINTS):
        try:
            folders.append(_folder_of(point))
        # Another package's fault must not keep all other mechanisms from being found.
        except Exception as error:
            logger.warn(
                f"The entry point {point} names no folder of mechanism files: "
                f"{error!r}. Update or uninstall the package that offers it.",
                "bad_entry_point",
                once=True,
            )
    return folders


def _files(folders, pattern):
    found = {}
    for folder in (folder.expanduser() for folder in folders):
        if not folder.is_dir():
            logger.warn(
                f"The folder '{folder}' of mechanism files does not exist. Remove it "
                f"from prefs.multiscale.equations_path or {ENVIRONMENT}.",
                "missing_folder",
                once=True,
            )
            continue
        for path in sorted(folder.rglob(pattern)):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def is_path(name_or_path):
    """Whether an argument is a path and not a name."""
    if isinstance(name_or_path, os.PathLike):
        return True
    separators = {"/", os.sep}
    return name_or_path.endswith(_SUFFIX) or any(s in name_or_path for s in separators)


def find_mechanism(name_or_path, beside=None):
    """
    Find the file of a mechanism.

    Searched are, and the first level that has the name wins: a path (anything with
    a separator or the suffix ``.eqs``), the folder ``beside``, the preference
    ``prefs.multiscale.equations_path``, the environment variable
    ``BRIAN2_EQUATIONS``, the entry points ``brian2_multiscale.equations`` of
    installed packages, the built-in files. Folders are searched at any depth.

    Parameters
    ----------
    name_or_path : str or `~pathlib.Path`
        The name is that of the file without its suffix.
    beside : `~pathlib.Path`, optional
        Folder of the file that refers to this one.

    Returns
    -------
    `~pathlib.Path`

    Raises
    ------
    MechanismError
        If there is no such file, or a level has several.
    """
    if not isinstance(name_or_path, str | os.PathLike):
        reason = "name_or_path: a mechanism is given by name or path, not by "
        reason += repr(name_or_path)
        raise MechanismError(reason, fix=f"Write Mechanism('lif'); {_FOR_TEXT}")
    is_text = isinstance(name_or_path, str) and name_or_path.strip()
    if is_text and _MODEL.search(name_or_path):
        reason = f"name_or_path: {name_or_path!r} is a model, not a name or path"
        raise MechanismError(reason, fix=_FOR_TEXT[0].upper() + _FOR_TEXT[1:])
    if is_path(name_or_path):
        return _existing(Path(name_or_path).expanduser())
    if beside is not None and (beside / (name_or_path + _SUFFIX)).is_file():
        return beside / (name_or_path + _SUFFIX)
    if re.fullmatch(r"\w+", name_or_path):
        for level, folders in _levels():
            paths = _files(folders, name_or_path + _SUFFIX)
            if len(paths) > 1:
                raise _ambiguous(name_or_path, level, paths)
            if paths:
                return paths[0]
    raise _unknown(name_or_path, list_mechanisms())


def _existing(path):
    if path.is_file():
        return path
    if path.is_dir():
        raise MechanismError("this is a folder, not a mechanism file", path)
    near = [p.stem for p in path.parent.glob("*" + _SUFFIX)]
    close = get_close_matches(path.stem, near, n=3)
    fix = f"In that folder are: {', '.join(close)}." if close else None
    raise MechanismError("there is no such file", path, fix=fix)


def _ambiguous(name, level, paths):
    listed = " and ".join(str(path) for path in paths)
    return MechanismError(
        f"'{name}' is found more than once ({level}): {listed}",
        fix="Give the path of the one you mean, or rename the other.",
    )


def _unknown(name, known):
    near = get_close_matches(name, known, n=3, cutoff=0.5)
    inside = [k for k in known if name and name.lower() in k.lower()]
    near = list(dict.fromkeys(near + inside))[:5]
    hint = f"Did you mean {' or '.join(repr(n) for n in near)}? " if near else ""
    fix = (
        hint + "list_mechanisms() names all; your own files are found by path, by "
        f"prefs.multiscale.equations_path or by {ENVIRONMENT}."
    )
    return MechanismError(f"there is no mechanism '{name}'", fix=fix)


def list_mechanisms(kind=None):
    """
    List the names of all mechanisms that can be found.

    Parameters
    ----------
    kind : str, optional
        Only neuron, receptor, synapse, population or sensory. Files that cannot be
        read are then left out, with a warning.

    Returns
    -------
    list of str
        In alphabetical order.

    Raises
    ------
    MechanismError
        If there is no such kind.

    Examples
    --------
    >>> from brian2_multiscale import list_mechanisms
    >>> 'adex' in list_mechanisms('neuron')
    True
    """
    if kind is not None and not (isinstance(kind, str) and kind in KINDS):
        fix = f"Choose one of {', '.join(KINDS)}."
        raise MechanismError(f"unknown kind {kind!r}", fix=fix)
    found = {}
    for _, folders in _levels():
        for path in _files(folders, "*" + _SUFFIX):
            found.setdefault(path.stem, path)
    if kind is None:
        return sorted(found)
    return sorted(name for name, path in found.items() if _kind_of(path) == kind)


def _kind_of(path):
    try:
        return read_head(Source.read(path)).get("kind")
    except MechanismError as error:
        logger.warn(f"Left out of the list: {error}", "broken_file", once=True)
        return None
