"""Everything that users may call, its arguments, and what nobody should give them.

To add a callable, write a function that calls it and lists its arguments as
`Argument`s: one line for each. `CALLS` has all of them.
"""

import functools
import math
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from brian2 import (
    DimensionMismatchError,
    Hz,
    Network,
    NeuronGroup,
    Quantity,
    amp,
    kelvin,
    kilogram,
    ms,
    mV,
)
from brian2.core.base import BrianObjectException
from brian2.equations.equations import EquationError
from brian2.units.fundamentalunits import get_dimensions
from hypothesis import strategies as st

from brian2_multiscale import (
    Cascade,
    DensityGroup,
    HybridGroup,
    KineticScheme,
    Mechanism,
    MesoscopicGroup,
    Projection,
    SpikingGroup,
    SynapticTable,
    TableFunction,
    TabulatedSynapses,
    admissible_scales,
    binomial_draw,
    compare_scales,
    list_mechanisms,
    population,
    tabulate,
)

__all__ = ["CALLS", "Argument", "call", "fine_values", "nonsense", "refused", "told"]


class _Thing:
    """An object of no use; its text is the same in every process."""

    def __repr__(self):
        return "<a thing>"


def _nothing():
    """A function that is no expression."""


# -- kinds of nonsense ---------------------------------------------------------------
_words = st.from_regex(r"\Anobody_[a-z]{1,6}\Z")
_strange = st.sampled_from([amp, kilogram, kelvin])

#: Stands for what the callable makes itself
OWN = object()

#: What may take the place of any argument, by kind
EVERYWHERE = {
    "none": st.none(),
    "object": st.builds(_Thing),
    "function": st.just(_nothing),
    "class": st.sampled_from([int, NeuronGroup, ValueError]),
    "bytes": st.binary(min_size=1, max_size=5),
    "complex": st.builds(complex, st.floats(-9, 9), st.floats(1, 9)),
    "bool": st.booleans(),
    "nan": st.just(math.nan),
    "infinite": st.sampled_from([math.inf, -math.inf]),
    "negative": st.one_of(st.integers(-99, -1), st.floats(-99, -1e-3)),
    "fraction": st.floats(0.01, 0.99).map(lambda x: x + 2),
    "huge": st.sampled_from([10**400, 2**63, -(10**400)]),
    "empty text": st.sampled_from(["", "  ", "\n"]),
    "unknown name": _words,
    "unknown sum": _words.map(lambda w: f"{w} + 1"),
    "syntax": st.sampled_from(["((", "v >", "1 +* 2", "lambda: 0", "import os", "a b"]),
    "empty list": st.sampled_from([[], (), np.array([])]),
    "ragged list": st.just([[1], [2, 3]]),
    "list of nonsense": st.sampled_from([[None], ["a", 3], [b"x"], [{}]]),
    "dict": st.dictionaries(_words, st.floats(1, 2), min_size=1, max_size=2),
    "set": st.sets(st.integers(1, 9), min_size=1, max_size=3),
    "wrong unit": st.builds(lambda x, u: x * u, st.floats(1, 9), _strange),
    "wrong shape": st.sampled_from([(3, 2, 1), (1, 1, 1, 1)]).map(np.ones),
}


def _with_unit(unit):
    """Nonsense that has the right unit."""
    shapes = st.sampled_from([(3, 2, 1), (2, 0), (7,)])
    return {
        "no unit": st.floats(1, 9),
        "nan with unit": st.just(math.nan * unit),
        "infinite with unit": st.sampled_from([math.inf * unit, -math.inf * unit]),
        "negative with unit": st.floats(-9, -0.1).map(lambda x: x * unit),
        "wrong shape with unit": shapes.map(lambda s: np.ones(s) * unit),
    }


@dataclass
class Argument:
    """
    One argument of a public callable.

    Attributes
    ----------
    valid : object
        A value that works.
    fine : tuple of str
        Kinds that are no nonsense here: they must work.
    open : tuple of str
        Kinds of which some are fine and others are not; they are not tried.
    unit : Quantity, optional
        Unit of a sensible value: adds nonsense that has it.
    also : dict, optional
        Kind to strategy: nonsense of this argument only.
    """

    valid: object
    fine: tuple = ()
    unit: object = None
    also: dict = field(default_factory=dict)
    open: tuple = ()

    @property
    def kinds(self):
        more = {} if self.unit is None else _with_unit(self.unit)
        return {**EVERYWHERE, **more, **self.also}


