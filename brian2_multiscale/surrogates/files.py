"""Files of trained surrogates: arrays, their meaning as JSON, no Python objects."""

import json
import zipfile
from pathlib import Path

import numpy as np

__all__ = ["VERSION", "SurrogateFileError", "find", "read", "shipped", "write"]

#: Of the format; files of a later one are refused
VERSION = 1

_SHIPPED = Path(__file__).parent / "weights"
_NEEDED = ("version", "architecture", "options", "inputs", "outputs", "step")


class SurrogateFileError(ValueError):
    """A file is no surrogate, damaged, or of a later version of the package."""


def shipped():
    """Names of the surrogates that come with the package."""
    return sorted(path.stem for path in _SHIPPED.glob("*.npz"))


def find(path):
    """A file as it is, or one of those that come with the package."""
    text = str(path)
    if Path(text).suffix == ".npz" or "/" in text or "\\" in text:
        return Path(text)
    if text in shipped():
        return _SHIPPED / f"{text}.npz"
    raise FileNotFoundError(
        f"There is no surrogate called {text!r}; with the package come "
        f"{', '.join(shipped()) or 'none'}. A file of your own ends in '.npz'."
    )


def write(path, parameters, description):
    """Write arrays and a JSON-able description; a file is complete or not there."""
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"path must end in '.npz', got {str(path)!r}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"path is in a folder that does not exist, {str(path.parent)!r}: make it."
        )
    text = json.dumps({"version": VERSION, **description})
    arrays = {f"parameter_{name}": value for name, value in parameters.items()}
    temporary = path.with_name(path.name + ".part.npz")
    try:
        np.savez(temporary, meta=np.frombuffer(text.encode(), dtype=np.uint8), **arrays)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read(path):
    """
    Parameters and description in a file.

    Raises
    ------
    SurrogateFileError
        If it is damaged, something else, or from a later version.
    """
    path = find(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        description = json.loads(arrays.pop("meta").tobytes())
        version = description["version"]
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise SurrogateFileError(
            f"{path} is no surrogate, or it is damaged: {error!r}. Files are made by "
            "Surrogate.save; Python objects in them are never read."
        ) from error
    except Exception as error:  # zlib.error and whatever else damaged bytes lead to
        raise SurrogateFileError(f"{path} is damaged: {error!r}.") from error
    return _parameters(path, arrays), _checked(path, version, description)


def _parameters(path, arrays):
    start = "parameter_"
    for name, values in arrays.items():
        if not name.startswith(start) or values.dtype.kind != "f":
            raise SurrogateFileError(f"{path}: {name!r} is no parameter of one.")
        if not np.isfinite(values).all():
            raise SurrogateFileError(f"{path}: parameter {name!r} is not finite.")
    return {name[len(start) :]: values for name, values in arrays.items()}


def _checked(path, version, description):
    if version != VERSION:
        raise SurrogateFileError(
            f"{path} has version {version!r} of the format, this package reads version "
            f"{VERSION}: install the version of brian2_multiscale that wrote it, or "
            "train the surrogate again."
        )
    missing = [name for name in _NEEDED if name not in description]
    if missing:
        raise SurrogateFileError(f"{path} does not say its {', '.join(missing)}.")
    return description
