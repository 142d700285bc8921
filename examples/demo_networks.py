"""The network of demo.py, with three kinds of excitatory synapses."""

import os
import shutil
from pathlib import Path

import numpy as np
from brian2 import *
from scipy.optimize import least_squares

from brian2_multiscale import *

ROOT = Path(__file__).resolve().parents[1]
COMPILERS = (os.environ.get("CXX", "c++"), "g++", "clang++", "cl")
HAS_COMPILER = bool([c for c in COMPILERS if shutil.which(c)])
SHORT = "BRIAN2_MULTISCALE_SHORT" in os.environ or not HAS_COMPILER

N_E, N_AXONS, N_I, N_PROBES = (120, 30, 30, 3) if SHORT else (2400, 600, 600, 3)
FROM_AXONS, FROM_E, FROM_I = 40, 60, 25  # synapses per neuron
DURATION = 0.3 * second if SHORT else 1 * second
DELAY = 1 * ms
AMPA, NMDA, GABA = 1800, 3000, 6 * nS  # weights; the tables are for two/one receptor

# Neurons in this order: excitatory, relays of the axons, inhibitory, probes.
RELAYS = N_E + np.arange(N_AXONS)
INHIBITORY = N_E + N_AXONS + np.arange(N_I)
PROBES = N_E + N_AXONS + N_I + np.arange(N_PROBES)
N_SYNAPSES = (N_E + N_I) * (FROM_AXONS + FROM_E) + N_PROBES

NEURONS = """
dv/dt = (g_L*(E_L - v) + g_L*Delta_T*exp((v - V_T)/Delta_T)
         + (g_ampa + g_nmda)*(E_exc - v)
         + g_gaba*(E_inh - v))/C : volt (unless refractory)
dg_gaba/dt = -g_gaba/(6*ms) : siemens
"""
CONSTANTS = {
    "C": 200 * pF,
    "g_L": 10 * nS,
    "E_L": -70 * mV,
    "V_T": -50 * mV,
    "Delta_T": 2 * mV,
    "E_exc": 0 * mV,
    "E_inh": -75 * mV,
}
RECEIVED = """
g_ampa : siemens
Open_nmda : 1
"""


# -- the three kinds of excitatory synapses ------------------------------------------
def kinetic_synapses(neurons, wiring):
    """Receptors once per axon; each synapse adds w times their output."""
    ampa = Mechanism("ampa_robert_howe", suffix="_ampa_axon")
    nmda = Mechanism("nmda_ambert", suffix="_nmda_axon", omit="g")
    glutamate = ampa.transmitter
    axons = neurons[: N_E + N_AXONS]
    receptors = Synapses(
        axons,
        axons,
        ampa.equations
        + nmda.equations
        + glutamate.equations
        + Equations("g_out_post = g_ampa_axon : siemens (summed)")
        + Equations("open_out_post = Open_nmda_axon : 1 (summed)"),
        on_pre=glutamate.on_pre,
        delay=DELAY,
        method="kinetic",
        method_options={"order": 2},
        namespace={**ampa.namespace, **nmda.namespace, **glutamate.namespace},
        name="kinetic_receptors",
    )
    receptors.connect(j="i")
    ampa.initialise(receptors)
    nmda.initialise(receptors)
    model = """
    w : 1
    w_nmda : 1
    g_ampa_post = w*g_out_pre : siemens (summed)
    Open_nmda_post = w_nmda*open_out_pre : 1 (summed)
    """
    synapses = Synapses(neurons, neurons, model, name="kinetic_synapses")
    synapses.connect(i=wiring[0], j=wiring[1])
    return synapses, receptors


def tabulated_synapses(neurons, wiring, tables):
    synapses = TabulatedSynapses(
        neurons,
        neurons,
        {"g_ampa": tables["AMPA"], "Open_nmda": tables["NMDA"]},
        model="w : 1\nw_nmda : 1",
        weight={"g_ampa": "w", "Open_nmda": "w_nmda"},
        delay=DELAY,
        name="table_synapses",
    )
    synapses.connect(i=wiring[0], j=wiring[1])
    return (synapses,)


def exponential_equations(fits):
    """Equations of the neurons and statements of the synapses."""
    equations, statements = [], []
    for variable, weight, unit, (taus, amplitudes) in (
        ("g_ampa", "w", "siemens", fits["AMPA"]),
        ("Open_nmda", "w_nmda", "1", fits["NMDA"]),
    ):
        names = [f"{variable}{k}" for k in range(len(taus))]
        equations.append(f"{variable} = {' + '.join(names)} : {unit}")
        for name, tau, amplitude in zip(names, taus, amplitudes, strict=True):
            equations.append(f"d{name}/dt = -{name}/({tau:.6g}*second) : {unit}")
            statements.append(f"{name}_post += {weight}*({amplitude:.6g}*{unit})")
    return "\n".join(equations), "\n".join(statements)


def exponential_synapses(neurons, wiring, statements):
    synapses = Synapses(
        neurons,
        neurons,
        "w : 1\nw_nmda : 1",
        on_pre=statements,
        delay=DELAY,
        name="exponentials_synapses",
    )
    synapses.connect(i=wiring[0], j=wiring[1])
    return (synapses,)


