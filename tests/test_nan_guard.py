"""A run stops in the step in which the state of a population is nan or infinite."""

import contextlib
import ctypes
import os
import shutil
import subprocess
from importlib.resources import files

import numpy as np
import pytest
from brian2 import (
    Hz,
    Network,
    NeuronGroup,
    SpikeGeneratorGroup,
    Synapses,
    TimedArray,
    defaultclock,
    device,
    get_unit,
    ms,
    mV,
    nS,
    prefs,
    set_device,
)
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from density_models import random_groups
from targets import _project_folder, clean_device

from brian2_multiscale import (
    DensityGroup,
    HybridGroup,
    MesoscopicGroup,
    Projection,
    TabulatedSynapses,
    tabulate,
)
from brian2_multiscale.numerics.density import density_step

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

STEPS = 30
#: Common variables, input and parameters that can break, each without the others
COMMON = """
ds/dt = (1 - s)/tau : 1
du/dt = (given(t, i) - u)/(10*ms) : 1
mu : volt
tau : second
low : volt
"""
VOLTAGE = "dv/dt = (mu - v + 0.1*mV*sqrt((v - low)/volt))/(20*ms)"
ESCAPE = """
rho = 10*Hz*exp((v - 15*mV)/(2*mV))*sqrt(q) : Hz
q : 1
"""
NOISE = "sigma*(2/(20*ms))**0.5*xi : volt\nsigma : volt"
KINDS = {"meso": MesoscopicGroup, "dens": DensityGroup, "hyb": HybridGroup}
#: A hybrid group that stays a density; 'hyb' has neurons from the first step on
QUIET = "quiet"


def make_group(kind, sizes, names, dtype=None, **changes):
    if kind == "meso":
        model = f"{VOLTAGE} : volt\n{ESCAPE}"
        options = {"threshold": "rand() < rho*dt", "method": "euler"}
        options["memory"] = 20 * ms
    else:
        model = f"{VOLTAGE} + {NOISE}"
        options = {"threshold": "v > 15*mV", "common_method": "euler"}
        options |= {"v_min": -10 * mV, "bins": 60}
    options |= {"reset": "v = 0*mV", "name": kind, "dtype": dtype, **changes}
    group = KINDS[kind](sizes, COMMON + model, namespace=names, **options)
    group.tau, group.mu, group.low = 10 * ms, 14 * mV, -1000 * mV
    if kind == "meso":
        group.q = 1
    else:
        group.sigma = 3 * mV
    return group


def make(kind, compiled, dtype=None):
    """A group of two populations with input from outside, before anything is broken."""
    changes = {"switch_up": 0 * Hz} if kind == "hyb" else {}
    kind = "hyb" if kind == QUIET else kind  # the same names: the same compiled code
    defaultclock.dt = 0.1 * ms
    zeros = np.zeros((STEPS, 2))
    given = TimedArray(zeros, dt=0.1 * ms, name=f"{kind}_given")
    kick = TimedArray(zeros * mV, dt=0.1 * ms, name=f"{kind}_kick")
    group = make_group(kind, [80, 20], {"given": given, "kick": kick}, dtype, **changes)
    # Nothing but the groups themselves is worth compiling with Cython
    plain = {} if compiled else {"codeobj_class": NumpyCodeObject}
    group.run_regularly("v += kick(t, i)", dt=0.1 * ms, name=f"{kind}_kicks", **plain)
    parts = {"group": group, "given": given, "kick": kick}
    if kind == "dens":  # as for 'hyb', and each takes a second to compile
        return parts
    source = NeuronGroup(
        2,
        "w : volt",
        threshold="t > 0.65*ms and t < 0.75*ms",
        name=f"{kind}_source",
        namespace={},
        **plain,
    )
    synapses = Synapses(
        source, group, on_pre="v_post += w_pre", name=f"{kind}_synapses", **plain
    )
    synapses.connect(i=[0, 1], j=[0, 1])
    return parts | {"source": source, "synapses": synapses}


