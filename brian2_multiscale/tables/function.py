"""A formula as a table, for every equation string."""

from collections.abc import Mapping

import numpy as np
from brian2.units.fundamentalunits import Quantity

from ..arguments import check_name, check_number
from ..callers import user_namespace
from ..codegen.lookup import LookupFunction, check_finite, make_axis
from ..numerics.refine import interpolation_error, refined_axes
from .formula import plain_function

__all__ = ["TableFunction"]

FIRST_POINTS = 17

# dtypes are equal to types and names of types
_TYPES = [np.dtype(np.float64), np.dtype(np.float32)]


class TableFunction(LookupFunction):
    """A formula as a table with a stated error, usable as a function in equations.

    Parameters
    ----------
    function : str or callable
        A Brian2 expression in the names of the axes
        (``'0.1/mV/ms*(v + 40*mV)/(1 - exp(-(v + 40*mV)/(10*mV)))'``), or a function of
        quantities that accepts arrays. It is called with the axes as keywords if it
        has parameters of these names, otherwise in the order of the axes.
    tolerance : float, optional
        Largest permitted `error`. The numbers of points are raised until it is met;
        the `n` of the axes are where this begins (17 if left out).
    spacing : {'linear', 'log'} or dict of str to str, optional
        Where the points of all axes, or of the named ones, are evenly spaced.
    extrapolate : {'raise', 'clip', 'nan', 'linear'}, optional
        What happens outside the range, see `LookupFunction`. By default it is an
        error, on all targets.
    namespace : dict, optional
        Values of the other names in the expression; by default they are taken from
        where the table is made, as Brian2 does for equations. Values are read once:
        later changes have no effect.
    dtype : {float, numpy.float32}, optional
        Storage. Half the memory has a rounding error of 6e-8.
    max_nbytes : int, optional
        Size at which the search for `tolerance` gives up, 64 MB by default.
    name : str, optional
        Name of the object. It appears in generated code: with a fixed name, compiled
        code is found again.
    **axes : tuples
        Ranges ``(lo, hi, n)`` of the arguments, quantities and the number of points;
        their order is that of the arguments. With `tolerance` also ``(lo, hi)``.

    Attributes
    ----------
    error : float
        Largest difference from `function` found between the points, relative to the
        range of its values: at the centres of the cells, 20,000 random points and 5000
        more where it is largest (`interpolation_error`).
    nbytes : int
        Size of the table.
    axes : tuple of `~brian2_multiscale.numerics.lookup.Axis`
    values : `Quantity`

    Raises
    ------
    ValueError
        Empty or impossible range, values that are not finite (with the point), a
        tolerance that cannot be met (with the error that can), arguments outside the
        range when called.
    KeyError
        A name in the expression without value.
    DimensionMismatchError
        Inconsistent units in the expression, the range or a call.

    Notes
    -----
    Values between the points are interpolated linearly in every argument (in its
    logarithm for 'log'). The error falls with the square of the distance of the
    points, except at kinks (with the distance) and jumps (not at all).

    Brian2's methods that need derivatives of the equations (``exponential_euler`` for
    a variable inside the table, ``exact``) cannot look into the table, as for every
    function of the user.

    See Also
    --------
    LookupFunction : a table from given values.

    References
    ----------
    TABLE statement of NMODL: Hines ML, Carnevale NT (2000), Expanding NEURON's
    repertoire of mechanisms with NMODL, Neural Comput 12:995-1007,
    doi:10.1162/089976600300015475.

    Examples
    --------
    >>> from brian2 import ms, mV
    >>> from brian2_multiscale.tables.function import TableFunction
    >>> beta_n = TableFunction(
    ...     "0.125*exp(-(v + 65*mV)/(80*mV))/ms",
    ...     v=(-100*mV, 50*mV, 301),
    ... )
    >>> beta_n.error < 1e-5
    True
    >>> beta_n(-65*mV)
    125. * hertz
    """

    def __init__(
        self,
        function,
        tolerance=None,
        spacing="linear",
        extrapolate="raise",
        namespace=None,
        dtype=np.float64,
        max_nbytes=64_000_000,
        name="tablefunction*",
        **axes,
    ):
        _check_axes(function, axes, tolerance)
        check_name("name", name)
        if not isinstance(dtype, type | np.dtype | str) or dtype not in _TYPES:
            raise TypeError(
                f"dtype must be numpy.float64 or numpy.float32, got {dtype!r}."
            )
        if not check_number("max_nbytes", max_nbytes) >= 1:
            raise ValueError(f"max_nbytes must be positive, got {max_nbytes!r}.")
        if namespace is not None and not isinstance(namespace, Mapping):
            raise TypeError(
                f"namespace must be a dict of names and values, got {namespace!r}."
            )
        if namespace is None and isinstance(function, str):
            namespace = user_namespace()
        self.function = function
        spacings = _spacings(spacing, axes)
        grid = [
            make_axis(key, (lo, hi, spacings[key]), *(n or [FIRST_POINTS]))
            for key, (lo, hi, *n) in axes.items()
        ]
        ranges = {key: spec[:2] for key, spec in axes.items()}
        formula, dim = plain_function(function, ranges, namespace)
        values, self.error = _tabulated(
            formula, grid, tolerance, np.dtype(dtype), max_nbytes
        )
        super().__init__(
            Quantity(values, dim=dim),
            {key: (*ranges[key], spacings[key]) for key in axes},
            extrapolate=extrapolate,
            dtype=dtype,
            name=name,
        )

    def __repr__(self):
        what = self.function if isinstance(self.function, str) else "a function"
        axes = ", ".join(
            f"{axis.name} = {lo!s} ... {hi!s} in {axis.n} points"
            + (" (log)" if axis.is_log else "")
            for axis, (lo, hi) in (
                (axis, _with_units(axis, dim))
                for axis, dim in zip(self.axes, self._arg_dimensions, strict=True)
            )
        )
        return (
            f"<TableFunction {self.name!r}: {what}; {axes}; error {self.error:.1e} of "
            f"the range, {self.nbytes} bytes, extrapolate={self.extrapolate!r}>"
        )


