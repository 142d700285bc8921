"""A mechanism: equations, values and strings read from a file."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from os import PathLike

import numpy as np
from brian2.units.fundamentalunits import get_dimensions

from ..arguments import check_names
from .assembly import (
    assemble_equations,
    assemble_scheme,
    clock_driven,
    distribute,
    readout,
    transmitter_file,
)
from .description import describe
from .errors import MechanismError
from .file import MechanismFile
from .initial import initial_values, set_initial_values
from .parameters import Parameter, resolve
from .renaming import Renaming, check_rename
from .search import find_mechanism, is_path
from .source import Source
from .writer import write

__all__ = ["Mechanism"]


class Mechanism:
    """
    A neuron, receptor or synapse model read from a mechanism file.

    Files are parsed, never executed. The object holds what Brian2's groups take:
    pass `equations`, `namespace` and the strings on.

    Parameters
    ----------
    name_or_path : str or `~pathlib.Path`
        A name (see `list_mechanisms` and, for where it is looked for,
        ``docs/mechanism_files.md``) or the path of a file.
    suffix : str, optional
        Appended to every name that the mechanism defines (variables, parameters,
        states), so that several mechanisms go into one group. Names that it only
        uses, such as ``v`` or the transmitter ``glu``, keep theirs.
    vary : str or sequence of str, optional
        Parameters that stay Brian2 parameters, one value per neuron or synapse,
        instead of becoming constants; `initialise` gives them their defaults.
    rename : dict, optional
        Further names to replace, for instance ``{'v': 'v_post'}`` for a receptor in
        the equations of `Synapses`.
    omit : str or sequence of str, optional
        Subexpressions to leave out.
    **parameters
        Values that replace the defaults, by the names in the file. Those that only
        the transmitter of a receptor has are passed on to it.

    Attributes
    ----------
    name, kind, version, doi, figure
        As in the head of the file.
    path : `~pathlib.Path` or str
        The file.
    text : str
        Its text.
    suffix : str
    method : str or None
        Method for the state update; ``'kinetic'`` if there are reactions and the
        file names none.
    threshold, reset, refractory, hazard, on_pre : str or None
        For a model with a hazard and no threshold, `threshold` draws spikes with
        the probability ``1 - exp(-hazard*dt)`` in each time step.
    output : str or None
        The variable that a table or a simulation returns.
    scheme : `KineticScheme` or None
        The reactions.
    transmitter : `Mechanism` or None
        What releases the transmitter of a receptor: its own equations and `on_pre`.
    equations : `Equations`
        Complete, including the differential equations of the reactions.
    namespace : dict
        The constants of `equations`: name to `Quantity` or float.
    varied : dict
        Defaults of the parameters named by ``vary``.
    parameters : dict
        Name to `Parameter` (name, value, source).
    external : dict
        Names that the mechanism uses but does not define, with their unit (a
        `Dimension`) or None if the file does not tell.
    hash : str
        SHA-256 of file text, values and transmitter; suffixes do not enter.

    Raises
    ------
    MechanismError
        If the file cannot be found or read, with file, line and reason, or a
        keyword names no parameter.
    DimensionMismatchError
        If a value has the wrong unit.

    Examples
    --------
    >>> from brian2 import NeuronGroup, nS
    >>> from brian2_multiscale import Mechanism
    >>> adex = Mechanism('adex', a=2*nS)
    >>> group = NeuronGroup(10, adex.equations, threshold=adex.threshold,
    ...                     reset=adex.reset, method=adex.method,
    ...                     namespace=adex.namespace)
    >>> adex.initialise(group)
    """

    def __init__(
        self, name_or_path, suffix="", vary=(), rename=None, omit=(), **parameters
    ):
        path = find_mechanism(name_or_path)
        file = MechanismFile.read(path)
        if not is_path(name_or_path) and file.head.get("name") != path.stem:
            line, _ = file.head_place("name")
            reason = f"the file is called '{path.stem}', but the name in it is "
            reason += f"'{file.head.get('name')}'"
            raise file.source.error(reason, line, fix="Make them the same.")
        self._build(file, suffix, vary, rename, omit, parameters)

    @classmethod
    def from_text(
        cls, text, suffix="", vary=(), rename=None, omit=(), path="<text>", **parameters
    ):
        """
        Build a mechanism from the text of a mechanism file.

        Parameters
        ----------
        text : str
            What would stand in the file.
        path : str, optional
            What error messages call it.
        suffix, vary, rename, omit, **parameters
            As for `Mechanism`.

        Returns
        -------
        `Mechanism`
        """
        if not isinstance(text, str):
            raise MechanismError(f"text must be a string, got {text!r}")
        if not isinstance(path, str | PathLike):
            raise MechanismError(f"path must be a string, got {path!r}")
        self = object.__new__(cls)
        file = MechanismFile(Source(text, path))
        self._build(file, suffix, vary, rename, omit, parameters)
        return self

    def _build(self, file, suffix, vary, rename, omit, given):
        self._file, self.suffix = file, suffix
        if not isinstance(suffix, str):
            raise file.source.error(f"a suffix is a text, not {suffix!r}")
        rename = _renames(rename)
        source = transmitter_file(file)
        mine, theirs = distribute(given, file, source)
        vary, vary_there = distribute(
            dict.fromkeys(check_names("vary", vary)), file, source
        )
        there = () if source is None else source.names
        check_rename(file, rename, {*file.names, *file.external, *there})
        self.transmitter = None
        if source is not None:
            names = {k: v for k, v in rename.items() if k in there}
            self.transmitter = object.__new__(type(self))
            self.transmitter._build(source, "", tuple(vary_there), names, (), theirs)
        self._renaming = Renaming(file, suffix, rename)
        self._values, self._vary = resolve(file, mine), tuple(vary)
        self._omit = check_names("omit", omit)
        self.scheme = assemble_scheme(file, self._renaming)
        self.equations = assemble_equations(
            file, self._renaming, self._values, self._vary, self._omit, self.scheme
        )

    # -- what the file says ----------------------------------------------------
    name = property(lambda self: self._file.head.get("name"))
    kind = property(lambda self: self._file.head.get("kind"))
    version = property(lambda self: self._file.head.version)
    doi = property(lambda self: self._file.head.get("doi"))
    figure = property(lambda self: self._file.head.figure)
    path = property(lambda self: self._file.source.path)
    text = property(lambda self: self._file.source.text)
    description = property(lambda self: self._file.description)

    def _string(self, key):
        return self._renaming.text(self._file.head.get(key))

    on_pre = property(lambda self: self._string("on_pre"))
    reset = property(lambda self: self._string("reset"))
    refractory = property(lambda self: self._string("refractory"))
    hazard = property(lambda self: self._string("hazard"))
    output = property(lambda self: self._string("output"))

    @property
    def threshold(self):
        """Condition for a spike."""
        if self._file.head.get("threshold") is None and self.hazard is not None:
            return f"rand() < -expm1(-({self.hazard})*dt)"
        return self._string("threshold")

    @property
    def method(self):
        """Method for the state update, or None for Brian2's choice."""
        default = "kinetic" if self.scheme is not None else None
        return self._file.head.get("method") or default

    @cached_property
    def external(self):
        """Names used but not defined, with their dimensions if known."""
        return {self._renaming.name(n): d for n, d in self._file.external.items()}

    @cached_property
    def parameters(self):
        """Name to `Parameter`."""
        names = ((self._renaming.name(n), *v) for n, v in self._values.items())
        return {name: Parameter(name, value, src) for name, value, src in names}

    @cached_property
    def namespace(self):
        """Name to value of every constant."""
        varied = {self._renaming.name(n) for n in self._vary}
        return {n: p.value for n, p in self.parameters.items() if n not in varied}

    @cached_property
    def varied(self):
        """Name to default of every parameter that stays variable."""
        return {
            n: p.value for n, p in self.parameters.items() if n not in self.namespace
        }

    @property
    def synaptic_equations(self):
        """
        The equations for `Synapses`, differential equations flagged as clock-driven.

        Without the flag Brian2 asks for each whether it may be event-driven;
        `NeuronGroup` does not know it.
        """
        return clock_driven(self.equations)

    @property
    def readout(self):
        """
        The lines that follow from the output, with what else they need.

        Where the outputs of many synapses are summed in the postsynaptic group, that
        group has to contain these lines; leave them out of the synapses by ``omit``.
        """
        equations = self._file.body.equations
        return self._renaming.equations(readout(equations, self._file.head))

    # -- initial values --------------------------------------------------------
    @cached_property
    def initial(self):
        """
        Initial values: name to number, `Quantity` or expression.

        Those of the head of the file, evaluated where they are arithmetic of
        parameters, and for reactions the steady state with the names of
        [initial]. Variables that are not listed start at zero.

        Raises
        ------
        MechanismError
            If a rate depends on a name without a value in [initial].
        """
        return initial_values(self, self._file, self._renaming)

    def initialise(self, group):
        """
        Set the variables of a group to the initial values.

        Parameters
        ----------
        group : `NeuronGroup` or `Synapses`
            Has `equations` in its model; synapses are already connected. Parameters
            named by ``vary`` are set to their defaults.
        """
        set_initial_values(self, group)

    def simulate(self, spike_times, t, dt=None, **kwds):
        """
        Simulate the response of one synapse to presynaptic spikes.

        See `brian2_multiscale.kinetics.reference.simulate`.
        """
        from ..kinetics.reference import simulate

        return simulate(self, spike_times, t, dt=dt, **kwds)

    # -- identity and text -----------------------------------------------------
    @cached_property
    def hash(self):
        """SHA-256 of what determines the numbers."""
        digest = hashlib.sha256(self.text.encode())
        for name in sorted(self._values):
            value = self._values[name][0]
            number = float(np.asarray(value)).hex()
            digest.update(f"\n{name}={number} {get_dimensions(value)!r}".encode())
        if self.transmitter is not None:
            digest.update(self.transmitter.hash.encode())
        return digest.hexdigest()

    def _key(self):
        """Everything that makes two mechanisms the same, comments apart."""
        head = self._file.head
        strings = {k: self._string(k) for k in head.strings if k != "name"}
        return {
            "name": self.name,
            "version": self.version,
            "strings": {k: "\n".join(v.split()) for k, v in strings.items()},
            "figure": self.figure,
            "equations": self.equations,
            "parameters": {n: (p.value, p.source) for n, p in self.parameters.items()},
            "varied": sorted(self.varied),
            "initial": {
                self._renaming.name(k): self._renaming.text(v)
                for k, v in head.initial.items()
            },
            "external": self.external,
            "transmitter": self.transmitter and self.transmitter._key(),
        }

    def __eq__(self, other):
        if not isinstance(other, Mechanism):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self):
        return hash((self.name, self.kind, *sorted(self.equations.names)))

    def to_text(self):
        """
        Return the text of a mechanism file that gives this mechanism.

        Values and new names are those of this object; comments between the
        equations are lost.
        """
        return write(self)

    def __str__(self):
        return describe(self)

    def __repr__(self):
        source = f" doi:{self.doi}" if self.doi else ""
        return f"<Mechanism '{self.name}' ({self.kind}) from {self.path}{source}>"

    def _repr_pretty_(self, printer, cycle):
        printer.text(str(self))


def _renames(rename):
    if rename is None:
        return {}
    known = isinstance(rename, Mapping)
    if not known or not all(isinstance(n, str) for n in (*rename, *rename.values())):
        raise TypeError(f"rename must be a dict of old and new names, got {rename!r}.")
    return dict(rename)
