"""Plasticity of the neurons of a mesoscopic population."""

import numpy as np
import sympy as sp
from brian2.core.variables import Constant

from ..codegen.straightline import names_in, symbol
from ..mesoscopic.passenger import Passenger
from .rule import ProjectionError

__all__ = ["CarriedPlasticity", "carried_plasticity"]


def carried_plasticity(projection):
    """The plasticity of a projection that starts at populations."""
    if not projection.rule.releases:
        return NoPlasticity()
    if projection.closure == "poisson":
        from .poisson import PoissonPlasticity

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
            symbol(n): symbol(f"_{self.prefix}_{n}") for n in projection.source_parameters
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
        self._constants = self._external_names()
        self.group = source
        source.add_passenger(self.passenger, self._arrays(source), self)

    def _external_names(self):
        names = set()
        rule = self.projection.rule
        for e in [*rule.rates.values(), *rule.jumps.values(), *rule.releases]:
            names |= names_in(e)
        return names - {*rule.plastic, *self.projection.source_parameters, "t", "dt"}

    def _arrays(self, source):
        """Parameters of the source populations, by name in generated code."""
        arrays = {}
        for name, values in self.projection.source_parameters.items():
            full = np.full(len(source), np.asarray(values)[0])
            full[self.projection.source.populations] = np.asarray(values)
            arrays[f"_{self.prefix}_{name}"] = full
        return arrays

    def constants(self, run_namespace):
        """Numbers for the names that are neither variables nor parameters."""
        group = self.projection.source.whole
        found = {}
        for name in self._constants:
            if name in (self.projection.namespace or {}):
                value = self.projection.namespace[name]
                found[symbol(name)] = sp.Float(float(np.asarray(value)), 17)
                continue
            variable = group.resolve(name, run_namespace)
            if not isinstance(variable, Constant):
                raise ProjectionError(
                    f"The plasticity of {self.projection.name!r} uses '{name}', which "
                    "must be a constant or a parameter of the projection's model."
                )
            found[symbol(name)] = sp.Float(float(variable.get_value()), 17)
        return found

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
        self.passenger.numbers = self.constants(run_namespace)
