"""Where tables are kept between sessions."""

import hashlib
import json
import os
from pathlib import Path

from brian2.core.preferences import prefs
from brian2.utils.logger import get_logger

from .files import FORMAT, TableFileError
from .table import SynapticTable

__all__ = ["cache_path", "load_cached", "save_cached"]

logger = get_logger(__name__)

#: Raised whenever the same options give another table.
BUILDER = 4


def cache_path(mechanism, options):
    """File of the table of a mechanism (by its hash) made with ``options``."""
    # The name also depends on what makes tables: another version, another table.
    key = json.dumps([FORMAT, BUILDER, mechanism.hash, options], sort_keys=True)
    name = f"{mechanism.name}-{hashlib.sha256(key.encode()).hexdigest()[:20]}.npz"
    return _folder() / name


def _folder():
    chosen = prefs.multiscale.table_cache
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "brian2_multiscale" / "tables"


def load_cached(path):
    """The table at ``path``, or None if there is none that can be used."""
    if not path.exists():
        return None
    try:
        return SynapticTable.load(path)
    except TableFileError as error:
        logger.warn(f"Building the table again: {error}", "damaged_cache")
        return None


def save_cached(table, path):
    """Keep a table; a folder that cannot be written only costs time later."""
    try:
        table.save(path)
    except OSError as error:
        logger.info(f"The table was not kept in '{path}': {error}", "no_cache")
