"""Tables in N dimensions as functions for equations, on all targets."""

import numpy as np
from brian2.units.fundamentalunits import (
    DimensionMismatchError,
    Quantity,
    fail_for_dimension_mismatch,
    get_dimensions,
    get_unit,
)

from ..arguments import check_choice
from ..numerics.lookup import EXTRAPOLATIONS, Axis, interpolate, interpolate_slope
from .arrays import ELEMENT_TYPES, ArrayFunction
from .lookup_code import lookup_code, packed_axes

__all__ = ["LookupFunction", "LookupSlope", "check_finite", "make_axis"]

MAX_DIMENSIONS = 5


class LookupFunction(ArrayFunction):
    """A table with evenly spaced axes and multilinear interpolation, as a function.

    Parameters
    ----------
    values : array_like or `Quantity`
        The table, with 1 to 5 dimensions of at least 2 points each.
    axes : dict of str to tuple
        Range of each argument by its name, in the order of the dimensions:
        ``(lo, hi)`` or ``(lo, hi, spacing)`` with quantities `lo` and `hi` and spacing
        'linear' (default) or 'log' (even in the logarithm, ``lo > 0``). The number
        of points comes from `values`.
    extrapolate : {'raise', 'clip', 'nan', 'linear'}
        Outside the range: 'raise' (default) ends the simulation with an error that
        names the function, the argument and its value, and does so for ``nan`` too;
        'clip' takes the value at the nearest edge; 'nan' gives nan; 'linear' goes on
        with the slope of the outermost cell (in the coordinate of the axis). Relative
        differences of 1e-9 of the range are taken as rounding, not as outside.
    dtype : {float, numpy.float32}, optional
        Storage; float32 halves the memory. Arithmetic is in double precision.
    name : str, optional
        Name of the object. It appears in the generated code.

    Attributes
    ----------
    axes : tuple of `~brian2_multiscale.numerics.lookup.Axis`
        In base units.
    extrapolate : str

    Raises
    ------
    ValueError
        Wrong shape or range, non-finite values (the point is named), unknown
        `extrapolate`.
    DimensionMismatchError
        If `lo` and `hi` have different units, or on calls with wrong units.

    Notes
    -----
    All targets agree to rounding, and with `scipy.interpolate.RegularGridInterpolator`
    in the coordinates of the axes. The generated code depends on the number of
    dimensions, the storage type, the kinds of the axes and the name; values, sizes and
    ranges travel beside it and can change without compilation (in standalone mode a
    change of *size* compiles one file).

    With 'raise', Cython runs end in a `BrianObjectException` caused by the
    `ValueError`, standalone runs in Brian2's `RuntimeError` after the program has
    printed the message.

    Examples
    --------
    >>> import numpy as np
    >>> from brian2 import mV
    >>> from brian2_multiscale.codegen.lookup import LookupFunction
    >>> square = LookupFunction(np.array([0, 1, 4]), {"v": (0 * mV, 2 * mV)})
    >>> float(square(1.5 * mV))
    2.5
    """

    def __init__(
        self,
        values,
        axes,
        extrapolate="raise",
        dtype=np.float64,
        name="lookupfunction*",
    ):
        check_choice("extrapolate", extrapolate, EXTRAPOLATIONS)
        dim = get_dimensions(values)
        values = np.asarray(values, dtype=dtype)
        self.extrapolate = extrapolate
        self.axes = _axes_of(values.shape, axes)
        check_finite(values, self.axes)
        self._slopes = {}
        super().__init__(
            {"values": values, "axes": packed_axes(self.axes, extrapolate)},
            self._look_up,
            lookup_code(self.axes, extrapolate, ELEMENT_TYPES[values.dtype.name]),
            arg_names=list(axes),
            arg_units=[spec[0] for spec in axes.values()],
            return_unit=get_unit(dim),
            can_fail=extrapolate == "raise",
            name=name,
        )

    @property
    def values(self):
        """The table, a `Quantity` of the unit of the result (a read-only view).

        Assign an array of the same shape and unit to replace the values; see
        `ArrayFunction` for when this takes effect.
        """
        return Quantity(self.arrays["values"], dim=self.dim, copy=False)

    @values.setter
    def values(self, values):
        fail_for_dimension_mismatch(values, self.dim, f"values of {self.name}")
        values = np.asarray(values, dtype=float)
        if values.shape == self.arrays["values"].shape:
            check_finite(values, self.axes)
        self.set_array("values", values)

    def derivative(self, axis):
        """
        The partial derivative of this function by one of its arguments.

        Parameters
        ----------
        axis : str
            Name of the argument.

        Returns
        -------
        `LookupSlope`
            A function of the same arguments, exactly the derivative of the
            interpolant. It follows new `values`.

        Raises
        ------
        ValueError
            If there is no such argument.
        """
        names = [a.name for a in self.axes]
        check_choice("axis", axis, names)
        if axis not in self._slopes:
            self._slopes[axis] = LookupSlope(self, names.index(axis))
        return self._slopes[axis]

    @property
    def derivatives(self):
        """Derivatives by all arguments, for what differentiates equations."""
        return tuple(self.derivative(axis.name) for axis in self.axes)

    def _look_up(self, values, _axes, *args):
        try:
            return interpolate(values, self.axes, *args, extrapolate=self.extrapolate)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None


