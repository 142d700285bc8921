"""Coupling within a time step: kicks of a population to itself and others."""

from dataclasses import dataclass, field

import numpy as np
import sympy as sp
from brian2.core.variables import Constant
from brian2.equations.unitcheck import check_dimensions
from brian2.parsing.sympytools import sympy_to_str
from brian2.units.fundamentalunits import DIMENSIONLESS
from brian2.utils.stringtools import get_identifiers

from .evaluation import evaluate

__all__ = ["Instantaneous", "set_couplings"]


@dataclass
class Instantaneous:
    """
    A projection without delay between populations of one group.

    Attributes
    ----------
    name : str
    sources, targets : ndarray of int, shape (pairs,)
    weight : sympy expression
        Kick of one synapse.
    probability : ndarray, shape (pairs,)
        Of a synapse between two neurons.
    values : dict of str to ndarray, shape (pairs,)
        What the weight refers to, in base units.
    dimensions : dict of str to Dimension
        Of these values.
    namespace : dict or None
    """

    name: str
    sources: np.ndarray
    targets: np.ndarray
    weight: sp.Expr
    probability: np.ndarray
    values: dict = field(default_factory=dict)
    dimensions: dict = field(default_factory=dict)
    namespace: dict | None = None

    def strengths(self, group, namespace):
        """Kick per fired fraction of the sources, and number of synapses."""
        known = namespace if self.namespace is None else self.namespace
        self._check_unit(group, known)
        weight = evaluate(self.weight, group, known, self.values)
        number = self.probability * np.asarray(group.sizes, float)[self.sources]
        strength = np.broadcast_to(weight, number.shape) * number
        if not np.all(np.isfinite(strength)):
            raise ValueError(f"The weights of {self.name!r} are not finite.")
        return strength, np.where(self.probability < 1, number, 0.0)

    def _check_unit(self, group, namespace):
        code = sympy_to_str(self.weight)
        names = get_identifiers(code) - set(self.values)
        known = group.resolve_all(names, namespace, user_identifiers=names)
        given = {
            n: Constant(n, 1.0, self.dimensions.get(n, DIMENSIONLESS))
            for n in self.values
        }
        check_dimensions(code, group.variables[group.noisy.name].dim, known | given)


def set_couplings(group, couplings, namespace):
    """
    Fill the matrices of a group, one row per target.

    Where reset sets the voltage, whoever fires loses what exceeds the threshold; but in
    a synchronous event the kicks that follow count, unless the user said otherwise.
    """
    count = len(group.sizes)
    strength, synapses = np.zeros((count, count)), np.zeros((count, count))
    for coupling in couplings:
        kicks, numbers = coupling.strengths(group, namespace)
        place = coupling.targets, coupling.sources
        _check_mixture(coupling, strength[place], synapses[place], numbers)
        strength[place] += kicks
        synapses[place] = numbers
    excited = np.where(strength > 0, strength, 0).sum(axis=1)
    physical = group.keeps_kicks(excited.any())
    if physical:
        _check_size(group, excited)
    values = {
        "_strength": strength.ravel(),
        "_synapses": synapses.ravel(),
        "_physical": np.array([physical], dtype=np.int32),
    }
    for name, value in values.items():
        group.updater.variables[name].set_value(value)


def _check_mixture(coupling, strength, synapses, numbers):
    both = strength != 0
    if np.any(both & ((synapses > 0) | (numbers > 0))):
        raise ValueError(
            f"{coupling.name!r} and another projection without delay connect the same "
            "populations, and one of them is sparse (p < 1); join them, or give one a "
            "delay."
        )


def _check_size(group, total):
    """Nobody may fire twice in an event."""
    for k, grid in enumerate(group.grids):
        if total[k] >= grid.top - grid.reset:
            name = group.noisy.name
            raise ValueError(
                f"If all neurons fire, population {k} of {group.name!r} gets kicks of "
                f"{total[k]:g}, which is not less than from reset to threshold of "
                f"'{name}' ({grid.top - grid.reset:g}): neurons would fire for ever. "
                "Give a refractory period (or mfe_reset='clamp', or a delay)."
            )
