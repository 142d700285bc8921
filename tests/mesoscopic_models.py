"""Populations with escape noise, and what is known of them without Brian2."""

import numpy as np
from brian2 import (
    NeuronGroup,
    PopulationRateMonitor,
    SpikeGeneratorGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    TimedArray,
    defaultclock,
    ms,
    mV,
)

from brian2_multiscale.mesoscopic import MesoscopicGroup

__all__ = [
    "ESCAPE",
    "Renewal",
    "activity",
    "discrete_activity",
    "escape_group",
    "kicked",
    "kicked_neurons",
    "target_models",
]

#: Integrate-and-fire neurons with an exponential escape rate; mu jumps at 20 ms
ESCAPE = """
dv/dt = (mu - v)/(20*ms) : volt (unless refractory)
mu = low + (high - low)*int(t > 19.999*ms) : volt
rho = 10*Hz*exp((v - 15*mV)/(2*mV)) : Hz
low : volt
high : volt
"""
RULES = {
    "linear": {"threshold": "rand() < rho*dt"},
    "exponential": {"threshold": "rand() < 1 - exp(-rho*dt)"},
    "trapezoid": {"hazard": "rho"},
}


def escape_group(N, rule="linear", low=12, high=20, **changes):
    """A `MesoscopicGroup` (or another class with the same arguments)."""
    arguments = {"reset": "v = 0*mV", "refractory": 3.2 * ms}
    arguments["method"] = "exponential_euler"
    arguments.update(RULES[rule], **changes)
    kind = arguments.pop("kind", MesoscopicGroup)
    group = kind(N, ESCAPE, **arguments)
    group.low, group.high = low * mV, high * mV
    return group


def _rho(v):
    """Escape rate in kHz of a voltage in mV."""
    return 0.01 * np.exp((v - 15) / 2)


def discrete_activity(rule, dt, steps, silent, low=12.0, high=20.0):
    """
    Expected fraction of neurons that fire in every step, all cohorts remembered.

    What `NeuronGroup` does to infinitely many neurons of `ESCAPE`; times in ms,
    ``silent`` is the refractory period in time steps (0: none).
    """
    v, mass = np.zeros(1), np.ones(1)
    born, fired = np.array([-silent - 1]), np.zeros(steps)
    for k in range(steps):
        mu = low if k * dt < 19.999 else high
        active = k - born >= silent
        before = _rho(v)
        v = np.where(active, mu + (v - mu) * np.exp(-dt / 20), v)
        p = {
            "linear": np.clip(_rho(v) * dt, 0, 1),
            "exponential": -np.expm1(-dt * _rho(v)),
            "trapezoid": -np.expm1(-dt * (before + _rho(v)) / 2),
        }[rule]
        p = np.where(active, p, 0)
        fired[k] = p @ mass
        mass = (1 - p) * mass
        v, mass, born = np.append(v, 0), np.append(mass, fired[k]), np.append(born, k)
    return fired


def activity(times, dead, dt=0.05, low=12.0, high=20.0):
    """
    Activity (Hz) of infinitely many neurons of `ESCAPE` in continuous time.

    The renewal equation with ``dead`` ms of silence after a spike, solved with the
    trapezoidal rule and extrapolated from two steps; all neurons start at 0 mV.
    """
    grids = [
        _renewal_equation(max(times) + dt, dead, h, low, high) for h in (dt, dt / 2)
    ]
    (t, coarse), (_, fine) = grids
    return np.interp(times, t, (4 * fine[::2] - coarse) / 3)


def _renewal_equation(end, dead, dt, low, high):
    steps, wait, decay = round(end / dt), round(dead / dt), np.exp(-dt / 20)
    assert abs(wait * dt - dead) < 1e-9, "the dead time must be on the grid"
    fired, v, left = np.zeros(steps + 1), np.zeros(steps + 1), np.ones(steps + 1)
    first_v, first_left = 0.0, 1.0
    fired[0] = _rho(0.0)
    for k in range(steps):
        mu, ready = low if k * dt < 19.999 else high, slice(0, max(0, k - wait + 1))
        first_v, old = mu + (first_v - mu) * decay, first_v
        first_left *= np.exp(-dt * (_rho(old) + _rho(first_v)) / 2)
        new = mu + (v[ready] - mu) * decay
        left[ready] *= np.exp(-dt * (_rho(v[ready]) + _rho(new)) / 2)
        v[ready] = new
        count = max(0, k + 2 - wait)
        weights = np.full(count, dt)
        weights[:1], weights[-1:] = dt / 2, dt / 2
        known = min(count, k + 1)  # those of this very step are not known yet
        flow = weights[:known] * fired[:known] * _rho(v[:known]) * left[:known]
        own = weights[known:].sum() * _rho(0.0)
        fired[k + 1] = (_rho(first_v) * first_left + flow.sum()) / (1 - own)
    return np.arange(steps + 1) * dt, 1e3 * fired


