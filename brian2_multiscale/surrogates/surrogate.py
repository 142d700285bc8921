"""What all trained surrogates have in common."""

import copy
from collections.abc import Mapping

import numpy as np
from brian2.input.timedarray import TimedArray
from brian2.units.allunits import second
from brian2.utils.logger import get_logger

from ..arguments import check_flag, check_mapping, check_path, check_positive
from . import files
from .checks import check_different, check_signals, check_task, shape_text
from .signals import Signal

__all__ = ["Surrogate"]

logger = get_logger(__name__)

_ARCHITECTURES = {}


class Surrogate:
    """
    A trained network in place of a model; the common part of all architectures.

    Make one by training an architecture (`CompactSurrogate`, `EncoderDecoderCNN`) on a
    `SurrogateTask` with `train`, or read one by `Surrogate.load`.

    Attributes
    ----------
    architecture : str
        'compact' or 'cnn'.
    options : dict
        What the architecture was made with.
    trained : bool
        An untrained surrogate is an architecture only and cannot compute anything.
    inputs, outputs : tuple of `Signal`
        Names, dimensions, rest, scale and trained range of the signals.
    step : `Quantity`
        Length of a sample.
    parameters : dict of str to ndarray
    meta : dict
        Where it comes from: hash of the model's equations, stimuli, seed, errors.
    history : dict or None
        Loss per training step, of a surrogate that was trained in this session.
    """

    architecture = None

    def __init_subclass__(cls, **kwds):
        super().__init_subclass__(**kwds)
        if cls.architecture is not None:
            _ARCHITECTURES[cls.architecture] = cls

    def __init__(self, **options):
        self.options = options
        self.inputs = self.outputs = ()
        self.step = self.parameters = self.history = None
        self.meta = {}
        self._told = set()

    # -- made by training ------------------------------------------------------------
    @property
    def trained(self):
        return self.parameters is not None

    def shapes(self, n_in, n_out):
        """Name and shape of every parameter."""
        raise NotImplementedError

    def with_parameters(self, inputs, outputs, step, parameters, meta=None):
        """
        A trained surrogate of this architecture; this object stays as it is.

        Parameters
        ----------
        inputs, outputs : sequence of `Signal`
        step : `Quantity`
            Length of a sample.
        parameters : dict of str to array
            With the names and shapes of `shapes`.
        meta : dict, optional
            JSON-able.

        Raises
        ------
        ValueError, TypeError, DimensionMismatchError
            If an argument makes no sense: a parameter is missing, has another shape or
            is not finite, ...
        """
        inputs = check_signals("inputs", inputs)
        outputs = check_signals("outputs", outputs)
        check_mapping("meta", meta)
        shapes = self.shapes(len(inputs), len(outputs))
        _check_parameters(parameters, shapes)
        check_different([signal.name for signal in (*inputs, *outputs)])
        made = copy.copy(self)
        made._told = set()
        made.inputs, made.outputs = inputs, outputs
        made.step = check_positive("step", step, second, "a time") * second
        made.parameters = {name: np.array(parameters[name]) for name in shapes}
        made.meta = dict(meta or {})
        return made

    @property
    def size(self):
        """Number of parameters (of an architecture: with one input and one output)."""
        shapes = self.shapes(len(self.inputs) or 1, len(self.outputs) or 1)
        return sum(int(np.prod(shape)) for shape in shapes.values())

    # -- files -----------------------------------------------------------------------
    def save(self, path):
        """
        Write it to a file: arrays and JSON, no Python objects.

        Parameters
        ----------
        path : path-like
            Ends in '.npz'. The file is complete or not there.

        Raises
        ------
        ValueError
            If it is not trained, or the path ends differently.
        """
        self._check_trained("save")
        description = {
            "architecture": self.architecture,
            "options": self.options,
            "inputs": [signal.to_dict() for signal in self.inputs],
            "outputs": [signal.to_dict() for signal in self.outputs],
            "step": float(self.step),
            "meta": self.meta,
        }
        files.write(check_path("path", path), self.parameters, description)

    @staticmethod
    def load(path):
        """
        Read a surrogate from a file, or one that comes with the package.

        Parameters
        ----------
        path : path-like
            A file, or a name: 'ihc_verhulst2018', 'anf_hsr', 'anf_msr', 'anf_lsr'.

        Returns
        -------
        Surrogate
            Of the class that was saved, with bit-identical parameters.

        Raises
        ------
        FileNotFoundError
            If there is no such file or name.
        SurrogateFileError
            (a `ValueError`) If the file is damaged, something else, or of a later
            version. Nothing in a file is ever executed.
        """
        path = check_path("path", path)
        parameters, found = files.read(path)
        try:
            blank = _ARCHITECTURES[found["architecture"]](**found["options"])
            signals = [[Signal.from_dict(s) for s in found[k]] for k in _SIGNALS]
            return blank.with_parameters(
                *signals, float(found["step"]) * second, parameters, found.get("meta")
            )
        except (KeyError, TypeError, ValueError) as error:
            raise files.SurrogateFileError(
                f"{path} does not fit together: {error!r}. It was changed by hand, or "
                "written by another version."
            ) from error

    # -- use -------------------------------------------------------------------------
    def response(self, signal, strict=False):
        """
        The output for a whole signal.

        Parameters
        ----------
        signal : `Quantity` or dict of str to `Quantity`
            One value per `step` and, as a second dimension, per channel; with several
            inputs a dictionary of such arrays.
        strict : bool
            Raise an error where the input leaves the range of training; a warning is
            given otherwise, once per surrogate and input.

        Returns
        -------
        `Quantity` or dict of str to `Quantity`
            Of the shape of the input; a dictionary if there are several outputs. Sample
            n is the value at the end of sample n of the input.

        Raises
        ------
        ValueError, DimensionMismatchError
            If units or shapes do not fit, or with `strict`.
        """
        self._check_trained("compute a response")
        raw, shape = self._signals(signal)
        for k, given in enumerate(self.inputs):
            self.check_range(given, raw[..., k], check_flag("strict", strict))
        y = self._forward(self._prepared(raw))
        found = {
            o.name: self._physical(o, y[..., k]) for k, o in enumerate(self.outputs)
        }
        found = {o.name: o.quantity(found[o.name].reshape(shape)) for o in self.outputs}
        return found if len(found) > 1 else found[self.outputs[0].name]

    def apply(self, signal, strict=False):
        """
        The output for a whole signal, for use in equations: ``v = response(t, i)``.

        Parameters
        ----------
        signal, strict
            As in `response`.

        Returns
        -------
        `TimedArray` or dict of str to `TimedArray`
            With `step` as its time step; one column per channel.
        """
        found = self.response(signal, strict)
        if isinstance(found, dict):
            return {k: TimedArray(v, dt=self.step) for k, v in found.items()}
        return TimedArray(found, dt=self.step)

    def evaluate(self, task, split="validation"):
        """
        Errors against the model on the signals of a task.

        Parameters
        ----------
        task : `SurrogateTask`
        split : str
            Which of its data: 'training', 'validation' or the name of a held-out set.

        Returns
        -------
        dict
            Per output, errors with their units; see `SurrogateTask`.
        """
        from .quality import evaluate  # which knows tasks

        self._check_trained("be evaluated")
        return evaluate(self, check_task(task), split)

    def _forward(self, z):
        """Normalised inputs (samples, channels, inputs) to normalised outputs."""
        raise NotImplementedError

    def _prepared(self, raw):
        parts = [s.normalised(raw[..., k]) for k, s in enumerate(self.inputs)]
        z = np.stack(parts, axis=-1)
        return np.arcsinh(z) if self.options.get("compression") == "asinh" else z

    def _physical(self, signal, y):
        values = signal.physical(np.asarray(y, dtype=np.float64))
        return np.maximum(values, 0) if self.options.get("nonnegative") else values

    def _signals(self, signal):
        """Numbers (samples, channels, inputs), and the shape of what was given."""
        names = [s.name for s in self.inputs]
        given = signal if isinstance(signal, Mapping) else {names[0]: signal}
        if set(given) != set(names):
            raise ValueError(
                f"signal must give {', '.join(names)}, got "
                f"{', '.join(map(str, given))}."
            )
        arrays = [s.values(given[s.name], f"signal {s.name}") for s in self.inputs]
        shape = arrays[0].shape
        if len({a.shape for a in arrays}) > 1 or len(shape) not in (1, 2):
            raise ValueError(
                "signal must have the shape (samples,) or (samples, channels), the "
                "same for all inputs, got "
                f"{', '.join(shape_text(given[n]) for n in names)}."
            )
        if not shape[0]:
            raise ValueError("signal must have at least one sample, it is empty.")
        channels = shape[1] if len(shape) == 2 else 1
        flat = np.stack(arrays, axis=-1).reshape(shape[0], channels, len(names))
        if not np.isfinite(flat).all():
            raise ValueError("signal must be finite, it has nan or infinite values.")
        return flat, shape

    def check_range(self, signal, values, strict=False):
        """Tell once, or raise, if values leave the range of training."""
        if not np.size(values):
            return
        low, high = float(np.min(values)), float(np.max(values))
        if low >= signal.low - signal.slack and high <= signal.high + signal.slack:
            return
        text = (
            f"The input {signal.name!r} goes from {signal.quantity(low)} to "
            f"{signal.quantity(high)}; the surrogate was trained for "
            f"{signal.range_text()} and may be far off elsewhere. Train it with "
            "stimuli of that range, or limit the input."
        )
        if strict:
            raise ValueError(text)
        if signal.name not in self._told:
            self._told.add(signal.name)
            logger.warn(text, name_suffix=f"range_{signal.name}")

    def _check_trained(self, what):
        if not self.trained:
            raise ValueError(
                f"An untrained {type(self).__name__} cannot {what}: use the result of "
                "train(task, surrogate), or Surrogate.load."
            )

    def __repr__(self):
        if not self.trained:
            return f"<{type(self).__name__}, untrained, {self.options}>"
        ways = [", ".join(s.name for s in signals) for signals in self._both]
        return (
            f"<{type(self).__name__} {ways[0]} -> {ways[1]}, step {self.step}, "
            f"{self.size} parameters>"
        )

    @property
    def _both(self):
        return self.inputs, self.outputs


_SIGNALS = ("inputs", "outputs")


def _check_parameters(parameters, shapes):
    if not isinstance(parameters, Mapping):
        raise TypeError(
            f"parameters must be a dict of names and arrays, got {parameters!r}."
        )
    missing = sorted(set(shapes) - set(parameters))
    unknown = sorted(set(parameters) - set(shapes))
    if missing or unknown:
        raise ValueError(
            f"parameters: missing are {missing or 'none'}, unknown are "
            f"{unknown or 'none'}."
        )
    for name, shape in shapes.items():
        values = np.asarray(parameters[name])
        if values.shape != shape:
            raise ValueError(
                f"parameter {name!r} must have the shape {shape}, got {values.shape}."
            )
        if not np.isfinite(values).all():
            raise ValueError(f"parameter {name!r} is not finite.")
