"""What a fit minimises: differences of traces, or how unlikely spikes are."""

from dataclasses import dataclass, field

import numpy as np
from brian2.units.allunits import mvolt, second
from brian2.units.stdunits import ms

from ...arguments import (
    check_flag,
    check_mapping,
    check_number,
    check_numbers,
    check_positive,
)

__all__ = ["SpikeLikelihood", "TraceLoss", "check_loss"]


@dataclass(frozen=True)
class TraceLoss:
    r"""
    Mean square of the difference between recorded and simulated traces.

    Parameters
    ----------
    t_start : `Quantity`, optional
        What is before does not count.
    scale : dict of str to `Quantity`, optional
        For every recorded variable a difference that counts as one; by default the
        standard deviation of the recording.
    forced : bool, optional
        Whether the neurons are reset at the recorded spikes and not at their own ones
        (needs recorded spikes). By default they run freely.

    Raises
    ------
    ValueError
        If `t_start` is negative or not finite.
    TypeError, DimensionMismatchError
        If `t_start` is no time, `scale` no dict or `forced` neither True nor False.

    Notes
    -----
    The loss is the sum over variables of :math:`\langle (y - y^*)^2\rangle/s^2`, with
    the mean over time steps and trials. Samples that are nan do not count.
    """

    t_start: object = field(default_factory=lambda: 0 * ms)
    scale: dict | None = None
    forced: bool = False

    def __post_init__(self):
        start = check_number("t_start", self.t_start, second, "a time")
        if not 0 <= start < float("inf"):
            raise ValueError(f"t_start must be at least 0*ms, got {self.t_start!r}.")
        check_mapping("scale", self.scale)
        check_flag("forced", self.forced)


@dataclass(frozen=True)
class SpikeLikelihood:
    r"""
    How unlikely recorded spikes are for a neuron that has fired them.

    The neuron is reset at the recorded spikes; what is between decides how likely each
    of them was. This loss has far fewer local minima than one of free-running spikes,
    and no derivative of the time of a spike is in it.

    Parameters
    ----------
    width : `Quantity`
        In the unit of the threshold's distance (`volt`): how much nearer to threshold
        the hazard is e times as high. Several are used one after another, each from
        where the search with the one before ended: a wide one leads from far away, a
        narrow one is exact for neurons without noise. A loss that is reported is that
        of the last one.
    rate : `Quantity`, optional
        The hazard at threshold.

    Raises
    ------
    ValueError
        If `width` or `rate` is not positive and finite.
    TypeError, DimensionMismatchError
        If one of them is no number, or `rate` no rate.

    Notes
    -----
    With the distance :math:`\theta` from threshold and
    :math:`u = \theta/w + \ln(r\,dt)` a neuron fires in a step with probability
    :math:`1/(1 + e^{-u})`, so that the hazard tends to :math:`r\,e^{\theta/w}` as dt
    gets small [1]_; all is computed in terms of :math:`u`, so that it is finite however
    far from threshold a neuron is. The loss is the negative logarithm of the likelihood
    per trial and second.

    References
    ----------
    .. [1] Pillow, J.W., Paninski, L., Uzzell, V.J., Simoncelli, E.P., Chichilnisky,
       E.J. (2005) Prediction and decoding of retinal ganglion cell responses with a
       probabilistic spiking model, J Neurosci 25:11003,
       https://doi.org/10.1523/JNEUROSCI.3305-05.2005.
    """

    width: object = field(default_factory=lambda: [1, 0.1] * mvolt)
    rate: object = field(default_factory=lambda: 1 / ms)

    forced = True

    def __post_init__(self):
        widths = np.atleast_1d(check_numbers("width", self.width, None))
        if widths.ndim != 1 or not widths.size or not np.all(0 < widths):
            raise ValueError(f"width must be positive, got {self.width!r}.")
        if not np.isfinite(widths).all():
            raise ValueError(f"width must be finite, got {self.width!r}.")
        check_positive("rate", self.rate, 1 / second, "a rate")


def check_loss(name, loss):
    """A loss, or an error."""
    if not isinstance(loss, TraceLoss | SpikeLikelihood):
        raise TypeError(
            f"{name} must be a TraceLoss() or a SpikeLikelihood(), got {loss!r}."
        )
    return loss
