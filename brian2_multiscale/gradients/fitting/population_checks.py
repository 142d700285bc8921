"""What a `GradientFitter` of a mesoscopic population can work with."""

from brian2.units.allunits import hertz, second
from brian2.units.fundamentalunits import DimensionMismatchError

from ...arguments import check_choice, check_positive
from ...mesoscopic.group import MesoscopicGroup
from .losses import TraceLoss

__all__ = ["check_population", "check_population_fit", "check_scale"]

# What a population has besides the variables of its neurons
_RESULTS = ("A", "A_expected")


def check_scale(scale, hazard, memory):
    """The scale, and arguments that only populations have."""
    check_choice("scale", scale, ("neuron", "mesoscopic"))
    if scale == "neuron":
        for name, value in (("hazard", hazard), ("memory", memory)):
            if value is not None:
                raise ValueError(
                    f"{name}={value!r} is for populations; give scale='mesoscopic'."
                )
    if memory is not None:
        check_positive("memory", memory, second, "a time")


def check_population(fitter):
    """Strings and data of a population, before anything is simulated."""
    equations, data = fitter.equations, fitter.data
    if data.spikes is not None or data.events is not None:
        raise ValueError(
            "A deterministic population has rates, no spikes: with scale='mesoscopic' "
            "give output={'A': rates}, and input as a signal in each time step."
        )
    MesoscopicGroup.check_strings(
        equations, fitter.threshold, fitter.hazard, fitter.reset or "", False
    )
    known = sorted(equations.diff_eq_names)
    for name in data.traces:
        if name not in {*_RESULTS, *known}:
            raise ValueError(
                f"output has {name!r}, which is neither the activity 'A' nor a "
                f"variable of the model; it has {known}."
            )
        dim = hertz.dim if name in _RESULTS else equations[name].dim
        if data.dimensions[name] is not dim:
            raise DimensionMismatchError(
                f"output[{name!r}] has the wrong unit", data.dimensions[name], dim
            )
    for name in data.stimuli:
        if name in equations.names:
            raise ValueError(
                f"input has {name!r}, which the model declares itself: leave out the "
                f"line of '{name}' in the model."
            )
    _check_shared(equations)


def _check_shared(equations):
    for name in sorted(equations.parameter_names):
        if "shared" in equations[name].flags:
            raise ValueError(
                f"{name!r} is (shared), but all trials of all starts are populations "
                "of one group, each with a value of its own: remove the flag (shared)."
            )


def check_population_fit(loss, polish, backend):
    """How a population can be fitted."""
    if not isinstance(loss, TraceLoss) or loss.forced:
        raise ValueError(
            f"A population is fitted to rates: loss=TraceLoss(), got {loss!r}."
        )
    if polish is not None or backend != "brian2":
        raise ValueError(
            "With scale='mesoscopic' there is neither polish= nor backend='jax': the "
            "derivatives are those of the group's own code."
        )
