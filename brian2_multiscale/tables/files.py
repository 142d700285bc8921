"""Tables on disk: .npz without pickles, written as a whole or not at all."""

import contextlib
import dataclasses
import glob
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from brian2.units.fundamentalunits import get_or_create_dimension, get_unit

from ..numerics.lookup import Axis
from .descriptors import Descriptors
from .history import HistoryTable
from .source import TransmitterSource, exponents_of
from .state import StateTable

__all__ = ["FORMAT", "TableFileError", "read_table", "write_table"]

# Writing a table takes seconds; nobody does it for so long (s).
_ABANDONED = 3600

#: Version of the file format; files of other versions are refused.
FORMAT = 1


class TableFileError(ValueError):
    """A table file that cannot be used."""


def write_table(table, path):
    """Write a `SynapticTable` (the temporary file is renamed when complete)."""
    path = Path(path)
    arrays, scalars = _taken_apart(table.core)
    header = {
        "format": FORMAT,
        "representation": table.representation,
        "unit": exponents_of(table.unit),
        "report": {**table.report, "errors": sorted(table.errors.items())},
        "source": dataclasses.asdict(table.source),
        "core": scalars,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    prefix, suffix = f"{path.name}.", ".part"
    handle, temporary = tempfile.mkstemp(suffix, prefix, path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, header=np.array(json.dumps(header)), **arrays)
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp is for the owner's eyes only
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _remove_leftovers(path):
    """Temporary files of processes that were killed, not of those at work."""
    for part in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > _ABANDONED:
                part.unlink()


def _taken_apart(core):
    if isinstance(core, HistoryTable):
        arrays = {
            "amplitudes": core.amplitudes,
            "shapes": core.shapes,
            "time_constants": core.time_constants,
        }
        return arrays, {"axis": dataclasses.asdict(core.axis)}
    arrays = {
        name: getattr(core, name)
        for name in ("propagators", "responses", "powers", "time_constants")
    }
    for field in dataclasses.fields(Descriptors):
        arrays["descriptor_" + field.name] = getattr(core.descriptors, field.name)
    return arrays, {"knee": core.knee}


def read_table(path):
    """Core, source, unit and report of a table file."""
    path = Path(path)
    if not path.exists():
        raise TableFileError(
            f"There is no table file '{path}'. Build it with tabulate()."
        )
    try:
        with np.load(path, allow_pickle=False) as data:
            arrays = {name: data[name] for name in data.files}
        header = json.loads(str(arrays.pop("header")))
        version = header["format"]
    except Exception as error:  # zip, zlib, numpy and json have errors of their own
        raise TableFileError(
            f"'{path}' is damaged or no table file ({type(error).__name__}: {error}). "
            "Delete it and build the table again with tabulate()."
        ) from error
    if version != FORMAT:
        raise TableFileError(
            f"'{path}' has format {version!r}; this version reads format {FORMAT}. "
            "Build the table again with tabulate()."
        )
    try:
        return _put_together(header, arrays)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise TableFileError(
            f"'{path}' lacks or garbles part of the table "
            f"({type(error).__name__}: {error}). Build it again with tabulate()."
        ) from error


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _check(core, errors):
    """Shapes that fit each other and numbers that are numbers."""
    count = len(core.time_constants)
    if isinstance(core, HistoryTable):
        fits = core.amplitudes.shape == (core.axis.n,) * core.amplitudes.ndim
        fits &= core.shapes.shape == (core.amplitudes.ndim + 1, count)
        numbers = [core.amplitudes, core.shapes]
    else:
        r, _, terms, inputs = core.propagators.shape
        fits = inputs == r + 1 and core.responses.shape == (count, terms, r + 1)
        fits &= core.powers.shape == (terms, len(core.descriptors.delay))
        sizes = {np.shape(v) for v in vars(core.descriptors).values()}
        fits &= sizes == {(core.powers.shape[1],)}
        numbers = [core.propagators, core.responses, *vars(core.descriptors).values()]
    if not fits or not errors:
        raise ValueError("its parts do not fit each other")
    if not all(np.all(np.isfinite(a)) for a in [*numbers, core.time_constants]):
        raise ValueError("it contains values that are not finite")


def _put_together(header, arrays):
    if header["representation"] not in ("state", "history"):
        raise ValueError(f"unknown representation {header['representation']!r}")
    if header["representation"] == "history":
        core = HistoryTable(axis=Axis(**header["core"]["axis"]), **arrays)
    else:
        prefix = "descriptor_"
        fields = {n: arrays.pop(n) for n in list(arrays) if n.startswith(prefix)}
        descriptors = Descriptors(**{n[len(prefix) :]: v for n, v in fields.items()})
        core = StateTable(**header["core"], descriptors=descriptors, **arrays)
    source = header["source"]
    constants = {n: (v, tuple(e)) for n, (v, e) in source["constants"].items()}
    source = TransmitterSource(
        **{**source, "constants": constants, "drivers": tuple(source["drivers"])}
    )
    report = {
        **header["report"],
        "errors": dict(map(tuple, header["report"]["errors"])),
    }
    _check(core, report["errors"])
    return core, source, get_unit(get_or_create_dimension(header["unit"])), report
