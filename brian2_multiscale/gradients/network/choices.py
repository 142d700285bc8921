"""What a user names of a network: objects and their variables."""

from brian2.groups.subgroup import Subgroup
from brian2.monitors.spikemonitor import SpikeMonitor
from brian2.monitors.statemonitor import StateMonitor

from ...arguments import check_names
from ..surrogate_gradient import SurrogateGradient

__all__ = ["choices", "monitored", "owned", "surrogate_by_group"]


def owned(network):
    """Objects of a network by name, with what they contain."""
    return {obj.name: obj for obj in network.sorted_objects}


def choices(argument, given, network):
    """
    Pairs of objects and names from a dict of objects and names.

    Parameters
    ----------
    argument : str
        What it is called, for messages.
    given : dict or None
        ``{group: 'name'}`` or ``{group: ['name', ...]}``; the name of a group may stand
        for it.
    network : `Network`

    Returns
    -------
    dict of str to (object, str)
        By ``'<object name>.<name>'``.
    """
    if given is not None and not hasattr(given, "items"):
        raise TypeError(
            f"{argument} must be a dict of objects of the network and names of their "
            f"variables, {{group: 'v'}}; got {given!r}."
        )
    known, found = owned(network), {}
    for key, names in (given or {}).items():
        obj = _object(argument, key, known)
        for each in check_names(f"{argument}[{obj.name}]", names):
            found[f"{obj.name}.{each}"] = (obj, each)
    return found


def _object(argument, key, known):
    """An object of a network, which may be given by its name, or a part of one."""
    if isinstance(key, str) and key in known:
        return known[key]
    source = key.source if isinstance(key, Subgroup) else key
    name = getattr(source, "name", None)
    if name is None or name not in known:
        raise ValueError(
            f"{argument}: {key!r} is not an object of the network, which has "
            f"{sorted(known)}."
        )
    return key


def monitored(network):
    """
    What the monitors of a network record, and when.

    Returns
    -------
    record : dict of object to list of str
        As the argument `record`.
    places : dict of str to (str, int, str)
        When, order and name of the monitor, by ``'<object name>.<name>'``.

    Raises
    ------
    ValueError
        If a variable is recorded at different times of a step.
    """
    found, places = {}, {}
    for monitor in sorted(network.objects, key=lambda obj: obj.name):
        if isinstance(monitor, StateMonitor):
            names = list(monitor.record_variables)
            _add_places(places, monitor, names)
        elif isinstance(monitor, SpikeMonitor):
            names = ["spikes"]
        else:
            continue
        known = found.setdefault(monitor.source, [])
        known += [n for n in names if n not in known]
    return found, places


def _add_places(places, monitor, names):
    place = monitor.when, monitor.order, monitor.name
    for each in names:
        name = f"{monitor.source.name}.{each}"
        first = places.setdefault(name, place)
        if first[:2] != place[:2]:
            raise ValueError(
                f"'{first[-1]}' and '{monitor.name}' record '{name}' at different times"
                " of a step. Give one of them another 'when', or say what to record: "
                "record={...}."
            )


def surrogate_by_group(spike, network):
    """
    The function that gives the surrogate of a group.

    Parameters
    ----------
    spike : `SurrogateGradient`, dict of group to those, or None
    network : `Network`
    """
    none = SurrogateGradient("none")
    if spike is None or isinstance(spike, SurrogateGradient):
        return lambda group: spike or none
    if not isinstance(spike, dict):
        raise TypeError(
            "spike must be a SurrogateGradient or a dict of groups and those, got "
            f"{spike!r}."
        )
    known, by_name = owned(network), {}
    for group, each in spike.items():
        name = group if isinstance(group, str) else getattr(group, "name", None)
        if not isinstance(each, SurrogateGradient) or name not in known:
            raise ValueError(
                f"spike: {group!r} must be a group of the network with a "
                f"SurrogateGradient, got {each!r}."
            )
        by_name[name] = each

    def find(group):
        group = group.source if isinstance(group, Subgroup) else group
        return by_name.get(group.name, none)

    return find
