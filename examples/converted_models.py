"""CUBA and COBAHH for converted_networks.py, in Brian2 and converted."""

import numpy as np
from brian2 import *

from brian2_multiscale import *

# -- CUBA: Brette et al. (2007), benchmark 2 -----------------------------------------
CUBA = """
dv/dt = (v_drive - v + g_e + g_i)/tau_m : volt (unless refractory)
dg_e/dt = -g_e/tau_e : volt
dg_i/dt = -g_i/tau_i : volt
"""
CUBA_CONSTANTS = {
    "tau_m": 20 * ms,
    "tau_e": 5 * ms,
    "tau_i": 10 * ms,
    "v_drive": -49 * mV,  # above the threshold: neurons fire on their own
    "v_t": -50 * mV,
    "v_r": -60 * mV,
    "w_e": 1.62 * mV,
    "w_i": -9 * mV,
}
CUBA_FIRES = {
    "threshold": "v > v_t",
    "reset": "v = v_r",
    "refractory": 5 * ms,
    "method": "exact",
    "namespace": CUBA_CONSTANTS,
}
START = "v_r + rand()*(v_t - v_r)"

# Another model: neurons that fire by chance, at 1/ms when they are at the threshold
ESCAPE = CUBA + "rho = exp((v - v_t)/(0.5*mV))/ms : Hz"
ESCAPE_FIRES = CUBA_FIRES | {"threshold": "rand() < rho*dt"}


def cuba_in_brian2():
    """3200 excitatory and 800 inhibitory neurons, 2 % of the synapses."""
    neurons = NeuronGroup(4000, CUBA, **CUBA_FIRES)
    neurons.v = START
    options = {"namespace": CUBA_CONSTANTS}
    excitation = Synapses(neurons, neurons, on_pre="g_e += w_e", **options)
    inhibition = Synapses(neurons, neurons, on_pre="g_i += w_i", **options)
    excitation.connect("i < 3200", p=0.02)
    inhibition.connect("i >= 3200", p=0.02)
    spikes = SpikeMonitor(neurons)
    return Network(neurons, excitation, inhibition, spikes), [spikes]


def cuba_populations(scale, escape=False, multapses=False):
    """
    The same network at any scale, or with escape noise.

    With ``multapses`` all neurons have the same number of synapses, 64 and 16.
    """
    model, fires = (ESCAPE, ESCAPE_FIRES) if escape else (CUBA, CUBA_FIRES)
    group = population([3200, 800], model, **fires, scale=scale)
    if scale == "spiking":
        group.neurons.v = START
    else:
        group.v = -55 * mV  # one value for all: cohorts begin in step
    options = {"p": 0.02, "multapses": multapses, "namespace": CUBA_CONSTANTS}
    excitation = Projection(group[0], group, on_pre="g_e += w_e", **options)
    inhibition = Projection(group[1], group, on_pre="g_i += w_i", **options)
    spikes = SpikeMonitor(group.spikes)
    return Network(group, excitation, inhibition, spikes), [spikes]


# -- COBAHH: Brette et al. (2007), benchmark 3 ---------------------------------------
COBAHH = """
dv/dt = (g_l*(E_l - v) + g_e*(E_e - v) + g_i*(E_i - v)
         - g_na*m**3*h*(v - E_na) - g_k*n**4*(v - E_k))/C_m : volt
dm/dt = alpha_m*(1 - m) - beta_m*m : 1
dh/dt = alpha_h*(1 - h) - beta_h*h : 1
dn/dt = alpha_n*(1 - n) - beta_n*n : 1
dg_e/dt = -g_e/tau_e : siemens
dg_i/dt = -g_i/tau_i : siemens
"""
AREA = 20000 * um**2
COBAHH_CONSTANTS = {
    "C_m": 1 * uF / cm**2 * AREA,
    "g_l": 0.05 * msiemens / cm**2 * AREA,
    "g_na": 100 * msiemens / cm**2 * AREA,
    "g_k": 30 * msiemens / cm**2 * AREA,
    "E_l": -60 * mV,
    "E_na": 50 * mV,
    "E_k": -90 * mV,
    "E_e": 0 * mV,
    "E_i": -80 * mV,
    "tau_e": 5 * ms,
    "tau_i": 10 * ms,
    "w_e": 6 * nS,
    "w_i": 67 * nS,
    "V_T": -63 * mV,
}
# Traub and Miles (1991); x/(exp(x) - 1) as 1/exprel(x), which is defined at 0 too
CHANNELS = {
    "alpha_m": "1.28/exprel(-(v - V_T - 13*mV)/(4*mV))/ms",
    "beta_m": "1.4/exprel((v - V_T - 40*mV)/(5*mV))/ms",
    "alpha_h": "0.128*exp(-(v - V_T - 17*mV)/(18*mV))/ms",
    "beta_h": "4/(1 + exp(-(v - V_T - 40*mV)/(5*mV)))/ms",
    "alpha_n": "0.16/exprel(-(v - V_T - 15*mV)/(5*mV))/ms",
    "beta_n": "0.5*exp(-(v - V_T - 10*mV)/(40*mV))/ms",
}


def tabulated_channels():
    """Tables by name, and the formulas that use them."""
    tables = {
        f"{name}_of": TableFunction(
            formula,
            v=(-100 * mV, 60 * mV),  # reversal potentials are within
            tolerance=1e-4,
            namespace=COBAHH_CONSTANTS,
            name=f"table_{name}",
        )
        for name, formula in CHANNELS.items()
    }
    return tables, {name: f"{name}_of(v)" for name in CHANNELS}


def cobahh(tabulated):
    """3200 excitatory and 800 inhibitory neurons of Hodgkin-Huxley type."""
    tables, rates = tabulated_channels() if tabulated else ({}, CHANNELS)
    lines = [f"{name} = {formula} : Hz" for name, formula in rates.items()]
    constants = COBAHH_CONSTANTS | tables
    neurons = NeuronGroup(
        4000,
        "\n".join([COBAHH, *lines]),
        threshold="v > -20*mV",  # where spikes are counted: our choice
        refractory="v > -20*mV",
        method="exponential_euler",
        namespace=constants,
    )
    # Our choice, too: so much conductance that activity then sustains itself
    rng = np.random.default_rng(1)
    neurons.v = rng.uniform(-70, -60, 4000) * mV
    neurons.g_e = rng.uniform(15, 65, 4000) * nS
    neurons.g_i = rng.uniform(0, 400, 4000) * nS
    objects = [neurons]
    for part, rule in [(neurons[:3200], "g_e += w_e"), (neurons[3200:], "g_i += w_i")]:
        synapses = Synapses(part, neurons, on_pre=rule, namespace=constants)
        synapses.connect(p=0.02)
        objects.append(synapses)
    spikes = SpikeMonitor(neurons)
    return Network(objects, spikes), [spikes]
