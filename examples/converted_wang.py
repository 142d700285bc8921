"""
The decision network of Wang (2002) for converted_networks.py, three times.

Numbers are those of the paper, but for coherence, times and the time step.
"""

import numpy as np
from brian2 import *

from brian2_multiscale import *

WANG = """
dv/dt = (g_l*(v_rest - v) - (g_ampa + g_ext)*v - g_gaba*(v - v_rest)
         - g_nmda*s_nmda*v/(1 + exp(-0.062*v/mV)/3.57))/C_m
        : volt (unless refractory)
dg_ampa/dt = -g_ampa/tau_ampa : siemens
dg_ext/dt = -g_ext/tau_ampa : siemens
dg_gaba/dt = -g_gaba/tau_gaba : siemens
s_nmda : 1  # sum over all synapses
"""
EXCITATORY = WANG + "pool : integer (constant)\n"  # 0 and 1: selective; 2: not
GATING = """
ds/dt = -s/(100*ms) + 0.5/ms*x*(1 - s) : 1
dx/dt = -x/(2*ms) : 1
"""
COMMON = {"v_rest": -70 * mV, "tau_ampa": 2 * ms, "tau_gaba": 5 * ms}
E_CELL = {"C_m": 0.5 * nF, "g_l": 25 * nS, "g_nmda": 0.165 * nS}
I_CELL = {"C_m": 0.2 * nF, "g_l": 20 * nS, "g_nmda": 0.13 * nS}
DELAY = 0.5 * ms
WITHIN, BETWEEN = 1.7, 1 - 0.15 * 0.7 / 0.85  # relative weights onto selective pools
WEIGHT = (
    f"1 + int(pool_post < 2)*({BETWEEN - 1} "
    f"+ {WITHIN - BETWEEN}*int(pool_pre == pool_post))"
)
NMDA = """# NMDA receptor that saturates
#
# /// mechanism
# name = "nmda_wang"
# kind = "synapse"
# doi = "10.1016/S0896-6273(02)01092-9"
# on_pre = "x += 1"
# output = "s"
# [parameters]
# tau_decay = {value = "100*ms", source = "Wang 2002"}
# tau_rise = {value = "2*ms", source = "Wang 2002"}
# alpha = {value = "0.5/ms", source = "Wang 2002"}
# ///
ds/dt = -s/tau_decay + alpha*x*(1 - s) : 1
dx/dt = -x/tau_rise : 1
tau_decay : second (constant)
tau_rise : second (constant)
alpha : hertz (constant)
"""


def wang(nmda, shrink=1, coherence=0.256, begins=0.5, ends=2.0):
    """
    1600 pyramidal cells in three pools and 400 interneurons, all-to-all.

    ``nmda`` makes the NMDA synapses; ``shrink`` times fewer neurons have synapses that
    are stronger by this factor. Selective pools see motion from ``begins`` to ``ends``.
    """
    sizes = np.array([240, 240, 1120]) // shrink
    model = EXCITATORY + ("" if nmda is nmda_tabulated else GATING)
    strength = {"strength": shrink * nS}
    e, i = (
        NeuronGroup(
            number,
            model,
            threshold="v > -50*mV",
            reset="v = -55*mV",
            refractory=refractory,
            method="euler",
            namespace=COMMON | cell | {"g_nmda": shrink * cell["g_nmda"]},
        )
        for number, model, refractory, cell in [
            (sizes.sum(), model, 2 * ms, E_CELL),
            (400 // shrink, WANG, 1 * ms, I_CELL),
        ]
    )
    e.v = i.v = -52 * mV
    e.pool = np.repeat([0, 1, 2], sizes)
    objects = [e, i]
    for source, target, variable, g in [
        (e, e, "g_ampa", f"0.05*({WEIGHT})"),
        (e, i, "g_ampa", "0.04"),
        (i, e, "g_gaba", "1.3"),
        (i, i, "g_gaba", "1.0"),
    ]:
        synapses = Synapses(
            source,
            target,
            model="w : 1",
            on_pre=f"{variable} += w*strength",
            delay=DELAY,
            namespace=strength,
        )
        synapses.connect()
        synapses.w = g
        objects.append(synapses)
    objects += nmda(e, i)
    objects += [
        PoissonInput(e, "g_ext", 1000, 2.4 * Hz, 2.1 * nS),
        PoissonInput(i, "g_ext", 1000, 2.4 * Hz, 1.62 * nS),
        *motion(e, sizes[0], coherence, begins, ends),
    ]
    spikes = [SpikeMonitor(e[: sizes[0]]), SpikeMonitor(e[sizes[0] : 2 * sizes[0]])]
    return Network(objects, spikes), spikes


def motion(e, size, coherence, begins, ends):
    """Spikes of 40 Hz, more to pool 0 than to pool 1; new rates every 50 ms."""
    times = np.arange(0, ends + 0.04, 0.05)[:, None]
    noise = np.random.default_rng(2).normal(0, 4, (len(times), 2))
    rates = 40 * (1 + coherence * np.array([1, -1])) + noise
    rates[(times[:, 0] < begins - 1e-9) | (times[:, 0] > ends - 1e-9)] = 0
    stimulus = TimedArray(rates * Hz, dt=50 * ms)
    axons = PoissonGroup(
        2 * size,
        rates="stimulus(t, int(i >= size))",
        namespace={"stimulus": stimulus, "size": size},
    )
    synapses = Synapses(axons, e, on_pre="g_ext += 2.1*nS")
    synapses.connect(j="i")
    return axons, synapses


def gating(e):
    """Opens the presynaptic variable s after the delay."""
    opened = Synapses(e, e, on_pre="x_pre += 1", delay=DELAY)
    opened.connect(j="i")
    return opened


def nmda_summed(e, i):
    """As one would write it first: every synapse is summed in every time step."""
    to_e = Synapses(e, e, "w : 1\ns_nmda_post = w*s_pre : 1 (summed)")
    to_i = Synapses(e, i, "s_nmda_post = s_pre : 1 (summed)")
    to_e.connect()
    to_i.connect()
    to_e.w = WEIGHT
    return gating(e), to_e, to_i


def nmda_by_pool(e, i):
    """The trick: neurons of a pool have the same weights, so pools are summed first."""
    pools = NeuronGroup(3, "total : 1\npool : integer (constant)")
    pools.pool = [0, 1, 2]
    gather = Synapses(e, pools, "total_post = s_pre : 1 (summed)")
    gather.connect(j="pool_pre")
    to_e = Synapses(pools, e, "w : 1\ns_nmda_post = w*total_pre : 1 (summed)")
    to_i = Synapses(pools, i, "s_nmda_post = total_pre : 1 (summed)")
    to_e.connect()
    to_i.connect()
    to_e.w = WEIGHT
    return gating(e), pools, gather, to_e, to_i


def nmda_tabulated(e, i):
    """No equations and no trick: the receptor as a mechanism, made into a table."""
    table = tabulate(Mechanism.from_text(NMDA), rates=(1, 100) * Hz)
    to_e = TabulatedSynapses(e, e, table, "s_nmda", delay=DELAY)
    to_i = TabulatedSynapses(e, i, table, "s_nmda", "", weight="1", delay=DELAY)
    to_e.connect()
    to_i.connect()
    to_e.w = WEIGHT
    return to_e, to_i
