"""A descent on disk: arrays only, written as a whole or not at all."""

import zipfile
from pathlib import Path

import numpy as np

__all__ = ["read_checkpoint", "write_checkpoint"]

_VERSION = 1


def write_checkpoint(path, key, progress, state):
    """
    Write all that a descent needs to go on.

    Parameters
    ----------
    path : path-like
        Ends in '.npz'.
    key : str
        What is minimised.
    progress : `Progress`
    state : dict of str to ndarray
        Of the rule.
    """
    path = Path(path)
    steps, losses = zip(*progress.validation, strict=True)
    arrays = {
        "version": np.array(_VERSION),
        "key": np.array(key),
        "parameters": progress.parameters,
        "best": progress.best,
        "best_loss": np.array(progress.best_loss),
        "number": np.array(progress.number),
        "elapsed": np.array(progress.elapsed),
        "losses": np.array(progress.losses),
        "validation_steps": np.array(steps),
        "validation_losses": np.array(losses),
        **{f"state_{name}": value for name, value in state.items()},
    }
    temporary = path.with_name(path.name + ".part.npz")
    try:
        np.savez(temporary, **arrays)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_checkpoint(path, key, progress, state):
    """
    Bring a descent to where it was; nothing happens if there is no file.

    Parameters
    ----------
    path, key, progress, state
        As in `write_checkpoint`; the last two are changed.

    Raises
    ------
    ValueError
        If the file is none, is damaged, or belongs to something else.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"checkpoint must end in '.npz', got {str(path)!r}.")
    if not path.exists():
        if not path.parent.is_dir():
            raise ValueError(f"checkpoint: there is no folder '{path.parent}'.")
        return
    arrays = _arrays(path)
    if str(arrays.get("key")) != key or arrays.get("version") != _VERSION:
        raise ValueError(
            f"checkpoint {path} belongs to another training (of another task, network, "
            "seed or plan). Delete it, or choose another file."
        )
    for name in state:
        state[name] = arrays[f"state_{name}"]
    progress.parameters, progress.best = arrays["parameters"], arrays["best"]
    progress.best_loss = float(arrays["best_loss"])
    progress.number, progress.elapsed = int(arrays["number"]), float(arrays["elapsed"])
    progress.losses = arrays["losses"].tolist()
    pairs = arrays["validation_steps"].tolist(), arrays["validation_losses"].tolist()
    progress.validation = list(zip(*pairs, strict=True))


def _arrays(path):
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"checkpoint {path} is damaged or something else ({error}). Delete it, or "
            "choose another file."
        ) from error
