"""SynapticTable: a synapse as a table, with its stated error."""

import hashlib
from functools import cached_property

import numpy as np
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity

from ..arguments import check_choice, check_numbers, check_path
from ..kinetics.reference import check_spike_times, check_times, simulate
from .files import read_table, write_table
from .functions import history_functions, state_functions
from .history import HistoryTable
from .pooled import nrmse, pooled_output

__all__ = ["SynapticTable"]

_EXTRAPOLATIONS = ("raise", "clip")


class SynapticTable:
    """
    The response of a synapse to any spike train, from a table.

    Made by `tabulate` or `SynapticTable.load`; used by `TabulatedSynapses`.

    Parameters
    ----------
    core : `StateTable` or `HistoryTable`
    source : `TransmitterSource`
    unit : `Unit`
        Unit of the response to a synapse of weight 1.
    report : dict
        What is known about its error and its origin (plain numbers and strings).

    Attributes
    ----------
    name : str
        Of the mechanism.
    representation : {'state', 'history'}
    time_constants : `Quantity`
        Of the pooled exponentials.
    error : float
        Largest NRMSE on the held-out trains.
    errors : dict
        NRMSE by rate (Hz) of the held-out Poisson trains.
    worst_amplitude : float
        Largest error of the peak between two held-out spikes, relative to the
        largest peak of the train.
    nbytes : int
        Memory of what is read at a spike.

    Notes
    -----
    The NRMSE is ``sqrt(sum((ref - x)**2)/sum(ref**2))`` as in
    doi:10.3389/fncom.2021.733155, sampled every 0.1 ms against the converged kinetic
    model. The table is exact in time: no error depends on ``dt``.
    """

    def __init__(self, core, source, unit, report):
        self.core, self.source, self.unit = core, source, unit
        self.report = dict(report)

    name = property(lambda self: self.source.name)
    errors = property(lambda self: dict(self.report["errors"]))
    error = property(lambda self: max(self.errors.values()))
    worst_amplitude = property(lambda self: self.report["worst_amplitude"])
    nbytes = property(lambda self: int(self.core.nbytes))

    @property
    def representation(self):
        """'state' or 'history'."""
        return type(self.core).__name__.removesuffix("Table").lower()

    @property
    def time_constants(self):
        """Time constants of the pooled exponentials, a `Quantity`."""
        return Quantity(self.core.time_constants.copy(), dim=second.dim)

    @cached_property
    def transmitter(self):
        """The `Transmitter` of the mechanism."""
        return self.source.transmitter()

    @cached_property
    def functions(self):
        """The arrays as functions of generated code, under a name that is stable."""
        digest = hashlib.sha256(str(self.source).encode())
        for array in (self.core.time_constants, *_largest(self.core)):
            digest.update(np.ascontiguousarray(array).tobytes())
        make = (
            history_functions if self.representation == "history" else state_functions
        )
        return make(self.core, f"{self.name}_{digest.hexdigest()[:12]}")

    def response(self, spike_times, t, extrapolate="raise"):
        """
        Output of one synapse of weight 1.

        Parameters
        ----------
        spike_times : `Quantity`
            Sorted spike times.
        t : `Quantity`
            Times at which the output is wanted, in any order; at a spike the value
            after it.
        extrapolate : {'raise', 'clip'}
            What to do about spikes that follow a denser burst than the table was
            made for: refuse, or take the densest burst that it knows.

        Returns
        -------
        response : `Quantity`, shape of ``t``
            In the table's ``unit``, relative to the resting output.

        Raises
        ------
        ValueError
            For unsorted trains, and for trains outside the table's range.
        """
        check_choice("extrapolate", extrapolate, _EXTRAPOLATIONS)
        spikes = check_spike_times(spike_times)
        times = check_times(t).ravel()
        order = np.argsort(times, kind="stable")
        increments = self.core.increments(self.transmitter, spikes, extrapolate)
        result = np.empty(len(times))
        result[order] = pooled_output(
            spikes, increments, self.core.time_constants, times[order]
        )
        return Quantity(result.reshape(np.shape(t)), dim=self.unit.dim)

    def nrmse(self, spike_times, reference, t=None, extrapolate="raise"):
        """
        Normalised root-mean-square error for one spike train.

        Parameters
        ----------
        spike_times : `Quantity`
            Sorted spike times.
        reference : `Mechanism` or `Quantity`
            The kinetic mechanism (simulated, converged, without its resting output),
            or values at ``t``.
        t : `Quantity`, optional
            Times of the samples; every 0.1 ms from the first spike to 100 ms after
            the last if a mechanism is given without them.

        Returns
        -------
        error : float
        """
        # Imported late: mechanisms are simulated by what also makes tables.
        from ..mechanisms import Mechanism

        is_array = not isinstance(reference, Mechanism)
        if is_array:
            kind = f"a Mechanism, or values with the unit {self.unit!r}"
            check_numbers("reference", reference, self.unit, kind)
        if t is None:
            if is_array:
                raise ValueError(
                    "t is missing: give the times at which `reference` was sampled."
                )
            spikes = check_spike_times(spike_times)
            if len(spikes) == 0:
                raise ValueError("spike_times is empty; give the times t as well.")
            t = np.arange(spikes[0], spikes[-1] + 0.1, 1e-4) * second
        values = self.response(spike_times, t, extrapolate)
        if not is_array:
            resting = simulate(reference, [] * second, t)
            reference = simulate(reference, spike_times, t) - resting
        # Subtracting quantities refuses a reference of another unit.
        return nrmse(
            np.asarray(reference), np.asarray(reference - (reference - values))
        )

    def save(self, path):
        """Write to an .npz file; all or nothing (a temporary file is renamed)."""
        write_table(self, check_path("path", path))

    @classmethod
    def load(cls, path):
        """
        Read a table written by `save`. Nothing in the file is executed.

        Raises
        ------
        TableFileError
            If the file is missing, damaged, no table, or of another format version.
        """
        return cls(*read_table(check_path("path", path)))

    def __getstate__(self):
        # Compiled functions stay behind when a table goes to a worker.
        left_out = ("functions", "transmitter")
        return {k: v for k, v in self.__dict__.items() if k not in left_out}

    def __repr__(self):
        rates = sorted(self.errors)
        return (
            f"<SynapticTable '{self.name}' ({self.representation}): "
            f"{self.nbytes / 1e3:.0f} kB, "
            f"{len(self.core.time_constants)} exponentials, "
            f"NRMSE <= {self.error:.3g} from {rates[0]:g} to {rates[-1]:g} Hz>"
        )


def _largest(core):
    if isinstance(core, HistoryTable):
        return core.amplitudes, core.shapes
    return core.propagators, core.responses
