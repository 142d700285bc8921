"""Responses of tabulated synapses, with derivatives by what they depend on."""

import numpy as np
from brian2.units.allunits import second
from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    DimensionMismatchError,
    Quantity,
    get_dimensions,
    get_unit,
)

from ...arguments import check_choice, check_name, check_number, check_numbers
from ...numerics.lookup import Axis
from ...tables.pooled import pooled_output
from ...tables.table import SynapticTable
from .fitting_values import FitsValues
from .release import ReleaseDerivatives, check_trains

__all__ = ["TableDerivatives"]

_WEIGHT = "weight"


class TableDerivatives(FitsValues):
    r"""
    What tabulated synapses answer to spike trains, with its derivatives.

    A table has a weight, short-term plasticity in front of it, and what it was made
    for: the parameters of its mechanism. The response is differentiated exactly by the
    first two. By a parameter of the mechanism it can be if there are tables for several
    values of it: between them responses are interpolated linearly.

    Parameters
    ----------
    table : `SynapticTable` or list of `SynapticTable`
        One, or one per value in `at`.
    spikes : `Quantity` or list of `Quantity`
        Sorted times; one train, or several.
    t : `Quantity`
        Sorted times of the samples, those of all trains.
    plasticity : `ReleaseDerivatives`, optional
        What scales the response to each spike; for the same trains. Its parameters
        become parameters here.
    parameter : str, optional
        Name of the parameter of the mechanism in which the tables differ.
    at : `Quantity`, optional
        Its values, evenly spaced and increasing.
    value : `Quantity`, optional
        The value to begin with, by default the middle one.
    weight : float or `Quantity`, optional
        Factor of the response. Plasticity that has a parameter of that name brings the
        factor along: then there is no other one.
    extrapolate : {'raise', 'clip'}, optional
        For bursts that are denser than those the tables were made for.

    Attributes
    ----------
    names : list of str
        'weight', the parameters of the plasticity, that of the mechanism.

    Raises
    ------
    TypeError, DimensionMismatchError
    ValueError
        Also if two parameters have one name.

    Notes
    -----
    Other parameters of a mechanism (rates of its transitions) are baked into a table
    and have no derivative: fit them with the mechanism itself (`GradientFitter`), and
    make the table afterwards. The magnesium block of NMDA receptors is not in the table
    but in the equations of the neuron, where `GradientFitter` differentiates it; the
    response is an input there.

    The error of interpolation between tables is about an eighth of the second
    derivative by the parameter, times the square of its steps: compare with a table in
    the middle.
    """

    def __init__(
        self,
        table,
        spikes,
        t,
        plasticity=None,
        parameter=None,
        at=None,
        value=None,
        weight=1.0,
        extrapolate="raise",
    ):
        tables = [table] if isinstance(table, SynapticTable) else table
        known = isinstance(tables, list | tuple) and len(tables)
        if not known or not all(isinstance(x, SynapticTable) for x in tables):
            raise TypeError(
                f"table must be a SynapticTable or a list of them, got {table!r}."
            )
        self._single = isinstance(spikes, Quantity)
        self._trains = check_trains(spikes)
        self._times = check_numbers("t", t, second, "times")
        in_order = self._times.ndim == 1 and np.all(np.diff(self._times) >= 0)
        if not in_order or not np.isfinite(self._times).all():
            raise ValueError(
                f"t must be sorted times, an array of one dimension, got {t!r}."
            )
        check_choice("extrapolate", extrapolate, ("raise", "clip"))
        self.unit = tables[0].unit
        self._axis, start = _axis(parameter, at, value, tables)
        self._plasticity = self._checked(plasticity)
        self._name_parameters(weight, parameter, at, start)
        self._curves = [self._answers(x, extrapolate) for x in tables]

    def _checked(self, plasticity):
        if plasticity is None:
            return None
        if not isinstance(plasticity, ReleaseDerivatives):
            raise TypeError(
                f"plasticity must be a ReleaseDerivatives, got {plasticity!r}."
            )
        if not plasticity.fits(self._trains):
            raise ValueError(
                "plasticity must be made for the same spikes as the responses."
            )
        return plasticity

    def _name_parameters(self, weight, parameter, at, start):
        """All of them: the weight, those of the plasticity, that of the mechanism."""
        self.initial, self.dimensions = self._factor(weight)
        self._weighted = bool(self.initial)
        self.result_dimension = self._dimension()
        if self._plasticity is not None:
            self.dimensions |= self._plasticity.dimensions
            self.initial |= self._plasticity.initial
        if parameter in self.initial:
            raise ValueError(
                f"parameter={parameter!r} is the name of another parameter, of "
                f"{list(self.initial)}; call that of the mechanism something else, "
                f"such as parameter='{parameter}_table'."
            )
        if parameter is not None:
            self.dimensions[parameter] = get_dimensions(at)
            self.initial[parameter] = start
        self.names, self._parameter = list(self.initial), parameter

    def _factor(self, weight):
        """Value and dimension of the own weight, if there is one."""
        number, dim = check_number(_WEIGHT, weight, None), get_dimensions(weight)
        if not np.isfinite(number):
            raise ValueError(f"weight must be finite, got {weight!r}.")
        if self._plasticity is None or _WEIGHT not in self._plasticity.names:
            return {_WEIGHT: number}, {_WEIGHT: dim}
        if number != 1 or dim is not DIMENSIONLESS:
            raise ValueError(
                f"weight={weight!r} is given, but plasticity has a parameter 'weight' "
                "of its own: leave out weight= (the response is then that times what "
                "is released), or call that of the plasticity something else."
            )
        return {}, {}

    def _dimension(self):
        """Of the responses; None if that of what is released is not known."""
        dim = self.dimensions.get(_WEIGHT, DIMENSIONLESS) * self.unit.dim
        if self._plasticity is None:
            return dim
        released = self._plasticity.result_dimension
        return None if released is None else released * dim

    def _answers(self, table, extrapolate):
        """What every spike of every train adds: list of arrays (spikes, times)."""
        curves = []
        for spikes in self._trains:
            increments = table.core.increments(table.transmitter, spikes, extrapolate)
            curves.append(
                np.array(
                    [
                        pooled_output(
                            spikes[k : k + 1],
                            increments[k : k + 1],
                            table.core.time_constants,
                            self._times,
                        )
                        for k in range(len(spikes))
                    ]
                ).reshape(len(spikes), len(self._times))
            )
        return curves

    def simulate(self, values=None, names=None):
        """
        The responses.

        Parameters
        ----------
        values : dict of str to float or `Quantity`, optional
            Of some parameters, numbers in base units; others have their first values.
        names : list of str, optional
            By which parameters to differentiate (all).

        Returns
        -------
        responses : ndarray, shape ([trains,] times)
            In base units of weight times the unit of the table.
        derivatives : ndarray, shape ([trains,] times, parameters)
        """
        now = self._present(values)
        amounts, changes = self._amounts(now)
        curves, slopes = self._between(now)
        parts, start = [], 0
        for curve, slope in zip(curves, slopes, strict=True):
            part = slice(start, start + len(curve))
            start += len(curve)
            parts.append(self._train(now, curve, slope, amounts[part], changes[part]))
        wanted = [self.names.index(n) for n in self._chosen(names)]
        values = np.array([v for v, _ in parts])
        derivatives = np.array([d for _, d in parts])[..., wanted]
        return (values[0], derivatives[0]) if self._single else (values, derivatives)

    def _amounts(self, now):
        """What every spike releases, and its derivatives."""
        if self._plasticity is None:
            count = sum(map(len, self._trains))
            return np.ones(count), np.zeros((count, 0))
        own = {n: now[n] for n in self._plasticity.names}
        return self._plasticity.simulate(own)

    def _between(self, now):
        """Responses to single spikes, interpolated between tables, and their slopes."""
        if self._axis is None:
            return self._curves[0], [None] * len(self._trains)
        position = float(self._axis.position(now[self._parameter], "raise"))
        cell = int(min(position, self._axis.n - 2))
        low, high = self._curves[cell], self._curves[cell + 1]
        part = position - cell
        curves = [a + part * (b - a) for a, b in zip(low, high, strict=True)]
        step = self._axis.inverse_step
        return curves, [step * (b - a) for a, b in zip(low, high, strict=True)]

    def _train(self, now, curve, slope, amounts, changes):
        weight = now[_WEIGHT] if self._weighted else 1.0
        response = amounts @ curve
        columns = [response[:, None]] if self._weighted else []
        columns.append(weight * (changes.T @ curve).T)
        if slope is not None:
            columns.append(weight * (amounts @ slope)[:, None])
        return weight * response, np.concatenate(columns, axis=1)