def nonsense(argument):
    """Kind to strategy of everything that has to be refused."""
    left_out = (*argument.fine, *argument.open)
    return {k: s for k, s in argument.kinds.items() if k not in left_out}


def fine_values(argument):
    return {k: argument.kinds[k] for k in argument.fine}


# -- what an error has to be -----------------------------------------------------------
#: What users see; everything else comes from inside. NotImplementedError is for what
#: Brian2 can do and we cannot.
NAMED = (
    TypeError,
    ValueError,
    NotImplementedError,
    SyntaxError,
    FileNotFoundError,
    DimensionMismatchError,
    EquationError,
)


def chain(error):
    """An error and its causes."""
    result = []
    while error is not None and error not in result:
        result.append(error)
        error = error.__cause__
    return result


def refused(error):
    """Whether an error is one that users are meant to see."""
    first, *causes = chain(error)
    if isinstance(first, BrianObjectException):
        first, *causes = causes or [first]
    if isinstance(first, RuntimeError):  # compare_scales: what failed, and why
        return str(first).startswith("The simulation at the scale")
    if isinstance(first, KeyError):  # Brian2 says so that a name is unknown
        return len(str(first)) > 30  # a sentence, not a key
    return isinstance(first, NAMED)


def told(error, name, value):
    """Whether the message has the argument, or the text that it is, and the value."""
    text = " ".join(f"{e} {e.args}" for e in chain(error))
    named = re.search(rf"(?<![a-z]){name}(?![a-z])", text)
    if getattr(error, "line", None):  # of a mechanism file
        return True
    if isinstance(value, str):
        words = [w for w in re.split(r"\W+", value) if len(w) > 5]
        return bool(named) or any(word in text for word in (value, *words))
    if value is None:  # an argument that is missing
        return bool(named)
    if not _is_ragged(value) and np.size(value) == 0 and re.search("empty|none", text):
        return bool(named)
    return bool(named) and any(part in text for part in _texts(value))


def _texts(value):
    """Ways to write a value."""
    yield repr(value)
    yield str(value)
    if isinstance(value, Quantity):
        yield repr(get_dimensions(value))
        yield f"{float(np.ravel(value)[0]):g}" if np.size(value) else "[]"
    if not _is_ragged(value) and np.ndim(value) > 0:
        yield f"shape {np.shape(value)}"
    if isinstance(value, float | int) and abs(value) < 1e300:
        yield f"{value:g}"[:5]
    if isinstance(value, list | tuple | set | dict):
        yield from (repr(v) for v in value)
    yield f"'{type(value).__name__}'"


def _is_ragged(value):
    try:
        np.ndim(value)
    except ValueError:
        return True
    return False


# -- the callables -----------------------------------------------------------------
DENSITY = """
dv/dt = (mu - v)/(10*ms) + sigma*xi*sqrt(2/(10*ms)) : volt (unless refractory)
mu : volt
sigma : volt
"""
ESCAPE = """
dv/dt = (20*mV - v)/(10*ms) : volt (unless refractory)
rho = 10*Hz*exp(v/(5*mV)) : Hz
h : volt
"""
KICKED = "dv/dt = -v/(10*ms) : volt\nc : 1 (constant, shared)"

#: Kinds that are strings
TEXTS = ("empty text", "unknown name", "unknown sum", "syntax")
FLAG = ("bool",)
_numbers = ("negative", "fraction", "nan", "infinite", "huge", "complex", "bool")


def text(valid, *fine, **more):
    """A string with code."""
    return Argument(valid, fine, **more)


def flag(valid):
    return Argument(valid, FLAG)


def common(name, without=()):
    """Arguments that are handed on to Brian2."""
    result = {
        "namespace": Argument(None, ("none",), open=("dict",)),
        "dtype": Argument(None, ("none",), open=("dict", "class")),
        "dt": Argument(None, ("none",), unit=ms, also={"zero": st.just(0 * ms)}),
        "clock": Argument(None, ("none",)),
        "order": Argument(0, open=("huge", "negative")),
        "name": Argument(name, ("unknown name",)),
        "codeobj_class": Argument(None, ("none",)),
        "method_options": Argument(None, ("none",), open=("dict",)),
    }
    return {k: v for k, v in result.items() if k not in without}


def sizes():
    return Argument(
        10,
        also={
            "zero": st.just(0),
            "list with zero": st.just([5, 0]),
            "nested": st.just([[1, "a"]]),
            "number as text": st.just("10"),
        },
    )


CALLS = {}


@dataclass
class Later:
    """A valid value that takes a while to make."""

    make: object


