"""The same call for a population at every scale."""

import inspect

from ..arguments import check_flag, check_method
from ..density.group import DensityGroup
from ..hybrid.group import HybridGroup
from ..mesoscopic.group import MesoscopicGroup
from ..spiking.group import SpikingGroup
from .admissible import admissible_scales

__all__ = ["SCALES", "check_scale", "population"]

#: What simulates a population at each scale
SCALES = {
    "spiking": SpikingGroup,
    "mesoscopic": MesoscopicGroup,
    "density": DensityGroup,
    "hybrid": HybridGroup,
}


def population(
    N,
    model,
    method=("exact", "euler", "heun"),
    method_options=None,
    threshold=None,
    reset=None,
    refractory=False,
    hazard=None,
    scale="spiking",
    noise=True,
    namespace=None,
    dtype=None,
    dt=None,
    clock=None,
    order=0,
    name=None,
    codeobj_class=None,
    **options,
):
    """
    Make populations of neurons at a scale of choice, from the same strings.

    Parameters
    ----------
    N : int or list of int
        Number of neurons; one number per population.
    model : str or `Equations`
        As in `NeuronGroup`; parameters are one value per population and ``i`` is the
        index of the population.
    method, method_options : optional
        Numerical integration, as in `NeuronGroup` (in a density: of the variables that
        all neurons have in common).
    threshold, reset, refractory : optional
        As in `NeuronGroup`.
    hazard : str, optional
        Instead of `threshold`: escape noise with this rate (Hz), for spiking and
        mesoscopic populations.
    scale : {'spiking', 'mesoscopic', 'density', 'hybrid'}
        `SpikingGroup`, `MesoscopicGroup`, `DensityGroup` or `HybridGroup`.
    noise : bool, optional
        Whether numbers of spikes fluctuate as those of `N` neurons do. False gives the
        limit of infinitely many neurons, at the scales 'mesoscopic' and 'density'.
    namespace, dtype, dt, clock, order, name, codeobj_class : optional
        As in `NeuronGroup`. The default name is that of the class.
    **options
        Arguments of one of the classes, such as `memory` or `bins`. Those that another
        scale has are left out, so that the same call works at every scale.

    Returns
    -------
    SpikingGroup, MesoscopicGroup, DensityGroup or HybridGroup
        At every scale it has one element per population, the variables `n` and `A`, the
        parameters and means of the model, `.spikes`, and subgroups of populations; it
        is source and target of `Projection`, and records with `StateMonitor`.

    Raises
    ------
    TypeError, ValueError, NotImplementedError
        If the scale does not admit the model; see `admissible_scales`.

    Examples
    --------
    >>> from brian2 import *
    >>> from brian2_multiscale import *
    >>> eqs = '''dv/dt = (mu - v)/(20*ms) : volt (unless refractory)
    ...          rho = 10*Hz*exp((v - 15*mV)/(2*mV)) : Hz
    ...          mu : volt'''
    >>> group = population(500, eqs, hazard='rho', reset='v = 0*mV',
    ...                    refractory=4*ms, scale='mesoscopic')
    >>> group.mu = 18*mV
    """
    group = check_scale("scale", scale)
    noise = check_flag("noise", noise)
    check_method("method", method)
    _check_options(options)
    given = {
        "method_options": method_options,
        "threshold": threshold,
        "reset": reset,
        "refractory": refractory,
        "namespace": namespace,
        "dtype": dtype,
        "dt": dt,
        "clock": clock,
        "order": order,
        "codeobj_class": codeobj_class,
        **_of_scale(scale, method, hazard, noise),
        **{n: value for n, value in options.items() if n in _own_options(group)},
    }
    if name is not None:
        given["name"] = name
    strings = {"threshold": threshold, "reset": reset, "refractory": refractory}
    try:
        if hazard is not None and "hazard" not in given:
            raise ValueError(
                f"hazard='{hazard}' is escape noise, which the scale {scale!r} does "
                "not have; it needs threshold='v > v_th' and noise in the voltage."
            )
        return group(N, model, **given)
    except (TypeError, ValueError, NotImplementedError) as error:
        found = admissible_scales(model, hazard=hazard, **strings)
        if scale not in found:
            error.add_note(f"(Asked for with scale={scale!r}. {found})")
        raise


def check_scale(name, scale):
    """The class of a scale."""
    if not isinstance(scale, str) or scale not in SCALES:
        options = ", ".join(repr(s) for s in SCALES)
        raise ValueError(f"{name} must be one of {options}, got {scale!r}.")
    return SCALES[scale]


def _of_scale(scale, method, hazard, noise):
    """Arguments that the classes call by different names."""
    if scale in ("spiking", "hybrid"):
        if not noise:
            raise ValueError(
                f"noise=False is the limit of infinitely many neurons, got it with "
                f"scale={scale!r}; the scales 'mesoscopic' and 'density' have it."
            )
        names = "method" if scale == "spiking" else "common_method"
        hazards = {"hazard": hazard} if scale == "spiking" else {}
        return {names: method, **hazards}
    if scale == "mesoscopic":
        return {"method": method, "hazard": hazard, "noise": noise}
    return {"common_method": method, "method": "stochastic" if noise else "density"}


def _arguments(group):
    """Names of the arguments of a class and of those that it is derived from."""
    names = set()
    for cls in group.__mro__:
        if cls.__module__.partition(".")[0] == __name__.partition(".")[0]:
            names |= set(inspect.signature(cls.__init__).parameters)
    return names


_SHARED = {
    *inspect.signature(population).parameters,
    *("self", "common_method", "args", "kwargs", "kwds"),
}


def _own_options(group):
    """Arguments that not every scale has."""
    return _arguments(group) - _SHARED


def _check_options(options):
    known = set().union(*map(_own_options, SCALES.values()))
    for name in options:
        if name not in known:
            raise TypeError(
                f"population() has no argument {name!r}; options of single scales are "
                f"{', '.join(sorted(known))}."
            )
