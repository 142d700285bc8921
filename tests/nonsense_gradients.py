"""What users may call of derivatives; `nonsense.py` says how to add to it."""

import functools

import numpy as np
from brian2 import (
    Equations,
    Hz,
    Mohm,
    Network,
    NeuronGroup,
    PoissonGroup,
    SpikeGeneratorGroup,
    Synapses,
    check_units,
    ms,
    mV,
    nA,
    nS,
)
from hypothesis import strategies as st
from nonsense import (
    INTEGRATION,
    OWN,
    REFRACTORY,
    TEXTS,
    TIMES,
    Argument,
    Later,
    entry,
    flag,
    small_table,
    text,
)
from nonsense_surrogates import ZERO, whole

from brian2_multiscale import MesoscopicGroup, gradients

_TIME = {"unit": ms, "also": {"zero": st.just(0 * ms)}}
_REPORT = Argument(None, ("none",))

# -- what is fitted, and by what -------------------------------------------------------
# A bound without unit is not the one of the other
_bound = ("negative with unit",)


@entry(
    low=Argument(1 * mV, _bound, mV),
    high=Argument(20 * mV, unit=mV),
    scale=text("linear"),
)
def param(**kwds):
    gradients.Param(**kwds)


@entry(
    t_start=Argument(0 * ms, unit=ms),
    # which names there are only the fitter knows
    scale=Argument(None, ("none", "dict")),
    forced=flag(False),
)
def trace_loss(**kwds):
    gradients.TraceLoss(**kwds)


@entry(
    # the unit is that of the threshold, which only the fitter knows
    width=Argument(1 * mV, open=("fraction", "wrong unit", "wrong shape", "huge")),
    rate=Argument(1 / ms, unit=Hz, also={"zero": st.just(0 * Hz)}),
)
def spike_likelihood(**kwds):
    gradients.SpikeLikelihood(**kwds)


@entry(
    shape=text("triangle"),
    alpha=Argument(0.3, open=("fraction", "huge"), also=ZERO),
    scale=Argument(1 * mV, open=("fraction", "wrong unit", "huge"), also=ZERO),
    smooth=flag(False),
)
def surrogate_gradient(shape, alpha, **kwds):
    gradients.SurrogateGradient(shape, alpha, **kwds)


# -- fits ------------------------------------------------------------------------------
LEAKY = "dv/dt = (R*I - v)/tau : volt (unless refractory)\nR : ohm\ntau : second"
_trace = np.sin(np.arange(12)) * mV
_bounds = {"R": [10, 100] * Mohm, "tau": [5, 20] * ms}
_no_signal = ("no unit", "negative with unit", "wrong shape with unit")


@entry(
    model=text(LEAKY),
    dt=Argument(1 * ms, **_TIME),
    output=Argument({"v": _trace}),
    # without it the model has an unknown name, which Brian2 says
    input=Argument({"I": np.ones(12) * nA}, open=("none",)),
    threshold=text("v > 15*mV"),
    reset=text("v = 0*mV", "none", "empty text"),
    refractory=REFRACTORY,
    on_pre=text(None, "none"),
    method=INTEGRATION,
    param_init=Argument({"v": "R*nA"}, open=("none",)),
    duration=Argument(None, ("none",), **_TIME),
    namespace=Argument(None, ("none",), open=("dict",)),
    scale=text("neuron"),
    hazard=text(None, "none"),
    memory=Argument(None, ("none",)),
)
def gradient_fitter(**kwds):
    gradients.GradientFitter(**kwds).fit(n_starts=1, steps=1, **_bounds)


@functools.cache
def _fitter():
    return gradients.GradientFitter(
        LEAKY,
        dt=1 * ms,
        method="euler",
        input={"I": np.ones(12) * nA},
        output={"v": _trace},
        namespace={},
    )


_backend = {
    "loss": Argument(None, ("none",)),
    "seed": Argument(None, ("none",)),
    "backend": text("brian2"),
}
_fitted = {
    "R": Argument([10, 100] * Mohm, unit=Mohm),
    "tau": Argument([5, 20] * ms, unit=ms),
}


