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
        ``{group: 'name'}`` or ``{group: ['name', ...]}``.
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
    for obj, names in (given or {}).items():
        source = obj.source if isinstance(obj, Subgroup) else obj
        name = getattr(source, "name", None)
        if name is None or name not in known:
            raise ValueError(
                f"{argument}: {obj!r} is not an object of the network, which has "
                f"{sorted(known)}."
            )
        for each in check_names(f"{argument}[{name}]", names):
            found[f"{obj.name}.{each}"] = (obj, each)
    return found


def monitored(network):
    """What the monitors of a network record, as an argument `record`."""
    found = {}
    for monitor in network.objects:
        if isinstance(monitor, StateMonitor):
            names = list(monitor.record_variables)
        elif isinstance(monitor, SpikeMonitor):
            names = ["spikes"]
        else:
            continue
        known = found.setdefault(monitor.source, [])
        known += [n for n in names if n not in known]
    return found


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
        if not isinstance(each, SurrogateGradient) or group.name not in known:
            raise ValueError(
                f"spike: {group!r} must be a group of the network with a "
                f"SurrogateGradient, got {each!r}."
            )
        by_name[group.name] = each

    def find(group):
        group = group.source if isinstance(group, Subgroup) else group
        return by_name.get(group.name, none)

    return find
