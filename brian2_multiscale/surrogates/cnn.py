"""The encoder-decoder network of Drakopoulos, Baby and Verhulst (2021)."""

import numpy as np

from ..arguments import check_choice, check_flag, check_whole
from ..numerics.surrogates.cnn import (
    CNNOptions,
    cnn_forward,
    cnn_multiply_adds,
    cnn_reach,
    cnn_shapes,
)
from .surrogate import Surrogate

__all__ = ["EncoderDecoderCNN"]


class EncoderDecoderCNN(Surrogate):
    r"""
    A convolutional network over windows of the signal: down in time, and up again.

    Layers of strided convolutions halve the number of samples, as many layers of
    transposed convolutions double it; each of these but the first also gets the
    encoding layer of its length. The last one is linear. Called so it is an
    architecture, which `train` fits to a `SurrogateTask`; the defaults are those of the
    paper's inner hair cell, see also `inner_hair_cell` and `nerve_fibre`.

    Parameters
    ----------
    layers, filters, kernel : int
        Layers that encode (and that decode), filters of each layer, samples that a
        filter sees (even).
    activation : 'tanh-sigmoid' or 'prelu'
        tanh in the encoder and the logistic function in the decoder; or
        :math:`\max(x, 0) + a \min(x, 0)` with a trained slope a per filter, the same
        for all samples.
    left, right, window : int
        The network computes `window` samples at once from those samples, `left` before
        and `right` after them; together a multiple of 2**layers.
    compression : 'asinh' or None
        Of the input.
    nonnegative : bool
        Cut the output at zero (rates).
    exact_rest : bool
        Subtract what the network computes for an input at rest, so that the output is
        at rest there, to the rounding of single precision. False leaves its own value,
        as in the paper.

    Notes
    -----
    *It needs the future*: an output depends on up to ``right*step`` of later input
    (more inside a window, if the layers reach that far, see `reach`). It can therefore
    only be used before a run, ``v = surrogate.apply(signal)`` and ``v(t, i)`` in
    equations; a `SurrogateGroup`, which steps along with the network and may depend on
    its own output, takes a `CompactSurrogate`.

    *Cost.* 265,216 multiplications with additions per sample for the inner hair cell:
    far more than its differential equations, which are faster once compiled. It pays
    in place of models that are much larger than their output.

    *Precision.* Computes in single precision; windows put together equal the network
    applied to the whole signal wherever the context is at least its `reach`. Before and
    after the signal the input is taken to be at rest.

    The architecture is written from the description in [1]_; the weights of the paper
    are not part of this package and cannot be used with it.

    References
    ----------
    .. [1] Drakopoulos, Baby and Verhulst (2021), Communications Biology 4:827,
       doi:10.1038/s42003-021-02341-5.
    """

    architecture = "cnn"

    def __init__(
        self,
        layers=3,
        filters=128,
        kernel=16,
        activation="tanh-sigmoid",
        left=256,
        right=256,
        window=2048,
        compression=None,
        nonnegative=False,
        exact_rest=True,
    ):
        super().__init__(
            layers=check_whole("layers", layers, high=20),
            filters=check_whole("filters", filters),
            kernel=_check_kernel(kernel),
            activation=check_choice("activation", activation, _ACTIVATIONS),
            left=check_whole("left", left, low=0),
            right=check_whole("right", right, low=0),
            window=check_whole("window", window),
            compression=check_choice("compression", compression, ("asinh", None)),
            nonnegative=check_flag("nonnegative", nonnegative),
            exact_rest=check_flag("exact_rest", exact_rest),
        )
        _check_length(self.shape)
        self._rest = None

    @classmethod
    def inner_hair_cell(cls, **options):
        """
        As in the paper for inner hair cells: 1,317,505 parameters.

        Parameters
        ----------
        **options
            That differ.
        """
        return cls(**options)

    @classmethod
    def nerve_fibre(cls, activation="prelu", **options):
        """
        As in the paper for auditory nerve fibres: 1,250,177 parameters.

        Parameters
        ----------
        activation : 'prelu' or 'tanh-sigmoid'
            The paper has the second for fibres of low spontaneous rate.
        **options
            That differ.
        """
        paper = {"layers": 14, "filters": 64, "kernel": 8, "nonnegative": True}
        paper |= {"left": 7936, "window": 8192, "right": 256}
        return cls(activation=activation, **{**paper, **options})

    @property
    def shape(self):
        """The `CNNOptions` of the mathematics."""
        names = CNNOptions.__annotations__
        return CNNOptions(**{name: self.options[name] for name in names})

    def shapes(self, n_in, n_out):
        return cnn_shapes(self.shape, n_in, n_out)

    @property
    def multiply_adds(self):
        """Multiplications with additions per sample of output, without the context."""
        ways = len(self.inputs) or 1, len(self.outputs) or 1
        return cnn_multiply_adds(self.shape, *ways)

    @property
    def reach(self):
        """Samples before and after it that a sample of output can depend on.

        Without windows; with them no further than to the end of their context.
        """
        return cnn_reach(self.shape)

    @property
    def rest_error(self):
        """What the network adds to the outputs at rest: dict of str to `Quantity`.

        The largest deviation over a window, which `exact_rest` subtracts.
        """
        self._check_trained("have a state of rest")
        found = np.abs(self._at_rest().astype(float)).max(axis=0)
        pairs = zip(self.outputs, found, strict=True)
        return {o.name: o.quantity(o.scale * value) for o, value in pairs}

    @property
    def equations(self):
        """Not available.

        Raises
        ------
        NotImplementedError
        """
        raise NotImplementedError(
            "An EncoderDecoderCNN has no equations: it needs later input "
            f"(it {self._ahead()}). Use v = surrogate.apply(signal) before the run and "
            "v(t, i) in equations, or train a CompactSurrogate."
        )

    def with_parameters(self, inputs, outputs, step, parameters, meta=None):
        made = super().with_parameters(inputs, outputs, step, parameters, meta)
        made.parameters = {k: v.astype(np.float32) for k, v in made.parameters.items()}
        made._rest = None  # of other parameters
        return made

    with_parameters.__doc__ = Surrogate.with_parameters.__doc__

    def _forward(self, z):
        y = cnn_forward(self.parameters, self.shape, z)
        if self.options["exact_rest"]:
            rest = self._at_rest()
            for start in range(0, len(y), len(rest)):
                part = y[start : start + len(rest)]
                part -= rest[: len(part), None]
        return y

    def _at_rest(self):
        """Output for an input at rest over one window, (window, outputs)."""
        if self._rest is None:
            shape = self.shape
            silence = np.zeros((shape.window, 1, len(self.inputs)), dtype=np.float32)
            self._rest = cnn_forward(self.parameters, shape, silence)[:, 0]
        return self._rest

    def _ahead(self):
        right = self.options["right"]
        time = f" = {right * self.step}" if self.trained else ""
        return f"looks {right} samples{time} ahead"

    def __repr__(self):
        return f"{super().__repr__()[:-1]}, {self._ahead()}>"


_ACTIVATIONS = ("tanh-sigmoid", "prelu")


def _check_kernel(kernel):
    kernel = check_whole("kernel", kernel, low=2)
    if kernel % 2:
        raise ValueError(
            f"kernel must be an even number of samples, got {kernel}: with stride 2 "
            f"only those can be centred. Use {kernel + 1}."
        )
    return kernel


def _check_length(shape):
    unit = 2**shape.layers
    if shape.length % unit:
        window = shape.window + -shape.length % unit
        raise ValueError(
            f"left + window + right must be a multiple of 2**layers = {unit}, got "
            f"{shape.left} + {shape.window} + {shape.right} = {shape.length}. "
            f"Use window={window}."
        )
