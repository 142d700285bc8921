"""The same network of 5000 spiking neurons and of two populations: one word changes."""

import os

from brian2 import *

from brian2_multiscale import *

SHORT = bool(os.environ.get("BRIAN2_MULTISCALE_SHORT"))
RESULTS = os.environ.get("BRIAN2_MULTISCALE_RESULTS", "results")

neuron = """
dv/dt = (mu - v + h_e + h_i)/(20*ms) : volt (unless refractory)
dh_e/dt = -h_e/(3*ms) : volt  # input from excitatory synapses
dh_i/dt = -h_i/(6*ms) : volt  # and from inhibitory ones
mu = 16*mV + 8*mV*int(t > 500*ms) : volt
rho = 10*Hz*exp((v - 15*mV)/(2.5*mV)) : Hz
"""
noise = dict(threshold="rand() < rho*dt", reset="v = 0*mV", refractory=4 * ms)
depression = "dx/dt = (1 - x)/(200*ms) : 1"
released = "h_e_post += w*x\nx -= 0.3*x"


def network(Group):
    """Excitatory and inhibitory neurons, p = 0.05, depressing excitatory synapses."""
    name = Group.__name__.lower()
    e = Group(4000, neuron, **noise, method="euler", name=f"{name}_e")
    i = Group(1000, neuron, **noise, method="euler", name=f"{name}_i")
    objects = [e, i]
    for n, target in enumerate([e, i]):
        options = dict(p=0.05, delay=1 * ms)
        objects += [
            Projection(e, target, depression, released, weights=3 * mV,
                       name=f"{name}_e_{n}", **options),
            Projection(i, target, on_pre="h_i_post += w", weights=-5 * mV,
                       name=f"{name}_i_{n}", **options),
        ]  # fmt: skip
    spikes = e if Group is NeuronGroup else e.spikes
    rate = PopulationRateMonitor(spikes, name=f"{name}_rate")
    return Network(objects, rate), rate


def main():
    defaultclock.dt = 0.5 * ms
    seed(1)
    duration = (0.8 if SHORT else 1) * second
    figure, axes = plt.subplots(
        2, sharex=True, sharey=True, figsize=(7, 4), layout="constrained"
    )
    means = {}
    for axis, Group in zip(axes, (NeuronGroup, MesoscopicGroup), strict=True):
        net, rate = network(Group)
        net.run(duration, report="text")
        means[Group] = mean(rate.rate[rate.t > 550 * ms]) / Hz
        label = f"{Group.__name__}: {means[Group]:.1f} Hz after the step"
        axis.plot(rate.t / ms, rate.smooth_rate(width=1 * ms) / Hz, label=label)
        axis.set(ylabel="activity (Hz)")
        axis.legend(loc="upper right")
        print(label)
    axes[1].set(xlabel="time (ms)")
    os.makedirs(RESULTS, exist_ok=True)
    figure.savefig(f"{RESULTS}/spiking_or_mesoscopic.png", dpi=150)
    # Over 10 s: 13.2 Hz here, 13.8 Hz if all neurons had the same number of synapses,
    # which is what the populations assume: 13.8 Hz
    assert abs(means[MesoscopicGroup] / means[NeuronGroup] - 1) < 0.08, means


if __name__ == "__main__":
    main()
