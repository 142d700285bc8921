"""Groups that compute a trained surrogate."""

import ast
from textwrap import dedent

import numpy as np
from brian2.core.clocks import Clock, defaultclock
from brian2.equations.equations import FLOAT, PARAMETER, Equations, SingleEquation
from brian2.groups.neurongroup import NeuronGroup
from brian2.units.allunits import second

from ..arguments import (
    as_equations,
    check_flag,
    check_handed_on,
    check_mapping,
    check_method,
    check_whole,
)
from .checks import check_input, check_spiking, check_variables
from .compact import CompactSurrogate
from .surrogate import Surrogate
from .updater import SurrogateUpdater

__all__ = ["SurrogateGroup"]


class SurrogateGroup(NeuronGroup):
    r"""
    Channels of a trained surrogate, in a network like any group.

    Parameters
    ----------
    N : int
        Number of channels (cells); each has its own input, state and output.
    surrogate : `CompactSurrogate`
        Trained. An `EncoderDecoderCNN` needs future samples and is refused: use its
        `apply` before the run.
    input : str or dict of str to str, optional
        Expression for the input (``'0.118*second*bm(t, i)'``), evaluated in every
        sample; with several inputs a dictionary. An input without an expression is a
        parameter of the group, for synapses, ``run_regularly`` or values.
    model : str or `Equations`, optional
        Further equations of the group, which may use inputs and outputs, for example
        those of the synaptic currents that are its input.
    method, threshold, reset, refractory, events, namespace : optional
        As in `NeuronGroup`: a threshold on the output makes spikes. A reset cannot
        change the output.
    dtype : dtype, optional
        Of all variables, and what the network is computed in: ``float32`` is about
        twice as fast as ``float64`` and exact to 1e-6 of the output's scale.
    strict : bool
        Stop the run when an input leaves the range of training; otherwise one warning
        is given (runtime: after the run; C++: when it happens).
    clock : `Clock`, optional
        With the surrogate's step as its ``dt``; by default the group makes one.
    order, name, codeobj_class : optional
        As in `NeuronGroup`.

    Attributes
    ----------
    <outputs>
        Read-only; they start at rest.
    <inputs>
        As computed, or as set.
    surrogate : `CompactSurrogate`

    Raises
    ------
    TypeError, ValueError, DimensionMismatchError
        If an argument makes no sense; before the run.
    FloatingPointError
        In a run, if an input or output becomes nan or infinite, with the time.
    BrianObjectException
        In a run with `strict`, caused by a ValueError that names input and range.

    Notes
    -----
    *Guarantees.* In every sample, the output at time t + dt is what
    ``surrogate.response`` gives for the inputs at times 0 ... t: numpy, Cython and C++
    agree to 1e-5 of the output's scale (`float32`: 1e-5 too, with short memories) and
    with `response` to 1e-6. It works in closed loops: the input may depend on the
    output. Equations of `model` see the new output.

    What Brian2's code strings write to an output (``on_pre='v_post += ...'``,
    ``run_regularly``) has no effect: the next sample overwrites it. Objects with a
    finer clock see the value of the end of a sample from its beginning on.

    *Cost.* One code object for all channels; with many channels loops over channels
    are vectorised, with few those over units.

    *Time.* The group runs with the surrogate's sample step, whatever
    ``defaultclock.dt`` is; one has to be a multiple of the other.

    See Also
    --------
    Surrogate.apply : The response to a known signal, before the run.
    CompactSurrogate.as_equations : The same as equations.

    Examples
    --------
    >>> from brian2 import *
    >>> from brian2_multiscale import *
    >>> bm = TimedArray(1e-6*sin(2*pi*1000*arange(2000)/20000.), dt=50*us)
    >>> cells = SurrogateGroup(20, Surrogate.load('ihc_verhulst2018'),
    ...                        input='0.118*bm(t)*metre')  # doctest: +SKIP
    """

    def __init__(
        self,
        N,
        surrogate,
        input=None,
        model=None,
        method=("exact", "exponential_euler", "euler"),
        threshold=None,
        reset=None,
        refractory=False,
        events=None,
        namespace=None,
        dtype=None,
        strict=False,
        clock=None,
        order=0,
        name="surrogategroup*",
        codeobj_class=None,
    ):
        check_whole("N", N)
        check_surrogate(surrogate)
        check_handed_on(name, namespace, dtype, None, clock, order, codeobj_class)
        check_method("method", method)
        check_mapping("events", events)
        refractory = check_spiking(threshold, reset, refractory)
        check_reset(reset, surrogate)
        check_variables([s.name for s in (*surrogate.inputs, *surrogate.outputs)])
        given = check_input(surrogate.inputs, input)
        object.__setattr__(self, "_written", frozenset())
        object.__setattr__(self, "surrogate", surrogate)
        super().__init__(
            N,
            own_equations(surrogate, given) + check_model(model, surrogate),
            method=method,
            threshold=threshold,
            reset=reset,
            refractory=refractory,
            events=events,
            namespace=namespace,
            dtype=dtype,
            clock=check_clock(clock, surrogate.step, name),
            order=order,
            name=name,
            codeobj_class=codeobj_class,
        )
        outputs = {signal.name: signal.rest for signal in surrogate.outputs}
        for output, rest in outputs.items():
            self.variables[output].set_value(np.full(N, rest))
        for signal in surrogate.inputs:
            if signal.name not in given and signal.rest:
                self.variables[signal.name].set_value(np.full(N, signal.rest))
        network = SurrogateUpdater(self, surrogate, check_flag("strict", strict))
        self.contained_objects.append(network)
        object.__setattr__(self, "_surrogate_updater", network)
        object.__setattr__(self, "_written", frozenset(outputs))
        self._protect(outputs)

    def _protect(self, outputs):
        """Setting outputs is an error, in parts and from subgroups, too."""
        written = {self.variables[name] for name in outputs}
        for variable in written:
            variable.read_only = True
        # C++: what Brian2 remembers of them is old after a run all the same
        object.__setattr__(self, "written_readonly_vars", written)

    def __setattr__(self, key, value, level=0):
        if key in self.__dict__.get("_written", ()):
            raise TypeError(
                f"'{key}' of {self.name!r} is computed by the surrogate and cannot be "
                "set; set its inputs."
            )
        super().__setattr__(key, value, level=level + 1)

    def before_run(self, run_namespace):
        check_ratio(self)
        super().before_run(run_namespace)

    def __repr__(self):
        return (
            f"<SurrogateGroup {self.name!r}: {len(self)} channels of {self.surrogate}>"
        )