def simulated(parts):
    return [parts[name] for name in ("group", "source", "synapses") if name in parts]


def at(step, value):
    values = np.zeros((STEPS, 2))
    values[step, 1] = value
    return values


def growing():
    """First step in which Euler's method leaves the numbers: s with dt = 500 tau."""
    s, step = 0.0, 0
    while np.isfinite(s):
        s, step = s + 0.1e-3 * (1 - s) / TINY, step + 1
    return step - 1


TINY = 1e-4 / 1e12
#: What is broken in population 1, when the run stops, and what the message says
CASES = {
    "unstable": (("group", "tau"), [1e-2, TINY], growing, ["s = ", "'euler'", "dt"]),
    "division": (("group", "tau"), [1e-2, 0], 0, ["s = inf", "tau = 0 s", "ds/dt"]),
    "timed array": (("given",), at(12, np.nan), 12, ["u = nan", "TimedArray"]),
    "run_regularly": (("kick",), at(10, np.inf), 10, ["v", "run_regularly"]),
    "root": (("group", "low"), [-1, 0.01], 0, ["= nan", "root"]),
}
SYNAPSES = {
    "synapse": (("source", "w"), [0, np.inf], 8, ["v", "synapses"]),
    "synapse nan": (("source", "w"), [0, np.nan], 8, ["v", "= nan", "synapses"]),
}
OF_MESO = {
    "hazard": (("group", "q"), [1, -1], 0, ["A_expected = nan", "'rho'", "root"])
}
OF_DENSITY = {
    "noise": (
        ("group", "sigma"),
        [3e-3, 0],
        0,
        ["v = nan", "squared noise", "sigma = 0"],
    )
}


def cases(kind):
    own = {"meso": OF_MESO, "hyb": {}}.get(kind, OF_DENSITY)
    return CASES | own | ({} if kind == "dens" else SYNAPSES)


EVERY = [(kind, case) for kind in KINDS for case in cases(kind)]


def check(kind, case, text):
    _, _, step, words = cases(kind)[case]
    step = step() if callable(step) else step
    name = "hyb" if kind == QUIET else kind
    for word in [*words, f"population 1 of '{name}' (20 neurons)", "Likely causes"]:
        assert word in text, f"{word!r} is not in {text!r}"
    assert f" at t = {0.1 * step:.10g} ms" in text


def broken(parts, place, value):
    """Set what is to be broken, at runtime."""
    owner = parts[place[0]]
    if place[-1] == "sigma":  # refused where it is seen before the run
        change = f"sigma = {value[0]}*volt*int(i == 0)"
        owner.run_regularly(change, dt=0.1 * ms, codeobj_class=NumpyCodeObject)
    elif len(place) == 2:
        setattr(owner, place[1], value * get_unit(getattr(owner, place[1]).dim))
    else:
        owner.values[...] = value


def run(parts):
    Network(*simulated(parts)).run(STEPS * defaultclock.dt, namespace={})


@pytest.mark.parametrize("kind, case", EVERY + [(QUIET, c) for c in cases(QUIET)])
@pytest.mark.parametrize("target", ["numpy", "cython"])
def test_runtime(target, kind, case):
    prefs.codegen.target = target
    parts = make(kind, compiled=False)
    place, value, *_ = cases(kind)[case]
    broken(parts, place, value)
    with pytest.raises(FloatingPointError) as caught:
        run(parts)
    if target == "cython" and case == "division":
        # Cython notices before there is a result
        name = parts["group"].name
        assert f"'{name}' divided by zero at t = 0 ms" in str(caught.value)
        assert "tau = 0 (populations 1)" in str(caught.value)
    else:
        check(kind, case, str(caught.value))


