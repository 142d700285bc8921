"""What users may call of surrogates; `nonsense.py` says how to add to it."""

import functools
import tempfile
from pathlib import Path

import numpy as np
from brian2 import Hz, metre, ms, mV, nmetre, pascal, second, volt
from hypothesis import strategies as st
from nonsense import (
    INTEGRATION,
    OWN,
    REFRACTORY,
    TEXTS,
    Argument,
    Later,
    common,
    entry,
    flag,
    sizes,
    text,
)

from brian2_multiscale import (
    CompactSurrogate,
    EncoderDecoderCNN,
    Surrogate,
    SurrogateGroup,
    SurrogateTask,
    benchmark,
    stimuli,
    train,
)
from brian2_multiscale.surrogates.signals import Signal
from brian2_multiscale.surrogates.sound import (
    BM_GROWTH,
    basilar_membrane_velocity,
    characteristic_frequencies,
    sound_pressure,
    tone,
)

ZERO = {"zero": st.just(0)}


def whole(valid, *fine):
    return Argument(valid, fine, also=ZERO)


@functools.cache
def trained(architecture=CompactSurrogate, **options):
    """Random numbers in the place of training; v from x in steps of 1 ms."""
    blank = architecture(**options)
    random = np.random.default_rng(1)
    parameters = {n: random.normal(size=s) for n, s in blank.shapes(1, 1).items()}
    signals = [Signal.of("x", metre, low=-1.0, high=1.0)], [Signal.of("v", volt)]
    return blank.with_parameters(*signals, 1 * ms, parameters)


def compact():
    return trained(units=2, blocks=1)


# -- architectures ---------------------------------------------------------------------
@entry(
    units=whole(2),
    blocks=whole(1),
    states=whole(None, "none"),
    gated=flag(False),
    feedback=flag(False),
    compression=Argument("asinh", ("none",)),
    nonnegative=flag(False),
)
def compact_surrogate(**kwds):
    CompactSurrogate(**kwds)


@entry(
    layers=whole(2),
    filters=whole(4),
    kernel=whole(4),
    activation=Argument("prelu"),
    left=Argument(4),
    right=Argument(4),
    window=whole(8),
    compression=Argument(None, ("none",)),
    nonnegative=flag(False),
    exact_rest=flag(True),
)
def encoder_decoder_cnn(**kwds):
    EncoderDecoderCNN(**kwds)


@entry(activation=Argument("prelu"))
def cnn_nerve_fibre(activation):
    EncoderDecoderCNN.nerve_fibre(activation)


# -- trained ones ----------------------------------------------------------------------
@entry(
    inputs=Argument(Later(lambda: compact().inputs)),
    outputs=Argument(Later(lambda: compact().outputs)),
    step=Argument(1 * ms, unit=ms, also={"zero": st.just(0 * ms)}),
    parameters=Argument(Later(lambda: compact().parameters)),
    meta=Argument(None, ("none", "dict")),
)
def surrogate_with_parameters(**kwds):
    CompactSurrogate(units=2, blocks=1).with_parameters(**kwds)


# Some of the shapes are right
_SIGNAL = Argument(
    np.ones((5, 2)) * nmetre,
    unit=metre,
    open=("negative with unit", "wrong shape with unit", "empty list", "dict"),
)


@entry(signal=_SIGNAL, strict=flag(False))
def surrogate_response(signal, strict):
    compact().response(signal, strict)


@entry(signal=_SIGNAL)
def surrogate_apply(signal):
    compact().apply(signal)


@entry(task=Argument(Later(lambda: small_task())), split=Argument("validation"))
def surrogate_evaluate(task, split):
    compact().evaluate(task, split)


@entry(path=Argument(OWN, open=TEXTS, also={"blank": st.just(" ")}))
def surrogate_save(path):
    with tempfile.TemporaryDirectory() as folder:
        compact().save(Path(folder) / "a.npz" if path is OWN else path)


@entry(path=Argument("ihc_verhulst2018"))
def surrogate_load(path):
    Surrogate.load(path)


# Names are looked up when it is used
@entry(input=text("1*nmetre", "none", open=("unknown name", "unknown sum")))
def surrogate_as_equations(input):
    compact().as_equations(input)


@entry(
    N=sizes(),
    surrogate=Argument(Later(compact)),
    input=text("a*nmetre", "none"),
    model=text("a : 1", open=("none", "empty text")),
    method=INTEGRATION,
    threshold=text("v > -40*mV", open=("none",)),
    reset=text("a = 0", "none", "empty text"),
    refractory=REFRACTORY,
    events=Argument(None, ("none",), open=("dict",)),
    strict=flag(False),
    **common("all_arguments_u", without=("dt", "method_options")),
)
def surrogate_group(**kwds):
    return [SurrogateGroup(**kwds)]