@entry(
    polish=Argument(None, ("none",)),
    n_starts=whole(1),
    steps=whole(1),
    target=Argument(0.0, open=("negative", "fraction", "huge", "infinite")),
    report=_REPORT,
    executor=Argument(None, ("none",)),
    **_backend,
    **_fitted,
)
def gradient_fitter_fit(**kwds):
    _fitter().fit(**kwds)


@entry(step=Argument(1e-6, open=("fraction", "huge"), also=ZERO), **_backend, **_fitted)
def gradient_fitter_check_gradient(**kwds):
    _fitter().check_gradient(**kwds)


@entry(
    R=Argument(
        10 * Mohm, ("negative with unit",), Mohm, open=("wrong shape with unit",)
    ),
    tau=Argument(5 * ms, unit=ms, open=("negative with unit", "wrong shape with unit")),
)
def gradient_fitter_simulate(**kwds):
    _fitter().simulate(**kwds)


@functools.cache
def _result():
    return _fitter().fit(n_starts=1, steps=1, **_bounds)


@entry(N=whole(1, "none"))
def fit_result_script(N):
    _result().script(N)


# -- derivatives as variables ----------------------------------------------------------
_names = Argument(["R"], open=("set", "empty list"))


@entry(model=text(LEAKY), parameters=_names)
def sensitivity_equations(model, parameters):
    gradients.sensitivity_equations(model, parameters)


@entry(
    model=text("dv/dt = (R*nA - v)/(5*ms) : volt\nR : ohm"),
    threshold=text("v > 15*mV"),
    reset=text("v = 0*mV", "empty text"),
    parameters=_names,
    event_exact=flag(True),
)
def sensitivity_reset(**kwds):
    model = kwds["model"]
    reset = gradients.sensitivity_reset(**kwds)
    more = gradients.sensitivity_equations(model, kwds["parameters"])
    group = NeuronGroup(
        1,
        Equations(model) + more,
        threshold=kwds["threshold"],
        reset=reset,
        method=gradients.Sensitivity("euler", kwds["parameters"]),
    )
    return [group]


@entry(
    method=Argument("euler", open=("function", "list of nonsense")),
    parameters=_names,
)
def sensitivity(method, parameters):
    group = NeuronGroup(
        1,
        Equations(LEAKY) + gradients.sensitivity_equations(LEAKY, "R"),
        method=gradients.Sensitivity(method, parameters),
        namespace={"I": 1 * nA},
    )
    return [group]


@entry(derivative=text("2*x", "none"))
def with_derivatives(derivative):
    @gradients.with_derivatives(derivative)
    @check_units(x=1, result=1)
    def square(x):
        return x**2


# -- populations -----------------------------------------------------------------------
RATE = "dv/dt = (mu - v)/(10*ms) : volt\nmu : volt"


def _population():
    return MesoscopicGroup(
        100, RATE, hazard="10*Hz*exp(v/(5*mV))", reset="v = 0*mV", noise=False
    )


@entry(
    objects=Argument(OWN),
    parameters=Argument(OWN, ("none",)),
    duration=Argument(2 * ms, **_TIME),
    record=Argument(None, ("none",)),
    namespace=Argument({}, ("none", "dict")),
)
def population_derivatives(objects, parameters, **kwds):
    group = _population()
    objects = [group] if objects is OWN else objects
    parameters = {"mu": (group, "mu")} if parameters is OWN else parameters
    gradients.PopulationDerivatives(objects, parameters, **kwds).simulate()


@functools.cache
def _activity():
    group = _population()
    return gradients.PopulationDerivatives([group], {"mu": (group, "mu")}, 2 * ms)


@entry(
    values=Argument({"mu": 2 * mV}, ("none",)),
    names=Argument(["mu"], ("none",), open=("empty list",)),
)
def population_derivatives_simulate(**kwds):
    _activity().simulate(**kwds)