@contextlib.contextmanager
def errors_into(path):
    """What this process and its children print as errors goes to a file."""
    saved = os.dup(2)
    with open(path, "wb") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def run_program(folder, arguments):
    """What the compiled program prints, and whether Brian2 raises an error."""
    failed, errors = False, folder / "errors.txt"
    with errors_into(errors):
        try:
            device.run(str(folder), with_output=False, run_args=arguments)
        except RuntimeError:
            failed = True
    return failed, errors.read_text()


@pytest.fixture(scope="module")
def outcomes():
    """One program with all groups, run once for everything that is broken."""
    if not any(map(shutil.which, ["c++", "g++", "clang++"])):
        pytest.skip("no C++ compiler")
    with _project_folder("nan-guard") as folder:
        set_device("cpp_standalone", build_on_run=False)
        everything = {kind: make(kind, compiled=True) for kind in KINDS}
        network = Network()
        for parts in everything.values():
            network.add(simulated(parts))
        network.run(STEPS * defaultclock.dt, namespace={})
        device.build(directory=str(folder), run=False, with_output=False)
        found = {None: run_program(folder, {})}
        found["v"] = [parts["group"].v[:] for parts in everything.values()]
        for kind, case in EVERY:
            place, value, *_ = cases(kind)[case]
            owner = everything[kind][place[0]]
            key = getattr(owner, place[1]) if len(place) == 2 else owner
            value = np.array(value, dtype=float) * get_unit(key.dim)
            found[kind, case] = run_program(folder, {key: value})
        clean_device()
        return found


@pytest.mark.parametrize("kind, case", EVERY)
def test_standalone(outcomes, kind, case):
    failed, text = outcomes[kind, case]
    assert failed
    check(kind, case, text)


