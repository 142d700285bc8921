"""Which scales a model admits, and why not the others."""

from ..density.group import DensityGroup
from ..hybrid.group import HybridGroup
from ..mesoscopic.group import MesoscopicGroup
from ..spiking.group import SpikingGroup

__all__ = ["AdmissibleScales", "admissible_scales"]

_WRONG = (TypeError, ValueError, NotImplementedError)


class AdmissibleScales(tuple):
    """
    Names of the scales that a model admits; printed, also why not the others.

    Attributes
    ----------
    reasons : dict of str
        By scale that is not admitted: what would have to be different.
    """

    def __new__(cls, names, reasons):
        self = super().__new__(cls, names)
        self.reasons = dict(reasons)
        return self

    def __getnewargs__(self):
        return tuple(self), self.reasons

    def __repr__(self):
        scales = ", ".join(self) or "none"
        lines = [f"The model can be simulated at the scales: {scales}."]
        for why in dict.fromkeys(self.reasons.values()):
            names = [name for name, reason in self.reasons.items() if reason == why]
            lines.append(f"Not {', '.join(names)}: {why}")
        return "\n".join(lines)

    __str__ = __repr__


def admissible_scales(model, threshold=None, reset=None, refractory=False, hazard=None):
    """
    Say which scales a model admits.

    Parameters
    ----------
    model : str or `Equations`
    threshold, reset, refractory, hazard : optional
        As in `population`.

    Returns
    -------
    AdmissibleScales
        Some of 'spiking', 'mesoscopic', 'density', 'hybrid', in this order. Its
        `reasons` say what excludes the others.

    Raises
    ------
    TypeError, ValueError
        If these are no equations of a model at all.

    Notes
    -----
    Only the strings are looked at. Units and values of constants are checked when a
    group is made or run, and limits of the theory do not show in strings:
    `compare_scales` measures how good a scale is for a model.

    Examples
    --------
    >>> found = admissible_scales('dv/dt = -v/tau + sigma*xi*tau**-0.5 : 1',
    ...                           threshold='v > 1', reset='v = 0')
    >>> list(found)
    ['spiking', 'density', 'hybrid']
    >>> print(found.reasons['mesoscopic'])  # doctest: +ELLIPSIS
    threshold='v > 1' is not of the form rand() < .... ...
    """
    names, reasons = [], {}
    for name, check in _CHECKS.items():
        try:
            check(model, threshold, reset, refractory, hazard)
        except _WRONG as error:
            # Not even neurons; what no population can do is a reason for all scales
            if name == "spiking" and not isinstance(error, NotImplementedError):
                raise
            reasons[name] = str(error)
        else:
            names.append(name)
    return AdmissibleScales(names, reasons)


def _spiking(model, threshold, reset, refractory, hazard):
    SpikingGroup.check_strings(model, threshold, hazard, reset, refractory)


def _mesoscopic(model, threshold, reset, refractory, hazard):
    MesoscopicGroup.check_strings(model, threshold, hazard, reset, refractory)


def _density(model, threshold, reset, refractory, hazard):
    if hazard is not None:
        raise ValueError(
            f"hazard='{hazard}' is escape noise; a density needs threshold='v > v_th' "
            "and white noise in the equation of the voltage (xi)."
        )
    DensityGroup.check_strings(model, threshold, reset, refractory)


def _hybrid(model, threshold, reset, refractory, hazard):
    _density(model, threshold, reset, refractory, hazard)
    HybridGroup.check_strings(model, threshold, reset, refractory)


_CHECKS = {
    "spiking": _spiking,
    "mesoscopic": _mesoscopic,
    "density": _density,
    "hybrid": _hybrid,
}
