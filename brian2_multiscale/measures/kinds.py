"""The measures: names, units, tolerances."""

import math
import numbers
from dataclasses import dataclass

__all__ = ["MEASURES", "check_tolerances"]


@dataclass(frozen=True)
class Measure:
    """
    One quantity that scales are compared in.

    `relative`: ratio to the reference minus one, otherwise difference. `per`: what
    follows the population in the shape of the values: None, 'band' or 'lag'; 'pair' of
    populations takes its place.
    """

    name: str
    label: str
    unit: str
    tolerance: float
    relative: bool = True
    per: str = None


#: In the order of the report. Coefficients (of variation, of correlation) are compared
#: by their difference: they may be zero.
MEASURES = {
    m.name: m
    for m in (
        Measure("rate", "rate", "Hz", 0.01),
        Measure("variance", "variance", "Hz²", 0.05),
        Measure("spectrum", "spectrum", "Hz", 0.10, per="band"),
        Measure("autocorrelation", "autocorrelation", "", 0.05, False, "lag"),
        Measure("correlation", "correlation", "", 0.05, False, "pair"),
        Measure("isi_mean", "mean ISI", "s", 0.05),
        Measure("isi_cv", "CV of ISI", "", 0.05, False),
        Measure("event_rate", "event rate", "Hz", 0.10),
        Measure("event_interval", "event interval", "s", 0.05),
        Measure("event_cv", "CV of event intervals", "", 0.05, False),
    )
}


def check_tolerances(tolerances):
    """
    Tolerances of all measures: the given ones and the defaults.

    Raises
    ------
    TypeError, ValueError
        For unknown names and what is no positive number.
    """
    for name, value in dict(tolerances or {}).items():
        if name not in MEASURES:
            raise ValueError(
                f"tolerances has no measure {name!r}; known: {', '.join(MEASURES)}."
            )
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError(
                f"tolerances[{name!r}] must be a number without unit (0.05 is 5 %), "
                f"got {value!r}."
            )
        if not 0 < value < math.inf:
            raise ValueError(
                f"tolerances[{name!r}] must be positive and finite, got {value!r}."
            )
    defaults = {name: m.tolerance for name, m in MEASURES.items()}
    return defaults | dict(tolerances or {})