# -- tasks and training ----------------------------------------------------------------
STEPS = stimuli.Steps(amplitude=(1 * nmetre, 9 * nmetre), zero=0.0)


def doubled(signals, step):
    return 2 * signals


@functools.cache
def small_task():
    return from_function()


def from_function(**changes):
    values = {
        "simulate": doubled,
        "inputs": {"x": metre},
        "outputs": {"v": volt},
        "stimuli": STEPS,
        "step": 1 * ms,
        "duration": 8 * ms,
        "trials": 2,
        "validation_trials": 1,
    }
    return SurrogateTask.from_function(**{**values, **changes})


_positive_time = {"unit": ms, "also": {"zero": st.just(0 * ms)}}
_task = {
    "stimuli": Argument(STEPS),
    "step": Argument(1 * ms, **_positive_time),
    "duration": Argument(8 * ms, **_positive_time),
    "trials": whole(2),
    "validation_trials": whole(1),
    "held_out": Argument(None, ("none",)),
    "through": Argument(None, ("none",), open=("function", "class")),
    "rest": Argument(None, ("none",)),
    "scale": Argument(None, ("none",)),
    "settle": Argument(5 * second, **_positive_time),
    "name": Argument(None, ("none", "unknown name"), open=TEXTS),
    "seed": Argument(0),
}


@entry(
    model=text("dv/dt = (a*x - v)/(5*ms) : volt\na : volt/metre (constant)"),
    input=Argument("x"),
    output=Argument("v"),
    dt=Argument(0.5 * ms, ("none",), **_positive_time),
    interpolation=Argument("held"),
    method=Argument("euler", ("none",), open=("list of nonsense", "function")),
    threshold=text("v > 1*mV", open=("none",)),
    reset=text("v = 0*mV", "none", "empty text"),
    refractory=REFRACTORY,
    namespace=Argument(None, ("none",), open=("dict",)),
    initial=Argument({"a": 1 * mV / nmetre}, open=("none",)),
    connect=Argument(None, ("none",), open=("function", "class")),
    **_task,
)
def surrogate_task(**kwds):
    SurrogateTask(**kwds)


@entry(
    simulate=Argument(doubled, open=("function", "class")),
    # 1.0 is the unit of a number
    inputs=Argument({"x": metre}, open=("dict",)),
    outputs=Argument({"v": volt}, open=("dict",)),
    **{k: v for k, v in _task.items() if k in ("stimuli", "step", "settle")},
)
def surrogate_task_from_function(**kwds):
    from_function(**kwds)


_recorded = np.arange(12.0).reshape(4, 3)


@entry(
    inputs=Argument({"x": _recorded * metre}),
    outputs=Argument({"v": _recorded * mV}),
    step=Argument(1 * ms, **_positive_time),
    validation=Argument(0.3),
    rest=Argument(None, ("none",)),
    scale=Argument(None, ("none",)),
    name=_task["name"],
)
def surrogate_task_from_data(**kwds):
    SurrogateTask.from_data(**kwds)


@entry(
    split=Argument("validation"),
    executor=Argument(None, ("none",)),
    report=Argument(None, ("none",)),
)
def surrogate_task_data(**kwds):
    small_task().data(**kwds)


@entry(signals=Argument(np.ones((5, 2, 1)), open=("wrong shape",)))
def surrogate_task_simulate(signals):
    small_task().simulate(signals)


@entry(
    task=Argument(Later(small_task)),
    surrogate=Argument(Later(lambda: CompactSurrogate(units=1, blocks=1))),
    steps=whole(1),
    batch=whole(2, "none"),
    time_limit=Argument(None, ("none",), **_positive_time),
    learning_rate=Argument(0.01, open=("fraction", "huge"), also=ZERO),
    slowest=Argument(None, ("none",), **_positive_time),
    balance=Argument(0.1, open=("fraction", "huge"), also=ZERO),
    seed=Argument(0),
    report=Argument(None, ("none",)),
    checkpoint=Argument(None, ("none",), open=TEXTS, also={"blank": st.just(" ")}),
)
def trained_on_a_task(**kwds):
    train(**kwds)


@entry(
    task=Argument(Later(small_task)),
    surrogate=Argument(Later(lambda: trained(EncoderDecoderCNN, **CNN))),
    n=Argument((1, 2), also=ZERO),
    duration=Argument(8 * ms, ("none",), **_positive_time),
    repeats=whole(1),
    report=Argument(None, ("none",), open=("function", "class")),
)
def surrogate_benchmark(**kwds):
    benchmark(**kwds)