class Renewal:
    """
    Spike trains of single neurons of `ESCAPE` with constant input, on a time grid.

    Exact for independent neurons with ``threshold='rand() < rho*dt'``.
    """

    def __init__(self, dt, silent, mu, length=4000):
        v = mu * (1 - np.exp(-np.arange(1, length) * dt / 20))
        p = np.concatenate([np.zeros(silent), np.clip(_rho(v) * dt, 0, 1)])[:length]
        survivors = np.cumprod(1 - p)
        #: distribution of the interval in time steps (1, 2, ...)
        self.intervals = np.append(1.0, survivors[:-1]) * p
        self.intervals = self.intervals[1:] if silent else self.intervals
        steps = np.arange(1, len(self.intervals) + 1)
        assert survivors[-1] < 1e-12, "the grid is too short"
        self.mean = steps @ self.intervals
        #: probability to fire in a time step
        self.rate = 1 / self.mean

    def count_variance(self, steps):
        """Variance of the number of spikes of a neuron in so many time steps."""
        again = np.zeros(steps)
        for k in range(1, steps):
            recent = self.intervals[:k]
            again[k] = recent[-1] + recent[: k - 1] @ again[k - 1 : 0 : -1]
        lags = np.arange(1, steps)
        extra = (steps - lags) * self.rate * (again[1:] - self.rate)
        return steps * self.rate * (1 - self.rate) + 2 * extra.sum()


# -- the same kicks for neurons and populations ----------------------------------------
_GATED = """
dv/dt = (20*mV - v)/(10*ms) : volt {flag}
rho = gate(t)/dt : Hz
"""


def kicked(kind, flag, refractory, reset, how, name, **changes):
    """
    Neurons that all fire at steps 20 and 90, and whose voltage is kicked.

    Kicks come at every step from 15 to 110: ``how`` is 'synapses' or the slot of
    ``run_regularly``.
    """
    defaultclock.dt = 0.1 * ms
    gate = np.zeros(200)
    gate[[20, 90]] = 2
    group = kind(
        3,
        _GATED.format(flag=flag),
        threshold="rand() < rho*dt",
        reset=reset,
        refractory=refractory,
        method="exact",
        namespace={"gate": TimedArray(gate, dt=0.1 * ms)},
        name=name,
        **changes,
    )
    group.v = "5*mV"
    kick = "v += (2 + sin(t/(0.3*ms)))*mV"
    if how == "synapses":
        times = np.arange(15, 111)
        source = SpikeGeneratorGroup(
            1, 0 * times, times * 0.1 * ms, name=f"{name}_source"
        )
        synapses = Synapses(source, group, on_pre=kick, name=f"{name}_synapses")
        synapses.connect()
        return group, [group, source, synapses]
    group.run_regularly(kick, dt=0.1 * ms, when=how, name=f"{name}_kicks")
    return group, [group]


# -- models for all targets ------------------------------------------------------------
def _populations(name, noise):
    defaultclock.dt = 0.1 * ms
    group = escape_group([1, 60, 900], name=name, noise=noise, memory=50 * ms)
    group.low = group.high = [18, 20, 24] * mV
    state = StateMonitor(group, ["n", "A", "A_expected", "v"], True, name=f"{name}_s")
    cohorts = StateMonitor(
        group.cohorts,
        ["v", "survivors", "survivors_variance"],
        [0, 7, 499, 500, 1502],
        name=f"{name}_c",
    )
    readers = {
        f"{name}_{key}": lambda key=key: getattr(state, key) for key in ("n", "A", "v")
    }
    readers[f"{name}_expected"] = lambda: state.A_expected
    for key in ("v", "survivors", "survivors_variance"):
        readers[f"{name}_cohort_{key}"] = lambda key=key: getattr(cohorts, key)
    return group, [group, state, cohorts], readers


def expected_populations():
    _, objects, readers = _populations("smooth", noise=False)
    return objects, readers


def noisy_populations():
    group, objects, readers = _populations("noisy", noise=True)
    spikes = SpikeMonitor(group.spikes, name="noisy_spikes_monitor")
    rate = PopulationRateMonitor(group.spikes, name="noisy_rate")
    readers.update(
        noisy_i=lambda: spikes.i, noisy_t=lambda: spikes.t, noisy_rate=lambda: rate.rate
    )
    return [*objects, spikes, rate], readers


_ADAPTIVE = """
dv/dt = (22*mV - v + h)/(20*ms) : volt (unless refractory)
dtheta/dt = -theta/(100*ms) : volt
dh/dt = -h/(5*ms) : volt
rho = 10*Hz*exp((v - theta - 15*mV)/(2*mV)) : Hz
"""


