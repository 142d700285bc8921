"""
A spiking neuron fitted to a real recording, judged by spikes that it has not seen.

The recording is set 11 of challenge A of the Quantitative Single-Neuron Modeling
Competition of 2007 (Jolivet, Schuermann, Berger, Naud, Gerstner, Roth, 2008,
doi:10.1007/s00422-008-0261-x): a cortical neuron of a rat and a fluctuating current,
four times the same one. The first 20 s of the first repetition are fitted, the last
14 s are predicted. It is downloaded when the script runs, or read from a folder:

    python fit_recording.py [folder with 11-0.voltage ... 11-3.voltage]

Without a network, and in the short form, the "recording" is another model instead (a
neuron with another onset of spikes, another adaptation and noise): the script says so.

Two fits, both by derivatives from 20 starts: the potential between the spikes, with the
neuron reset at the recorded spikes; then the threshold, by the likelihood of the
recorded spikes. The prediction runs freely. Its coincidences with the recording
(Gamma of the competition, 1 for equal trains, 0 for chance) are compared with those
between the repetitions, which no deterministic neuron can exceed.
"""

import hashlib
import os
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from brian2 import *

from brian2_multiscale.gradients import (
    GradientFitter,
    Param,
    SpikeLikelihood,
    TraceLoss,
)

SHORT = bool(os.environ.get("BRIAN2_MULTISCALE_SHORT"))
RESULTS = Path(os.environ.get("BRIAN2_MULTISCALE_RESULTS", "results"))

ORIGIN = (
    "https://raw.githubusercontent.com/InPhyT/"
    "Quantitative_Single_Neuron_Modeling_Competition_2007/"
    "0bb5697c225add5a8e8b25cbdc0dfda88c576fc9/Challenge_A/training"
)
CHECKSUMS = {
    "11-0.voltage": "20e733daff2c792db19d8d16485a0e2e8b94f9b3c739e26f5d16aeb53b79d8aa",
    "11-1.voltage": "8736bf6085609b93877881ea244cd91266f1c0d1d280b8838e50178801dbab2c",
    "11-2.voltage": "e7bfc0a8964025a3d27454032807e665ca05cc2df4295f905ae43eeedd371f3f",
    "11-3.voltage": "1f81aa3e5ecb7c3bee6d8d2accd8aeee480da6a7daeb8985522db656792a596d",
}
SAMPLE, STEP = 1 * ms, 0.5 * ms
# Pieces of the recording that are fitted side by side; their first half second is for
# the neuron to forget how it began
PIECE, PIECES = (2 if SHORT else 4) * second, 5
SETTLE = 500 * ms
SEEN = PIECES * PIECE
LENGTH = (17 if SHORT else 34) * second
WINDOW = 4 * ms
STARTS = 6 if SHORT else 20
# Of the threshold: the one under which the spikes are the most likely is taken
WIDTHS = ([1] if SHORT else [0.25, 0.5, 1, 2]) * mV

# What the electrode measures is the potential and a part of the current
MODEL = """
dv/dt = (gl*(EL - v) - w + I)/C : volt (unless refractory)
dw/dt = -w/tau_w : amp
dtheta/dt = (theta_0 - theta)/tau_theta : volt
u = v + Rs*I : volt
gl : siemens (constant)
EL : volt (constant)
C : farad (constant)
Rs : ohm (constant)
v_r : volt (constant)
b : amp (constant)
tau_w : second (constant)
theta_0 : volt (constant)
jump : volt (constant)
tau_theta : second (constant)
"""
SPIKES = {
    "threshold": "v > theta",
    "reset": "v = v_r\nw += b\ntheta += jump",
    "refractory": 3 * ms,
}
MEMBRANE = {
    "gl": Param(2 * nS, 100 * nS, scale="log"),
    "EL": [-90, -40] * mV,
    "C": Param(50 * pF, 1 * nF, scale="log"),
    "Rs": [0, 40] * Mohm,
    "v_r": [-90, -20] * mV,
    "b": [0, 300] * pA,
    "tau_w": Param(10 * ms, 500 * ms, scale="log"),
}
THRESHOLD = {
    "theta_0": [-60, -10] * mV,
    "jump": [0, 30] * mV,
    "tau_theta": Param(5 * ms, 500 * ms, scale="log"),
}


