"""Plasticity of the neurons of a mesoscopic population."""

import numpy as np

from ..codegen.straightline import symbol
from ..mesoscopic.passenger import Passenger
from .constants import constants_of
from .poisson import PoissonPlasticity
from .rule import ProjectionError

__all__ = ["CarriedPlasticity", "carried_plasticity"]


def carried_plasticity(projection):
    """The plasticity of a projection that starts at populations."""
    if not projection.rule.releases:
        return NoPlasticity()
    if projection.closure == "poisson":
        return PoissonPlasticity(projection)
    return CarriedPlasticity(projection)


class NoPlasticity:
    """Every spike releases 1."""

    objects = ()


class CarriedPlasticity:
    """
    Plasticity as moments that the cohorts of the source carry.

    Attributes
    ----------
    group : Group
        Has what is released in a step (see `released`).
    """

    objects = ()

    def __init__(self, projection):
        self.projection, rule = projection, projection.rule
        source = projection.source.whole
        self.prefix = projection.name
        given = {
            symbol(n): symbol(f"_{self.prefix}_{n}")
            for n in projection.source_parameters
        }
        try:
            self.passenger = Passenger(
                self.prefix,
                {n: e.xreplace(given) for n, e in rule.rates.items()},
                {n: e.xreplace(given) for n, e in rule.jumps.items()},
                [e.xreplace(given) for e in rule.releases],
                source.closure_order,
            )
        except ValueError as error:
            raise ProjectionError(
                f"The plasticity of {projection.name!r} cannot be carried by the "
                f"cohorts: {error} Make it part of the model of the group, or use "
                "spiking neurons."
            ) from error
        self.group = source
        source.add_passenger(self.passenger, self._arrays(source), self)

    def _arrays(self, source):
        """Parameters of the source populations, by name in generated code."""
        arrays = {}
        for name, values in self.projection.source_parameters.items():
            full = np.full(len(source), np.asarray(values)[0])
            full[self.projection.source.populations] = np.asarray(values)
            arrays[f"_{self.prefix}_{name}"] = full
        return arrays

    def mark(self, spikes, k):
        """Let every spike of the source carry what it releases; the variable."""
        return spikes.add_mark(
            f"{self.prefix}_released_{k}",
            self.passenger.release(k),
            self.passenger.square(k),
        )

    def released(self, k):
        """Names of the amount released in a step, and of the sum of its squares."""
        return self.passenger.amount(k), self.passenger.squares(k)

    def prepare(self, run_namespace):
        """Before the code of the source is made."""
        self.passenger.numbers = constants_of(self.projection, run_namespace)
