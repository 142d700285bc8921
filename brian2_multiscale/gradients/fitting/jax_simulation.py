"""The simulation of a fit, and its derivatives, by JAX."""

import numpy as np
from brian2.core.network import Network

from ...codegen.straightline import names_in, parse_expression
from ...kinetics.differentiation import NotDifferentiableError
from ...optional import require
from ..network.network import DifferentiableNetwork
from ..rates import inlined
from ..surrogate_gradient import SurrogateGradient
from .losses import TraceLoss
from .simulation import Simulation

__all__ = ["JaxSimulation"]


class JaxSimulation(Simulation):
    """
    As `Simulation`, of traces between spikes that do not move.

    Every sample has its own derivatives here, which are added up afterwards: memory for
    all of them is needed.
    """

    def _make(self, loss, recorded):
        self._check(loss)
        jax = require("jax", "gradients", "GradientFitter.fit(..., backend='jax')")
        compared, self.summands = self.summands, []  # nothing is added up in the step
        self._objects(loss, [])
        self._begin()
        self.summands = compared
        names = [s.name for s in compared]
        self._compared = compared
        self.network = DifferentiableNetwork(
            Network(self.group),
            {self.group: list(self.model.parameters)},
            duration=self.duration,
            record={self.group: names},
            spike=SurrogateGradient("none"),
            namespace={},
        )
        labels = [f"{self.group.name}.{n}" for n in names]

        def traces(outputs):
            return jax.numpy.stack([outputs[label] for label in labels])

        self._jacobian = self.network.jacobian(traces, elementwise=True)

    def _check(self, loss):
        model = self.model
        if not isinstance(loss, TraceLoss):
            raise NotDifferentiableError(
                "backend='jax' compares traces: use loss=TraceLoss(), or "
                "backend='brian2' for the likelihood of spikes."
            )
        if model.threshold is not None and not loss.forced:
            raise NotDifferentiableError(
                "With backend='jax' spikes do not move with parameters: use "
                "TraceLoss(forced=True) with recorded spikes, or backend='brian2'."
            )
        for name, value in model.initial.items():
            if isinstance(value, str):
                used = names_in(inlined(parse_expression(value), model.equations))
                if used & set(model.parameters):
                    raise NotDifferentiableError(
                        f"param_init[{name!r}] = {value!r} depends on what is fitted, "
                        "which only backend='brian2' follows."
                    )

    def __call__(self, points):
        points = np.asarray(points, dtype=float)
        given = {
            f"{self.group.name}.{name}": self._spread(points[:, k])
            for k, name in enumerate(self.model.parameters)
        }
        values, slopes = self._jacobian(given)
        size = len(self.parameters)
        loss, gradient = np.zeros(self.count), np.zeros((self.count, size))
        matrix = np.zeros((self.count, size, size))
        for number, summand in enumerate(self._compared):
            if summand not in self.summands:
                continue
            weight = np.tile(summand.weight, self.count)
            rest = np.asarray(values[number]) - np.tile(summand.target, self.count)
            rows = [np.asarray(slopes[label][number]) for label in given]
            rows = np.array(rows[:size]).reshape(size, *rest.shape)
            loss += self._per_point(weight * rest**2)
            for i in range(size):
                gradient[:, i] += 2 * self._per_point(weight * rest * rows[i])
                for j in range(size):
                    matrix[:, i, j] += 2 * self._per_point(weight * rows[i] * rows[j])
        return loss, gradient, matrix

    def _per_point(self, array):
        return array.reshape(len(array), self.count, -1).sum(axis=(0, 2))
