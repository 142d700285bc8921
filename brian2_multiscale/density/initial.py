"""Densities at the beginning of a simulation."""

import numpy as np
from brian2.devices.device import RuntimeDevice, get_device
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.units.fundamentalunits import get_unit
from brian2.utils.stringtools import get_identifiers

from ..arguments import check_numbers
from .evaluation import evaluate

__all__ = ["set_density", "start"]


def set_density(group, density, value, namespace):
    """Take over a density, one population after the other, and normalise it."""
    grids = group.grids
    centres = np.concatenate([grid.centres for grid in grids])
    values = _values(group, density, value, namespace, centres)
    if values.shape not in ((), (len(centres),)):
        raise ValueError(
            f"p must have one value for each of the {len(centres)} bins, got shape "
            f"{values.shape}."
        )
    values = np.array(np.broadcast_to(values, len(centres)), dtype=float)
    if not np.all(np.isfinite(values)) or np.any(values < 0):
        raise ValueError(f"p must be finite and never negative, got {value!r}.")
    first = _first_cells(grids)
    for k, grid in enumerate(grids):
        own = slice(first[k], first[k + 1])
        mass = values[own].sum() * grid.width
        if not mass > 0:
            raise ValueError(f"p is zero in all bins of population {k}.")
        values[own] /= mass
    _store(group, values)


def _values(group, density, value, namespace, centres):
    if not isinstance(value, str):
        unit = get_unit(group.density.variables["p"].dim)
        return check_numbers("p", value, unit)
    _check_units(value, group, namespace)
    population = density.variables["population"].get_value()
    given = {group.noisy.name: centres, "i": population}
    for name in group.equations.names:
        if name not in given and name not in group.equations.subexpr_names:
            values = np.asarray(group.variables[name].get_value())
            given[name] = values[population] if values.size > 1 else values.item()
    return evaluate(value, group, namespace, given)


def _check_units(code, group, namespace):
    """Any unit will do, since densities are normalised, but not ``exp(-v**2)``."""
    if not code.strip():
        raise ValueError(f"p={code!r} is no expression of the voltage.")
    names = get_identifiers(code)
    try:
        known = group.resolve_all(names, namespace, user_identifiers=names)
    except KeyError as error:
        raise ValueError(f"p='{code}': {error.args[0]}") from error
    parse_expression_dimensions(code, known)


def _first_cells(grids):
    return np.concatenate([[0], np.cumsum([grid.cells for grid in grids])])


def _store(group, values):
    """Density and mean, and no kick because the mean has changed."""
    grids, updater = group.grids, group.updater.variables
    first = _first_cells(grids)
    means = np.array(
        [
            np.sum(values[first[k] : first[k + 1]] * grid.centres) * grid.width
            for k, grid in enumerate(grids)
        ]
    )
    group.density.variables["p"].set_value(values)
    group.variables[group.noisy.name].set_value(means)
    updater["_saved"].set_value(means.astype(group.variables[group.noisy.name].dtype))
    updater["_ring"].set_value(np.zeros(updater["_ring"].size))
    group.started, group.moved = True, False
    group.forget_neurons()


def start(group):
    """Without a density from the user all neurons have the voltage of the group."""
    if group.started:
        _check_unmoved(group)
        return
    first = _first_cells(group.grids)
    voltages = _voltages(group)
    values = np.zeros(first[-1])
    for k, grid in enumerate(group.grids):
        place = (voltages[k] - grid.centres[0]) / grid.width
        if not -0.5 <= place <= grid.cells - 0.5:
            raise ValueError(
                f"{group.name!r} starts at {group.noisy.name} = {voltages[k]:g} in "
                f"population {k}, outside its bins from "
                f"{grid.faces[0] - grid.width:g} to {grid.top:g}. Set it, or "
                "give v_min."
            )
        place = np.clip(place, 0, grid.cells - 1.0)
        lower = min(int(place), grid.cells - 2)
        share = place - lower
        values[first[k] + lower] = (1 - share) / grid.width
        values[first[k] + lower + 1] = share / grid.width
    _store(group, values)


def _check_unmoved(group):
    """A voltage that is set beside p would be a kick."""
    if group.moved or not isinstance(get_device(), RuntimeDevice):
        return
    now = group.variables[group.noisy.name].get_value()
    if not np.array_equal(now, group.updater.variables["_saved"].get_value()):
        name = group.noisy.name
        raise ValueError(
            f"'{name}' of {group.name!r} has been set after its density p, which would "
            f"kick all neurons. Set one of them: 'p', or '{name}' if all neurons begin "
            "at one voltage."
        )


def _voltages(group):
    try:
        values = group.variables[group.noisy.name].get_value()
    except NotImplementedError as error:
        raise ValueError(
            f"Where {group.name!r} starts is not known before the run in C++ "
            f"standalone mode, because '{group.noisy.name}' was set by a string; set "
            "it by values, or set p."
        ) from error
    return np.broadcast_to(np.asarray(values, dtype=float), len(group))
