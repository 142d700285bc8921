"""The published AMPA and NMDA receptors (ModelDB 267103), written out for tests."""

import math

import numpy as np
from brian2 import mM, ms

AMPA = """
R0 <-> R1 : 4*k1*glu, km1
R1 <-> R2 : 3*k1*glu, 2*km1
R2 <-> R3 : 2*k1*glu, 3*km1
R3 <-> R4 : k1*glu, 4*km1
D0 <-> D1 : 3*k2*glu, km2
D1 <-> D2 : 3*k1*glu, km1
D2 <-> D3 : 2*k1*glu, 2*km1
D3 <-> D4 : k1*glu, 3*km1
E2 <-> E3 : 2*k1*glu, km1
E3 <-> E4 : k1*glu, 2*km1
R0 <-> D0 : 4*delta0, gamma0
R1 <-> D1 : gamma1, delta1
R2 <-> D2 : 2*gamma1, delta1
R3 <-> D3 : 3*gamma1, delta1
R4 <-> D4 : 4*gamma1, delta1
R2 <-> O2 : 2*beta, alpha
R3 <-> O3 : 3*beta, alpha
R4 <-> O4 : 4*beta, alpha
D2 <-> E2 : gamma2, delta2
D3 <-> E3 : 2*gamma2, delta2
D4 <-> E4 : 3*gamma2, delta2
"""
AMPA_OUTPUT = "out = 2e-3*(9*O2 + 15*O3 + 21*O4) : 1"  # two receptors, in nS
AMPA_RATES = {
    "k1": 10 / mM / ms,
    "km1": 7 / ms,
    "k2": 10 / mM / ms,
    "km2": 0.00041 / ms,
    "alpha": 0.3 / ms,
    "beta": 0.55 / ms,
    "gamma0": 0.001 / ms,
    "gamma1": 0.42 / ms,
    "gamma2": 0.2 / ms,
    "delta0": 3.3e-6 / ms,
    "delta1": 0.017 / ms,
    "delta2": 0.035 / ms,
}

NMDA = """
R <-> R_Glu : 2*ke*glu, k_e
R_Glu <-> R_2Glu : ke*glu, 2*k_e
R_Gly <-> R_Glu_Gly : 2*ke*glu, k_e
R_Glu_Gly <-> R_2Glu_Gly : ke*glu, 2*k_e
R_2Gly <-> R_Glu_2Gly : 2*ke*glu, k_e
R_Glu_2Gly <-> R_2Glu_2Gly : ke*glu, 2*k_e
R <-> R_Gly : 2*kg*gly, k_g
R_Gly <-> R_2Gly : kg*gly, 2*k_g
R_Glu <-> R_Glu_Gly : 2*kg*gly, k_g
R_Glu_Gly <-> R_Glu_2Gly : kg*gly, 2*k_g
R_2Glu <-> R_2Glu_Gly : 2*kg*gly, k_g
R_2Glu_Gly <-> R_2Glu_2Gly : kg*gly, 2*k_g
R_2Glu_2Gly <-> State6 : gb, g_b
R_2Glu_2Gly <-> State5 : ga, g_a
State5 <-> State4 : gb, g_b
State6 <-> State4 : ga, g_a
State6 <-> Desensitized : don, doff
State5 <-> Open2 : beta2, alpha2
State4 <-> Open1 : beta1, alpha1
"""
NMDA_OUTPUT = "out = Open1 + Open2 : 1"
NMDA_RATES = {
    "ke": 1 / mM / ms,
    "k_e": 0.0263 / ms,
    "kg": 10 / mM / ms,
    "k_g": 0.0291 / ms,
    "gly": 0.02 * mM,
    "gb": 0.168153226487 / ms,
    "g_b": 0.263214630793 / ms,
    "ga": 0.1 / ms,
    "g_a": 217.59688772 / ms,
    "don": 0.0421976169622 / ms,
    "doff": 0.0128627223774 / ms,
    "alpha1": 0.174379055622 / ms,
    "beta1": 3.5 / ms,
    "alpha2": 4.36739898423 / ms,
    "beta2": 7.11918962116 / ms,
}

RECEPTORS = {"ampa": (AMPA, AMPA_RATES), "nmda": (NMDA, NMDA_RATES)}


def six_digits(rates):
    """Rates as NEURON has them: its NMODL translator writes parameters with ``%g``."""
    return {
        name: float(f"{_scaled(v):g}") * (v / _scaled(v)) for name, v in rates.items()
    }


def _scaled(rate):
    """The number in the units of the NMODL file: ms and mM."""
    for unit in (1 / ms, 1 / mM / ms, mM):
        if rate.dim is unit.dim:
            return float(rate / unit)
    raise ValueError(rate)


# Glutamate in the cleft: 1.32*3000 molecules, radius 60 nm, D = 0.33 um^2/ms, 20 nm
PEAK = 1.32 * 3000 / (6.0221415e23 * 4 * math.pi * 0.33e-12 * 20e-9)  # mM
DELAY = 0.06**2 / (4 * 0.33)  # ms


def glutamate(u):
    """Concentration in mM from the clearance variable ``u = 1/(1 + rate*t)``."""
    return PEAK * u * np.exp(-DELAY * u)


def neuron_arrivals(spike_times, steps, dt, delay=1.0):
    """Number of events that NEURON delivers in each time step (all times in ms)."""
    arrival = np.sort(np.asarray(spike_times) + delay)
    middles, t = np.empty(steps), 0.0
    for k in range(steps):  # NEURON adds up half steps
        middles[k] = t + 0.5 * dt
        t += 0.5 * dt
        t += 0.5 * dt
    first = np.searchsorted(middles, arrival)
    return np.bincount(first[first < steps], minlength=steps)


def neuron_glutamate(spike_times, steps, dt):
    """Glutamate (mM) as NEURON computes it from the published NMODL, at each step.

    One variable per pulse, at most nine; NEURON's `cnexp` turns ``NT' = -NT*NT`` into
    a factor ``exp(-2*NT*dt)``. A pulse below 0.1 % of the sum of the later ones is
    dropped for good together with all earlier ones.
    """
    pulses, result = [], np.zeros(steps + 1)
    for k, count in enumerate(neuron_arrivals(spike_times, steps, dt)):
        pulses = ([1.0] * count + pulses)[:9]
        pulses = [x * math.exp(-2 * x * dt) for x in pulses]
        kept, total = [], 0.0
        for x in pulses:
            value = glutamate(x)
            if value < 1e-3 * total:
                break
            total += value
            kept.append(x)
        pulses, result[k + 1] = kept, total
    return result
