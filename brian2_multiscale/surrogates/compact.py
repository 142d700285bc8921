"""The compact recurrent surrogate."""

import numpy as np
from brian2.equations.equations import Equations

from ..arguments import check_choice, check_flag, check_whole
from ..numerics.surrogates.compact import (
    CompactOptions,
    compact_forward,
    compact_shapes,
)
from .checks import check_input
from .formula import equations
from .surrogate import Surrogate

__all__ = ["CompactSurrogate"]


class CompactSurrogate(Surrogate):
    r"""
    A small recurrent network: linear states between static nonlinearities.

    With the normalised input :math:`z` (compressed by asinh, zero at rest),

    .. math::

        u &= \tanh(W z + b) - \tanh b \\
        \tau \dot s &= B u - s, \quad q = (s, u), \quad
        u \leftarrow (\tanh(C q + c) - \tanh c)\,(1 + G q)
        \quad\text{in every block} \\
        y &= w u + w_s q

    Called so it is an architecture, which `train` fits to a `SurrogateTask`.

    Parameters
    ----------
    units : int
        Width of the nonlinear layers.
    blocks : int
        How many times there are linear states and a nonlinearity behind them.
    states : int, optional
        Linear states per block; by default as many as `units`.
    gated : bool
        Multiply by :math:`1 + G q`, for models in which inputs are multiplied
        (depletion of stores). Without it, :math:`G = 0`.
    feedback : bool
        Let the network see its own previous output and predict the change per sample:
        for models that go on by themselves (spikes).
    compression : 'asinh' or None
        Of the input, which helps where it covers orders of magnitude.
    nonnegative : bool
        Cut the output at zero (rates).

    Notes
    -----
    *Guarantees.* The state of rest is exact. It is causal: sample n of the output
    depends on samples 0 ... n of the input. Without `feedback` it is stable for any
    parameters (time constants are positive, :math:`\tau = e^{\theta}`), and it can be
    used with any time step of the equations (see `equations`); its time constants
    ``surrogate.time_constants`` are those of the model as far as it has learned it.
    """

    architecture = "compact"

    def __init__(
        self,
        units=8,
        blocks=2,
        states=None,
        gated=False,
        feedback=False,
        compression="asinh",
        nonnegative=False,
    ):
        units = check_whole("units", units)
        super().__init__(
            units=units,
            blocks=check_whole("blocks", blocks),
            states=units if states is None else check_whole("states", states),
            gated=check_flag("gated", gated),
            feedback=check_flag("feedback", feedback),
            compression=check_choice("compression", compression, ("asinh", None)),
            nonnegative=check_flag("nonnegative", nonnegative),
        )

    @property
    def shape(self):
        """The `CompactOptions` of the mathematics."""
        return CompactOptions(
            **{name: self.options[name] for name in CompactOptions.__annotations__}
        )

    def shapes(self, n_in, n_out):
        return compact_shapes(self.shape, n_in, n_out)

    @property
    def multiply_adds(self):
        """Multiplications with additions per sample and channel, without tanh."""
        shapes = self.shapes(len(self.inputs) or 1, len(self.outputs) or 1)
        matrices = [shape for shape in shapes.values() if len(shape) == 2]
        decays = self.options["blocks"] * self.options["states"]
        return decays + sum(int(np.prod(shape)) for shape in matrices)

    @property
    def time_constants(self):
        """Time constants of every block, sorted: list of `Quantity`."""
        self._check_trained("have time constants")
        taus = [self.parameters[f"log_tau{k}"] for k in range(self.options["blocks"])]
        unit = self.step / float(self.step)
        return [np.sort(np.exp(tau.astype(float))) * unit for tau in taus]

    def _forward(self, z):
        y, _ = compact_forward(self.parameters, self.shape, z, float(self.step))
        return y

    def as_equations(self, input=None):
        """
        The same network as Brian2 equations, for use in any `NeuronGroup`.

        Parameters
        ----------
        input : str or dict of str to str, optional
            Expression for the input, as in `SurrogateGroup`; without it the input is
            a parameter of the group.

        Returns
        -------
        `Equations`
            With input and output under their names. The states of block k are
            ``s_k_0``, ``s_k_1``, ...; use ``method='exponential_euler'``, which is
            exact for what is constant over a step.

        Raises
        ------
        NotImplementedError
            With `feedback`.

        Notes
        -----
        The continuous limit is that of the surrogate for short samples; every block
        follows the one before it a time step later, so that the error is of first
        order in the time step. `SurrogateGroup` has no such delays and is faster.
        """
        self._check_trained("have equations")
        return Equations(equations(self, check_input(self.inputs, input)))

    @property
    def equations(self):
        """`as_equations` with the inputs as parameters."""
        return self.as_equations()
