"""What a fit found, and how to go on with it."""

from dataclasses import dataclass, field, replace

import numpy as np
from brian2.units.fundamentalunits import Quantity

from ...arguments import check_whole
from ...optional import require
from .script import script

__all__ = ["FitResult", "merged", "result_of"]


@dataclass
class FitResult:
    """
    What `GradientFitter.fit` found.

    Attributes
    ----------
    params : dict of str to `Quantity`
        The best point.
    loss : float
        There, of the last loss that was minimised.
    standard_errors : dict of str to `Quantity`
        From the curvature of the loss (not of the polish) at the best point, as if the
        model were right and what is left were independent noise, of its own strength
        in every recorded variable; nan where the loss does not depend on a parameter,
        or only on a combination of it with others.
    starts : dict of str to `Quantity`
        Where every start ended, arrays.
    losses : ndarray, shape (starts,)
    history : ndarray, shape (calls, starts)
        Best losses after every call.
    polish_history : ndarray, shape (calls, points)
        The same of the polish; empty without.
    evaluations, calls : int
        Simulations of one point, and runs of all points together.
    reasons : list of str
        Why every start ended.
    seconds : float
        That the search took, without the time in which code was made.
    preparation : float
        Seconds in which code was made.
    recipe : dict
        What `script` needs; not meant to be read.
    """

    params: dict
    loss: float
    standard_errors: dict
    starts: dict
    losses: np.ndarray
    history: np.ndarray
    polish_history: np.ndarray
    evaluations: int
    calls: int
    reasons: list
    seconds: float
    preparation: float
    recipe: dict = field(default_factory=dict, repr=False)

    def __str__(self):
        lines = [
            f"loss {self.loss:.4g} after {self.evaluations} simulations in "
            f"{self.seconds:.1f} s (and {self.preparation:.1f} s for code)"
        ]
        for name, value in self.params.items():
            lines.append(f"  {name} = {value} +- {self.standard_errors[name]}")
        return "\n".join(lines)

    def script(self, N=None):
        """
        The group with the fitted values, as a script.

        Parameters
        ----------
        N : int, optional
            Number of neurons. By default 1, of populations as many as in the fit.

        Returns
        -------
        str
            Python code that makes ``group``; inputs are parameters of it
            (``group.I``), or what arrives has to be said by `Synapses`.

        Raises
        ------
        ValueError
            If your own objects were fitted, which have no strings here.
        """
        size = None if N is None else check_whole("N", N)
        return script(self.recipe, self.params, size)

    def plot(self, axes=None):
        """
        How the losses of all starts went down.

        Parameters
        ----------
        axes : `matplotlib.axes.Axes`, optional

        Returns
        -------
        `matplotlib.axes.Axes`
        """
        if axes is None:
            pyplot = require("matplotlib.pyplot", "plot", "FitResult.plot()")
            axes = pyplot.subplots()[1]
        floor = np.nanmin(self.history[self.history > 0], initial=1)
        axes.semilogy(np.maximum(self.history, floor), color="0.7", lw=0.8)
        best = self.history.min(axis=1)
        axes.semilogy(np.maximum(best, floor), color="C0", lw=1.5, label="best")
        axes.set(xlabel="call", ylabel="loss")
        axes.legend(frameon=False)
        return axes


def result_of(box, dimensions, found, errors, polished=None, seconds=0.0, recipe=None):
    """
    What a search found, as quantities.

    Parameters
    ----------
    box : `~brian2_multiscale.numerics.transforms.Box`
    dimensions : dict of str to `Dimension`
        Of the parameters.
    found, polished : `~brian2_multiscale.numerics.minimum.Minimum`
        The second one, if there is one, has the last word.
    errors : ndarray, shape (parameters,)
        Standard errors in base units.
    seconds : float
    recipe : dict, optional
        Of the script of a fitted group.

    Returns
    -------
    FitResult
    """

    def quantities(values):
        return {
            name: Quantity(values[..., k], dim=dim)
            for k, (name, dim) in enumerate(dimensions.items())
        }

    best = found if polished is None else polished
    return FitResult(
        params=quantities(box.values(best.x)),
        loss=best.loss,
        standard_errors=quantities(errors),
        starts=quantities(box.values(found.points)),
        losses=found.losses,
        history=found.history,
        polish_history=np.empty((0, 0)) if polished is None else polished.history,
        evaluations=found.evaluations + (polished.evaluations if polished else 0),
        calls=found.calls + (polished.calls if polished else 0),
        reasons=found.reasons,
        seconds=seconds,
        preparation=0.0,
        recipe=recipe or {},
    )


def merged(results):
    """
    One result of searches that shared the starts of a fit.

    Parameters
    ----------
    results : list of FitResult

    Returns
    -------
    FitResult
        The best one, with what all of them did.
    """
    best = min(results, key=lambda r: r.loss)
    names = list(best.params)
    return replace(
        best,
        starts={n: _joined(r.starts[n] for r in results) for n in names},
        losses=np.concatenate([r.losses for r in results]),
        history=_side_by_side([r.history for r in results]),
        evaluations=sum(r.evaluations for r in results),
        calls=sum(r.calls for r in results),
        reasons=[reason for r in results for reason in r.reasons],
        seconds=max(r.seconds for r in results),
        preparation=max(r.preparation for r in results),
    )


def _joined(quantities):
    quantities = list(quantities)
    values = np.concatenate([np.asarray(q) for q in quantities])
    return Quantity(values, dim=quantities[0].dim)


def _side_by_side(histories):
    """Those that ended early stay where they were."""
    length = max(len(h) for h in histories)
    return np.concatenate(
        [np.pad(h, ((0, length - len(h)), (0, 0)), mode="edge") for h in histories],
        axis=1,
    )
