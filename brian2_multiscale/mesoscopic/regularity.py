r"""How regularly the neurons of a population fire, as their targets hear it.

A neuron that listens to a random part of a population hears spike trains that are more
regular than a Poisson process: after a spike the same source is silent for a while.
Its private input is therefore noise with a *hole*: every random impulse is followed by
an exponential of opposite sign, so that the spectrum falls from the rate r at high
frequencies to :math:`r\,CV^2` at low ones (the value of a renewal process), with the
hole as deep as the rate right after a spike (a neuron never fires twice at once). With
the coefficient of variation CV of the intervals,

.. math:: \kappa = 2r/(1 + CV),\quad \beta = 2r/(1 - CV^2)

are the depth of the hole and the rate at which it fills up. The mean and mean square
of the age at which neurons fire come from the cohorts, averaged over one second.
"""

import sympy as sp

from ..codegen.straightline import symbol

__all__ = ["ARRAYS", "after", "cohort"]

#: Arrays per population
ARRAYS = (
    "_rate_now",
    "_pool_age",
    "_pool_age_squared",
    "_fired_mean",
    "_age_mean",
    "_age_squared_mean",
    "_hole_depth",
    "_hole_filling",
)

# Time constants of the averages of the rate and of the ages
_FAST, _SLOW = sp.Rational(3, 1000), sp.S.One
# A process as irregular as Poisson's has no hole at all
_MOST_IRREGULAR = sp.Rational(96, 100)
_TINY = sp.Float(1e-37)  # not 0 in single precision either

_clip = sp.Function("clip", real=True)
_int = sp.Function("int", real=True)


def cohort(tag):
    """Ages at which neurons fire; those in the pool are added later."""
    age, weight = symbol(f"{tag}_age"), symbol(f"{tag}_w")
    young = _int(symbol("lastspike") > symbol("t") - symbol("_oldest"))
    statements = [
        (f"{tag}_young", young),
        (age.name, (symbol("t") - symbol("lastspike")) * symbol(f"{tag}_young")),
    ]
    return statements, {
        "young": weight * symbol(f"{tag}_young"),
        "age": weight * age,
        "age_squared": weight * age * age,
    }


def after():
    """Averages, and the hole that follows from them."""
    s, dt = symbol, symbol("dt")
    old = s("_sum_expected") - s("_sum_young")
    statements = [
        ("_age_now", s("_sum_age") + old * s("_pool_age")),
        ("_age_squared_now", s("_sum_age_squared") + old * s("_pool_age_squared")),
    ]
    for mean, now in (
        ("_fired_mean", s("_sum_expected")),
        ("_age_mean", s("_age_now")),
        ("_age_squared_mean", s("_age_squared_now")),
    ):
        statements.append((mean, s(mean) + (now - s(mean)) * dt / _SLOW))
    square = s("_age_squared_mean") * s("_fired_mean") / (s("_age_mean") ** 2 + _TINY)
    rate = s("_count") / (s("_size") * dt)
    statements += [
        (
            "_rate_now",
            s("_rate_now") + (rate - s("_rate_now")) * (1 - sp.exp(-dt / _FAST)),
        ),
        ("_cv_squared", _clip(square - 1, sp.Rational(1, 100), _MOST_IRREGULAR)),
        ("_hole_depth", 2 * s("_rate_now") / (1 + sp.sqrt(s("_cv_squared"))) * dt),
        ("_hole_filling", 2 * s("_rate_now") / (1 - s("_cv_squared")) * dt),
    ]
    return statements + _older(dt)


def _older(dt):
    """The pool grows older by a step, and younger by those who join it."""
    s = symbol
    age, square, share = s("_pool_age"), s("_pool_age_squared"), s("_share")
    aged = square + 2 * age * dt + dt * dt
    return [
        ("_aged_squared", aged),
        (
            "_pool_age_squared",
            s("_aged_squared") + share * (s("_oldest") ** 2 - s("_aged_squared")),
        ),
        ("_aged", age + dt),
        (age.name, (1 - share) * s("_aged") + share * s("_oldest")),
    ]
