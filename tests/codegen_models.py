"""Models of test_codegen, test_pool and test_binomial, which share one build."""

import functools

import numpy as np
from brian2 import (
    NeuronGroup,
    SpikeGeneratorGroup,
    StateMonitor,
    Synapses,
    defaultclock,
    ms,
    mV,
    nS,
    volt,
)
from scipy.interpolate import RegularGridInterpolator
from targets import run_on_targets

from brian2_multiscale.codegen.arrays import ArrayFunction
from brian2_multiscale.codegen.binomial import binomial_draw
from brian2_multiscale.codegen.lookup import LookupFunction
from brian2_multiscale.codegen.pool import PooledExponentials

TAUS = [2, 5, 20] * ms
TAUS_S = np.asarray(TAUS)
WEIGHT = 3 * nS
ARRIVALS = [(0, 1.0), (3, 1.0), (3, 1.5), (4, 2.5)]  # neuron, ms


def pooled_model():
    """Spikes into two pools, one of them for a part of the neurons."""
    neurons = NeuronGroup(
        5,
        "dx/dt = g/nS/second : 1\ng : siemens\nh : siemens",
        method="euler",
        name="np",
    )
    part = neurons[3:5]
    neurons.h = 7 * nS
    pools = [
        PooledExponentials(neurons, "g", TAUS, name="pool_all"),
        PooledExponentials(part, "h", TAUS[:2], decay_first=True, name="pool_part"),
    ]
    indices, times = zip(*ARRIVALS, strict=True)
    spikes = SpikeGeneratorGroup(5, indices, times * ms, name="spikes_pool")
    on_pre = "z1_post += WEIGHT\nz3_post += 2*WEIGHT"
    to_all = Synapses(spikes, neurons, on_pre=on_pre, name="syn_all")
    to_part = Synapses(spikes, part, on_pre="part2_post += WEIGHT", name="syn_part")
    assert pools[0].expose_to(to_all) == ["z1_post", "z2_post", "z3_post"]
    assert pools[1].expose_to(to_part, prefix="part") == ["part1_post", "part2_post"]
    to_all.connect(j="i")
    to_part.connect(i=[3, 4], j=[0, 1])
    monitor = StateMonitor(neurons, ["g", "h", "x"], True, when="end", name="mon_pool")
    objects = [neurons, *pools, spikes, to_all, to_part, monitor]
    readers = {name: lambda v=name: getattr(monitor, v) for name in ("g", "h", "x")}
    return objects, {**readers, "pool_times": lambda: monitor.t}


def reference_pools(times):
    """Closed form: a spike is seen one step after its arrival, then it decays."""
    steps = np.diff(times, append=2 * times[-1] - times[-2])
    g, h = np.zeros((2, 5, len(times)))
    for neuron, arrival in ARRIVALS:
        seen = times > arrival * 1e-3 + 1e-9
        age = np.where(seen, times - times[np.argmax(seen)], 0)
        decay, _, slow = (np.exp(-age / tau) * seen for tau in TAUS_S)
        g[neuron] += float(WEIGHT) * (decay + 2 * slow)
        if neuron in (3, 4):  # with the decay of the present step
            h[neuron] += float(WEIGHT) * np.exp(-(age + steps) / TAUS_S[1]) * seen
    h[:3] = 7e-9
    return g, h, np.cumsum(g * steps, axis=1) / 1e-9


EXTRAPOLATIONS = ("clip", "nan", "linear")
rng = np.random.default_rng(20)
TABLE_1D = rng.normal(size=31) * nS
TABLE_2D = rng.normal(size=(11, 7)) * mV
TABLE_5D = rng.normal(size=(3, 4, 2, 5, 3))
AXES_2D = {"v": (-100 * mV, 50 * mV), "c": (1e-3, 1.0, "log")}
AXES_5D = {name: (0, 1) for name in "abcdf"}
POINTS_2D = np.vstack(
    [
        # inside, then outside on both sides of both axes, edges, and nan
        np.column_stack([rng.uniform(-0.1, 0.05, 200), 10 ** rng.uniform(-3, 0, 200)]),
        [(-0.2, 0.5), (0.06, 0.5), (0, 1e-4), (0, 3), (0.1, 1e-5)],
        [(-0.1, 1e-3), (0.05, 1), (-0.1, 1), (0.05 + 1e-11, 1e-3), (np.nan, 0.1)],
    ]
)
POINTS_5D = rng.uniform(size=(210, 5))


def row_sum_code():
    """A function with an integer argument: sum of the first n elements of a row."""
    return """
    static inline double %CORE%(const double* rows, const int32_t* size, int32_t row,
                                double n)
    {
        double sum = 0;
        for (int i = 0; i < n && i < size[1]; i++)
            sum += rows[row*size[1] + i];
        return sum;
    }
    """


def row_sum(rows, size, row, n):
    columns = np.arange(size[1])
    return np.sum(rows[row] * (columns < np.asarray(n)[..., None]), axis=-1)