def entry(**arguments):
    """Register a function that calls something public, and its arguments."""

    def register(function):
        CALLS[function.__name__] = function, arguments
        return function

    return register


def call(which, /, **changes):
    """Call it with one argument changed, and begin a run."""
    function, arguments = CALLS[which]
    values = {
        k: a.valid.make() if isinstance(a.valid, Later) else a.valid
        for k, a in arguments.items()
    }
    objects = function(**{**values, **changes})
    if objects:
        Network(*objects).run(0 * ms, namespace={})


#: False is what Brian2 has for no refractory period
REFRACTORY = Argument(2 * ms, ("none",), ms, {"true": st.just(True)}, open=("bool",))
INTEGRATION = Argument("euler", open=("list of nonsense", "function"))


@entry(
    N=sizes(),
    model=text(ESCAPE),
    method=INTEGRATION,
    threshold=text("rand() < rho*dt"),
    reset=text("v = 0*mV", "empty text", "none"),
    refractory=REFRACTORY,
    memory=Argument(100 * ms, ("none",), ms),
    closure_order=Argument(2),
    noise=flag(True),
    **common("all_arguments_m"),
)
def mesoscopic_group(**kwds):
    return [MesoscopicGroup(**kwds)]


@entry(
    N=sizes(),
    model=text(ESCAPE),
    method=INTEGRATION,
    threshold=text("rand() < rho*dt"),
    reset=text("v = 0*mV", "empty text", "none"),
    refractory=REFRACTORY,
    **common("all_arguments_s"),
)
def spiking_group(**kwds):
    return [SpikingGroup(**kwds)]


@entry(hazard=text("rho"))
def spiking_hazard(hazard):
    return [SpikingGroup(10, ESCAPE, hazard=hazard, reset="v = 0*mV", method="euler")]


@entry(scale=Argument("spiking"), noise=Argument(True, open=("bool",)))
def population_at_a_scale(**kwds):
    options = {"hazard": "rho", "reset": "v = 0*mV", "memory": 100 * ms}
    return [population(10, ESCAPE, method="euler", **options, **kwds)]


@entry(
    # strings that no scale can do are an answer, not an error
    model=text(ESCAPE, open=TEXTS),
    threshold=text("rand() < rho*dt", open=TEXTS),
    reset=text("v = 0*mV", "none", open=TEXTS),
    refractory=Argument(2 * ms, ("none",), ms, open=(*TEXTS, "bool")),
)
def scales_that_are_admissible(**kwds):
    admissible_scales(**kwds)


@entry(
    N=sizes(),
    model=text(ESCAPE),
    hazard=text("rho"),
    reset=text("v = 0*mV", "empty text", "none"),
    refractory=REFRACTORY,
    scales=Argument(["mesoscopic"], ("none",)),
    duration=Argument(2 * ms, unit=ms),
    warmup=Argument(1 * ms, unit=ms),
    drive=Argument(None, ("none",), open=("dict",)),
    initial=Argument(None, ("none",), open=("dict",)),
    projections=Argument((), open=("empty list",)),
    noise=Argument(True, open=("bool",)),
    seeds=Argument(1, open=("empty list", "set")),
    bin=Argument(0.5 * ms, unit=ms),
    reference=Argument("mesoscopic"),
    tolerances=Argument(None, ("none",)),
    confidence=Argument(0.95),
    executor=Argument(None, ("none",)),
    report=Argument(None, ("none",)),
)
def scales_compared(**kwds):
    compare_scales(method="euler", target="numpy", memory=100 * ms, **kwds)


@entry(hazard=text("rho"))
def mesoscopic_hazard(hazard):
    return [MesoscopicGroup(10, ESCAPE, hazard=hazard, reset="v = 0*mV")]


def _density(kind, **kwds):
    group = kind(**kwds)
    group.sigma = 3 * mV
    return [group]


_density_arguments = {
    "N": sizes(),
    "model": text(DENSITY),
    "method": Argument("density"),
    "threshold": text("v > 15*mV"),
    "reset": text("v = 0*mV"),
    "refractory": REFRACTORY,
    "bins": Argument(20, ("none",), also={"zero": st.just(0)}),
    "v_min": Argument(None, ("none", "negative with unit"), mV),
    "mfe_reset": Argument(None, ("none",)),
    "match_dt": flag(False),
    "substeps": Argument(1, also={"zero": st.just(0)}),
    "common_method": INTEGRATION,
}


@entry(**_density_arguments, **common("all_arguments_d"))
def density_group(**kwds):
    return _density(DensityGroup, **kwds)


