"""Where the mechanism files that come with the package lie."""

from pathlib import Path

__all__ = ["builtin_equations"]


def builtin_equations() -> Path:
    """Return the folder of the built-in mechanism files.

    A wheel carries them inside the package; in a source tree, and so in an
    editable install, they lie beside it.

    Returns
    -------
    pathlib.Path
        An existing folder.

    Raises
    ------
    FileNotFoundError
        If the installation is incomplete.
    """
    package = Path(__file__).resolve().parent
    folders = (package / "equations", package.parent / "equations")
    for folder in folders:
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"No built-in mechanism files: neither {folders[0]} nor {folders[1]} is a "
        "folder. Reinstall the package: pip install --force-reinstall "
        "brian2-multiscale"
    )
