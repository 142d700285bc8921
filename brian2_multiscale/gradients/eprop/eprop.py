"""Learning by eligibility traces: gradients of recurrent networks, forward in time."""

import numpy as np
from brian2.core.base import BrianObject
from brian2.groups.neurongroup import NeuronGroup
from brian2.synapses.synapses import Synapses

from ...arguments import check_choice, check_flag, check_name, check_number
from ..surrogate_gradient import SurrogateGradient
from .checks import (
    check_batch,
    check_clocks,
    check_direct,
    check_each,
    check_jumps,
    check_learnable,
    check_no_delay,
    check_period,
    check_signs,
    check_sources,
    check_texts,
    check_weight,
)
from .dynamics import OwnDynamics
from .names import whole
from .readout import LOSSES, Readout
from .traces import Traces
from .update import RULES, WeightUpdate

__all__ = ["EProp"]


class EProp(BrianObject):
    r"""
    Gradients of a spiking network by eligibility traces (e-prop).

    Every synapse carries the derivative of its neuron's own variables by the weight,
    moved by the derivative of the neuron's own numerical method. With a signal of the
    error of the readout it gives a gradient while the network runs: memory does not
    depend on the duration, and everything is Brian2's generated code (numpy, Cython,
    C++ standalone). Neither the network's variables nor its spikes are changed.

    Parameters
    ----------
    rec : `NeuronGroup` or list of `NeuronGroup`
        The spiking neurons that learn (whole groups; synapses may belong to parts).
    synapses : `Synapses` or list of `Synapses`
        Whose weights are to be learned: onto `rec`, and onto the output neurons if
        they are to learn, too. As many as wanted, with any delays.
    readout : `Synapses` or list of `Synapses`
        From (parts of) `rec` to a group of output neurons, without delay.
    target : str
        Expression for what the output should be, evaluated for each output neuron at
        the end of each step: ``'wanted(t, i)'`` with a `TimedArray`, or a parameter.
    surrogate : `SurrogateGradient`, optional
        The derivative of spikes.
    weight : str
        Name of the weight in all synapses.
    output : str, optional
        The variable of the output neurons; needed if they have several.
    loss : {'squared', 'cross_entropy'}
        Half of the squared error, or the cross entropy of the softmax of all output
        neurons and the target probabilities; summed over steps and output neurons.
    importance : str
        Expression that weighs the loss: ``'int(t > 300*ms)'``.
    feedback : str, `Synapses` or list of `Synapses`
        'symmetric': errors come back through the weights of the readout. Another string
        is an expression for weights of their own, ``'0.1*randn()'``, which become
        the variable ``w_feedback`` of the readout (random feedback); `Synapses` from
        the output neurons with a variable `weight` need not follow the readout.
    through_jumps : bool or list of str
        Whether what a spike does to its own neuron (the reset) depends on weights by
        the spike, too. True is the derivative of the network without the paths from
        neuron to neuron; with the names of an adaptation variable only (and not that of
        the voltage) it is the rule of Bellec et al.; False leaves out all jumps.
    trial : `Quantity`, optional
        Duration of a trial: traces start again from zero after each. Variables of the
        network are for you to set again: ``rec.run_regularly('v = 0', dt=trial)``.
    lr : `Quantity`, float or dict of `Synapses` to these, optional
        Learning rate; without it nothing is learned, gradients are only collected. With
        a dict, synapses that are not in it do not learn.
        In the unit of the weight for 'adam', of weight squared by loss for 'sgd'.
    optimizer : {'adam', 'sgd'}
    update_every : `Quantity`, optional
        Time between updates of the weights, a multiple of the trial: a batch of trials
        one after another. By default that of one trial, or of one step.
    sign : dict of `Synapses` to str, optional
        ``{S: '+'}``: weights stay positive (or negative), as Dale's law has it, which
        they must be at the start.
    name : str, optional

    Attributes
    ----------
    traces : list of `Traces`
        One for each of `synapses`.

    Raises
    ------
    NotDifferentiableError
        When made or when run, if something has no derivative that can be followed:
        weights that on_pre does not add to a variable with a differential equation,
        added terms that depend on the neuron's state, thresholds that are not one
        comparison, noise that depends on variables, readouts with delays, that are not
        linear, or whose neurons differ.
    ValueError, TypeError
        For objects that do not belong together, several clocks, unknown names.

    Notes
    -----
    Synapses get ``w_gradient`` (collected since the last update; see `gradient`) and
    ``w_eligibility`` (how the output would depend on the weight), output neurons
    ``y_error`` and ``y_loss``, for monitors. All belong to the end of a step.

    .. math:: \frac{dE}{dw_{ji}} = \sum_t L_j^t \bar e_{ji}^t,\quad
        e_{ji}^t = \psi(v_j^t)\,\epsilon_{ji}^t,\quad
        L_j^t = \sum_k B_{jk} (y_k^t - y_k^{*t})

    :math:`\bar e` is filtered as by the readout. The gradient is the exact one of a
    network in which spikes do not carry derivatives to other neurons of `rec`. What
    ``run_regularly`` does, or synapses that are not named, is not looked at: it must
    not depend on variables of `rec`, unless it begins a trial. A batch is a row of
    trials rather than copies of the network, which would need weights in common; it
    costs time only.

    References
    ----------
    Bellec, G., Scherr, F., Subramoney, A., Hajek, E., Salaj, D., Legenstein, R., Maass,
    W. (2020) A solution to the learning dilemma for recurrent networks of spiking
    neurons. Nature Communications 11, 3625, https://doi.org/10.1038/s41467-020-17236-y.

    Examples
    --------
    >>> from brian2 import *
    >>> from brian2_multiscale import *
    >>> inputs = PoissonGroup(20, 50*Hz)
    >>> rec = NeuronGroup(30, 'dv/dt = -v/(20*ms) : 1', threshold='v > 1',
    ...                   reset='v -= 1', method='exact')
    >>> out = NeuronGroup(1, 'dy/dt = -y/(20*ms) : 1', method='exact')
    >>> made = dict(model='w : 1', on_pre='v_post += w')
    >>> s_in, s_rec = Synapses(inputs, rec, **made), Synapses(rec, rec, **made)
    >>> s_out = Synapses(rec, out, 'w : 1', on_pre='y_post += w')
    >>> for s in (s_in, s_rec, s_out):
    ...     s.connect()
    ...     s.w = '0.1*randn()'
    >>> eprop = EProp(rec, [s_in, s_rec, s_out], s_out, 'sin(2*pi*t/(100*ms))',
    ...               trial=100*ms, lr=0.001)
    >>> run(2*second)  # doctest: +SKIP
    """

    add_to_magic_network = True

    def __init__(
        self,
        rec,
        synapses,
        readout,
        target,
        surrogate=None,
        weight="w",
        output=None,
        loss="squared",
        importance="1",
        feedback="symmetric",
        through_jumps=True,
        trial=None,
        lr=None,
        optimizer="adam",
        update_every=None,
        sign=None,
        name="eprop*",
    ):
        groups = _listed("rec", rec, NeuronGroup)
        synapses = _listed("synapses", synapses, Synapses)
        readout = _listed("readout", readout, Synapses)
        if not isinstance(feedback, str):
            feedback = _listed("feedback", feedback, Synapses)
        surrogate = SurrogateGradient() if surrogate is None else surrogate
        if not isinstance(surrogate, SurrogateGradient):
            raise TypeError(
                f"surrogate must be a SurrogateGradient, got {surrogate!r}."
            )
        check_texts(target=target, importance=importance, feedback=feedback)
        check_name("weight", weight)
        check_choice("loss", loss, tuple(LOSSES))
        check_choice("optimizer", optimizer, tuple(RULES))
        check_name("name", name)
        check_clocks([*groups, *synapses, *readout, readout[0].target])
        BrianObject.__init__(
            self,
            clock=groups[0].clock,
            when="before_start",
            order=-1_000_000,
            name=name,
        )
        for one in {*synapses, *readout}:
            check_weight(one, weight)
        output = check_direct(readout, output)
        check_sources(groups, synapses, readout)
        through_jumps = check_jumps(through_jumps, groups)
        self._periods = {"trial": trial, "update_every": update_every}
        self.trial, period = self._checked_periods()
        self._groups = [
            OwnDynamics(g, self.name, surrogate, through_jumps) for g in groups
        ]
        self.readout = Readout(
            readout, weight, output, target, importance, loss, feedback, self.name
        )
        self._groups.append(self.readout.dynamics)
        self.traces = [self._traces(s, weight) for s in synapses]
        parts = [o for d in self._groups[:-1] for o in d.objects]
        self.contained_objects.extend([*parts, *self.readout.objects, *self.traces])
        sign = check_each("sign", {} if sign is None else sign, synapses)
        self._signs = []
        if lr is not None:
            period = period or self.trial or float(self.clock.dt)
            self._learn(lr, optimizer, period, sign)

    def _checked_periods(self):
        pairs = self._periods.items()
        found = [check_period(name, value, self.clock) for name, value in pairs]
        check_batch(*found)
        return found

    def _traces(self, synapses, weight):
        group = whole(synapses.target)
        dynamics = next(d for d in self._groups if d.group is group)
        recurrent = whole(synapses.source) in [d.group for d in self._groups]
        return Traces(
            synapses, weight, dynamics, self.readout, self.trial, recurrent, self.name
        )

    def _learn(self, lr, optimizer, period, signs):
        synapses = [t.synapses for t in self.traces]
        rates = lr if isinstance(lr, dict) else dict.fromkeys(synapses, lr)
        for one in check_each("lr", rates, synapses):
            traces, sign = self._of(one), signs.get(one)
            check_learnable(one, traces.weight)
            check_choice("sign", sign, ("+", "-", None))
            rate = check_number("lr", rates[one], traces.unit_of_rate(optimizer))
            if not 0 < rate < np.inf:
                raise ValueError(f"lr must be positive and finite, got {rates[one]}.")
            if sign is not None:
                self._signs.append((one, traces.weight, sign))
            self.contained_objects.append(
                WeightUpdate(traces, optimizer, rate, period, sign, self.name)
            )

    def before_run(self, run_namespace):
        """
        Prepare the traces of a run.

        Parameters
        ----------
        run_namespace : dict
            As in Brian2.

        Raises
        ------
        NotDifferentiableError
            If something has no derivative that can be followed.
        ValueError
            If weights do not have the sign that they are to keep.
        """
        # First of all objects, so that they find the code that is made here; what the
        # user may have changed in the meantime is checked again
        self._checked_periods()
        check_no_delay(self.readout.synapses)
        for one in self._signs:
            check_signs(*one)
        wanted = {d.group.name: set() for d in self._groups}
        for d in self._groups:
            d.derive(run_namespace)
        wanted[self.readout.group.name] |= self.readout.choose()
        for traces in self.traces:
            wanted[traces.dynamics.group.name] |= traces.choose()
        for d in self._groups:
            d.publish(wanted[d.group.name], run_namespace)
        self.readout.check_linear()
        for traces in self.traces:
            traces.install()
        super().before_run(run_namespace)

    def gradient(self, synapses):
        """
        The derivative of the loss since the last update, by all weights.

        Parameters
        ----------
        synapses : `Synapses`

        Returns
        -------
        array
            One number for each synapse, in base units.

        Raises
        ------
        ValueError
            If it has no traces of these synapses.
        """
        traces = self._of(synapses)
        return np.array(synapses.state(traces.gradient, use_units=False)[:])

    def reset(self, traces=True, gradients=True):
        """
        Start again from zero.

        Parameters
        ----------
        traces : bool
            Forget the past, as before a new trial.
        gradients : bool
            Forget gradients that were collected.
        """
        check_flag("traces", traces)
        check_flag("gradients", gradients)
        for one in self.traces:
            one.clear(traces, gradients)

    def _of(self, synapses):
        for traces in self.traces:
            if traces.synapses is synapses:
                return traces
        known = ", ".join(repr(t.synapses.name) for t in self.traces)
        raise ValueError(f"synapses must be one of {known}, got {synapses!r}.")


def _listed(name, value, kind):
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not values or not all(isinstance(v, kind) for v in values):
        raise TypeError(
            f"{name} must be {kind.__name__} or a list of them, got {value!r}."
        )
    return values