@entry(
    target=Argument(np.ones((20, 1))),
    importance=Argument(None, ("none",), open=("fraction", "huge", "wrong unit")),
    n_starts=whole(1),
    steps=whole(1),
    aim=Argument(0.0, open=("negative", "fraction", "huge", "infinite")),
    seed=_backend["seed"],
    report=_REPORT,
    mu=Argument([1, 5] * mV, unit=mV),
)
def population_derivatives_fit(**kwds):
    _activity().fit(**kwds)


# -- networks --------------------------------------------------------------------------
CELLS = "dv/dt = (I - v)/(5*ms) : 1\nI : 1"


def _cells(name):
    return NeuronGroup(
        2, CELLS, threshold="v > 1", reset="v = 0", method="exact", name=name
    )


@entry(
    network=Argument(OWN),
    trainable=Argument(OWN, ("none",)),
    duration=Argument(1 * ms, **_TIME),
    inputs=Argument(None, ("none",)),
    record=Argument(OWN, ("none",)),
    spike=Argument(None, ("none",)),
    dtype=Argument(float, open=("class",)),
    checkpoint=flag(True),
    namespace=Argument({}, ("none", "dict")),
)
def differentiable_network(network, trainable, record, **kwds):
    group = _cells("differentiable_cells")
    network = Network(group) if network is OWN else network
    trainable = {group: "I"} if trainable is OWN else trainable
    record = {group: "v"} if record is OWN else record
    gradients.DifferentiableNetwork(network, trainable, record=record, **kwds)


@functools.cache
def _network():
    """Ten steps; and its group, which has to live as long."""
    source = SpikeGeneratorGroup(3, [], [] * ms, name="trained_source")
    group = _cells("trained_cells")
    synapses = Synapses(
        source, group, "w : 1", on_pre="v_post += w", name="trained_synapses"
    )
    synapses.connect()
    network = gradients.DifferentiableNetwork(
        Network(source, group, synapses),
        {synapses: "w", group: "I"},
        1 * ms,
        {source: "spikes"},
        {group: "v"},
        namespace={},
    )
    return network, group, synapses


_spikes = {"trained_source.spikes": np.zeros((10, 3))}


def _mean(outputs):
    return outputs["trained_cells.v"].mean()


def _squares(parameters):
    return float((parameters["trained_cells.I"] ** 2).sum())


@entry(
    params=Argument(None, ("none",)),
    inputs=Argument(_spikes),
    seed=Argument(None, ("none",)),
)
def differentiable_network_run(**kwds):
    _network()[0].run(**kwds)


@entry(function=Argument(_mean, open=("function", "class")))
def differentiable_network_value_and_grad(function):
    _network()[0].value_and_grad(function)(inputs=_spikes)


@entry(function=Argument(_mean, open=("function", "class")), elementwise=flag(False))
def differentiable_network_jacobian(**kwds):
    _network()[0].jacobian(**kwds)(inputs=_spikes)


@entry(params=Argument(None, ("none",)), network=Argument(None, ("none",)))
def differentiable_network_write_back(**kwds):
    _network()[0].write_back(**kwds)


@entry(
    network=Argument(Later(lambda: _network()[0])),
    loss=Argument(_mean, open=("function", "class")),
    lr=Argument(0.1, open=("fraction", "huge"), also=ZERO),
    optimizer=text("adam"),
    sign=Argument({"trained_synapses": "+"}, ("none",)),
    mask=Argument(None, ("none",)),
    bounds=Argument(None, ("none",)),
    scale=Argument(None, ("none",)),
    clip=Argument(None, ("none",), open=("fraction", "huge"), also=ZERO),
)
def trainer(**kwds):
    gradients.Trainer(**kwds)


@entry(
    batches=Argument(lambda number: (_spikes, ()), open=("function", "class")),
    steps=whole(1),
    validate=Argument(_squares, ("none",), open=("function", "class")),
    every=whole(1, "none"),
    report=_REPORT,
    checkpoint=Argument(None, ("none",), open=TEXTS),
)
def trainer_fit(**kwds):
    gradients.Trainer(_network()[0], _mean).fit(**kwds)


@entry(parameters=Argument(None, ("none",)))
def trainer_write_back(parameters):
    gradients.Trainer(_network()[0], _mean).write_back(parameters)


