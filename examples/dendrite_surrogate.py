"""
A dendrite of 255 compartments, replaced by a network of a few hundred numbers.

The teacher is a `SpatialNeuron`: a branched dendrite with four synaptic sites, whose
conductances depend on the local voltage as those of NMDA receptors do. The soma only
sees the voltage at its root. A `CompactSurrogate` learns that voltage from the four
conductances and the voltage of the soma; a `SurrogateGroup` then gives such a dendrite
to every neuron of a network. Somata are integrate-and-fire neurons of the user, in a
closed loop with the surrogates of their dendrites.

Training needs JAX: pip install "brian2-multiscale[gradients]".
"""

import os
import time

from brian2 import *

from brian2_multiscale import *

SHORT = bool(os.environ.get("BRIAN2_MULTISCALE_SHORT"))
RESULTS = os.environ.get("BRIAN2_MULTISCALE_RESULTS", "results")

STEP = 0.1 * ms
rest = -70 * mV
coupling = 30 * nS  # between the root of the dendrite and the soma
decay = 8 * ms  # of synaptic conductances
SITES = [f"g_{k}" for k in range(4)]

# -- the dendrite ----------------------------------------------------------------------
membrane = """
Im = (rest - v)/(15*kohm*cm**2) : amp/meter**2
# half of the conductance is as in NMDA receptors
gate = 0.5 + 0.5/(1 + exp(-62*v/volt)/3.57) : 1
I_synapses = here*g*gate*(0*mV - v) : amp (point current)
I_soma = root*coupling*(soma - v) : amp (point current)
here : 1 (constant)
root : 1 (constant)
site : integer (constant)
"""


def dendrite(equations, **options):
    """A trunk, two branches and four twigs, one synaptic site on each twig."""
    trunk = Cylinder(length=100 * um, diameter=2.5 * um, n=37)
    for side in "LR":
        branch = Cylinder(length=120 * um, diameter=1.6 * um, n=37)
        trunk[side] = branch
        for end in "LR":
            branch[end] = Cylinder(length=160 * um, diameter=0.9 * um, n=36)
    neuron = SpatialNeuron(
        trunk,
        membrane + equations,
        Cm=1 * uF / cm**2,
        Ri=150 * ohm * cm,
        method="exponential_euler",
        dt=STEP,
        **options,
    )
    neuron.v = rest
    neuron.root[0] = 1
    twigs = [neuron.L.L, neuron.L.R, neuron.R.L, neuron.R.R]
    for number, twig in enumerate(twigs):
        middle = twig.indices[:][18]
        neuron.here[middle], neuron.site[middle] = 1, number
    return neuron


def teacher(signals, step):
    """Voltage at the root for (samples, trials, inputs), one trial after the other."""
    neuron = dendrite("g = given(t, site) : siemens\nsoma = clamp(t) : volt")
    monitor = StateMonitor(neuron, "v", record=[0], when="end")
    network = Network(neuron, monitor)
    network.store()
    found = []
    for trial in moveaxis(signals, 1, 0):
        network.restore()
        given = TimedArray(trial[:, :4] * siemens, dt=STEP)
        clamp = TimedArray(trial[:, 4] * volt, dt=STEP)
        network.run(
            len(trial) * STEP, namespace=dict(globals(), given=given, clamp=clamp)
        )
        found.append(array(monitor.v[0]))
    return stack(found, axis=1)[:, :, newaxis]


# -- what it is trained with -----------------------------------------------------------
def volleys(random, times):
    """Conductances of Poisson input whose rate and strength differ between trials."""
    steps = times[1] - times[0]
    rate, strength = random.uniform(2, 60), 10 ** random.uniform(-1, 0.6)
    arrived = random.random(len(times)) < rate * steps
    strengths = arrived * strength * random.exponential(size=len(times))
    return filtered(strengths, exp(-steps / (decay / second)))


def filtered(values, factor):
    found, last = [], 0.0
    for value in values:
        last = last * factor + value
        found.append(last)
    return array(found)