def test_standalone_without_cause(outcomes):
    failed, text = outcomes[None]
    assert not failed and not text
    assert all(np.all(v > 0 * mV) for v in outcomes["v"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_false_alarm(kind, dtype):
    parts = make(kind, compiled=False, dtype=dtype)
    run(parts)
    assert parts["group"].variables["s"].dtype == dtype
    assert np.all(parts["group"].v[:] > 0 * mV)


@pytest.mark.parametrize("kind", KINDS)
def test_single_precision(kind):
    """The largest number is smaller: Euler's method leaves them earlier."""
    parts = make(kind, compiled=False, dtype=np.float32)
    broken(parts, ("group", "tau"), [1e-2, 1e-6])
    with pytest.raises(FloatingPointError, match="s = ") as caught:
        run(parts)
    steps = np.log(np.finfo(np.float32).max) / np.log(99)
    assert f"t = {0.1 * np.floor(steps):.10g} ms" in str(caught.value)


def test_shared_parameters():
    group = MesoscopicGroup(
        10,
        "dv/dt = (mu - v)/pace : volt\nmu : volt\npace : second (shared)",
        threshold="rand() < 10*Hz*dt",
        reset="v = 0*mV",
        method="euler",
        memory=20 * ms,
        name="shared",
    )
    with pytest.raises(FloatingPointError, match="mu = 0 V, pace = 0 s"):
        Network(group).run(1 * ms, namespace={})


def test_constants_of_the_namespace():
    group = MesoscopicGroup(
        10,
        "dv/dt = (mu - v)/taum : volt\nmu : volt",
        threshold="rand() < 10*Hz*dt",
        reset="v = 0*mV",
        method="euler",
        memory=20 * ms,
        namespace={"taum": 0 * ms},
        name="timeless",
    )
    with pytest.raises(FloatingPointError, match="taum = 0 s"):
        Network(group).run(1 * ms)


# -- input through synapses of this package --------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_projections(kind):
    defaultclock.dt = 0.1 * ms
    names = {"given": TimedArray(np.zeros((STEPS, 2)), dt=0.1 * ms)}
    group = make_group(kind, [80, 20], names)
    source = make_group("meso", [800, 200], names, name="source")
    source.mu = 30 * mV
    projection = Projection(
        source,
        group,
        on_pre="v_post += w*boost",
        weights=0.01 * mV,
        delay=0.3 * ms,
        namespace={"boost": np.inf},
    )
    with pytest.raises(FloatingPointError, match=f"of '{kind}' .* is not finite"):
        Network(source, projection, group).run(50 * ms, namespace={})


@pytest.mark.parametrize("kind", ["meso", "dens"])
def test_synapses_with_kinetics(kind):
    """Their own states are not looked at, but no number arrives where there is none."""
    defaultclock.dt = 0.1 * ms
    names = {"given": TimedArray(np.zeros((STEPS, 2)), dt=0.1 * ms)}
    group = make_group(kind, [80, 20], names)
    source = NeuronGroup(2, "", threshold="t > 0.45*ms and t < 0.55*ms", name="source")
    synapses = Synapses(
        source,
        group,
        """dbound/dt = opening*(1 - bound) - bound/(5*ms) : 1 (clock-driven)
           low_post = -1*volt + 1e-9*volt*bound : volt (summed)
           opening : hertz""",
        method="kinetic",
        on_pre="opening = unset",
        namespace={"unset": np.nan * Hz},
        name="kinetic_synapses",
    )
    synapses.connect(j="i")
    with pytest.raises(FloatingPointError, match="low = nan V") as caught:
        Network(source, synapses, group).run(3 * ms, namespace={})
    assert " at t = 0.7 ms" in str(caught.value)


def test_tabulated_synapses():
    table = tabulate("exponential", rates=(5, 100) * Hz, tolerance=0.02)
    model = "dv/dt = (g*mV/unit_of_g - v)/(20*ms) : volt\ng : siemens"
    group = MesoscopicGroup(
        [5, 5],
        model,
        threshold="rand() < 10*Hz*dt",
        reset="v = 0*mV",
        memory=20 * ms,
        namespace={"unit_of_g": 1 * nS},
        method="euler",
        name="meso",
    )
    source = SpikeGeneratorGroup(2, [0, 1], [1, 1] * ms, name="source")
    synapses = TabulatedSynapses(
        source, group, table, "g", model="weight : 1", weight="weight", name="tabulated"
    )
    synapses.connect(j="i")
    synapses.weight = [1, np.nan]
    with pytest.raises(FloatingPointError, match="of population 1 .* g = nan S"):
        Network(source, synapses, group).run(3 * ms, namespace={})


# -- the algorithms themselves ---------------------------------------------------------
WRAPPED = """
static uint64_t seed = 1;
static double uniform(int)
{
    seed = seed*6364136223846793005ULL + 1442695040888963407ULL;
    return (seed >> 11)*(1./9007199254740992.);
}
extern "C" int not_finite(double value) { return ms_not_finite(value); }
extern "C" double binomial(double n, double p) { return ms_binomial(n, p, uniform); }
extern "C" void step(
    int populations, const int32_t* first, const double* width,
    const int32_t* reset_cell, const double* drift, const double* diffusion, double dt,
    double* density, const double* kick, const double* strength,
    const double* synapses, const int32_t* silent, int ring_length, int position,
    double* ring, const double* size, int stochastic, int physical, int substeps,
    double* fired, double* direct, double* event)
{
    ms_density_step(
        populations, first, width, reset_cell, drift, diffusion, dt, density, kick,
        strength, synapses, silent, ring_length, position, ring, size, stochastic,
        physical, substeps, fired, direct, event, uniform);
}
"""
STRANGE = [np.nan, -np.nan, np.inf, -np.inf]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """The headers with options that take it for granted that there is no nan."""
    found = map(shutil.which, [os.environ.get("CXX", "c++"), "g++", "clang++"])
    compiler = next(filter(None, found), None)
    if compiler is None or os.name == "nt":
        pytest.skip("no compiler for a shared library")
    folder = files("brian2_multiscale.codegen") / "cpp"
    headers = [(folder / n).read_text("utf-8") for n in ("guard.h", "density.h")]
    place, loaded = tmp_path_factory.mktemp("guard"), {}
    (place / "all.cpp").write_text("\n".join([*headers, WRAPPED]), "utf-8")
    for name, options in OPTIONS.items():
        parts, output = place / f"{name}.o", place / f"{name}.so"
        command = [compiler, *options, "-std=c++11", "-fPIC", "-c", place / "all.cpp"]
        subprocess.run([*command, "-o", parts], check=True)
        # Linked with -ffast-math it would take denormal numbers from this process
        subprocess.run([compiler, "-shared", parts, "-o", output], check=True)
        loaded[name] = ctypes.CDLL(str(output))
        loaded[name].binomial.restype = ctypes.c_double
    return loaded


OPTIONS = {
    "blind": ["-O1", "-ffast-math"],
    "brian": ["-O2", "-ffast-math", "-fno-finite-math-only"],
}


@pytest.mark.parametrize("options", OPTIONS)
def test_search(library, options):
    def found(value):
        return bool(library[options].not_finite(ctypes.c_double(value)))

    assert all(map(found, STRANGE))
    limits = np.finfo(float)
    finite = [0.0, -0.0, 1.5, limits.max, limits.min, limits.tiny, 5e-324]
    assert not any(map(found, finite))


@pytest.mark.parametrize("n", [*STRANGE, 0, 5, 1e6])
@pytest.mark.parametrize("p", [*STRANGE, -1, 0.3, 2])
def test_binomial_numbers_have_an_end(library, n, p):
    arguments = ctypes.c_double(n), ctypes.c_double(p)
    draw = library["brian"].binomial(*arguments)
    if np.isfinite(n):
        assert 0 <= draw <= n


def compiled_step(library, groups):
    """`density_step` in C++."""
    types = {np.dtype("float64"): ctypes.c_double, np.dtype("int32"): ctypes.c_int32}

    def argument(value):
        if isinstance(value, np.ndarray):
            return value.ctypes.data_as(ctypes.POINTER(types[value.dtype]))
        return ctypes.c_double(value) if isinstance(value, float) else value

    for name in ("first", "reset_cell", "silent"):
        groups[name] = groups[name].astype(np.int32)
    order = "first width reset_cell drift diffusion dt density kick strength synapses "
    order += "silent ring_length position ring size stochastic physical substeps "
    order += "fired direct event"
    values = [argument(groups[name]) for name in order.split()]
    library["brian"].step(len(groups["width"]), *values)


@pytest.mark.parametrize("stochastic", [0, 1])
@pytest.mark.parametrize("compiled", [False, True])
def test_steps_with_what_is_no_number(library, compiled, stochastic):
    """They come to an end; the population where it is shows it, and no other."""
    rng = np.random.default_rng(7)
    for _ in range(300):
        groups = random_groups(rng, int(rng.integers(1, 4)))
        groups["stochastic"], first = stochastic, groups["first"]
        name = rng.choice(["drift", "diffusion", "density"])
        cell = int(rng.integers(first[-1]))
        groups[name][cell] = rng.choice([np.nan, np.inf])
        groups["kick"][:] = 0
        hurt = np.searchsorted(first, cell, side="right") - 1
        if compiled:
            compiled_step(library, groups)
        else:
            density_step(**groups)
        # The template looks at the mean voltage and at who fired
        seen = np.add.reduceat(groups["density"], first[:-1]) + groups["fired"]
        assert not np.isfinite(seen[hurt])
        assert np.all(np.isfinite(np.delete(seen, hurt)))


@pytest.mark.parametrize("compiled", [False, True])
def test_huge_kicks_have_an_end(library, compiled):
    rng = np.random.default_rng(3)
    for kick in (1e30, -1e30, 1e300):
        groups = random_groups(rng, 1)
        groups["kick"][:], groups["strength"][:] = kick, 0.01
        groups["synapses"][:] = 0
        if compiled:
            compiled_step(library, groups)
        else:
            density_step(**groups)
        # All fire, or nobody does
        assert groups["fired"][0] == pytest.approx(1 if kick > 0 else 0, abs=1e-9)
