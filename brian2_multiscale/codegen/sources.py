"""C++ that stands in files and is pasted into the code of two targets."""

from importlib.resources import files

__all__ = ["cpp_text"]


def cpp_text(*names):
    """The files of this room's folder ``cpp``, one after the other."""
    folder = files("brian2_multiscale.codegen") / "cpp"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)
