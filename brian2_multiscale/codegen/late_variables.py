"""Variables that are given to groups which exist already."""

from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.devices.device import get_device
from brian2.synapses.synapses import Synapses
from brian2.units.fundamentalunits import DIMENSIONLESS

__all__ = ["give_shared", "give_variable"]


def give_variable(group, name, dimensions=DIMENSIONLESS):
    """
    Give a group one more variable, with a value of 0 for every neuron or synapse.

    Parameters
    ----------
    group : `Group`
        For `Synapses`, `connect` may have been called before or may follow.
    name : str
        Nothing happens if the group has a variable of this name.
    dimensions : `Dimension`, optional
    """
    if name in group.variables:
        return
    if not isinstance(group, Synapses):
        group.variables.add_array(name, size=len(group), dimensions=dimensions)
        return
    group.variables.add_dynamic_array(name, size=0, dimensions=dimensions)
    variable = group.variables[name]
    group.register_variable(variable)
    if not group._connect_called:
        return
    device = get_device()
    if isinstance(device, CPPStandaloneDevice):
        # how many synapses there are is only known to the program
        array = device.get_array_name(variable, access_data=False)
        number = device.get_array_name(group.variables["N"])
        device.insert_code("main", f"{array}.resize({number}[0]);")
    else:
        variable.resize(len(group))


def give_shared(group, name, dimensions=DIMENSIONLESS):
    """Give a group one more variable that is the same for all its neurons."""
    if name not in group.variables:
        group.variables.add_array(
            name, size=1, dimensions=dimensions, scalar=True, index="0"
        )