def firing(random, times):
    """Voltage of a soma (in 10 mV, above rest) that drifts, and falls at spikes."""
    threshold, reset = 2.0, 0.5
    noise, found, last = random.normal(size=len(times)), [], 0.0
    drive = random.uniform(0, 2.6)
    for kick in noise:
        last += (drive - last) * 0.005 + 0.04 * kick
        last = reset if last > threshold else last
        found.append(last)
    return array(found)


def make_task():
    inputs = {**dict.fromkeys(SITES, siemens), "soma": volt}
    conductances = stimuli.Custom(amplitude=1 * nS, function=volleys)
    voltages = stimuli.Custom(amplitude=10 * mV, function=firing)
    return SurrogateTask.from_function(
        teacher,
        inputs,
        {"v": volt},
        stimuli={**dict.fromkeys(SITES, conductances), "soma": voltages},
        step=STEP,
        duration=(100 if SHORT else 400) * ms,
        trials=8 if SHORT else 128,
        validation_trials=4 if SHORT else 16,
        rest={"soma": rest},
        scale=dict.fromkeys(SITES, 1 * nS),
        name="dendrite",
    )


# -- neurons ---------------------------------------------------------------------------
soma = """
dv_s/dt = (5*nS*(rest - v_s) + coupling*(v - v_s))/(150*pF) : volt
"""
spikes = dict(
    threshold="v_s > -57*mV", reset="v_s = -65*mV", method="exponential_euler"
)
synaptic = "".join(f"d{g}_in/dt = -{g}_in/decay : siemens\n" for g in SITES)
inputs = {**{g: f"{g}_in" for g in SITES}, "soma": "v_s"}


def with_surrogates(count, surrogate, name, **options):
    group = SurrogateGroup(
        count, surrogate, inputs, soma + synaptic, name=name, **spikes, **options
    )
    group.v_s = rest
    return group


def with_compartments(name):
    """The same with the dendrite itself, one neuron."""
    group = NeuronGroup(
        1,
        soma + synaptic + "v : volt (linked)",
        dt=STEP,
        name=name,
        **spikes,
    )
    group.v_s = rest
    each = "\n".join(f"{g} : siemens (linked)" for g in SITES)
    chosen = " + ".join(f"int(site == {k})*{g}" for k, g in enumerate(SITES))
    whole = dendrite(
        f"{each}\ng = {chosen} : siemens\nsoma : volt (linked)", name=f"{name}_dendrite"
    )
    everywhere = zeros(len(whole), dtype=int)
    for g in SITES:
        setattr(whole, g, linked_var(group, f"{g}_in", index=everywhere))
    whole.soma = linked_var(group, "v_s", index=everywhere)
    group.v = linked_var(whole, "v", index=[0])
    return group, whole


def onto_sites(source, target, strength, name, **pairs):
    """Synapses whose spikes open the conductance of one of the four sites."""
    opened = [
        f"{g}_in_post += {strength}*int(site == {k})" for k, g in enumerate(SITES)
    ]
    synapses = Synapses(
        source, target, "site : integer (constant)", on_pre="\n".join(opened), name=name
    )
    synapses.connect(**pairs)
    return synapses


