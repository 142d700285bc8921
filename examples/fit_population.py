"""
Populations, plasticity and receptors fitted to recordings, by their derivatives.

1. A population: 20,000 adaptive neurons with escape noise fire to a stimulus that
   changes in steps. From the rate alone the parameters of a single neuron are found
   again: the mesoscopic population of the same strings is differentiated.
2. Short-term plasticity: amplitudes of the responses to a train of spikes, computed by
   NEST, give back the parameters of its synapses.
3. A receptor: three rates of a scheme with 16 states, from the conductance after one
   pulse of glutamate, computed by NEURON.
"""

import os
from pathlib import Path

from brian2 import *

from brian2_multiscale import *
from brian2_multiscale.gradients import GradientFitter, Param, ReleaseDerivatives

SHORT = bool(os.environ.get("BRIAN2_MULTISCALE_SHORT"))
RESULTS = Path(os.environ.get("BRIAN2_MULTISCALE_RESULTS", "results"))
REFERENCE = Path(__file__).resolve().parents[1] / "tests" / "reference"
# Many starts side by side in one array: numpy is fast, and needs no compilation
prefs.codegen.target = "numpy"
seed(4)
RESULTS.mkdir(exist_ok=True)


def report(title, result, truth):
    """What was fitted beside what it should be."""
    print(title)
    for name, value in result.params.items():
        unit = get_unit(get_dimensions(truth[name]))
        wanted, found, error = (
            float(x / unit) for x in (truth[name], value, result.standard_errors[name])
        )
        print(f"  {name:<12} true {wanted:10.5g}  found {found:10.5g} +- {error:.2g}")


