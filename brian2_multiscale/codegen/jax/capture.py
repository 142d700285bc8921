"""What a network would generate code for: abstract code and variables."""

from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.codegen.translation import make_statements
from brian2.core.operations import NetworkOperation
from brian2.devices.device import (
    Device,
    RuntimeDevice,
    get_device,
    reset_device,
    set_device,
)
from brian2.monitors.ratemonitor import PopulationRateMonitor
from brian2.monitors.spikemonitor import EventMonitor
from brian2.monitors.statemonitor import StateMonitor
from brian2.synapses.synapses import SynapticPathway

from ...kinetics.differentiation import NotDifferentiableError

__all__ = ["KNOWN", "MONITORS", "Captured", "capture", "capturing"]

#: For messages
KNOWN = (
    "Known are NeuronGroup, PoissonGroup, SpikeGeneratorGroup, Synapses, PoissonInput "
    "and run_regularly, with methods such as 'exact', 'exponential_euler' or 'rk4'."
)

MONITORS = (StateMonitor, EventMonitor, PopulationRateMonitor)


@dataclass
class Captured:
    """
    One code object that Brian2 would have made.

    Attributes
    ----------
    runner : `BrianObject`
        Whose code it is.
    template : str
    code : dict of str to str
        Abstract code by block.
    variables, indices : dict
        As the code would see them.
    options : dict
        Arguments of the template.
    unconditional : set of str
        Conditions for writing that this code does not obey (resets).
    """

    runner: object
    template: str
    code: dict
    variables: dict
    indices: dict
    options: dict
    unconditional: set

    @property
    def elements(self):
        """How many elements the code goes over."""
        return int(np.asarray(self.runner.group.variables["N"].get_value()).item())

    @property
    def statements(self):
        """All statements, those for single numbers first."""
        found = []
        for name, code in self.code.items():
            parts = make_statements(
                code, self.variables, np.float64, optimise=False, blockname=name or ""
            )
            found += parts[0] + parts[1]
        return found

    def before_run(self):
        """Nothing to do: it will not run."""

    after_run = before_run


class _CaptureDevice(Device):
    """A device that writes down code objects instead of generating code."""

    def __init__(self):
        super().__init__()
        self.runner, self.found = None, []

    def activate(self, build_on_run=True, **kwargs):
        # Brian2 copies the time step of the default clock to that of a new device
        self.defaultclock = SimpleNamespace(dt=None)
        self.build_on_run, self.build_options = build_on_run, kwargs

    def code_object_class(self, codeobj_class=None, fallback_pref="codegen.target"):
        # All of Brian2's templates and functions, and ours, are there for numpy
        own = isinstance(codeobj_class, type)
        own = own and issubclass(codeobj_class, NumpyCodeObject)
        return codeobj_class if own else NumpyCodeObject

    def code_object(
        self,
        owner,
        name,
        abstract_code,
        variables,
        template_name,
        variable_indices,
        template_kwds=None,
        override_conditional_write=None,
        **_,
    ):
        found = Captured(
            self.runner,
            template_name,
            abstract_code,
            dict(variables),
            dict(variable_indices),
            dict(template_kwds or {}),
            set(override_conditional_write or ()),
        )
        self.found.append(found)
        return found


@contextmanager
def capturing():
    device = _CaptureDevice()
    build_on_run = getattr(get_device(), "build_on_run", True)
    options = getattr(get_device(), "build_options", {})
    set_device(device, build_on_run=build_on_run, **options)
    try:
        yield device
    finally:
        device.defaultclock = None  # its time step is not copied back
        reset_device()


@contextmanager
def _as_it_was(runner):
    """Bring back what `before_run` changes of an object."""
    names = ("codeobj", "abstract_code", "user_code", "_pushspikes_codeobj")
    kept = {n: getattr(runner, n) for n in names if n in vars(runner)}
    codes = list(runner.code_objects)
    if isinstance(runner, SynapticPathway):
        runner._pushspikes_codeobj = None  # it is made once only
    try:
        yield
    finally:
        vars(runner).update(kept)
        runner.code_objects[:] = codes


def capture(network, namespace):
    """
    The code objects of a network in the order of a time step.

    Parameters
    ----------
    network : `Network`
        Is as before afterwards, up to what ``network.run(0*second)`` does.
    namespace : dict
        Constants of equations that are not the groups' own.

    Returns
    -------
    list of `Captured`
        Without those of monitors.

    Raises
    ------
    NotDifferentiableError
        If there is an object that runs Python functions or generates code without
        abstract code.
    NotImplementedError
        If a standalone device is active.
    """
    if not isinstance(get_device(), RuntimeDevice):
        raise NotImplementedError(
            "What a network that is to be compiled will contain is not known yet. "
            "Build it before set_device('cpp_standalone') as well, train that one, and "
            "give the compiled one its values: write_back(network=...)."
        )
    # as run() does: clocks may still have the time of another network
    for clock in {obj.clock for obj in network.sorted_objects}:
        clock.set_interval(network.t, network.t)
    with capturing() as device:
        for runner in network.sorted_objects:
            if not runner.active or isinstance(runner, MONITORS):
                continue
            _refuse(runner)
            device.runner = runner
            with _as_it_was(runner):
                _prepare(runner, namespace)
    return device.found


def _prepare(runner, namespace):
    try:
        runner.before_run(namespace)
    except NotImplementedError as error:
        reason = str(error).strip() or "it makes code of its own."
        raise NotDifferentiableError(
            f"'{runner.name}' cannot be differentiated: {reason} {KNOWN}"
        ) from error


def _refuse(runner):
    method = getattr(runner, "method_choice", None)
    if isinstance(method, str) and method.startswith("gsl"):
        raise NotDifferentiableError(
            f"'{runner.name}' integrates by method={method!r}, with steps of its own "
            "choice. Choose a method with fixed steps: 'exponential_euler', 'rk4'."
        )
    if isinstance(runner, NetworkOperation):
        raise NotDifferentiableError(
            f"'{runner.name}' is a network operation, a Python function that cannot be "
            "differentiated. Write it as run_regularly('...') or leave it out."
        )
