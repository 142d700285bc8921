"""How the surrogates that come with the package are trained: ``make weights``."""

import argparse
from pathlib import Path

from brian2.units.allunits import metre, nmetre, second
from brian2.units.stdunits import Hz, ms, mV, us

from ...mechanisms.mechanism import Mechanism
from ...numerics.filterbank import filterbank
from ..compact import CompactSurrogate
from ..sound import BM_GROWTH
from ..stimuli import Custom, SpeechLike, Tones
from ..task import SurrogateTask
from .sounds import long_motion, short_motion

__all__ = ["FIBRES", "RECIPES", "fibre_task", "hair_cell_task", "make"]

STEP = 50 * us

#: Spontaneous and peak release of the three kinds of nerve fibres
FIBRES = {
    "anf_hsr": {"sp": 68.5 * Hz, "PSR": 3000 * Hz},
    "anf_msr": {"sp": 10 * Hz, "PSR": 1000 * Hz},
    "anf_lsr": {"sp": 1 * Hz, "PSR": 800 * Hz},
}

#: Displacement of the hair bundle per velocity of the basilar membrane
BUNDLE = 0.118 * second


def hair_cell_task(trials=1024, duration=100 * ms, stimuli=None, seed=0, name="ihc"):
    """
    Hair-bundle displacement to potential of the inner hair cell.

    Parameters
    ----------
    trials : int
    duration : `Quantity`
    stimuli : list of `Stimulus`, optional
    seed : int
    name : str
    """
    # Velocities of 4 nm/s to 25 um/s: 0 to 100 dB SPL and a little more
    weakest, strongest = 0.5 * nmetre, 3000 * nmetre
    levels = {"amplitude": (weakest, strongest)}
    sounds = Custom(function=short_motion, **levels)
    tones = Tones(frequency=(100 * Hz, 9000 * Hz), **levels)
    usual = [sounds, sounds, sounds, sounds, tones]
    return SurrogateTask(
        Mechanism("ihc_verhulst2018"),
        "x",
        "v",
        stimuli=stimuli or usual,
        held_out=Custom(amplitude=1 * metre, spread="uniform", function=speech_motion),
        step=STEP,
        dt=10 * us,
        duration=duration,
        trials=trials,
        validation_trials=64,
        interpolation="band-limited",
        scale={"x": 10 * nmetre},
        name=name,
        seed=seed,
    )


def speech_motion(random, times):
    """Synthetic speech of 30 to 90 dB SPL at a place, in metres of the hair bundle."""
    count, step = len(times), times[1] - times[0]
    sound = SpeechLike(amplitude=1.0).draw(random, count, step)
    level, place = random.uniform(30, 90), 10 ** random.uniform(2.1, 3.9)
    pressure = 20e-6 * 10 ** (level / 20) * sound
    growth = list(BM_GROWTH), [float(v) for v in BM_GROWTH.values()]
    return float(BUNDLE) * filterbank(pressure, 1 / step, [place], *growth)[:, 0]


def fibre_task(name, trials=128, duration=0.8 * second, seed=0):
    """
    Potential of the inner hair cell to firing rate of a nerve fibre.

    Parameters
    ----------
    name : str
        A key of `FIBRES`.
    trials : int
    duration : `Quantity`
    seed : int
    """
    sounds = Custom(amplitude=3000 * nmetre, function=long_motion)
    return SurrogateTask(
        Mechanism("anf_three_store", **FIBRES[name]),
        "v",
        "f",
        stimuli=sounds,
        held_out=Custom(amplitude=1 * metre, spread="uniform", function=speech_motion),
        through=hair_cell_task(stimuli=[sounds]),
        step=STEP,
        duration=duration,
        trials=trials,
        validation_trials=16,
        scale={"v": 3 * mV},
        name=name,
        seed=seed,
    )


def make(name, report=None, **changes):
    """
    Train one of the surrogates that come with the package.

    Parameters
    ----------
    name : str
        A key of `RECIPES`.
    report : str, optional
    **changes
        Arguments of `train` that differ.
    """
    from ..training import train  # which needs JAX

    task, architecture, options = RECIPES[name]
    return train(task(), architecture, report=report, **{**options, **changes})


def _fibre(name):
    architecture = CompactSurrogate(
        8, 3, gated=True, compression=None, nonnegative=True
    )
    options = {"steps": 1500, "slowest": 0.5 * second, "balance": 0.1, "batch": 8}
    return (lambda: fibre_task(name)), architecture, options


#: Name: function that makes the task, architecture, arguments of `train`
RECIPES = {
    "ihc_verhulst2018": (
        hair_cell_task,
        CompactSurrogate(8, 2),
        {"steps": 12000, "batch": 32, "slowest": 20 * ms},
    ),
    **{name: _fibre(name) for name in FIBRES},
}


def main():
    parser = argparse.ArgumentParser(description="Train surrogates of the package.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(RECIPES)}; or all")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    for name in arguments.names or RECIPES:
        made = make(name, report="text")
        made.save(arguments.folder / f"{name}.npz")
        print(name, made.meta["metrics"])


if __name__ == "__main__":
    main()
