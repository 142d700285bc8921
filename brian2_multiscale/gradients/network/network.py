"""An ordinary Brian2 network as a function that can be differentiated."""

import numpy as np
from brian2.core.network import Network
from brian2.units.allunits import second

from ...arguments import check_flag, check_mapping, check_positive
from ...callers import user_namespace
from ...optional import require
from .calls import Calls
from .choices import choices, monitored, surrogate_by_group
from .jacobian import all_together, one_by_one
from .trainable import check_trainable
from .write_back import arranged, namesake

__all__ = ["DifferentiableNetwork"]


class DifferentiableNetwork:
    r"""
    A Brian2 network whose outputs can be differentiated by its parameters.

    The network is written as ever: the code that Brian2 would generate is translated
    to JAX, statement by statement, in Brian2's order. Derivatives are those of the
    numbers that the simulation gives (backpropagation through time).

    Parameters
    ----------
    network : `Network`
        It is only read; values of variables are those at present.
    trainable : dict
        Parameters to differentiate by: ``{synapses: 'w', group: ['tau', 'gl']}``. For
        a variable that moves, its initial value. Here and below, the name of an object
        may stand for it.
    duration : `Quantity`
    inputs : dict, optional
        What is given anew at every call: ``{group: 'spikes'}`` instead of the spikes of
        a group, ``{group: 'I'}`` for a parameter with a value for every step.
    record : dict, optional
        What `run` gives: ``{group: ['v', 'spikes']}``; by default what the monitors of
        the network record, but of all elements, in every step.
    spike : `SurrogateGradient` or dict of group to `SurrogateGradient`, optional
        The derivative of spikes; without one they have none. Other events of the group
        get it if they compare something of the same unit, else they have none.
    dtype : {float, numpy.float32}
        Of all numbers that are not whole, times excepted. Single precision takes about
        half the time; equations such as those of Hodgkin and Huxley need more (Brian2
        writes some exponentials as powers that overflow).
    checkpoint : bool
        Keep the states at about :math:`\sqrt n` of all n steps only and compute those
        between a second time (a third more time, far less memory).
    namespace : dict, optional
        Constants of the equations; by default the names where this is called.

    Attributes
    ----------
    names : list of str
        Of the parameters: ``'<object name>.<variable>'``.
    owners : dict of str to `Group`
        The objects that have them.
    initial : dict of str to ndarray
        Their present values in base units.
    dimensions : dict of str to Dimension
        Their dimensions.
    steps : int
    dt : float
        In seconds.

    Raises
    ------
    NotDifferentiableError
        If something has no derivative: delays, the refractory period, connectivity and
        other whole numbers, rates of drawn spikes, several clocks, GSL methods, network
        operations, functions without form for JAX, objects that bring their own
        templates. The message names the object and what to do.
    ValueError, TypeError, DimensionMismatchError
        If an argument is wrong, names what the network does not have, or if
        parameters belong to another object (``{synapses: 'v_post'}``).
    NotImplementedError
        If a standalone device is active (see `write_back`).
    ImportError
        If JAX is not installed.

    Notes
    -----
    Variables are recorded as a `StateMonitor` does, at the beginning of each step, or
    when those of the network do; spikes in the step in which they occur. Values agree
    with Brian2's up to the order in which sums are rounded. Event-driven variables of
    synapses are those at the present time, not at the last event.

    Conditions (``int(v > 0*mV)``), refractoriness and the time of the last spike carry
    no derivative. Random numbers (``xi``, ``rand()``) are drawn from `seed`, other ones
    than Brian2's; derivatives are those for fixed random numbers.

    Examples
    --------
    >>> from brian2 import *
    >>> from brian2_multiscale.gradients import DifferentiableNetwork
    >>> cell = NeuronGroup(1, '''dv/dt = (-70*mV - v)/tau : volt
    ...                          tau : second (constant)''', method='exact',
    ...                    name='cell')
    >>> cell.tau = 10*ms
    >>> network = DifferentiableNetwork(Network(cell), {cell: 'tau'}, 50*ms,
    ...                                 record={cell: 'v'})
    >>> def loss(outputs):
    ...     return ((outputs['cell.v'] + 0.06)**2).mean()
    >>> value, gradient = network.value_and_grad(loss)(network.initial)
    >>> sorted(gradient)
    ['cell.tau']
    """

    def __init__(
        self,
        network,
        trainable,
        duration,
        inputs=None,
        record=None,
        spike=None,
        dtype=float,
        checkpoint=True,
        namespace=None,
    ):
        self._jax = require("jax", "gradients", "DifferentiableNetwork")
        _check_network(network)
        objects = choices("trainable", trainable, network)
        inputs = choices("inputs", inputs, network)
        record, places = monitored(network) if record is None else (record, {})
        check_mapping("namespace", namespace)
        namespace = user_namespace() if namespace is None else namespace
        variables = {n: check_trainable(*each) for n, each in objects.items()}
        from ...codegen.jax.network import translate  # needs JAX

        with self._jax.enable_x64(True):
            translated = translate(
                network,
                namespace,
                check_positive("duration", duration, second, "a time"),
                inputs,
                choices("record", record, network),
                surrogate_by_group(spike, network),
                _type_name(dtype),
                check_flag("checkpoint", checkpoint),
                places,
            )
        keys = {n: translated.arrays.key(v) for n, v in variables.items()}
        self.dimensions = {n: v.dim for n, v in variables.items()}
        self._calls = Calls(self._jax, translated, keys, self.dimensions, inputs)
        self.names, self.initial = list(keys), self._calls.initial
        self.owners = {n: obj for n, (obj, _) in objects.items()}
        self.steps, self.dt = translated.steps, translated.dt

    def __repr__(self):
        return (
            f"<DifferentiableNetwork of {self.steps} steps of {self.dt:g} s, "
            f"trainable: {', '.join(self.names) or 'nothing'}>"
        )

    # -- running -----------------------------------------------------------------------
    def run(self, params=None, inputs=None, seed=None):
        """
        Simulate.

        Parameters
        ----------
        params : dict of str to array_like, optional
            Parameters, `initial` for those that are left out. Plain numbers are in base
            units.
        inputs : dict, optional
            Arrays ``([trials,] steps, n)`` by ``'<object name>.<what>'``, or by the
            object if it has one input only; plain numbers are in base units. Spikes are
            0 or 1. All inputs must be given; those without trials are the same in all.
        seed : int or sequence of int, optional
            Of random numbers, new ones by default. With a sequence, one per trial.

        Returns
        -------
        dict of str to ndarray
            ``([trials,] steps, n)`` by ``'<object name>.<what>'``, in base units.

        Raises
        ------
        ValueError, TypeError
            Parameters or inputs that are missing, unknown or of another shape, or a bad
            seed.
        DimensionMismatchError
            If they have the wrong unit.
        """
        return self._calls("run", self._calls.simulate, params, inputs, (), seed)

    def value_and_grad(self, function):
        """
        A function of the outputs and its derivatives by all parameters.

        Parameters
        ----------
        function : callable
            ``function(outputs, *args)``: a number, written in `jax.numpy`; `outputs` as
            from `run`. It is compiled at its first use, and for every new shape.

        Returns
        -------
        callable
            ``(params=None, inputs=None, args=(), seed=None) -> (value, gradients)``:
            arguments and errors as in `run`, a float and a dict of arrays.

        Raises
        ------
        TypeError
            If it is no function.
        """
        _check_function(function)
        derived = self._jax.value_and_grad(self._calls.followed_by(function))

        def compute(params=None, inputs=None, args=(), seed=None):
            value, found = self._calls(function, derived, params, inputs, args, seed)
            return float(value), found

        return compute

    def jacobian(self, function, elementwise=False):
        """
        Residuals and their derivatives, in forward mode: for few parameters.

        Parameters
        ----------
        function : callable
            ``function(outputs, *args)``: an array.
        elementwise : bool, optional
            Whether element `i` of all parameters only acts on elements of the result
            that no other one acts on (unconnected neurons, each with parameters of its
            own): then one derivative per parameter suffices for all.

        Returns
        -------
        callable
            ``(params=None, inputs=None, args=(), seed=None) -> (values, derivatives)``,
            a dict of arrays of the shape of the result, followed by the shape of the
            parameter unless `elementwise`. Arguments and errors as in `run`.

        Raises
        ------
        TypeError
            If it is no function, or `elementwise` neither True nor False.
        """
        _check_function(function)
        total = self._calls.followed_by(function)
        label = ("jacobian", function, check_flag("elementwise", elementwise))
        derived = (one_by_one if elementwise else all_together)(self._jax, total)

        def compute(params=None, inputs=None, args=(), seed=None):
            return self._calls(label, derived, params, inputs, args, seed)

        return compute

    def write_back(self, params=None, network=None):
        """
        Give the user's own objects the values of parameters.

        Parameters
        ----------
        params : dict of str to array_like, optional
            `initial` by default.
        network : `Network`, optional
            Another network with objects of the same names: one that was built after
            ``set_device('cpp_standalone')``, say.

        Raises
        ------
        ValueError, TypeError
            Parameters that are unknown or of another shape; a network without objects
            of these names, or with other neurons or synapses.
        DimensionMismatchError
            If parameters have the wrong unit.

        Notes
        -----
        Synapses of another network may be in another order: each gets the value of the
        one between the same neurons. But before the build of a standalone network its
        synapses are only known if they were made by ``connect(i=..., j=...)``. Those of
        conditions, probabilities or generators get the values in the order of creation:
        then they must be created in the same way, and nothing may be drawn
        (``connect(p=0.3)`` draws other synapses).
        """
        values = self._calls.parameters(params)
        if network is not None:
            _check_network(network)
        found = []
        for name, own in self.owners.items():
            obj = own if network is None else namesake(own, network)
            variable, value = name.split(".")[-1], np.array(values[name], dtype=float)
            found.append((obj, f"{variable}_", arranged(value, obj, own, variable)))
        for obj, attribute, value in found:
            setattr(obj, attribute, value if value.ndim else +value)


def _check_network(network):
    if not isinstance(network, Network):
        raise TypeError(f"network must be a Network, got {network!r}.")


def _type_name(dtype):
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = None
    if dtype is None or name not in ("float64", "float32"):
        raise ValueError(f"dtype must be float or numpy.float32, got {dtype!r}.")
    return name


def _check_function(function):
    if not callable(function):
        raise TypeError(
            f"function must be a function of what is recorded, got {function!r}."
        )
