"""Populations that are densities while quiet and neurons while synchronous."""

import numpy as np
from brian2.equations.equations import INTEGER, PARAMETER, Equations, SingleEquation
from brian2.units.allunits import hertz
from brian2.units.fundamentalunits import DIMENSIONLESS

from ..arguments import check_numbers
from ..density.group import DensityGroup
from ..mesoscopic.checks import check_time
from ..projections.rule import ProjectionError
from .neurons import Neurons
from .program import make_program
from .updater import HybridUpdater

__all__ = ["HybridGroup"]

_ATTRIBUTES = {"mode", "neurons", "switch_up", "switch_down", "hold_steps"}


class HybridGroup(DensityGroup):
    r"""
    Populations that are densities while quiet, and neurons while they synchronise.

    The same arguments and variables as `DensityGroup`. A step in which the rate becomes
    too high for a density that ignores the coupling within the step, in which a kick of
    more than a bin arrives or in which spikes carry others along is taken back and done
    with `N` neurons; when these have been quiet for a while they become a density again
    [1]_.

    Parameters
    ----------
    N, model, threshold, reset, refractory, ... :
        As in `DensityGroup`; neurons and density obey the same equations. `method` is
        no choice here.
    switch_up : `Quantity`, optional
        Rate (Hz) per neuron from which on there are neurons; ``0*Hz`` means always. By
        default the rate at which the coupling moves a neuron in a time step by a third
        of what the noise does, ``sqrt(0.1*a/dt)/b`` with half the squared noise `a` and
        the kick `b` if all fire.
    switch_down : `Quantity`, optional
        Rate below which neurons become a density again; by default half of the other.
    hold : `Quantity`, optional
        How long the (smoothed) rate must have been below it; by default ten steps.

    Attributes
    ----------
    mode
        0: density, 1: neurons. All populations of a group change it together.
    neurons : `Neurons`
        The neurons as a group, with their voltages while they exist (else `nan`).

    Notes
    -----
    *Guarantees.* Sampling takes the midpoint quantiles of the density, which moves less
    than one neuron; the way back is the two-bin deposit without smoothing, which keeps
    the mean to rounding (but for neurons in the last half of a bin). Neurons obey the
    exact law of a step where the drift is linear and the noise additive, else the
    stochastic Heun method (weakly of second order for additive noise, else of first);
    that they may cross the threshold within a step is taken into account. Spikes that
    cause spikes in the same step are resolved exactly (see `Cascade`).

    *Resets.* With linear drift, neurons keep what exceeded the threshold in the rest of
    the step; with any other drift they wait at the reset. Every other neuron is
    refractory for one step more than the others, because spikes are in the middle of a
    step on average.
    With `match_dt` the raised threshold is also that of the neurons, so that they agree
    with the density.

    Without delay kicks must be all-to-all (``p=1``). The density `p` and the mean
    voltage are those of the neurons while these exist. `A` is that of infinitely many
    neurons in mode 0, and of `N` in mode 1. Which of the `spikes` belong to which of
    the `neurons` is not kept.

    References
    ----------
    .. [1] Du Y, Xie X, Zhou Z (2023). arXiv:2305.05915, doi:10.1137/23M1573276

    Examples
    --------
    >>> group = HybridGroup(10000, 'dv/dt = (I - v)/tau + sigma*xi*tau**-0.5 : 1',
    ...                     threshold='v > 1', reset='v = 0')
    >>> recurrent = Projection(group, group, on_pre='v_post += w', weights=0.7/10000)
    >>> modes = StateMonitor(group, 'mode', record=True)
    """

    def __init__(
        self,
        N,
        model,
        method="density",
        method_options=None,
        threshold=None,
        reset=None,
        refractory=False,
        switch_up=None,
        switch_down=None,
        hold=None,
        name="hybridgroup*",
        namespace=None,
        **options,
    ):
        self.switch_up, self.switch_down = _rates(switch_up, switch_down)
        self._hold = None if hold is None else check_time("hold", hold)
        self._neurons = None
        super().__init__(
            N,
            model,
            method=method,
            method_options=method_options,
            threshold=threshold,
            reset=reset,
            refractory=refractory,
            name=name,
            namespace=namespace,
            **options,
        )

    @staticmethod
    def _methods():
        return ("density",)

    def _population_model(self):
        mode = SingleEquation(PARAMETER, "mode", DIMENSIONLESS, INTEGER)
        return super()._population_model() + Equations([mode])

    def _make_updater(self):
        return HybridUpdater(self)

    def _take(self, N, model, *others):
        super()._take(N, model, *others)
        for name in sorted(_ATTRIBUTES & set(self._model.names)):
            raise ValueError(
                f"The model must not define a variable '{name}': that is a variable or "
                "attribute of the group. Call it by another name."
            )

    def check_instantaneous(self, coupling):
        if np.any(coupling.probability < 1):
            raise ProjectionError(
                f"{coupling.name!r} is sparse (p < 1) and without delay, but neurons "
                f"of {self.name!r} have no synapses of their own: kicks must be "
                "all-to-all. Give a delay of one time step, p=1, or a DensityGroup."
            )

    @property
    def hold_steps(self):
        """Quiet time steps before neurons become a density."""
        if self._hold is None:
            return 10
        return max(int(np.ceil(self._hold / float(self.clock.dt) - 1e-9)), 1)

    @property
    def neurons(self):
        """`Neurons`: voltages of the neurons while there are any."""
        if self._neurons is None:
            self._neurons = Neurons(self, f"{self.name}_neurons")
            self.contained_objects.append(self._neurons)
        return self._neurons

    def forget_neurons(self):
        """A density has been set: the next step begins with it."""
        v = self._updater.variables
        for name in ("_quiet", "_waiting", "_smoothed"):
            v[name].set_value(np.zeros(v[name].size))
        self.variables["mode"].set_value(np.zeros(len(self)))
        name = self.noisy.name
        self.neurons.variables[name].set_value(np.full(len(self.neurons), np.nan))

    def _late_parts(self):
        return [*super()._late_parts(), self.neurons]

    def make_program(self, run_namespace):
        return make_program(self, self._resolved(run_namespace))


def _rates(up, down):
    """Both in Hz, or None where they are found in the run."""
    up, down = _rate("switch_up", up), _rate("switch_down", down)
    if up is not None and down is None:
        down = up / 2
    if up is not None and up < down:
        raise ValueError(
            f"switch_up ({up:g} Hz) is less than switch_down ({down:g} Hz): the group "
            "would change its mode all the time."
        )
    return up, down


def _rate(name, value):
    if value is None:
        return None
    number = check_numbers(name, value, hertz, "a rate such as 100*Hz")
    if number.ndim > 0 or not 0 <= number < np.inf:
        raise ValueError(
            f"{name} must be one finite rate, zero or positive, got {value}."
        )
    return float(number)