class LookupSlope(ArrayFunction):
    """
    Derivative of a `LookupFunction` by one argument (see `LookupFunction.derivative`).

    Piecewise constant along a linear axis, and in proportion to 1/x within the cells
    of a logarithmic one; at a grid point the derivative of the cell above it. Outside
    the range it is 0 with 'clip' and otherwise as the function itself.
    """

    def __init__(self, table, number):
        self._number, self.axes = number, table.axes
        self.extrapolate = table.extrapolate
        kind = ELEMENT_TYPES[table.arrays["values"].dtype.name]
        super().__init__(
            table._arrays,
            self._look_up,
            lookup_code(self.axes, self.extrapolate, kind, number),
            arg_names=table._arg_names,
            arg_units=table._arg_units,
            return_unit=get_unit(table.dim / table._arg_dimensions[number]),
            can_fail=self.extrapolate == "raise",
            name=f"{table.name}_by_{self.axes[number].name}*",
        )

    @staticmethod
    def _taken(arrays):
        return arrays  # those of the table: new values are values of both

    def _look_up(self, values, _axes, *args):
        try:
            return interpolate_slope(
                values, self.axes, self._number, *args, extrapolate=self.extrapolate
            )
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None


def _axes_of(shape, axes):
    if not 1 <= len(shape) <= MAX_DIMENSIONS:
        raise ValueError(
            f"the table has {len(shape)} dimensions, must have 1 to {MAX_DIMENSIONS}."
        )
    if len(shape) != len(axes):
        raise ValueError(
            f"the table has {len(shape)} dimensions but {len(axes)} axes "
            f"({', '.join(axes)}) are given."
        )
    return tuple(
        make_axis(name, spec, n)
        for (name, spec), n in zip(axes.items(), shape, strict=True)
    )


def make_axis(name, spec, n):
    """The `Axis` of a range with units, ``(lo, hi)`` or ``(lo, hi, spacing)``."""
    if not isinstance(spec, tuple | list) or len(spec) not in (2, 3):
        raise ValueError(f"axis '{name}' is {spec!r}, must be (lo, hi[, spacing]).")
    lo, hi, *spacing = spec
    if get_dimensions(lo) is not get_dimensions(hi):
        raise DimensionMismatchError(
            f"axis '{name}': lo and hi differ in unit (write 0*mV, not 0)",
            get_dimensions(lo),
            get_dimensions(hi),
        )
    return Axis(float(lo), float(hi), n, *spacing, name=name)


def check_finite(values, axes):
    """Refuse tables with nan or infinite values, naming the first such point."""
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        point = ", ".join(
            f"{axis.name} = {axis.at(i):g}"
            for axis, i in zip(axes, bad[0], strict=True)
        )
        raise ValueError(
            f"the table has {len(bad)} values that are not finite, the first "
            f"({values[tuple(bad[0])]}) at {point} (base units); leave these points "
            "out of the range, or write the function so that it is defined there "
            "(exprel(x) for (exp(x) - 1)/x)."
        )