# -- recordings ------------------------------------------------------------------------
def competition(folder):
    """Current (samples,) and potentials (repetitions, samples)."""
    texts = [file_of(folder, name) for name in CHECKSUMS]
    columns = [loadtxt(text.decode().splitlines()) for text in texts]
    return columns[0][:, 1] * pA, array([c[:, 2] for c in columns]) * mV


def file_of(folder, name):
    if folder is not None:
        return Path(folder, name).read_bytes()
    with urlopen(f"{ORIGIN}/{name}", timeout=60) as answer:
        text = answer.read()
    if hashlib.sha256(text).hexdigest() != CHECKSUMS[name]:
        raise ValueError(f"{ORIGIN}/{name} is not the file that it was.")
    return text


ANOTHER = """
dv/dt = (20*nS*(-62*mV - v + 2*mV*exp((v + 45*mV)/(2*mV))) - w - z + current(t)
         + 20*pA*xi*sqrt(ms))/(300*pF) : volt (unless refractory)
dw/dt = -w/(30*ms) : amp
dz/dt = (2*nS*(v + 62*mV) - z)/(200*ms) : amp
u = v + 10*Mohm*current(t) : volt
"""


def another_model():
    """The same from an exponential integrate-and-fire neuron with noise of its own."""
    seed(1)
    random = np.random.default_rng(1)
    signal = zeros(round(LENGTH / SAMPLE))
    for k in range(1, len(signal)):
        signal[k] = 0.85 * signal[k - 1] + sqrt(1 - 0.85**2) * random.normal()
    values = (0.15 + 0.5 * signal) * nA
    neurons = NeuronGroup(
        4, ANOTHER, threshold="v > 0*mV", reset="v = -55*mV; w += 80*pA; z += 20*pA",
        refractory=2 * ms, method="euler", dt=0.05 * ms,
        namespace={"current": TimedArray(values, dt=SAMPLE)},
    )  # fmt: skip
    neurons.v = -62 * mV
    monitor, spikes = StateMonitor(neurons, "u", True, dt=SAMPLE), SpikeMonitor(neurons)
    Network(neurons, monitor, spikes).run(LENGTH)
    potentials = array(monitor.u)
    # Spikes as an electrode sees them
    last = potentials.shape[1] - 1
    potentials[spikes.i, clip(around(spikes.t / SAMPLE).astype(int), 0, last)] = 0.03
    return values, potentials * volt


def recording():
    if SHORT:
        print("recording: another model (short form)")
        return another_model()
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    try:
        found = competition(folder)
    except (URLError, TimeoutError) as error:
        print(f"recording: another model, since the real one cannot be had ({error})")
        return another_model()
    print("recording: cortical neuron, competition of 2007, challenge A, set 11")
    return found


def spike_times(potential):
    """When it goes up through -10 mV."""
    v = potential / mV
    return (flatnonzero((v[1:] > -10) & (v[:-1] <= -10)) + 1) * SAMPLE


# -- fits ------------------------------------------------------------------------------
def finer(signal):
    """Samples of the recording at the time steps of the model, by straight lines."""
    count = round(SAMPLE / STEP)
    steps = arange(len(signal) * count) / count
    return interp(steps, arange(len(signal)), signal)


def pieces(signal):
    return reshape(signal[: round(SEEN / STEP)], (PIECES, -1))


def between_spikes(potential, times):
    """The potential at the time steps of the model, nan around the spikes."""
    v = finer(array(potential))
    t = arange(len(v)) * STEP
    for time in times:
        v[(t > time - 2.5 * ms) & (t < time + 4 * ms)] = nan
    return v


def fitter(current, potential, known):
    times = spike_times(potential)
    trains = [
        times[(times >= k * PIECE) & (times < (k + 1) * PIECE)] - k * PIECE
        for k in range(PIECES)
    ]
    start = {"v": "EL", "theta": "theta_0"}
    return GradientFitter(
        MODEL,
        dt=STEP,
        input={"I": pieces(finer(array(current))) * amp},
        output={"u": pieces(between_spikes(potential, times)) * volt, "spikes": trains},
        param_init={**start, **known},
        **SPIKES,
    )