def same_spikes(surrogate, duration):
    """Both kinds of neurons with the same input: voltages, and times of spikes."""
    random = np.random.default_rng(7)
    count = random.poisson(4 * 55 * float(duration))
    slots = random.choice(4 * int(duration / STEP), size=count, replace=False)
    trains = slots % 4, (slots // 4) * STEP
    found = {}
    for kind in ("compartments", "surrogate"):
        if kind == "surrogate":
            group, others = with_surrogates(1, surrogate, "reduced"), []
        else:
            group, *others = with_compartments("full")
        monitor, fired = StateMonitor(group, "v_s", record=True), SpikeMonitor(group)
        source = SpikeGeneratorGroup(4, *trains, dt=STEP, name=f"{kind}_source")
        synapses = onto_sites(source, group, "2.5*nS", f"{kind}_synapses", p=1)
        synapses.site = "i"
        network = Network(group, others, source, synapses, monitor, fired)
        network.run(2 * STEP)
        begin = time.process_time()
        network.run(duration - 2 * STEP)
        cost = (time.process_time() - begin) / float(duration)
        found[kind] = monitor.t, monitor.v_s[0], fired.t[:], cost
    return found


def coincident(reference, others, window=2 * ms):
    """Fraction of spikes of both trains with a partner in the other one."""
    if not len(reference) or not len(others):
        return 0.0
    near = abs(subtract.outer(reference / second, others / second)) <= window / second
    return (sum(any(near, axis=0)) + sum(any(near, axis=1))) / sum(near.shape)


def recurrent(surrogate, count, duration):
    """A network: every spike opens a site of some other neurons."""
    group = with_surrogates(count, surrogate, "cells")
    background = PoissonGroup(4 * count, 40 * Hz, dt=STEP, name="background")
    outside = onto_sites(background, group, "2.5*nS", "outside", j="i//4")
    outside.site = "i % 4"
    inside = onto_sites(group, group, "0.5*nS", "inside", p=0.1)
    inside.site = "int(4*rand())"
    inside.delay = 1 * ms
    fired = SpikeMonitor(group)
    Network(group, background, outside, inside, fired).run(duration, report="text")
    return fired


def draw(found, fired, count):
    figure, axes = plt.subplots(3, figsize=(8, 7), layout="constrained")
    for kind, (times, v, spiking, _) in found.items():
        style = dict(color="k", lw=2.5, alpha=0.35) if kind == "compartments" else {}
        label = f"{kind}: {len(spiking)} spikes"
        axes[0].plot(times / ms, v / mV, label=label, **style)
    axes[0].set(
        ylabel="soma (mV)", xlim=(0, min(1000, times[-1] / ms)), xlabel="time (ms)"
    )
    axes[0].legend(loc="lower right")
    difference = found["surrogate"][1] - found["compartments"][1]
    axes[1].plot(times / ms, difference / mV, lw=0.7)
    axes[1].set(
        ylabel="surrogate - compartments (mV)", xlabel="time (ms)", ylim=(-2, 2)
    )
    axes[2].plot(fired.t / ms, fired.i, ".k", ms=2)
    axes[2].set(ylabel=f"{count} neurons", xlabel="time (ms)")
    os.makedirs(RESULTS, exist_ok=True)
    figure.savefig(os.path.join(RESULTS, "dendrite_surrogate.png"), dpi=120)


def report(found):
    (times, v, spiking, cost), (_, u, others, ours) = found.values()
    agree = coincident(spiking, others)
    off = sqrt(mean((u - v) ** 2))
    print(
        f"same input: {len(spiking)} spikes with compartments, {len(others)} with the "
        f"surrogate, {100 * agree:.0f} % within 2 ms, somata {off / mV:.2f} mV apart"
    )
    print(
        f"CPU seconds per second, one neuron, {prefs.codegen.target} target: "
        f"{cost:.3f} with compartments, {ours:.3f} with the surrogate"
    )
    return agree


def main():
    np.random.seed(3)
    defaultclock.dt = STEP
    begin = time.process_time()
    surrogate = train(
        make_task(),
        CompactSurrogate(8, 2, gated=True, compression=None),
        steps=200 if SHORT else 3000,
        slowest=100 * ms,
        report="text",
    )
    print(f"{surrogate}: {time.process_time() - begin:.0f} CPU s with the data")
    os.makedirs(RESULTS, exist_ok=True)
    surrogate.save(os.path.join(RESULTS, "dendrite.npz"))
    error = 100 * surrogate.meta["metrics"]["validation"]["v"]["nrmse"]
    print(f"error on new input: {error:.1f} % of the deflection")

    found = same_spikes(surrogate, (0.3 if SHORT else 10) * second)
    agree = report(found)
    count = 20 if SHORT else 200
    fired = recurrent(surrogate, count, 0.5 * second)
    print(f"network: {fired.num_spikes / count / 0.5:.1f} spikes per neuron and second")
    draw(found, fired, count)
    assert error < (30 if SHORT else 1)
    assert SHORT or agree > 0.8


if __name__ == "__main__":
    main()