def _check_axes(function, axes, tolerance):
    if not isinstance(function, str) and not callable(function):
        raise TypeError(
            f"function is {function!r}, must be an expression or a callable."
        )
    if isinstance(function, str) and not function.strip():
        raise ValueError(f"function is {function!r}, must be an expression.")
    if not axes:
        raise TypeError("no axis given; add one as a keyword: v=(-100*mV, 50*mV, 301).")
    for key, spec in axes.items():
        if not isinstance(spec, tuple | list) or len(spec) not in (2, 3):
            raise ValueError(f"axis '{key}' is {spec!r}, must be (lo, hi, n).")
        for end in spec[:2]:
            check_number(f"an end of axis '{key}' = {spec!r}", end, None)
        if len(spec) == 2 and tolerance is None:
            raise ValueError(
                f"axis '{key}' = {spec!r} has no number of points: give (lo, hi, n), "
                "or a tolerance."
            )
    if tolerance is not None and not 0 < check_number("tolerance", tolerance) < 1:
        raise ValueError(f"tolerance is {tolerance!r}, must be between 0 and 1.")


def _spacings(spacing, axes):
    if isinstance(spacing, str):
        return dict.fromkeys(axes, spacing)
    if not isinstance(spacing, Mapping):
        raise TypeError(
            f"spacing must be 'linear', 'log' or a dict of axes, got {spacing!r}."
        )
    unknown = sorted(spacing.keys() - axes.keys())
    if unknown:
        raise ValueError(f"spacing names {unknown}, which are not axes: {list(axes)}.")
    return {key: spacing.get(key, "linear") for key in axes}


def _with_units(axis, dim):
    return tuple(Quantity(value, dim=dim) for value in (axis.lo, axis.hi))


def _tabulated(formula, axes, tolerance, dtype, max_nbytes):
    """Values on a grid, fine enough for the tolerance if there is one, and error."""
    best = np.inf
    while (
        dtype.itemsize * np.prod([axis.n for axis in axes], dtype=float) <= max_nbytes
    ):
        values = _on_grid(formula, axes).astype(dtype)
        check_finite(values, axes)
        error = interpolation_error(formula, values, axes)
        if tolerance is None or error <= tolerance:
            return values, error
        best = min(best, error)
        axes = refined_axes(values, axes, error, tolerance)
    raise ValueError(
        f"tolerance {tolerance} cannot be met with {max_nbytes} bytes of {dtype}: the "
        f"smallest error reached was {best:.2g}, next would be a table of "
        f"{' x '.join(str(axis.n) for axis in axes)} points. Use a smaller range, "
        "spacing 'log', float64, more max_nbytes, or split the range where the "
        "function jumps."
    )


def _on_grid(formula, axes):
    shape = [axis.n for axis in axes]
    points = np.meshgrid(*(axis.points for axis in axes), indexing="ij")
    return formula(*(column.ravel() for column in points)).reshape(shape)