# -- 1. a population -------------------------------------------------------------------
DT = 0.5 * ms
NEURONS = 4_000 if SHORT else 20_000
STEPS = 800 if SHORT else 2000
neuron = """
dv/dt = (I - w - v)/tau : volt (unless refractory)
dw/dt = -w/tau_w : volt
rho = 20*Hz*exp((v - threshold)/(2*mV)) : Hz
tau : second
tau_w : second
jump : volt
threshold : volt
"""
spike = {
    "threshold": "rand() < 1 - exp(-rho*dt)",
    "reset": "v = 0*mV; w += jump",
    "refractory": 3 * ms,
}
truth = {
    "tau": 15 * ms,
    "tau_w": 80 * ms,
    "jump": 1.5 * mV,
    "threshold": 12 * mV,
}
levels = np.random.default_rng(2).uniform(5, 30, (2, STEPS // 100))
stimuli = np.repeat(levels, 100, axis=1) * mV  # one to fit, one to judge by


def recorded(stimulus):
    """Rate of single neurons in every time step."""
    driven = Equations(neuron) + Equations("I = current(t) : volt")
    current = TimedArray(stimulus, dt=DT)
    group = NeuronGroup(NEURONS, driven, method="exponential_euler", dt=DT, **spike)
    for name, value in truth.items():
        setattr(group, name, value)
    monitor = PopulationRateMonitor(group)
    network = Network(group, monitor)
    network.run(STEPS * DT, namespace={"current": current})
    return monitor.rate


rates = [recorded(stimulus) for stimulus in stimuli]
arguments = {
    "scale": "mesoscopic",
    "memory": 150 * ms,
    "method": "exponential_euler",
    "dt": DT,
    **spike,
}
fitter = GradientFitter(
    neuron, input={"I": stimuli[0]}, output={"A": rates[0]}, **arguments
)
result = fitter.fit(
    n_starts=3 if SHORT else 6,
    seed=1,
    steps=25,
    tau=Param(5 * ms, 40 * ms, scale="log"),
    tau_w=Param(20 * ms, 300 * ms, scale="log"),
    jump=[0, 5] * mV,
    threshold=[5, 20] * mV,
)
report("population", result, truth)
for name, value in truth.items():
    far = abs(result.params[name] - value)
    assert far < 5 * result.standard_errors[name], name
    assert far < (0.5 if SHORT else 0.03) * value, name

other = GradientFitter(
    neuron, input={"I": stimuli[1]}, output={"A": rates[1]}, **arguments
)
predicted = other.simulate(**result.params)["A"][0]
# What is left are fluctuations of a finite number of neurons: rate/(N*dt) at most
left = np.mean((predicted - rates[1]) ** 2)
finite = np.mean(predicted) / (NEURONS * DT)
print(f"held out: explained {1 - left / np.var(rates[1]):.4f}")
print(f"held out: rest over finite-size variance {float(left / finite):.3f}")
assert left < 1.3 * finite

# -- 2. short-term plasticity ----------------------------------------------------------
plasticity = """
dx/dt = (1 - x)/tau_d : 1 (event-driven)
du/dt = (U - u)/tau_f : 1 (event-driven)
U : 1
tau_d : second
tau_f : second
"""
on_pre = """
release = u*x
x -= release
u += U*(1 - u)
I_post += release
"""
nest, amplitudes = np.load(REFERENCE / "nest_tsodyks.npz"), {}
for kind in ("facilitating", "dep_fac_mix"):
    U, tau_d, tau_f = nest[f"{kind}/parameters"]
    wanted = {"U": U, "tau_d": tau_d * ms, "tau_f": tau_f * ms}
    train = nest["poisson20Hz/spikes"] * ms
    guess = {"U": 0.5, "tau_d": 50 * ms, "tau_f": 50 * ms}
    model = ReleaseDerivatives(plasticity, on_pre, train, guess)
    target = nest[f"poisson20Hz/{kind}/tsodyks2_synapse"]
    found = model.fit(
        target,
        n_starts=8,
        seed=1,
        U=[0.01, 0.95],
        tau_d=Param(5 * ms, 2 * second, scale="log"),
        tau_f=Param(1 * ms, 2 * second, scale="log"),
    )
    report(f"plasticity, {kind}", found, wanted)
    for name, value in wanted.items():
        assert abs(found.params[name] / value - 1) < 1e-6, name
    amplitudes[kind] = train, target, model.simulate(found.params)[0]

# -- 3. a receptor ---------------------------------------------------------------------
# Robert and Howe (2003); by Pham et al. (2021) with glutamate that diffuses away
receptor = Mechanism("ampa_robert_howe", vary=["alpha", "beta", "gamma1"])
conductance = np.load(REFERENCE / "neuron_receptors.npz")
step, every, length = 0.01 * ms, 20, 1200  # NEURON's samples are 0.2 ms apart
glutamate = Mechanism("glutamate_diffusion").namespace
C_0 = glutamate["n_molecules"] / (4 * pi * glutamate["N_A"])
C_0 = C_0 / (glutamate["D_glu"] * glutamate["h_cleft"] * glutamate["t_0"])
kappa = glutamate["r_cleft"] ** 2 / (4 * glutamate["D_glu"] * glutamate["t_0"])
after = (arange(length) + 0.5) * step - 6 * ms  # spike at 5 ms, delay 1 ms
# 2/ms is what NEURON makes of NT' = -NT*NT
left_over = 1 / (1 + 2 / ms * np.maximum(after, 0 * ms))
pulse = C_0 * left_over * exp(-kappa * left_over) * (after >= 0 * ms)
samples = np.full(length, np.nan)
samples[::every] = conductance["single/dt0.005/ampa"][: length // every]
fitter = GradientFitter(
    receptor.equations,
    input={"glu": pulse},
    output={"g": samples * nS},
    method="exponential_euler",
    dt=step,
    param_init={n: x for n, x in receptor.initial.items() if n != "glu"},
    namespace=receptor.namespace,
)
rates_of_receptor = {n: receptor.parameters[n].value for n in receptor.varied}
found = fitter.fit(
    n_starts=1 if SHORT else 4,
    seed=0,
    steps=20,
    **{n: Param(r / 3, 3 * r, scale="log") for n, r in rates_of_receptor.items()},
)
report("receptor", found, rates_of_receptor)
for name, tolerance in (("alpha", 0.02), ("beta", 0.05), ("gamma1", 0.2)):
    assert abs(found.params[name] / rates_of_receptor[name] - 1) < tolerance

# -- the picture -----------------------------------------------------------------------
figure, (one, two, three) = plt.subplots(3, figsize=(7, 8), layout="constrained")
bins = STEPS // 5, 5  # of five steps, to see more than fluctuations
t = (np.arange(bins[0]) + 0.5) * bins[1] * DT / ms
binned = [np.reshape(rate / Hz, bins).mean(1) for rate in (rates[1], predicted)]
one.plot(t, binned[0], "0.6", lw=2.5, label=f"{NEURONS} neurons, another stimulus")
one.plot(t, binned[1], "C0", lw=1, label="fitted population")
one.set(xlabel="time (ms)", ylabel="rate (Hz)", xlim=(0, STEPS * DT / ms))
for k, (kind, (train, target, values)) in enumerate(amplitudes.items()):
    two.plot(train / second, target, f"C{k}o", mfc="w", label=f"NEST, {kind}")
    two.plot(train / second, values, f"C{k}.", label="fitted")
two.set(xlabel="time of the spike (s)", ylabel="fraction released")
seen = np.isfinite(samples)
final = fitter.simulate(**found.params)["g"][0]
when = np.arange(length) * step / ms
three.plot(when[seen], samples[seen] * 1e3, "o", color="0.6", label="NEURON")
three.plot(when, final / (1e-3 * nS), "C3", lw=1, label="fitted rates")
three.set(xlabel="time (ms)", ylabel="conductance (pS)")
for axes in (one, two, three):
    place = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": 4}
    axes.legend(frameon=False, fontsize=8, **place)
    axes.spines[["top", "right"]].set_visible(False)
figure.savefig(RESULTS / "fit_population.png", dpi=150)