CNN = {"layers": 1, "filters": 1, "kernel": 2, "left": 2, "right": 2, "window": 8}


# -- stimuli ---------------------------------------------------------------------------
def drawn(stimulus):
    """Draw one; what a class takes and cannot draw is a fault."""
    stimulus.draw(np.random.default_rng(0), 20, 1e-3)


_amplitude = Argument(1 * nmetre, open=("fraction", "wrong unit", "huge"))
_level = {"amplitude": _amplitude, "spread": Argument("log")}
_frequency = {"unit": Hz}
_pair = {"unit": ms}


@entry(
    **_level,
    length=Argument((2 * ms, 5 * ms), **_pair),
    zero=Argument(0.3),
    sign=Argument(1, open=("negative",)),
)
def stimuli_steps(**kwds):
    drawn(stimuli.Steps(**kwds))


@entry(**_level, length=Argument(2 * ms, **_pair))
def stimuli_ramps(**kwds):
    drawn(stimuli.Ramps(**kwds))


@entry(
    **_level,
    mean=Argument(0 * nmetre, ("negative with unit",), nmetre),
    time_constant=Argument(5 * ms, **_pair),
)
def stimuli_ornstein_uhlenbeck(**kwds):
    drawn(stimuli.OrnsteinUhlenbeck(**kwds))


@entry(
    **_level,
    rate=Argument(20 * Hz, **_frequency),
    width=Argument(2 * ms, **_pair),
)
def stimuli_pulses(**kwds):
    drawn(stimuli.Pulses(**kwds))


@entry(
    **_level,
    band=Argument((50 * Hz, 200 * Hz), **_frequency),
    modulation=Argument((1 * Hz, 16 * Hz), **_frequency),
    depth=Argument((0, 30), open=("fraction", "huge")),
)
def stimuli_modulated_noise(**kwds):
    drawn(stimuli.ModulatedNoise(**kwds))


_tones = {
    **_level,
    "frequency": Argument(100 * Hz, **_frequency),
    "length": Argument(5 * ms, **_pair),
    "pause": Argument(2 * ms, **_pair),
    "ramp": Argument(1 * ms, **_pair),
}


@entry(**_tones)
def stimuli_tones(**kwds):
    drawn(stimuli.Tones(**kwds))


@entry(**_tones, rate=Argument(20 * Hz, **_frequency), depth=Argument(0.5))
def stimuli_modulated_tones(**kwds):
    drawn(stimuli.ModulatedTones(**kwds))


@entry(
    **_tones,
    band=Argument((50 * Hz, 200 * Hz), **_frequency),
    tilt=Argument((0, 12), open=("fraction", "huge")),
)
def stimuli_harmonic_complex(**kwds):
    drawn(stimuli.HarmonicComplex(**kwds))


@entry(
    **_level,
    fundamental=Argument(100 * Hz, **_frequency),
    syllable=Argument(5 * ms, **_pair),
    pause=Argument(2 * ms, **_pair),
    unvoiced=Argument(0.3),
)
def stimuli_speech_like(**kwds):
    drawn(stimuli.SpeechLike(**kwds))


def straight(random, times):
    return times


@entry(**_level, function=Argument(straight, open=("function", "class")))
def stimuli_custom(**kwds):
    drawn(stimuli.Custom(**kwds))


# -- sound -----------------------------------------------------------------------------
# Decibels
_LEVELS = ("negative", "fraction", "huge")


@entry(level=Argument(60, open=(*_LEVELS, "wrong shape", "empty list")))
def sound_level(level):
    sound_pressure(level)


@entry(
    frequency=Argument(100 * Hz, **_frequency),
    level=Argument(60, open=_LEVELS),
    duration=Argument(20 * ms, **_positive_time),
    sample_rate=Argument(1000 * Hz, **_frequency),
    ramp=Argument(5 * ms, unit=ms),
    before=Argument(0 * ms, unit=ms),
    after=Argument(0 * ms, unit=ms),
)
def sound_tone(**kwds):
    tone(**kwds)


@entry(
    count=whole(3),
    low=Argument(100 * Hz, **_frequency),
    high=Argument(1000 * Hz, **_frequency),
)
def sound_places(**kwds):
    characteristic_frequencies(**kwds)


@entry(
    sound=Argument(
        np.zeros(50) * pascal,
        unit=pascal,
        open=("negative with unit", "wrong shape with unit", "empty list"),
    ),
    sample_rate=Argument(1000 * Hz, **_frequency),
    cf=Argument([100, 200] * Hz, unit=Hz, open=("wrong shape with unit", "empty list")),
    growth=Argument(BM_GROWTH),
)
def sound_front_end(**kwds):
    basilar_membrane_velocity(**kwds)