def _axis(parameter, at, value, tables):
    """Values for which there are tables, and the one to begin with."""
    if parameter is None:
        if len(tables) > 1 or at is not None:
            raise ValueError(
                "Several tables, or at=, need the name of the parameter of the "
                "mechanism in which they differ: parameter='c'."
            )
        return None, None
    check_name("parameter", parameter)
    points = check_numbers("at", at, None)
    if points.ndim != 1 or len(points) != len(tables) or len(points) < 2:
        raise ValueError(
            f"at must have the value of {parameter!r} for each of the {len(tables)} "
            f"tables (at least two), got {at!r}."
        )
    steps = np.diff(points)
    if steps[0] <= 0 or np.ptp(steps) > 1e-9 * steps[0]:
        raise ValueError(f"at must be evenly spaced and increasing, got {at!r}.")
    if any(x.unit.dim is not tables[0].unit.dim for x in tables):
        raise DimensionMismatchError(
            "All tables must have the same unit", *(x.unit.dim for x in tables)
        )
    axis = Axis(points[0], points[-1], len(points), name=parameter)
    if value is None:
        return axis, float(points[len(points) // 2])
    unit = get_unit(get_dimensions(at))
    start = check_number("value", value, unit)
    if not points[0] <= start <= points[-1]:
        raise ValueError(f"value must be between those of at, got {value!r}.")
    return axis, start