def check_surrogate(surrogate):
    """A trained compact surrogate."""
    if not isinstance(surrogate, Surrogate):
        raise TypeError(
            "surrogate must be a trained surrogate (from train or Surrogate.load), got "
            f"{surrogate!r}."
        )
    if not isinstance(surrogate, CompactSurrogate):
        raise NotImplementedError(
            f"A {type(surrogate).__name__} computes a sample from samples that come "
            "after it, so it cannot be part of a running network, least of all of a "
            "closed loop, in which its input depends on its own output. If the input "
            "is known before the run, use v = surrogate.apply(signal), a TimedArray; "
            "else train a CompactSurrogate."
        )
    surrogate._check_trained("be simulated")


def check_reset(reset, surrogate):
    """A reset of an output would not reach the network, which goes on as before."""
    for node in ast.walk(ast.parse(dedent(reset or ""))):
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        for signal in surrogate.outputs:
            if signal.name in [getattr(target, "id", None) for target in targets]:
                raise ValueError(
                    f"reset sets {signal.name!r}, which the surrogate computes anew in "
                    "every sample: leave it out, or train a surrogate with feedback on "
                    "a model that has the reset."
                )


def own_equations(surrogate, inputs):
    """Inputs and outputs as variables of the group."""
    lines = []
    for signal in surrogate.inputs:
        given = f" = {inputs[signal.name]}" if signal.name in inputs else ""
        lines.append(f"{signal.name}{given} : {signal.unit}")
    outputs = [
        SingleEquation(PARAMETER, s.name, s.dim, var_type=FLOAT)
        for s in surrogate.outputs
    ]
    return Equations("\n".join(lines)) + Equations(outputs)


def check_model(model, surrogate):
    """Further equations, none of which is a signal of the surrogate."""
    if model is None:
        return Equations("")
    model = as_equations(model)
    for kind in ("inputs", "outputs"):
        for signal in getattr(surrogate, kind):
            if signal.name in model:
                fix = (
                    f"give it as input={{{signal.name!r}: ...}}"
                    if kind == "inputs"
                    else "call your variable by another name"
                )
                raise ValueError(
                    f"The model must not define {signal.name!r}, one of the {kind} of "
                    f"the surrogate: {fix}."
                )
    return model


def check_clock(clock, step, name):
    """A clock that ticks with the samples of the surrogate."""
    if clock is None:
        own = f"{name.rstrip('*')}_clock" + "*" * name.endswith("*")
        return Clock(dt=step, name=own)
    if abs(float(clock.dt) - float(step)) > 1e-9 * float(step):
        raise ValueError(
            f"clock has dt = {clock.dt}, the surrogate has samples of {step}: its "
            "clock must have that dt (by default the group makes its own clock)."
        )
    return clock


def check_ratio(group):
    """Samples and the steps of everything else must begin together."""
    step, dt = float(group.surrogate.step), float(defaultclock.dt)
    ratio = max(step, dt) / min(step, dt)
    if abs(ratio - round(ratio)) > 1e-6 * ratio:
        raise ValueError(
            f"The samples of the surrogate in {group.name!r} take "
            f"{group.surrogate.step}, and defaultclock.dt is {dt * second}: one must "
            "be a multiple of the other, for example "
            f"defaultclock.dt = {group.surrogate.step}."
        )