@entry(
    **_density_arguments,
    switch_up=Argument(100 * Hz, ("none",), Hz),
    switch_down=Argument(50 * Hz, ("none",), Hz),
    hold=Argument(1 * ms, ("none",), ms),
    **common("all_arguments_h"),
)
def hybrid_group(**kwds):
    return _density(HybridGroup, **kwds)


@entry(p=Argument(np.ones(23) / mV, unit=1 / mV))
def density_p(p):
    group = _density(
        DensityGroup,
        N=10,
        model=DENSITY,
        threshold="v > 15*mV",
        reset="v = 0*mV",
        bins=20,
        v_min=-1 * mV,
        namespace={},
    )[0]
    group.p = p
    return [group]


@entry(
    group=Argument(OWN),
    on_pre=text("v_post += w"),
    weights=Argument(0.1 * mV, ("negative with unit",), mV, open=("none",)),
    name=Argument("all_arguments_c", ("unknown name",)),
)
def cascade(group, **kwds):
    neurons = NeuronGroup(3, KICKED, threshold="v > 10*mV", reset="v = 0*mV")
    return [neurons, Cascade(neurons if group is OWN else group, **kwds)]


STP = "dx/dt = (1 - x)/tau_d : 1\ntau_d : second"


@entry(
    source=Argument(OWN),
    target=Argument(OWN),
    model=text(STP),
    on_pre=text("h_post += w*x\nx -= 0.5*x"),
    p=Argument(0.5),
    weights=Argument(0.1 * mV, ("negative with unit",), mV),
    delay=Argument(1 * ms, (), ms),
    parameters=Argument({"tau_d": 100 * ms}),
    closure=Argument(None, ("none",)),
    multapses=flag(False),
    namespace=Argument(None, ("none",), open=("dict",)),
    order=Argument(0, open=("huge", "negative")),
    name=Argument("all_arguments_p", ("unknown name",)),
)
def projection(source, target, **kwds):
    group = MesoscopicGroup(10, ESCAPE, hazard="rho", reset="v = 0*mV")
    source, target = (group if end is OWN else end for end in (source, target))
    return [group, Projection(source, target, **kwds)]


#: Whatever takes arrays of numbers takes ones, and none
ARRAYS = ("empty list", "wrong shape")
#: The same with a unit
TIMES = {"unit": ms, "open": ("empty list", "wrong shape with unit")}


@entry(
    n=Argument(10, ARRAYS, also={"text": st.just("10")}),
    p=Argument(0.5, ARRAYS, also={"above 1": st.floats(1.01, 9)}),
)
def binomial(n, p):
    binomial_draw(n, p)


REACTIONS = "C <-> O : a, 0.1/ms\nO -> D : 1/second"


@entry(
    reactions=text(REACTIONS),
    eliminate=Argument(None, ("none",)),
    namespace=Argument({"a": 1 / ms}, ("none", "dict")),
    units=Argument(None, ("none", "dict")),
    flags=Argument((), open=("empty list",)),
)
def kinetic_scheme(**kwds):
    KineticScheme(**kwds)


@functools.cache
def _scheme():
    return KineticScheme(REACTIONS)


@entry(
    a=Argument(1 / ms, unit=1 / ms, open=("wrong shape with unit",)),
    dt=Argument(0.1 * ms, **TIMES),
)
def scheme_propagator(**kwds):
    _scheme().propagator(**kwds)


@functools.cache
def _circle():
    return KineticScheme("A <-> B : a, 1/ms\nB <-> C : a, a\nC <-> A : a, a")


@entry(a=Argument(1 / ms, unit=1 / ms), rtol=Argument(1e-6, open=("fraction", "huge")))
def scheme_reversibility(**kwds):
    _circle().check_reversibility(**kwds)


@entry(
    name_or_path=Argument("exponential"),
    suffix=Argument("_x", ("unknown name",), open=("empty text",)),
    vary=Argument("tau", open=("empty list",)),
    rename=Argument(None, ("none",)),
    omit=Argument((), open=("empty list",)),
    # whether a time constant may be negative is not known
    tau=Argument(5 * ms, (), ms, open=("negative with unit",)),
)
def mechanism(**kwds):
    Mechanism(**kwds)


@functools.cache
def _exponential_text():
    return Mechanism("exponential").text


@entry(
    text=Argument(Later(_exponential_text)),
    path=Argument("here", open=TEXTS),
)
def mechanism_from_text(**kwds):
    Mechanism.from_text(**kwds)


