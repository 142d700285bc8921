"""Hair cells and nerve fibres under stimuli, and the same equations in plain numpy."""

import numpy as np
from brian2 import (
    Equations,
    Hz,
    Network,
    NeuronGroup,
    SpikeMonitor,
    StateMonitor,
    TimedArray,
    linked_var,
    metre,
    second,
    us,
)

from brian2_multiscale import Mechanism

__all__ = [
    "FIBRES",
    "cochlea",
    "explicit_delay",
    "fibres_and_rate",
    "hair_cell_loop",
    "si",
]

#: Spontaneous release and peak release, by spontaneous rate
FIBRES = {
    "H": {"sp": 68.5 * Hz, "PSR": 3000 * Hz},
    "M": {"sp": 10 * Hz, "PSR": 1000 * Hz},
    "L": {"sp": 1 * Hz, "PSR": 800 * Hz},
}


def si(mechanism):
    """The constants of a mechanism as numbers."""
    return {name: float(value) for name, value in mechanism.namespace.items()}


def cochlea(velocities, columns=(), kinds=tuple(FIBRES)):
    """
    Hair cells that hear the columns of ``velocities`` (m/s, every 10 us).

    Those in ``columns`` have a fibre of each of ``kinds``. Returns the objects, the
    monitor of the cells and those of the fibres by type.
    """
    ihc = Mechanism("ihc_verhulst2018")
    v_bm = TimedArray(velocities * metre / second, dt=10 * us, name="sensory_v_bm")
    cells = NeuronGroup(
        velocities.shape[1],
        ihc.equations + Equations("x = 0.118*second*v_bm(t, i) : metre"),
        method=ihc.method,
        namespace={**ihc.namespace, "v_bm": v_bm},
        dt=10 * us,
        name="sensory_cells",
    )
    ihc.initialise(cells)
    potential = StateMonitor(cells, "v", record=True, name="sensory_potential")
    objects, rates = [cells, potential], {}
    for kind in kinds if len(columns) else ():
        fibres, rates[kind] = _fibres(cells, columns, kind)
        objects += [fibres, rates[kind]]
    return objects, potential, rates


def _fibres(cells, columns, kind):
    anf = Mechanism("anf_three_store", **FIBRES[kind])
    fibres = NeuronGroup(
        len(columns),
        anf.equations + Equations("v : volt (linked)"),
        method=anf.method,
        namespace=anf.namespace,
        dt=50 * us,
        name=f"sensory_fibres_{kind}",
    )
    fibres.v = linked_var(cells, "v", index=np.asarray(columns))
    anf.initialise(fibres)
    return fibres, StateMonitor(fibres, "f", record=True, name=f"sensory_rate_{kind}")


#: A potential with an onset, a fast ripple and an end
POTENTIAL = Equations(
    """v = -57.6563*mV + int(t >= 10*ms)*int(t < 40*ms)
           *(12*mV + 6*mV*sin(2*pi*500*Hz*t)) : volt (shared)"""
)


def fibres_and_rate(number, kind, dt_ref, dt=50 * us):
    """Many spiking fibres and the mean rate, at the same `POTENTIAL`."""
    groups = []
    for name, size in (("anf_three_store", 1), ("anf_spiking", number)):
        fibre = Mechanism(name, **FIBRES[kind], dt_ref=dt_ref)
        group = NeuronGroup(
            size,
            fibre.equations + POTENTIAL,
            threshold=fibre.threshold,
            reset=fibre.reset,
            refractory=fibre.refractory or False,
            method=fibre.method,
            namespace=fibre.namespace,
            dt=dt,
            name=f"sensory_{name}",
        )
        fibre.initialise(group)
        groups.append(group)
    # Spikes are drawn after the state update, with the rate at the end of the step
    rate = StateMonitor(groups[0], "f", record=[0], when="end", name="sensory_mean")
    spikes = SpikeMonitor(groups[1], name="sensory_spikes")
    return Network(*groups, rate, spikes), rate, spikes


def hair_cell_loop(x, dt):
    """The published order of integration: gates first, then the potential (V)."""
    p = si(Mechanism("ihc_verhulst2018"))
    v = np.full(x.shape[1], -57.6563e-3)

    def open_channels(x):
        first = np.exp((p["x0"] - x) / p["s0"])
        return 1 / (1 + first * (1 + np.exp((p["x0"] - x) / p["s1"])))

    def potassium(v):
        return 1 / (1 + np.exp((p["xk"] - v) / p["sk"]))

    gates = [open_channels(0 * v), potassium(v), potassium(v)]
    decays = [np.exp(-dt / p[tau]) for tau in ("tau_met", "tau_kf", "tau_ks")]
    trace = []
    for sample in x:
        targets = [open_channels(sample), potassium(v), potassium(v)]
        gates = [
            t + (g - t) * a for g, t, a in zip(gates, targets, decays, strict=True)
        ]
        m, kf, ks = gates
        current = p["Gmet"] * m * (p["EP"] - v)
        current = current + p["Gk"] * (kf * (p["Ekf"] - v) + ks * (p["Eks"] - v))
        v = v + dt / p["Cm"] * current
        trace.append(v)
    return np.array(trace)


def explicit_delay(v, dt=50e-6, **parameters):
    """Mean rate (Hz) for a potential (V, one value per step), the delay as a list."""
    p = si(Mechanism("anf_three_store", **parameters))
    lag = round(p["t_abs"] / dt)
    at_rest = p["M2"] - p["sp"] / p["rr"]
    pool = p["M"] * (at_rest / p["M2"] - p["sp"] / p["xr"])
    half = p["V_r"] + p["ss"] * np.log((p["PSR"] - p["sp"]) / p["sp"])
    opening = 1 / np.sqrt(1 + np.exp((half - v) / p["ss"]))
    k = opening[0]
    release = p["PSR"] / pool * k**2
    q = 1 / (1 / p["M"] + release / (p["rr"] * p["M2"]) + release / p["xr"])
    w = p["M2"] - release * q / p["rr"]
    start = 1 / (1 / p["sp"] + p["t_abs"] + p["dt_ref"])
    free, weak, fired = 1 - start * p["t_abs"], start * p["dt_ref"], []
    for target in opening:
        release = p["PSR"] / pool * k**2
        rate = (free - weak) * release * q
        back = fired[-lag] if len(fired) >= lag else start
        refill = p["xr"] * max(w / p["M2"] - q / p["M"], 0)
        free += dt * (back - rate)
        weak += dt * (back * p["dt_ref"] - weak) / p["tau_rel"]
        k += dt * (target - k) / p["tau_ca"]
        q += dt * (refill - release * q)
        w += dt * (p["rr"] * (p["M2"] - w) - refill)
        fired.append(rate)
    return np.array(fired)
