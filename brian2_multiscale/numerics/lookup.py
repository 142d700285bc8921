"""Multilinear interpolation in tables with evenly spaced axes, in plain numpy.

This is the reference for the generated code in ``codegen/lookup.py``, which does the
same operations in the same order.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["Axis", "EXTRAPOLATIONS", "interpolate", "interpolate_slope"]

#: What can happen outside the range of an axis.
EXTRAPOLATIONS = ("raise", "clip", "nan", "linear")

#: Arguments this far outside (relative) count as the end point: ``10*dt`` is rarely
#: the same double as ``1*ms``.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Axis:
    """Evenly spaced points, in the argument itself or in its logarithm.

    Parameters
    ----------
    lo, hi : float
        First and last point; ``lo < hi``, and ``lo > 0`` for logarithmic spacing.
    n : int
        Number of points, at least 2.
    spacing : {'linear', 'log'}
        Where the points are evenly spaced. Interpolation is linear in the same
        coordinate.
    name : str, optional
        Name for error messages.

    Raises
    ------
    ValueError, TypeError
        If the points cannot be built; the message names the axis and the value.
    """

    lo: float
    hi: float
    n: int
    spacing: str = "linear"
    name: str = "x"

    def __post_init__(self):
        where = f"axis '{self.name}'"
        if self.spacing not in ("linear", "log"):
            raise ValueError(
                f"{where}: spacing is {self.spacing!r}, must be 'linear' or 'log'."
            )
        if isinstance(self.n, bool) or not isinstance(self.n, int | np.integer):
            raise TypeError(
                f"{where}: the number of points must be an integer, not {self.n!r}."
            )
        if self.n < 2:
            raise ValueError(f"{where}: has {self.n} points, needs at least 2.")
        if not (np.isfinite(self.lo) and np.isfinite(self.hi)):
            raise ValueError(
                f"{where}: the range ({self.lo}, {self.hi}) must be finite."
            )
        if not self.lo < self.hi:
            raise ValueError(
                f"{where}: lo = {self.lo} is not below hi = {self.hi}; "
                "give the range as (lo, hi, n)."
            )
        if self.spacing == "log" and self.lo <= 0:
            raise ValueError(
                f"{where}: a 'log' axis needs lo > 0, not {self.lo}; "
                "use spacing 'linear' or a positive lo."
            )

    @property
    def is_log(self):
        return self.spacing == "log"

    @property
    def origin(self):
        """Coordinate of the first point (``log(lo)`` on a logarithmic axis)."""
        return float(np.log(self.lo) if self.is_log else self.lo)

    @property
    def inverse_step(self):
        """Points per unit of the coordinate."""
        end = float(np.log(self.hi) if self.is_log else self.hi)
        return (self.n - 1) / (end - self.origin)

    @property
    def limits(self):
        """The range with the margin for rounding, a pair of floats."""
        if self.is_log:
            return self.lo * (1 - ROUNDING), self.hi * (1 + ROUNDING)
        margin = ROUNDING * (self.hi - self.lo)
        return self.lo - margin, self.hi + margin

    @property
    def points(self):
        """The `n` points, the ends exact."""
        return self.at(np.arange(self.n))

    def at(self, position):
        """Argument values at positions counted in grid steps from 0 to ``n - 1``."""
        position = np.asarray(position, dtype=float)
        fraction = position / (self.n - 1)
        if self.is_log:
            values = np.exp(self.origin + fraction * np.log(self.hi / self.lo))
        else:
            values = self.lo + fraction * (self.hi - self.lo)
        values = np.where(position == 0, self.lo, values)
        return np.where(position == self.n - 1, self.hi, values)

    def position(self, x, extrapolate="clip"):
        """Positions of argument values, in grid steps.

        Parameters
        ----------
        x : array_like
            Argument values.
        extrapolate : {'raise', 'clip', 'nan', 'linear'}
            What happens outside ``[lo, hi]``. ``nan`` arguments give ``nan`` except
            with 'raise'.

        Returns
        -------
        ndarray
            Within ``[0, n - 1]`` except with 'linear'.

        Raises
        ------
        ValueError
            With 'raise', naming the axis and the first value outside.
        """
        x = np.asarray(x, dtype=float)
        if extrapolate in ("raise", "nan"):
            x = self._inside(x, extrapolate)
        elif extrapolate == "clip":
            x = np.clip(x, self.lo, self.hi)
        if self.is_log:
            with np.errstate(divide="ignore", invalid="ignore"):
                x = np.log(x)
        position = (x - self.origin) * self.inverse_step
        if extrapolate != "linear":
            position = np.clip(position, 0, self.n - 1)
        return position

    def _inside(self, x, extrapolate):
        lo, hi = self.limits
        inside = (x >= lo) & (x <= hi)
        if extrapolate == "nan":
            return np.where(inside, x, np.nan)
        if not np.all(inside):
            raise ValueError(
                f"argument '{self.name}' = {x[~inside].flat[0]:g} is outside the "
                f"range of the table, [{self.lo:g}, {self.hi:g}]; widen the range or "
                "choose extrapolate='clip', 'nan' or 'linear'."
            )
        return x


def interpolate(values, axes, *args, extrapolate="raise"):
    """Interpolate linearly along every axis of a table.

    Exact at the grid points (to rounding) and for functions that are linear in the
    coordinate of each axis separately; second-order in the grid steps otherwise.

    Parameters
    ----------
    values : ndarray, shape ``tuple(axis.n for axis in axes)``
        The table; computed in double precision whatever its type.
    axes : sequence of `Axis`
        One per dimension.
    *args : array_like
        One array of argument values per axis; they are broadcast.
    extrapolate : {'raise', 'clip', 'nan', 'linear'}
        'raise': error outside; 'clip': value at the nearest edge; 'nan': nan outside;
        'linear': go on with the slope of the outermost cell.

    Returns
    -------
    ndarray
        Of the broadcast shape of `args`.

    Raises
    ------
    ValueError
        Outside the range with 'raise', for another policy name or shape.
    """
    values, positions = _placed(values, axes, args, extrapolate)
    return _multilinear(values, positions)


def interpolate_slope(values, axes, number, *args, extrapolate="raise"):
    """Partial derivative of what `interpolate` gives, by one of its arguments.

    It is that of the interpolant, exactly: constant along a linear axis within a cell,
    in proportion to 1/x along a logarithmic one. At a grid point it is that of the
    cell above it. Outside it is zero with 'clip' and that of the outermost cell with
    'linear'.

    Parameters
    ----------
    values, axes, *args, extrapolate :
        As for `interpolate`.
    number : int
        Which argument to differentiate by, counted from 0.

    Returns
    -------
    ndarray
        Of the broadcast shape of `args`.
    """
    values, positions = _placed(values, axes, args, extrapolate)
    axis, x = axes[number], np.asarray(args[number], dtype=float)
    slope = _multilinear(values, positions, along=number) * axis.inverse_step
    if axis.is_log:
        slope = slope / x
    if extrapolate == "clip":
        slope = np.where((x < axis.lo) | (x > axis.hi), 0.0, slope)
    # nan where the argument is: it has left the weights along this axis
    return slope + 0 * positions[number]


def _placed(values, axes, args, extrapolate):
    """A table and where its arguments are in it, after checks."""
    values = np.asarray(values)
    if extrapolate not in EXTRAPOLATIONS:
        raise ValueError(
            f"extrapolate is {extrapolate!r}, must be one of {EXTRAPOLATIONS}."
        )
    if values.shape != tuple(axis.n for axis in axes) or len(args) != len(axes):
        raise ValueError(
            f"a table of shape {values.shape} does not fit {len(axes)} axes of "
            f"{[axis.n for axis in axes]} points and {len(args)} arguments."
        )
    return values, np.broadcast_arrays(
        *(axis.position(x, extrapolate) for axis, x in zip(axes, args, strict=True))
    )


def _multilinear(values, positions, along=None):
    """Values, or differences between neighbours along one of the axes."""
    base = np.zeros(positions[0].shape, dtype=np.intp)
    weights = []
    for position, n in zip(positions, values.shape, strict=True):
        # nan compares false: it picks a valid cell and shows up in the weight
        cell = np.where(position >= 1, np.minimum(position, n - 2), 0).astype(np.intp)
        weights.append(position - cell)
        base = base * n + cell
    offsets = _corner_offsets(values.shape).reshape((-1,) + (1,) * base.ndim)
    corners = values.reshape(-1)[base + offsets].astype(float)
    for number, weight in reversed(list(enumerate(weights))):
        change = corners[1::2] - corners[0::2]
        corners = change if number == along else corners[0::2] + weight * change
    return corners[0]


def _corner_offsets(shape):
    """Flat offsets of the 2**d corners of a cell, the last axis fastest."""
    strides = np.cumprod((1,) + shape[:0:-1])[::-1]
    return strides @ np.indices((2,) * len(shape)).reshape(len(shape), -1)
