"""The cohorts of mesoscopic populations: neurons with the same last spike."""

import numpy as np
from brian2.core.variables import Variables
from brian2.equations.equations import (
    DIFFERENTIAL_EQUATION,
    PARAMETER,
    SUBEXPRESSION,
)
from brian2.groups.group import Group
from brian2.units.allunits import hertz, second
from brian2.units.fundamentalunits import DIMENSIONLESS

from ..codegen.directional import derivative_name
from .names import covariance_name

__all__ = ["Cohorts"]

#: Brian2's value for "has never fired"
_LONG_AGO = -1e4


class Cohorts(Group):
    """
    The cohorts of all populations of a `MesoscopicGroup`, as a group of their own.

    Every population has `size` elements: one per time step of the memory (a ring, in
    which nothing moves) and, last, the pool of all neurons that fired longer ago.

    Attributes
    ----------
    survivors
        Expected number of neurons in the cohort.
    survivors_variance
        How far the true number may be from the expected one.
    escape_rate
        Hazard (Hz) of a neuron at the mean of the cohort; with ``hazard=`` that at the
        end of the last step, averaged over the cohort.
    lastspike
        When the neurons of the cohort fired (s); -1e4 s in the pool.
    population
        Index of the population.
    <variables of the model>
        Means within the cohort; ``var_v``, ``cov_v_w``: (co)variances.
    """

    def __init__(self, owner, equations, roles, size, name):
        self.codeobj_class = owner.codeobj_class
        self.equations = equations
        self.size = size
        populations = len(owner)
        Group.__init__(
            self,
            clock=owner.clock,
            when=owner.when,
            order=owner.order,
            namespace=owner.namespace,
            name=name,
        )
        length = populations * size
        self.variables = Variables(self)
        self.variables.add_constant("N", length)
        self.variables.add_array(
            "i",  # as in the equations of the group
            length,
            dtype=np.int32,
            constant=True,
            read_only=True,
            values=np.repeat(np.arange(populations), size).astype(np.int32),
        )
        self.variables.add_array(
            "population",
            length,
            dtype=np.int32,
            constant=True,
            read_only=True,
            values=np.repeat(np.arange(populations), size).astype(np.int32),
        )
        self.variables.create_clock_variables(owner.clock)
        self._start, self._stop = 0, length
        self._add_model(owner, equations, roles)
        self._add_counts(owner, length)
        self._enable_group_attributes()

    start = property(lambda self: self._start)
    stop = property(lambda self: self._stop)
    _N = property(lambda self: self._stop)

    def _add_model(self, owner, equations, roles):
        for name, eq in equations.items():
            if name in roles.cohort:
                self.variables.add_array(
                    name, self._stop, dimensions=eq.dim, dtype=owner.dtype_of(name)
                )
            elif eq.type in (PARAMETER, DIFFERENTIAL_EQUATION):
                self._refer_to(owner, name)
            elif eq.type == SUBEXPRESSION:
                self.variables.add_subexpression(
                    name,
                    expr=str(eq.expr),
                    dimensions=eq.dim,
                    dtype=owner.dtype_of(name),
                )

        for name in equations.stochastic_variables:
            self.variables.add_auxiliary_variable(
                name, dimensions=(second**-0.5).dim, dtype=np.float64
            )

    def _refer_to(self, owner, name):
        index = "0" if owner.variables[name].scalar else "population"
        self.variables.add_reference(name, owner, name, index=index)

    def _add_counts(self, owner, length):
        first = np.zeros(length)
        first[self.size - 1 :: self.size] = owner.sizes
        v = self.variables
        v.add_array("survivors", length, values=first, dtype=np.float64)
        v.add_array("survivors_variance", length, dtype=np.float64)
        if owner.rule == "trapezoid":
            unknown = np.full(length, -1.0)
            v.add_array("escape_rate", length, dimensions=hertz.dim, values=unknown)
        else:
            v.add_subexpression(
                "escape_rate", expr=owner.hazard, dimensions=hertz.dim, dtype=float
            )
        v.add_array(
            "lastspike",
            length,
            dimensions=second.dim,
            values=np.full(length, _LONG_AGO),
            dtype=np.float64,
        )
        v.add_subexpression(
            "not_refractory",
            expr=f"t - lastspike >= {owner.refractory_expression}",
            dimensions=DIMENSIONLESS,
            dtype=bool,
        )

    def add_covariance(self, first, second, dimensions):
        """Array of a covariance within each cohort."""
        name = covariance_name(first, second)
        if name not in self.variables:
            self.variables.add_array(
                name, self._stop, dimensions=dimensions, dtype=float
            )

    def add_companion(self, name, direction, dim):
        """Array of a derivative by what has the dimensions ``dim``; its name."""
        label = derivative_name(name, direction)
        if label not in self.variables:
            dims = self.variables[name].dim / dim
            self.variables.add_array(label, self._stop, dimensions=dims)
        return label

    def __len__(self):
        return self._stop

    def __repr__(self):
        return (
            f"<Cohorts {self.name!r}: {self._stop} cohorts, {self.size} per population>"
        )
