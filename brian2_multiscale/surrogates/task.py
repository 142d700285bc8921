"""What a surrogate is to learn: a model, its inputs and outputs, and stimuli."""

import numpy as np
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity, get_dimensions, get_unit

from ..arguments import (
    check_choice,
    check_mapping,
    check_names,
    check_number,
    check_whole,
)
from ..callers import user_namespace
from .building import build_teacher
from .checks import check_different, check_variables
from .function_teacher import FunctionTeacher, fingerprint
from .stages import as_stage
from .stimulus import check_fraction
from .task_arguments import (
    input_units,
    positive_time,
    recorded,
    signal_units,
    task_recipes,
)
from .task_data import TaskData

__all__ = ["SurrogateTask"]


class SurrogateTask(TaskData):
    """
    A model, its inputs and outputs, and stimuli: all that training needs.

    The model itself makes the data, in Brian2. Every trial has a seed of its own, so
    data depend on nothing but the arguments.

    Parameters
    ----------
    model : str, `Equations` or `Mechanism`
        The teacher. A mechanism brings its constants, method, threshold, reset,
        refractoriness and initial values.
    input : str or list of str
        What the stimuli drive: a parameter of the equations (``x : metre``), or a name
        that they use without defining it.
    output : str or list of str, optional
        Variables or subexpressions; by default the output of the mechanism.
    stimuli : `Stimulus`, list or dict
        Recipes from `surrogates.stimuli`; trial k gets recipe k, counted cyclically.
        With several inputs a dictionary of lists. Stimuli are added to the rest of the
        input.
    step : `Quantity`
        Length of a sample.
    dt : `Quantity`, optional
        Time step of the model: `step`, or a whole fraction of it.
    duration : `Quantity`
        Of every trial.
    trials, validation_trials : int
        Validation has the same recipes with other seeds.
    held_out : `Stimulus`, list or dict, optional
        Other recipes, to test what was not trained: the split 'held_out', with
        `validation_trials` trials.
    interpolation : {'held', 'band-limited'}
        'held': the input is constant during a sample, and sample n of the output is the
        state at its end. 'band-limited': the input is resampled to `dt` (sound), and
        sample n of the output is the state after the first `dt` of sample n.
    through : `SurrogateTask` or callable, optional
        What the stimuli pass first: another model, whose outputs drive this one, in
        its order of outputs; or ``through(signals, step)``, an array (samples, trials,
        inputs) in base units to another. Stimuli are then for its inputs.
    rest : dict, optional
        Values of inputs at rest (default 0, or the rest of `through`). Values of
        outputs: only for a model without equilibrium; trials begin with `initial`.
    scale : dict, optional
        Values that replace the scales found from data, for inputs and outputs: what
        counts as one. With compression an input is linear below and logarithmic above.
    method, threshold, reset, refractory, namespace :
        As in `NeuronGroup`.
    initial : dict, optional
        Values of variables in the beginning, and of parameters.
    connect : callable, optional
        Gets the group of neurons and returns a list of further Brian2 objects that the
        model needs, or None.
    settle : `Quantity`
        How long the model may take to come to rest.
    name : str, optional
    seed : int

    Raises
    ------
    ValueError, TypeError, DimensionMismatchError
        Before anything runs: unknown names, wrong units, a `step` that is no multiple
        of `dt`, frequencies above half the sample rate, no stimuli. The state of rest
        and the data are computed when they are asked for.
    RuntimeError
        While `set_device('cpp_standalone')` is in effect: the teacher runs in Python.

    Examples
    --------
    >>> from brian2 import ms, mV
    >>> from brian2_multiscale.surrogates import SurrogateTask, stimuli
    >>> task = SurrogateTask('dv/dt = (I - v)/(10*ms) : volt', 'I', 'v', step=1*ms,
    ...                      stimuli=stimuli.Steps(amplitude=(1*mV, 20*mV)))
    """

    def __init__(
        self,
        model,
        input,
        output=None,
        *,
        stimuli,
        step,
        dt=None,
        duration=1 * second,
        trials=64,
        validation_trials=16,
        held_out=None,
        interpolation="held",
        through=None,
        rest=None,
        scale=None,
        method=None,
        threshold=None,
        reset=None,
        refractory=None,
        namespace=None,
        initial=None,
        connect=None,
        settle=10 * second,
        name=None,
        seed=0,
    ):
        check_choice("interpolation", interpolation, ("held", "band-limited"))
        check_mapping("namespace", namespace)
        step = positive_time("step", step)
        strings = {"method": method, "threshold": threshold, "reset": reset}
        self._teacher, dims = build_teacher(
            model,
            input,
            output,
            input_units(stimuli, through, check_names("input", input)),
            {**strings, "refractory": refractory},
            {**user_namespace(), **(namespace or {})},
            initial,
            step,
            step if dt is None else positive_time("dt", dt),
            interpolation == "held",
            connect,
        )
        self.interpolation = interpolation
        self._set_up(
            dims, stimuli, held_out, duration, trials, validation_trials, through
        )
        self._finish(rest, scale, positive_time("settle", settle), name, seed)

    @classmethod
    def from_function(
        cls,
        simulate,
        inputs,
        outputs,
        *,
        stimuli,
        step,
        duration=1 * second,
        trials=64,
        validation_trials=16,
        held_out=None,
        through=None,
        rest=None,
        scale=None,
        settle=1 * second,
        name=None,
        seed=0,
    ):
        """
        A Python function as teacher.

        Parameters
        ----------
        simulate : callable
            ``simulate(signals, step)``: numbers in base units of the shape (samples,
            trials, inputs) and the step in seconds, to (samples, trials, outputs);
            sample n may depend on inputs 0 to n. It begins in its state of rest.
        inputs, outputs : dict of str to `Unit`
            Names and units.
        **others
            As for `SurrogateTask`.
        """
        if not callable(simulate):
            raise TypeError(f"simulate must be a function, got {simulate!r}.")
        self = object.__new__(cls)
        dims = {**signal_units("inputs", inputs), **signal_units("outputs", outputs)}
        step = positive_time("step", step)
        self._teacher = FunctionTeacher(simulate, tuple(inputs), tuple(outputs), step)
        self.interpolation = "held"
        self._set_up(
            dims, stimuli, held_out, duration, trials, validation_trials, through
        )
        self._finish(rest, scale, positive_time("settle", settle), name, seed)
        return self

    @classmethod
    def from_data(
        cls, inputs, outputs, *, step, validation=0.2, rest=None, scale=None, name=None
    ):
        """
        Recorded signals instead of a model.

        Parameters
        ----------
        inputs, outputs : dict of str to `Quantity`, shape (samples, trials)
        step : `Quantity`
            Length of a sample.
        validation : float
            Fraction of the trials, the last ones, that is not trained (at least one).
        rest : dict, optional
            Values of inputs and outputs at rest; by default the median over trials of
            the first sample.
        scale, name
            As for `SurrogateTask`.
        """
        self = object.__new__(cls)
        check_mapping("rest", rest)
        check_fraction("validation", validation)
        arrays = [recorded("inputs", inputs), recorded("outputs", outputs)]
        dims = {n: get_dimensions(v) for n, v in {**inputs, **outputs}.items()}
        if arrays[0].shape[:2] != arrays[1].shape[:2] or arrays[0].shape[1] < 2:
            raise ValueError(
                "inputs and outputs must have the same samples and trials, and at "
                f"least two trials, got {arrays[0].shape[:2]} and "
                f"{arrays[1].shape[:2]} (samples, trials)."
            )
        names = tuple(inputs), tuple(outputs)
        self._teacher = FunctionTeacher(None, *names, positive_time("step", step))
        self._teacher.recorded = fingerprint(arrays)
        self.interpolation, self._through, self._recipes = "held", None, {}
        self.dims, trials = dims, arrays[0].shape[1]
        self.validation_trials = int(np.clip(round(validation * trials), 1, trials - 1))
        self.trials = trials - self.validation_trials
        self._samples = arrays[0].shape[0]
        first = {
            n: float(np.median(a[0, :, k]))
            for a, part in zip(arrays, names, strict=True)
            for k, n in enumerate(part)
        }
        self._finish({**self._quantities(first), **(rest or {})}, scale, None, name, 0)
        cut = {"training": slice(self.trials), "validation": slice(self.trials, None)}
        self._raw = {k: tuple(a[:, s] for a in arrays) for k, s in cut.items()}
        return self

    # -- made once -------------------------------------------------------------------
    def _set_up(self, dims, stimuli, held_out, duration, trials, validation, through):
        teacher = self._teacher
        self.dims = dims
        self._through = as_stage(through, stimuli, teacher.inputs, dims, teacher.step)
        self.trials = check_whole("trials", trials)
        self.validation_trials = check_whole("validation_trials", validation)
        self._samples = round(positive_time("duration", duration) / teacher.step)
        if self._samples < 2:
            raise ValueError(f"duration must be two steps at least, got {duration}.")
        first = self._through or self
        self._recipes = {
            split: task_recipes(what, given, first.inputs, first.dims, teacher.step)
            for split, what, given in (
                ("training", "stimuli", stimuli),
                ("held_out", "held_out", held_out),
            )
            if given is not None or what == "stimuli"
        }
        self._recipes["validation"] = self._recipes["training"]

    def _finish(self, rest, scale, settle, name, seed):
        check_different([*self.inputs, *self.outputs])
        check_variables([*self.inputs, *self.outputs])
        check_mapping("rest", rest)
        check_mapping("scale", scale)
        self._given_rest = self._numbers("rest", rest)
        self._scale = self._numbers("scale", scale)
        if not all(0 < v < np.inf for v in self._scale.values()):
            raise ValueError(f"scale must be positive and finite, got {scale}.")
        if not isinstance(name, str | None):
            raise TypeError(f"name must be text or None, got {name!r}.")
        self._settle = settle
        self.name = name or " -> ".join([", ".join(self.inputs), *self.outputs[:1]])
        self.seed = check_whole("seed", seed, 0)
        self._raw, self._found_rest = {}, None

    def _numbers(self, what, given):
        unknown = sorted(set(given or {}) - set(self.dims))
        if unknown:
            raise ValueError(
                f"{what} has {unknown}, but inputs and outputs are {sorted(self.dims)}."
            )
        return {
            n: check_number(f"{what}[{n!r}]", v, get_unit(self.dims[n]))
            for n, v in (given or {}).items()
        }

    def _quantities(self, values):
        return {n: Quantity(v, dim=self.dims[n]) for n, v in values.items()}
