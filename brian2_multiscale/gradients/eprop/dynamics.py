"""How the states of a neuron act on each other: in a step, on spikes, at a spike."""

import sympy as sp

from ...codegen.straightline import parse
from .checks import check_constant
from .numbers import NeuronNumbers
from .spike import reset_derivatives, spike_derivatives
from .step import step_derivatives

__all__ = ["OwnDynamics"]


class OwnDynamics:
    r"""
    Derivatives of what neurons of a group do by themselves.

    Parameters
    ----------
    group : `NeuronGroup`
    name : str
        Beginning of the names of the objects.
    surrogate : `SurrogateGradient`, optional
        Of the spikes; without it the group is a readout.
    jumps : bool or collection of str
        Variables whose jump at a spike counts as caused by the spike: all, none, some.

    Attributes
    ----------
    states : list of str
    step : dict of (str, str) to sympy expression
        :math:`\partial x_m / \partial x_n` of a time step; zeros are left out.
    spike : dict of str to sympy expression
        Derivative of the spike by the states after the step.
    reset : dict of (str, str) to sympy expression
        As `step`, for what happens after the synapses; nothing if there is no spike.
    jump : dict of str to sympy expression
        By how much a spike changes, or would change, a state.
    objects : list of `CodeRunner`
    """

    def __init__(self, group, name, surrogate=None, jumps=True):
        self.group, self.surrogate, self.jumps = group, surrogate, jumps
        self.states = sorted(group.equations.diff_eq_names)
        if surrogate is not None:
            changed = {n for n, _ in parse(group.event_codes.get("spike", ""))}
            self.states += sorted(group.equations.parameter_names & changed)
        check_constant(group, self.states)
        name, early = f"{name}_{group.name}", group.order - 0.5
        # After summed variables, before the state updater
        self._at_step = NeuronNumbers(group, f"{name}_step", "groups", early)
        self.objects = [self._at_step]
        if surrogate is None:
            return
        self._at_threshold = NeuronNumbers(
            group, f"{name}_threshold", "thresholds", early
        )
        self._at_reset = NeuronNumbers(group, f"{name}_reset", "resets", early)
        self._fired = NeuronNumbers(
            group,
            f"{name}_fired",
            "resets",
            early,
            template="reset",
            template_kwds={"eventspace_variable": group.variables["_spikespace"]},
            needed_variables=["_spikespace"],
        )
        self.objects += [self._at_threshold, self._at_reset, self._fired]

    def derive(self, run_namespace):
        """Derivatives of the present equations, as expressions of the group."""
        group, states = self.group, self.states
        self.step, self._program, self._refractory = step_derivatives(
            group, states, run_namespace
        )
        self.spike, self.jump = {}, {}
        self.reset = {(m, m): sp.S.One for m in states}
        if self.surrogate is not None:
            self.spike, self._threshold = spike_derivatives(
                group, states, self.surrogate, run_namespace
            )
            self.reset, self.jump = reset_derivatives(group, states, self.jumps)

    def publish(self, states, run_namespace):
        """
        Let the group compute the numbers, which the dicts then have the names of.

        Parameters
        ----------
        states : set of str
            Those that matter.
        run_namespace : dict
        """
        for kind in ("step", "reset", "spike", "jump"):
            values = getattr(self, kind)
            pairs = kind in ("step", "reset")
            kept = {
                k: v for k, v in values.items() if set(k if pairs else [k]) <= states
            }
            setattr(self, kind, kept)
        rows = {_name("step", key): value for key, value in self.step.items()}
        made = self._at_step.compute(
            rows, run_namespace, self._program, first=self._refractory
        )
        self.step = {key: made[_name("step", key)] for key in self.step}
        if self.surrogate is not None:
            self._publish_spike(run_namespace)

    def _publish_spike(self, run_namespace):
        at_spike = {
            _name("reset", key): value
            for key, value in self.reset.items()
            if value != int(key[0] == key[1])
        }
        otherwise = {
            _name("reset", key): sp.Integer(key[0] == key[1]) for key in self.reset
        }
        otherwise = {name: otherwise[name] for name in at_spike}
        values = {_name("spike", m): value for m, value in self.spike.items()}
        made = self._at_threshold.compute(
            values | otherwise, run_namespace, self._threshold, forced=at_spike
        )
        self._fired.compute(at_spike, run_namespace, forced=at_spike)
        values = {_name("jump", m): value for m, value in self.jump.items()}
        made |= self._at_reset.compute(values, run_namespace)
        self.reset = {k: made.get(_name("reset", k), v) for k, v in self.reset.items()}
        self.spike = {m: made[_name("spike", m)] for m in self.spike}
        self.jump = {m: made[_name("jump", m)] for m in self.jump}


def _name(kind, key):
    return "_".join(["_own", kind, *([key] if isinstance(key, str) else key)])