def _adaptive(name, noise, kicks=False, **changes):
    """Without monitors: at the end the cohorts are what happened in all time steps."""
    defaultclock.dt = 0.1 * ms
    group = MesoscopicGroup(
        [80, 500],
        _ADAPTIVE,
        reset="v = 0*mV; theta += 1.5*mV",
        refractory=2 * ms,
        name=name,
        noise=noise,
        memory=40 * ms,
        **changes,
    )
    group.h = [2, 3] * mV
    cohorts = group.cohorts
    readers = {
        f"{name}_{key}": lambda key=key: getattr(cohorts, key)[:]
        for key in ("v", "theta", "survivors", "lastspike")
    }
    readers[f"{name}_h"] = lambda: group.h[:]
    if group.closure_order == 2:
        readers[f"{name}_var_theta"] = lambda: cohorts.var_theta[:]
    return [group, *(_volleys(group) if kicks else [])], readers


def _volleys(group):
    source = SpikeGeneratorGroup(
        2, [0, 1, 0, 1], [2, 2.1, 8, 15] * ms, name=f"{group.name}_source"
    )
    on_pre = "h_post += 2*mV; v_post += 1*mV"
    synapses = Synapses(source, group, on_pre=on_pre, name=f"{group.name}_synapses")
    synapses.connect()
    return source, synapses


def adaptive_second():
    return _adaptive("second", False, True, threshold="rand() < 1 - exp(-rho*dt)")


def adaptive_first():
    threshold = "rand() < rho*dt"
    return _adaptive("first", False, True, threshold=threshold, closure_order=1)


def adaptive_hazard():
    return _adaptive("trapezoid", False, hazard="rho")


def adaptive_noisy():
    return _adaptive("noisy_second", True, threshold="rand() < rho*dt")


def private_noise():
    """Noise xi, common noise-driven input and a nonlinear method."""
    defaultclock.dt = 0.1 * ms
    group = MesoscopicGroup(
        [50, 200],
        """dv/dt = (18*mV - v + z)/(20*ms) + 2*mV*xi_1/sqrt(20*ms) : volt
           dz/dt = -z/(5*ms) + 3*mV*xi_2/sqrt(5*ms) : volt
           rho = 10*Hz*exp((v - 15*mV)/(2*mV)) : Hz""",
        threshold="rand() < rho*dt",
        reset="v = 0*mV",
        refractory="rest",
        method="euler",
        noise=False,
        memory=40 * ms,
        namespace={"rest": 1 * ms},
        name="private",
    )
    cohorts = group.cohorts
    return [group], {
        "private_survivors": lambda: cohorts.survivors[:],
        "private_var_v": lambda: cohorts.var_v[:],
        "private_cov_v_z": lambda: cohorts.cov_v_z[:],
        "private_v": lambda: cohorts.v[:],
    }


def two_variables():
    """Like adaptive exponential neurons, a parameter for the refractory period."""
    defaultclock.dt = 0.1 * ms
    group = MesoscopicGroup(
        [50, 200],
        """dv/dt = (15*mV - v + 2*mV*exp((v - 15*mV)/(2*mV)) - w)/(20*ms) : volt
                   (unless refractory)
           dw/dt = (0.2*v - w)/(80*ms) : volt
           rho = 20*Hz*exp((v - 15*mV)/(3*mV)) : Hz
           rest : second""",
        threshold="rand() < rho*dt",
        reset="v = 0*mV; w += 1*mV",
        refractory="rest",
        method="rk4",
        noise=False,
        memory=40 * ms,
        name="two",
    )
    group.rest = [1, 3] * ms
    cohorts = group.cohorts
    return [group], {
        "two_survivors": lambda: cohorts.survivors[:],
        "two_w": lambda: cohorts.w[:],
        "two_var_w": lambda: cohorts.var_w[:],
        "two_cov_v_w": lambda: cohorts.cov_v_w[:],
    }


def kicked_flagged():
    group, objects = kicked(
        MesoscopicGroup,
        "(unless refractory)",
        1 * ms,
        "v = 0*mV",
        "synapses",
        "flagged",
        memory=8 * ms,
        noise=False,
    )
    return _watched(group, objects)


def kicked_neurons():
    group, objects = kicked(
        NeuronGroup, "(unless refractory)", 1 * ms, "v = 0*mV", "synapses", "neurons"
    )
    return _watched(group, objects)


def _watched(group, objects):
    monitor = StateMonitor(
        group, "v", [0], when="before_thresholds", name=f"{group.name}_s"
    )
    return [*objects, monitor], {f"{group.name}_v": lambda: monitor.v}


def target_models():
    return [
        expected_populations,
        noisy_populations,
        adaptive_second,
        adaptive_first,
        adaptive_hazard,
        adaptive_noisy,
        private_noise,
        two_variables,
        kicked_flagged,
    ]