def fit(current, potential):
    """All parameters."""
    unused = {"theta_0": -40 * mV, "jump": 5 * mV, "tau_theta": 50 * ms}
    membrane = fitter(current, potential, unused).fit(
        loss=TraceLoss(t_start=SETTLE, forced=True), n_starts=STARTS, seed=1, **MEMBRANE
    )
    print("potential between spikes:", membrane)
    spikes = fitter(current, potential, membrane.params)
    found = [
        spikes.fit(
            loss=SpikeLikelihood(width=width), n_starts=STARTS, seed=1, **THRESHOLD
        )
        for width in WIDTHS
    ]
    best = argmin([one.loss for one in found])
    print(f"spikes, width {WIDTHS[best]} of {WIDTHS}:", found[best])
    return {**membrane.params, **found[best].params}


def predict(current, values):
    """A free run: what the electrode would measure, and times of spikes."""
    signal = TimedArray(finer(array(current)) * amp, dt=STEP)
    neuron = NeuronGroup(
        1, MODEL + "I = signal(t) : amp", method="exponential_euler", dt=STEP,
        namespace={"signal": signal}, **SPIKES,
    )  # fmt: skip
    for name, value in values.items():
        setattr(neuron, name, value)
    neuron.v, neuron.theta = values["EL"], values["theta_0"]
    monitor, spikes = StateMonitor(neuron, "u", record=True), SpikeMonitor(neuron)
    Network(neuron, monitor, spikes).run(len(current) * SAMPLE)
    return monitor.u[0], spikes.t


# -- judging ---------------------------------------------------------------------------
def gamma(first, second, duration):
    """Coincidences beyond those by chance (Kistler, Gerstner, van Hemmen, 1997)."""
    if not len(first) or not len(second):
        return 0.0
    rate = len(first) / duration
    nearest = np.min(abs(subtract.outer(array(first), array(second))), axis=1)
    near = np.sum(nearest <= float(WINDOW))
    chance = 2 * rate * WINDOW * len(second)
    mean_number = (len(first) + len(second)) / 2
    return float((near - chance) / mean_number / (1 - 2 * rate * WINDOW))


def judge(potentials, times, unseen):
    """Gamma of the prediction and between repetitions; number of spikes."""
    trains = [spike_times(v) for v in potentials]
    begin, end = unseen
    trains = [t[(t >= begin) & (t < end)] for t in trains]
    times = times[(times >= begin) & (times < end)]
    own = mean([gamma(t, times, end - begin) for t in trains])
    among = [gamma(a, b, end - begin) for a in trains for b in trains if a is not b]
    return own, mean(among), len(times), mean([len(t) for t in trains])


def distance(potential, found, unseen):
    """Root mean square difference between the spikes of the recording (mV)."""
    v = between_spikes(potential, spike_times(potential))
    part = slice(round(unseen[0] / STEP), round(unseen[1] / STEP))
    return sqrt(nanmean((v - array(found))[part] ** 2)) * 1e3


def plot(current, potentials, found, times):
    figure, (top, bottom) = plt.subplots(2, sharex=True, layout="constrained")
    t = arange(len(current)) * SAMPLE / second
    top.plot(t, potentials[0] / mV, "0.6", label="recording")
    top.plot(arange(len(found)) * STEP / second, found / mV, label="prediction")
    top.set(ylabel="potential (mV)", xlim=(SEEN / second, SEEN / second + 4))
    top.legend(loc="upper right")
    for k, v in enumerate(potentials):
        bottom.plot(spike_times(v) / second, full(len(spike_times(v)), k), "|k")
    bottom.plot(times / second, full(len(times), -1), "|C0")
    bottom.set(xlabel="time (s)", ylabel="spikes", yticks=[])
    RESULTS.mkdir(parents=True, exist_ok=True)
    figure.savefig(RESULTS / "fit_recording.png", dpi=150)


def main():
    current, potentials = recording()
    values = fit(current, potentials[0])
    found, times = predict(current, values)
    unseen = (SEEN, len(current) * SAMPLE)
    own, among, count, recorded = judge(potentials, times, unseen)
    print(f"held-out part, {unseen[1] - unseen[0]}:")
    print(f"  spikes of the model {count}, of the neuron {recorded:.1f}")
    print(f"  Gamma (4 ms) of the model {own:.3f}")
    print(f"  Gamma (4 ms) between repetitions {among:.3f}")
    print(f"  RMSE between spikes {distance(potentials[0], found, unseen):.2f} mV")
    plot(current, potentials, found, times)
    assert own > 0.5 * among


if __name__ == "__main__":
    main()
