"""Fits of what has values and derivatives, one point after another."""

import time

import numpy as np
from brian2.units.fundamentalunits import DIMENSIONLESS, Quantity, get_unit

from ...arguments import (
    check_choice,
    check_mapping,
    check_names,
    check_number,
    check_numbers,
    check_whole,
)
from ...numerics.levenberg_marquardt import minimise
from ...numerics.standard_errors import standard_errors
from ...numerics.transforms import Box
from ..fitting.param import as_param, bounds_of
from ..fitting.result import result_of
from ..fitting.search import check_seed, in_box
from ..units import base_numbers

__all__ = ["FitsValues"]


class FitsValues:
    """
    Mix-in for a class that simulates values and their derivatives.

    It has `names`, `dimensions` (dict of str to `Dimension`), `initial` (values) and
    ``simulate(values)``, which returns an array and its derivatives, one more axis.
    """

    #: Of what `simulate` returns, in base units; dimensionless for a mixture of units,
    #: None if it is not known
    result_dimension = None

    def _present(self, values):
        """All parameters in base units: those that are given, and first values."""
        check_mapping("values", values)
        now = dict(self.initial)
        for name, value in (values or {}).items():
            if name not in now:
                raise ValueError(
                    f"values has {name!r}, which is no parameter; these are "
                    f"{self.names}."
                )
            known = isinstance(value, Quantity)
            unit = get_unit(self.dimensions[name]) if known else 1
            now[name] = check_number(f"values[{name!r}]", value, unit)
        return now

    def _chosen(self, names):
        """Parameters to differentiate by."""
        names = self.names if names is None else check_names("names", names)
        unknown = [n for n in names if n not in self.names]
        if unknown:
            raise ValueError(
                f"names has {unknown}, which are no parameters; these are {self.names}."
            )
        return list(names)

    def fit(
        self,
        target,
        *,
        importance=None,
        n_starts=5,
        steps=50,
        aim=0.0,
        seed=None,
        report=None,
        **params,
    ):
        """
        Search for the values of parameters with which the result is nearest to data.

        Parameters
        ----------
        target : array_like or `Quantity`
            Data, of the shape of what `simulate` returns; nan where there are none. In
            its unit; numbers without unit are in base units.
        importance : array_like, optional
            By what squares of differences are multiplied, by default one over the
            variance of the data.
        n_starts : int, optional
            Points from which the search begins.
        steps : int, optional
            Simulations of every start at most.
        aim : float, optional
            Loss at which the search ends.
        seed : int, optional
            Of the starts.
        report : {None, 'text'}
            Whether progress is printed.
        **params : `Param` or pair of `Quantity`
            Bounds of what is fitted; other parameters keep their values.

        Returns
        -------
        `FitResult`
            Its loss is the weighted mean of squared differences.

        Raises
        ------
        TypeError, ValueError
            If a name is no parameter, a bound is missing or an argument makes no sense.
        DimensionMismatchError
            If data, or a bound, have another unit.
        FloatingPointError
            If the loss is not finite at any start.
        """
        check_whole("n_starts", n_starts)
        check_whole("steps", steps)
        check_choice("report", report, (None, "text"))
        check_seed(seed)
        if np.isnan(check_number("aim", aim)):
            raise ValueError(f"aim must be a loss, got {aim!r}.")
        box, names = self._box(params)
        began = time.perf_counter()
        loss = _Loss(self, names, n_starts, target, importance)
        found = minimise(
            in_box(loss, box),
            box.starts(n_starts, seed),
            steps=steps,
            target=aim,
            report=_tell if report else None,
        )
        if not np.isfinite(found.loss):
            raise FloatingPointError(
                "The loss is not finite at any start; choose narrower bounds or a "
                "smaller dt."
            )
        return self._fitted(box, names, found, loss, time.perf_counter() - began)

    def _box(self, params):
        unknown = sorted(params.keys() - set(self.names))
        if unknown or not params:
            raise ValueError(
                f"Give bounds of what is fitted, name=[low, high]; got "
                f"{unknown or 'none'}, known are {self.names}."
            )
        params = {n: as_param(n, p) for n, p in params.items()}
        low, high, log = bounds_of(params, self.dimensions)
        return Box(low, high, log), list(params)

    def _fitted(self, box, names, found, loss, seconds):
        errors = loss.errors(box.values(found.x), found.loss)
        dimensions = {name: self.dimensions[name] for name in names}
        return result_of(box, dimensions, found, errors, seconds=seconds)


class _Loss:
    """Mean squares of differences, with gradient and Gauss-Newton matrix."""

    def __init__(self, model, names, count, target, weight):
        self.model, self.names, self.count = model, names, count
        self.target = _data(target, model.result_dimension)
        present = np.isfinite(self.target)
        if not self.target.ndim or not present.any():
            raise ValueError(
                f"target must be an array with a value that is not nan, got {target!r}."
            )
        spread = self.target[present].std()
        if weight is None:
            weight = 1 / spread**2 if spread > 0 else 1.0
        weight = _weights(weight, self.target.shape)
        self.samples = present.sum()
        self.weight = np.where(present, weight, 0.0) / self.samples
        self.target = np.where(present, self.target, 0.0)

    def __call__(self, points):
        rows = [self._of(point) for point in points]
        return tuple(np.array(column) for column in zip(*rows, strict=True))

    def _of(self, point):
        try:
            values, slopes = self.model.simulate(
                dict(zip(self.names, point.tolist(), strict=True)), self.names
            )
        except FloatingPointError:
            # One start that leads nowhere must not stop the others
            shape = (len(self.names),)
            return np.nan, np.full(shape, np.nan), np.full(shape * 2, np.nan)
        values, slopes = np.asarray(values), np.asarray(slopes)
        if values.shape != self.target.shape:
            raise ValueError(
                f"target must be like what is simulated, of shape {values.shape}, got "
                f"shape {self.target.shape}."
            )
        rest = (values - self.target).ravel()
        weight, slopes = self.weight.ravel(), slopes.reshape(rest.size, -1)
        weighted = slopes * weight[:, None]
        return weight @ rest**2, 2 * rest @ weighted, 2 * weighted.T @ slopes

    def errors(self, point, loss):
        """Standard errors, as if what is left were independent noise."""
        noise = loss / max(self.samples - len(point), 1)
        return standard_errors(self._of(point)[2], noise)


def _data(target, dimension):
    """Numbers in base units; those without unit are taken as such."""
    if dimension is None:
        return check_numbers("target", target, None)
    kind = "numbers in base units"
    if dimension is not DIMENSIONLESS:
        kind = f"data with the unit {get_unit(dimension)!r}, or {kind}"
    return base_numbers("target", target, dimension, kind)


def _weights(importance, shape):
    weight = check_numbers("importance", importance, None)
    try:
        weight = np.broadcast_to(weight, shape)
    except ValueError:
        raise ValueError(
            f"importance must be one number, or of the shape {shape} of target, got "
            f"{importance!r}."
        ) from None
    if not np.isfinite(weight).all() or np.any(weight < 0):
        raise ValueError(f"importance must be finite, from 0 on, got {importance!r}.")
    return weight


def _tell(number, losses):
    print(f"call {number}: best loss {np.min(losses):.6g}", flush=True)