# -- learning while a network runs -----------------------------------------------------
_OWN = Argument(OWN)


def _learner(**kwds):
    source = PoissonGroup(2, 50 * Hz)
    group = _cells("learning_cells*")
    output = NeuronGroup(1, "dy/dt = -y/(5*ms) : 1", method="exact")
    feed = Synapses(source, group, "w : 1", on_pre="v_post += w")
    read = Synapses(group, output, "w : 1", on_pre="y_post += w")
    feed.connect()
    read.connect()
    own = {"rec": group, "synapses": [feed], "readout": read}
    given = {k: own.get(k) if v is OWN else v for k, v in kwds.items()}
    return [source, group, output, feed, read], gradients.EProp(**given)


@entry(
    rec=_OWN,
    synapses=_OWN,
    readout=_OWN,
    target=text("sin(t/ms)"),
    surrogate=Argument(None, ("none",)),
    weight=text("w"),
    output=text("y", "none"),
    loss=text("squared"),
    importance=text("1"),
    feedback=text("symmetric"),
    through_jumps=Argument(True, ("bool",), open=("empty list",)),
    trial=Argument(None, ("none",), **_TIME),
    lr=Argument(0.1, ("none",), open=("fraction", "huge"), also=ZERO),
    optimizer=text("adam"),
    update_every=Argument(None, ("none",), **_TIME),
    sign=Argument(None, ("none",)),
    name=Argument("all_arguments_e", ("unknown name",)),
)
def e_prop(**kwds):
    objects, eprop = _learner(**kwds)
    return [*objects, eprop]


@functools.cache
def _eprop():
    objects, eprop = _learner(rec=OWN, synapses=OWN, readout=OWN, target="1")
    network = Network(*objects, eprop)
    network.run(0 * ms, namespace={})
    return network, eprop, objects[3]


@entry(synapses=Argument(Later(lambda: _eprop()[2])))
def e_prop_gradient(synapses):
    _eprop()[1].gradient(synapses)


@entry(traces=flag(True), gradients=flag(True))
def e_prop_reset(**kwds):
    _eprop()[1].reset(**kwds)


# -- tables and short-term plasticity --------------------------------------------------
_RELEASED = "g_post += A*U*x\nx -= U*x"
_PLASTIC = (
    "dx/dt = (1 - x)/tau_d : 1 (event-driven)\nU : 1\ntau_d : second\nA : siemens"
)
_amounts = {"U": 0.5, "tau_d": 100 * ms, "A": 1 * nS}
# Spikes of one train are ones of several, too
_TRAIN = Argument([5, 9] * ms, unit=ms, open=("wrong shape with unit", "empty list"))


@entry(
    model=text(_PLASTIC, open=("empty text",)),
    on_pre=text(_RELEASED),
    spikes=_TRAIN,
    values=Argument(_amounts),
    namespace=Argument({}, ("none", "dict")),
)
def release_derivatives(**kwds):
    gradients.ReleaseDerivatives(**kwds).simulate()


@functools.cache
def _release():
    return gradients.ReleaseDerivatives(_PLASTIC, _RELEASED, [5, 9] * ms, _amounts)


@entry(
    values=Argument({"U": 0.3}, ("none",)),
    names=Argument(["U"], ("none",), open=("empty list", "set")),
)
def release_derivatives_simulate(**kwds):
    _release().simulate(**kwds)


@entry(
    table=Argument(Later(lambda: [small_table()] * 2)),
    spikes=_TRAIN,
    t=Argument([2, 8] * ms, **TIMES),
    plasticity=Argument(None, ("none",)),
    parameter=text("tau", open=("unknown name",)),
    at=Argument([5, 8] * ms, unit=ms, open=("wrong unit",)),
    value=Argument(6 * ms, ("none",), ms),
    weight=Argument(1.0, ("negative", "fraction"), open=("huge", "wrong unit")),
    extrapolate=text("clip"),
)
def table_derivatives(**kwds):
    gradients.TableDerivatives(**kwds).simulate()
