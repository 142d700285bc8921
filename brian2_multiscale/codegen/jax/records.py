"""What is recorded, when Brian2's monitors would."""

from types import SimpleNamespace

import jax.numpy as jnp
from brian2.codegen.codeobject import create_runner_codeobj
from brian2.groups.subgroup import Subgroup

from .blocks import JAXCodeGenerator
from .capture import capturing

__all__ = ["Recorder", "SpikeRecorder", "place_recorders"]


# Of a `StateMonitor`, with its default name
_DEFAULT = ("start", 0, "statemonitor")


class Recorder:
    """A variable, as a `StateMonitor` records it."""

    def __init__(self, name, group, variable, namespace, arrays):
        runner = SimpleNamespace(group=group, name=group.name, clock=group.clock)
        with capturing() as device:
            device.runner = runner
            create_runner_codeobj(
                group,
                f"_recorded = {variable}",
                "stateupdate",
                run_namespace=namespace,
                check_units=False,
            )
        (captured,) = device.found
        self.name = name
        self.shape = (captured.elements,)
        self.run = JAXCodeGenerator(captured, arrays).function("_recorded")

    def __call__(self, step):
        step.recorded[self.name] = jnp.broadcast_to(self.run(step), self.shape)


class SpikeRecorder:
    """Who spiked (or had another event) in a step."""

    def __init__(self, name, group, variable, arrays):
        self.name, self.key = name, arrays.key(group.variables[variable])
        self.part = slice(None)
        if isinstance(group, Subgroup):
            self.part = slice(group.start, group.stop)

    def __call__(self, step):
        step.recorded[self.name] = step[self.key][self.part]


def event_variable(group, what):
    """Name of the events that are meant: 'spikes', or another event; or None."""
    name = "_spikespace" if what == "spikes" else f"_{what}space"
    return name if name in group.variables else None


def place_recorders(record, places, namespace, arrays):
    """
    What to record somewhere in a step, and what at its end.

    Parameters
    ----------
    record : dict of str to (object, str)
    places : dict of str to (str, int, str)
        When, order and name of a monitor; by default those of a `StateMonitor`.
    namespace : dict
    arrays : `Arrays`

    Returns
    -------
    within : list of ((str, int, str), callable)
    last : list of callable
    """
    within, last = [], []
    for name, (group, what) in record.items():
        events = event_variable(group, what)
        if events is not None:
            last.append(SpikeRecorder(name, group, events, arrays))
        elif what in group.variables:
            recorder = Recorder(name, group, what, namespace, arrays)
            within.append((places.get(name, _DEFAULT), recorder))
        else:
            known = sorted(n for n in group.variables if not n.startswith("_"))
            raise ValueError(
                f"record: '{what}' is neither 'spikes' nor a variable of "
                f"'{group.name}', which has {known}."
            )
    return within, last
