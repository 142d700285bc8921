"""Receptors with 31 states at 20 000 synapses, for one look-up per spike."""

from brian2 import *

from brian2_multiscale import *

ampa, nmda = Mechanism("ampa_robert_howe"), Mechanism("nmda_ambert", suffix="_nmda")
receptors = {"g_ampa": ampa, "Open_nmda": nmda}
tables = {name: tabulate(r, rates=(2, 100) * Hz) for name, r in receptors.items()}
model = """
dv/dt = (10*nS*(-70*mV - v) - (g_ampa + g_nmda)*v)/(200*pF) : volt (unless refractory)
g_ampa    : siemens
Open_nmda : 1
"""
axons = PoissonGroup(400, "30*Hz*(sin(2*pi*2*Hz*t) > 0)")
cells = NeuronGroup(
    500,
    Equations(model) + nmda.readout,  # g_nmda from Open_nmda and v (magnesium block)
    threshold="v > -50*mV", reset="v = -60*mV", refractory=2*ms,
    method="exponential_euler", namespace=nmda.namespace,
)  # fmt: skip
cells.v = -70 * mV
weight = {"g_ampa": "w", "Open_nmda": "4*w"}  # times the receptors of the files
synapses = TabulatedSynapses(axons, cells, tables, weight=weight, delay=1 * ms)
synapses.connect(p=0.1)
synapses.w = "900 + 500*rand()"
spikes, cell = SpikeMonitor(cells), StateMonitor(cells, ["g_ampa", "g_nmda"], record=0)
run(1 * second, report="text")
figure, (one, sums, raster) = plt.subplots(3, figsize=(7, 6), layout="constrained")
train, t = [10, 50, 55, 60, 100, 130] * ms, np.arange(2000) * 0.1 * ms
one.plot(t / ms, ampa.simulate(train, t) / psiemens, "0.7", lw=5, label="kinetic")
one.plot(t / ms, tables["g_ampa"].response(train, t) / psiemens, label="table")
one.set(xlabel="time (ms)", ylabel="one synapse:\nAMPA (pS)")
sums.plot(cell.t / ms, cell.g_ampa[0] / nS, cell.t / ms, cell.g_nmda[0] / nS)
sums.set(ylabel="one cell:\nall synapses (nS)")
raster.plot(spikes.t / ms, spikes.i, ".k", ms=1)
raster.set(xlabel="time (ms)", ylabel="spikes of\nall cells", xlim=sums.get_xlim())
one.legend(), sums.legend(["AMPA", "NMDA"])
figure.savefig("docs/images/receptor_in_a_network.png", dpi=150)