def make_row_sum():
    rows = np.arange(12.0).reshape(3, 4)
    return ArrayFunction(
        {"rows": rows, "size": np.array(rows.shape, dtype=np.int32)},
        row_sum,
        row_sum_code(),
        arg_names=["row", "n"],
        arg_units=[1, 1],
        arg_types=["integer", "any"],
        return_unit=volt,
        name="row_sum",
    )


def table_model():
    """Every policy, storage type and number of dimensions."""
    functions = {
        policy: LookupFunction(TABLE_2D, AXES_2D, policy, name=f"table_{policy}")
        for policy in EXTRAPOLATIONS
    }
    functions["one"] = LookupFunction(TABLE_1D, {"x": (0, 1)}, name="table_one")
    functions["five"] = LookupFunction(
        TABLE_5D, AXES_5D, dtype=np.float32, name="table_five"
    )
    functions["row_sum"] = make_row_sum()
    variables = "\n".join(f"{name} : 1" for name in "abcdf")
    model = f"""
    v : volt
    x : 1
    k : integer
    {variables}
    in_clip = clip_table(v, x) : volt
    in_nan = nan_table(v, x) : volt
    in_linear = linear_table(v, x) : volt
    in_one = one_table(a) + 0*one_table(0.25) : siemens
    in_five = five_table(a, b, c, d, f) : 1
    in_rows = row_sum_table(k, 4*a) : volt
    """
    group = NeuronGroup(
        len(POINTS_2D),
        model,
        name="group_tables",
        namespace={f"{name}_table": function for name, function in functions.items()},
    )
    group.v, group.x = POINTS_2D[:, 0] * volt, POINTS_2D[:, 1]
    group.k = np.arange(len(group)) % 3
    for name, values in zip("abcdf", POINTS_5D.T, strict=True):
        setattr(group, name, values)
    names = [*EXTRAPOLATIONS, "one", "five", "rows"]
    monitor = StateMonitor(
        group, [f"in_{name}" for name in names], True, name="mon_tables"
    )
    readers = {name: lambda n=name: getattr(monitor, f"in_{n}")[:, 0] for name in names}
    return [group, monitor], readers


def reference_2d(policy):
    """Scipy's interpolation in the coordinates of the axes."""
    v, log_c = POINTS_2D[:, 0], np.log(POINTS_2D[:, 1])
    axes = [np.linspace(-0.1, 0.05, 11), np.linspace(np.log(1e-3), 0, 7)]
    if policy == "clip":
        v, log_c = np.clip(v, *axes[0][[0, -1]]), np.clip(log_c, *axes[1][[0, -1]])
    elif policy == "nan":  # beyond the edge by rounding: for scipy this is outside
        v = np.where((v > 0.05) & (v < 0.05 + 1e-9), 0.05, v)
    fill = np.nan if policy == "nan" else None
    interpolator = RegularGridInterpolator(
        axes, np.asarray(TABLE_2D), bounds_error=False, fill_value=fill
    )
    return interpolator(np.column_stack([v, log_c]))


BINOMIALS = [
    # (n, p): inversion, Brian2's wrong case, rejection, mirrored, large, tiny p
    (1, 0.3),
    (5, 0.8),
    (20, 0.5),
    (100, 0.05),
    (30, 0.34),
    (40, 0.75),
    (1000, 0.97),
    (10**6, 0.999999),
    (10**9, 1e-9),
    (10**9, 0.5),
    (2**31 - 1, 0.9),
    # exact
    (0, 0.5),
    (10, 0),
    (10, 1),
    (10, 1 + 1e-10),
    # impossible
    (-1, 0.5),
    (5, 1.2),
    (5, np.nan),
]
DRAWS = 5000  # per time step


def binomial_model():
    n, p = np.repeat(np.array(BINOMIALS), DRAWS, axis=0).T
    group = NeuronGroup(
        len(n),
        "n : integer\np : 1\ndraw : integer\nother : 1",
        namespace={"binomial_draw": binomial_draw},
        name="group_binomial",
    )
    group.n, group.p = n, p
    group.run_regularly(
        "draw = binomial_draw(n, p)\nother = 0.5*binomial_draw(n, p)", name="draws"
    )
    monitor = StateMonitor(group, "draw", True, when="end", name="mon_binomial")
    return [group, monitor], {
        "draws": lambda: monitor.draw.reshape(len(BINOMIALS), -1),
        "second_draws": lambda: 2 * group.other[:].reshape(len(BINOMIALS), -1),
    }


@functools.cache
def shared_results():
    """Results of all these models on all targets, from one C++ build."""

    def simulate(network):
        network.run(2 * ms)
        network["group_binomial"].active = False
        network["mon_binomial"].active = False
        defaultclock.dt = 0.05 * ms  # the decays have to follow
        network.run(2 * ms)

    models = [pooled_model, table_model, binomial_model]
    return run_on_targets(models, simulate, name="codegen_models")
