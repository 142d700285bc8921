"""The populations of Du_Xie_Zhou_2023.py: as particles, as a density, as both."""

import numpy as np
from brian2 import *

from brian2_multiscale import *

TAU = 20 * ms
GROUPS = {"density": DensityGroup, "hybrid": HybridGroup}
SCALES = ("particles", *GROUPS)

NEURON = """
dv/dt = (I - v)/tau + sqrt(2*a/tau)*xi : 1
kick : 1
J : 1
"""
# Exact step of the same equation. Between two time steps a voltage may cross the
# threshold and come back; the probability is that of a Brownian bridge.
PARTICLE = """
v : 1
limit : 1
kick : 1
"""
PARTICLE_STEP = """
before = v
v = I + (v - I)*exp(-dt/tau) + sqrt(a*(1 - exp(-2*dt/tau)))*randn()
crossed = rand() < exp(-(v_th - before)*(v_th - v)*tau/(a*dt))
limit = v_th - 1000*int(crossed)
"""


class Population:
    """
    Neurons with all-to-all coupling within the time step, and what they do.

    Parameters
    ----------
    scale : str
        One of SCALES, or 'stochastic'.
    N : int or list of int
        Neurons; several populations if a list, each coupled to itself.
    drive : str
        The current ``I`` as function of ``now``.
    a : float
        Variance of the voltage without threshold.
    coupling : float
        How far all spikes of a population together move it.
    initial : (float, float)
        Mean and variance of the voltages at the beginning.
    v_th, v_r : float
        Threshold and reset.
    clamp : bool
        Whether neurons that fire ignore the kicks of the same step.
    name : str
        Beginning of the names of all objects.
    **options
        Of densities: ``bins``, ``dt``; ``delay`` of the coupling; ``drift=True``
        replaces it by a current that follows the rate of the step before.
    """

    def __init__(
        self,
        scale,
        N,
        drive,
        a,
        coupling,
        initial,
        v_th=1.0,
        v_r=0.0,
        clamp=False,
        name=None,
        **options,
    ):
        self.scale, self.name, self.sizes = scale, name, np.atleast_1d(N)
        self.space = {"tau": TAU, "a": a, "v_th": v_th, "v_r": v_r}
        self.space |= {"mean": initial[0], "variance": initial[1]}
        # A spike moves the neurons of its own population only
        weights = np.where(np.eye(len(self.sizes)), coupling / self.sizes[:, None], 0)
        if scale == "particles":
            self._make_particles(drive, weights, clamp)
        else:
            self._make_density(drive, coupling, weights, clamp, **options)

    def _make_particles(self, drive, weights, clamp):
        middle = drive.replace("now", "(t + dt/2)")
        group = NeuronGroup(
            int(self.sizes.sum()),
            f"{PARTICLE}I = {middle} : 1",
            threshold="v > limit",
            reset="v = v_r" if clamp else "v -= v_th - v_r",
            namespace=self.space,
            name=self.name,
        )
        group.v = "mean + sqrt(variance)*randn()"
        group.run_regularly(PARTICLE_STEP, when="groups", name=f"{self.name}_step")
        ends = np.append(0, np.cumsum(self.sizes))
        parts = [group[i:j] for i, j in zip(ends[:-1], ends[1:], strict=True)]
        name = f"{self.name}_cascade"
        Cascade(parts, on_pre="v_post += w", weights=weights, name=name)
        rates = [
            PopulationRateMonitor(part, name=f"{self.name}_rate_{k}")
            for k, part in enumerate(parts)
        ]
        self.group, self.parts, self.rates = group, [group, *rates], rates

    def _make_density(
        self, drive, coupling, weights, clamp, delay=None, drift=False, **options
    ):
        if self.scale == "stochastic":
            options["method"] = "stochastic"
        group = self.group = GROUPS.get(self.scale, DensityGroup)(
            list(self.sizes),
            # A density sees time in the middle of a step
            f"{NEURON}I = J + {drive.replace('now', 't')} : 1",
            threshold="v > v_th",
            reset="v = v_r",
            mfe_reset="clamp" if clamp else "shift",
            namespace=self.space,
            name=self.name,
            **options,
        )
        group.p = "exp(-(v - mean)**2/(2*variance))"
        self.parts, name = [group], f"{self.name}_coupling"
        if drift:
            group.run_regularly(f"J = {coupling}*tau*A", name=name)
        else:
            late = {} if delay is None else {"delay": delay}
            self.parts.append(
                Projection(
                    group,
                    group,
                    on_pre="v_post += w",
                    weights=weights,
                    name=name,
                    **late,
                )
            )
        self._record()

    def _record(self):
        # At the end of a step, like spikes
        group, when = self.group, {"record": True, "when": "end"}
        self.n = StateMonitor(group, "n", name=f"{self.name}_n", **when)
        name = f"{self.name}_events"
        self.events = EventMonitor(group, "mfe", "event_size", name=name)
        self.parts += [self.n, self.events]
        if self.scale == "hybrid":
            self.mode = StateMonitor(group, "mode", name=f"{self.name}_mode", **when)
            self.parts.append(self.mode)

    def fired(self, dt):
        """Fraction of every population that fires in every step."""
        if self.scale == "particles":
            return np.array([np.asarray(m.rate) for m in self.rates]) * float(dt)
        return np.asarray(self.n.n) / self.sizes[:, None]