@entry(
    spike_times=Argument([1, 5] * ms, **TIMES),
    t=Argument([2, 8] * ms, ("negative with unit",), **TIMES),
    dt=Argument(None, ("none",), ms),
)
def mechanism_simulate(**kwds):
    Mechanism("exponential").simulate(**kwds)


@entry(group=Argument(OWN))
def mechanism_initialise(group):
    lif = Mechanism("lif")
    neurons = NeuronGroup(1, lif.equations, namespace=lif.namespace, method="euler")
    lif.initialise(neurons if group is OWN else group)


@entry(kind=Argument("neuron", ("none",)))
def mechanisms_of_kind(kind):
    list_mechanisms(kind)


@functools.cache
def small_table():
    return tabulate("exponential", rates=(5, 20) * Hz, cache=False)


_history = {"representation": "history", "order": 1, "points": 4, "window": 20 * ms}


@entry(
    mechanism=Argument("exponential"),
    representation=Argument("state"),
    rates=Argument((5, 20) * Hz, unit=Hz),
    tolerance=Argument(0.5, ("none",)),
    executor=Argument(None, ("none",)),
    report=Argument(None, ("none",)),
    cache=flag(False),
    # refused, as a response that does not decay
    tau=Argument(5 * ms, unit=ms, open=("negative with unit",)),
)
def tabulate_state(**kwds):
    tabulate(**kwds)


@entry(
    order=Argument(1),
    window=Argument(20 * ms, unit=ms),
    grid=Argument(None, ("none",), ms),
    points=Argument(4),
    exponentials=Argument(3),
    executor=Argument(None, ("none",)),
    report=Argument(None, ("none",)),
)
def tabulate_history(**kwds):
    rates = (5, 20) * Hz
    tabulate("exponential", "history", rates=rates, cache=False, **kwds)


@entry(
    spike_times=Argument([1, 50] * ms, **TIMES),
    t=Argument([2, 8] * ms, ("negative with unit",), **TIMES),
    extrapolate=Argument("raise"),
)
def table_response(**kwds):
    small_table().response(**kwds)


@entry(
    spike_times=Argument([1, 50] * ms, unit=ms, open=("wrong shape with unit",)),
    reference=Argument(Later(lambda: Mechanism("exponential")), open=("empty list",)),
    t=Argument(None, ("none", "negative with unit"), **TIMES),
    extrapolate=Argument("clip"),
)
def table_nrmse(**kwds):
    small_table().nrmse(**kwds)


@entry(path=Argument(OWN, open=TEXTS, also={"blank": st.just(" ")}))
def table_save(path):
    with tempfile.TemporaryDirectory() as folder:
        small_table().save(Path(folder) / "a.npz" if path is OWN else path)


@entry(path=Argument(OWN))
def table_load(path):
    if path is OWN:
        return
    SynapticTable.load(path)


@entry(
    function=text("exp(x/mV)"),
    tolerance=Argument(None, ("none",)),
    spacing=Argument("linear"),
    extrapolate=Argument("raise"),
    namespace=Argument(None, ("none", "dict")),
    dtype=Argument(np.float64),
    max_nbytes=Argument(10_000, open=("huge", "fraction", "infinite")),
    name=Argument("all_arguments_t", ("unknown name",)),
    x=Argument((-1 * mV, 1 * mV, 5)),
)
def table_function(**kwds):
    TableFunction(**kwds)


@functools.cache
def _sensible():
    return True


@entry(
    source=Argument(OWN),
    target=Argument(OWN),
    table=Argument(Later(small_table), open=("dict",)),
    target_variable=Argument("g"),
    model=text("w : 1", open=("none", "empty text")),
    weight=text("w"),
    on_pre=text("", "none", "empty text"),
    on_post=text(None, "none", "empty text"),
    delay=Argument(1 * ms, ("none",), ms),
    heterogeneous_delays=Argument(False, open=("bool",)),
    stp=Argument(None, ("none",)),
    multisynaptic_index=Argument(None, ("none", "unknown name")),
    method=Argument(None, ("none",), open=("function",)),
    **common("all_arguments_s"),
)
def tabulated_synapses(source, target, **kwds):
    neurons = NeuronGroup(
        2, "dv/dt = -v/(10*ms) : 1\ng : siemens", threshold="v > 1", reset="v = 0"
    )
    source, target = (neurons if end is OWN else end for end in (source, target))
    synapses = TabulatedSynapses(source, target, **kwds)
    synapses.connect(i=[0, 1], j=[1, 0])
    return [neurons, synapses]