def fit_exponentials(mechanism, count, duration):
    """Time constants (s) and amplitudes (of sum zero) of the response to one spike."""
    times = np.geomspace(1e-5, duration / second, 600)
    response = np.asarray(mechanism.simulate([0] * ms, times * second))
    scale = np.sqrt(np.gradient(times)) / response.max()

    def time_constants(x):  # each at least 1.2 times the one before
        return np.exp(x[0]) * np.cumprod(np.append(1, 1.2 + np.exp(x[1:])))

    def basis(x):
        decays = np.exp(-times[:, None] / time_constants(x))
        return (decays[:, 1:] - decays[:, :1]) * scale[:, None]

    def amplitudes(x):
        return np.linalg.lstsq(basis(x), response * scale, rcond=None)[0]

    def misfit(x):
        return basis(x) @ amplitudes(x) - response * scale

    def fitted(rise):
        start = np.append(np.log(rise), np.ones(count - 1))
        return least_squares(misfit, start, bounds=(-12, 3))

    best = min(map(fitted, (3e-4, 1e-3, 1e-2)), key=lambda fit: fit.cost).x
    return time_constants(best), np.append(-amplitudes(best).sum(), amplitudes(best))


# -- the network ---------------------------------------------------------------------
def reference_trains():
    """Spike times (s) by rate (Hz), the first spike at 20 ms."""
    with np.load(ROOT / "tests" / "reference" / "neuron_receptors.npz") as data:
        trains = {rate: data[f"poisson/{rate}/spikes"] * 1e-3 for rate in (2, 10, 50)}
    return {rate: train - train[0] + 0.02 for rate, train in trains.items()}


def input_spikes(rng, trains):
    """Axon and time of each spike; the first three axons have no shift."""
    axons, times = [], []
    for axon in range(N_AXONS):
        train = list(trains.values())[axon % 3]
        period = np.ceil(train[-1])
        shifted = (train + (axon >= 3) * rng.uniform(0, period)) % period
        shifted = np.unique(np.round(shifted[shifted < DURATION / second] / 1e-4))
        times.append(shifted * 1e-4)
        axons.append(np.full(len(shifted), axon))
    return np.concatenate(axons), np.concatenate(times) * second


def make_wiring(rng):
    """Sources and targets of all synapses, and the weights of the excitatory ones."""
    neurons = np.append(np.arange(N_E), INHIBITORY)

    def choose(sources, per_neuron):
        chosen = rng.choice(sources, size=(len(neurons), per_neuron))
        return chosen.ravel(), np.repeat(neurons, per_neuron)

    parts = [choose(RELAYS, FROM_AXONS), choose(np.arange(N_E), FROM_E)]
    excitatory = np.concatenate([*parts, (RELAYS[:N_PROBES], PROBES)], axis=1)
    weights = np.array([[AMPA], [NMDA]]) * np.ones(N_SYNAPSES)
    weights[:, -N_PROBES:] = 1
    return excitatory, weights, choose(INHIBITORY, FROM_I)


def make_network(kind, inputs, wiring, tables, fits):
    """Network, monitors, and the excitatory synapses."""
    excitatory, weights, inhibitory = wiring
    equations, statements = exponential_equations(fits)
    if kind != "exponentials":
        equations = RECEIVED
    if kind == "kinetic":
        equations += "g_out : siemens\nopen_out : 1"
    nmda = Mechanism("nmda_ambert", suffix="_nmda")
    neurons = NeuronGroup(
        len(PROBES) + PROBES[0],
        # The last part is g_nmda, a function of Open_nmda and v (magnesium block).
        Equations(NEURONS) + Equations(equations) + nmda.readout,
        threshold="v > -30*mV",
        reset="v = -58*mV",
        refractory=2 * ms,
        method="exponential_euler",
        namespace=CONSTANTS | nmda.namespace,
        name=f"{kind}_neurons",
    )
    neurons.v = CONSTANTS["E_L"]
    if kind == "kinetic":
        made = kinetic_synapses(neurons, excitatory)
    elif kind == "table":
        made = tabulated_synapses(neurons, excitatory, tables)
    else:
        made = exponential_synapses(neurons, excitatory, statements)
    made[0].w, made[0].w_nmda = weights
    generator = SpikeGeneratorGroup(N_AXONS, *inputs, name=f"{kind}_input")
    relays = neurons[RELAYS[0] : RELAYS[-1] + 1]
    relay = Synapses(generator, relays, on_pre="v_post = 0*mV", name=f"{kind}_relay")
    relay.connect(j="i")
    inhibition = Synapses(
        neurons,
        neurons,
        on_pre="g_gaba_post += GABA",
        delay=DELAY,
        namespace={"GABA": GABA},
        name=f"{kind}_gaba",
    )
    inhibition.connect(i=inhibitory[0], j=inhibitory[1])
    spikes = SpikeMonitor(neurons, name=f"{kind}_spikes")
    traces = StateMonitor(
        neurons, ["g_ampa", "Open_nmda"], record=PROBES, name=f"{kind}_traces"
    )
    network = Network(neurons, *made, generator, relay, inhibition, spikes, traces)
    return network, spikes, traces, made
