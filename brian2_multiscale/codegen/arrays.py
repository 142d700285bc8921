"""Functions for equations that read arrays, on all targets.

The arrays travel as those of Brian2's `TimedArray` do: beside the code, never in its
text. New values of the same shape need no compilation.
"""

import numpy as np
from brian2.core.functions import Function
from brian2.core.names import Nameable
from brian2.units.fundamentalunits import (
    DIMENSIONLESS,
    DimensionMismatchError,
    Quantity,
    get_dimensions,
    get_unit,
    have_same_dimensions,
)
from brian2.utils.caching import CacheKey

from .shared import shared_implementations

__all__ = ["ELEMENT_TYPES", "ArrayFunction", "unit_name"]

#: C++ types of the elements that an array can have.
ELEMENT_TYPES = {
    "float64": "double",
    "float32": "float",
    "int32": "int32_t",
    "int64": "int64_t",
}


class ArrayFunction(Function, Nameable, CacheKey):
    """A function of numbers that reads arrays, usable in every equation string.

    Parameters
    ----------
    arrays : dict of str to array_like
        Arrays by key, of type float64, float32, int32 or int64 (copied and
        flattened). They are numbers in base units.
    numpy_code : callable
        ``f(*arrays, *args)`` on plain numpy arrays; `arrays` in the order and shape
        of the dictionary, `args` of one common shape or scalars. Used by the numpy
        target and when the object is called from Python.
    cpp_code : str
        C++11 text that defines ``static inline double %CORE%(arrays..., args...)``
        with one ``const <type>*`` per array (flat, last axis fastest) and one
        ``double`` (or ``int32_t`` for 'integer') per argument. Cython uses the same
        text. It should depend on the kind of function only, not on sizes or values
        (give those in an array): then changes need no compilation. See
        `~brian2_multiscale.codegen.shared.shared_implementations`.
    arg_names, arg_units : sequences
        Name and unit of each argument.
    return_unit : `Unit`
        Unit of the result.
    arg_types : sequence of str, optional
        As in `Function`; 'any' by default (passed as ``double``). An 'integer'
        argument must be an integer expression in the equations.
    can_fail : bool, optional
        Whether the C++ text calls ``%CORE%_fail(message)``, which ends a simulation:
        `ValueError` with Cython, the message on the standard output and
        `RuntimeError` in standalone mode. `numpy_code` should raise `ValueError`.
        ``%OBJECT%`` in the text is replaced by the name of the object.
    name : str, optional
        Name of the object; appears in the generated code. Keep it stable: it decides
        whether compiled code is found again.

    Notes
    -----
    In equations the function is known under the name of the Python variable (or the
    key of the ``namespace``) that it is stored in, as every Brian2 function.

    A change by `set_array` takes effect at once in runtime mode, also between
    ``run()`` calls; in standalone mode it must come before ``device.build``.
    """

    def __init__(
        self,
        arrays,
        numpy_code,
        cpp_code,
        arg_names,
        arg_units,
        return_unit=1,
        arg_types=None,
        can_fail=False,
        name="arrayfunction*",
    ):
        Nameable.__init__(self, name)
        self._arrays = self._taken(arrays)
        self._numpy_code = numpy_code
        self.dim = get_dimensions(return_unit)
        self._arg_dimensions = tuple(get_dimensions(unit) for unit in arg_units)
        Function.__init__(
            self,
            pyfunc=self._call_with_units,
            arg_units=[get_unit(dim) for dim in self._arg_dimensions],
            arg_names=list(arg_names),
            return_unit=get_unit(self.dim),
            arg_types=list(arg_types or ["any"] * len(self._arg_dimensions)),
        )
        self._add_implementations(cpp_code, can_fail)

    @staticmethod
    def _taken(arrays):
        return {key: _checked(key, value) for key, value in arrays.items()}

    @property
    def _state_tuple(self):
        # Brian2 keeps what it puts into its caches for ever: nothing large in here,
        # and no reference to this object, whose name would never become free again
        kind = type(self).__name__, self.name, tuple(self._arg_types)
        return (*kind, self._arg_dimensions, self.dim)

    @property
    def arrays(self):
        """The arrays by key (read-only views in their shape)."""
        views = {key: array.view() for key, array in self._arrays.items()}
        for view in views.values():
            view.flags.writeable = False
        return views

    @property
    def nbytes(self):
        """Memory of all arrays in bytes."""
        return sum(array.nbytes for array in self._arrays.values())

    def set_array(self, key, values):
        """Replace the values of an array by others of the same shape.

        Raises
        ------
        KeyError, ValueError
            Unknown array, or another shape (build a new object instead).
        """
        if key not in self._arrays:
            raise KeyError(f"{self.name} has arrays {list(self._arrays)}, not {key!r}.")
        values = np.asarray(values)
        if values.shape != self._arrays[key].shape:
            raise ValueError(
                f"array {key!r} of {self.name} has shape {self._arrays[key].shape}, "
                f"new values have {values.shape}; build a new object."
            )
        self._arrays[key][...] = values

    def __repr__(self):
        arguments = ", ".join(self._arg_names)
        return (
            f"<{type(self).__name__} {self.name!r}({arguments}), {self.nbytes} bytes>"
        )

    def _call_with_units(self, *args):
        self._check_arguments(args)
        result = self._evaluate(*(np.asarray(arg) for arg in args))
        return (
            Quantity(result, dim=self.dim) if self.dim is not DIMENSIONLESS else result
        )

    def _check_arguments(self, args):
        if len(args) != len(self._arg_names):
            raise TypeError(
                f"{self.name} takes {len(self._arg_names)} arguments "
                f"({', '.join(self._arg_names)}), got {len(args)}."
            )
        for arg, name, dim in zip(
            args, self._arg_names, self._arg_dimensions, strict=True
        ):
            if not have_same_dimensions(arg, dim):
                raise DimensionMismatchError(
                    f"Argument '{name}' of {self.name} must have the unit of "
                    f"{unit_name(dim)}, not of {arg!r}",
                    dim,
                    get_dimensions(arg),
                )

    def _evaluate(self, *args):
        return self._numpy_code(*self._arrays.values(), *args)

    def _add_implementations(self, cpp_code, can_fail):
        keys = {key: f"{self.name}_{key}" for key in self._arrays}
        sources, _ = shared_implementations(
            f"_call_{self.name}",
            cpp_code.replace("%OBJECT%", self.name),
            arrays={
                keys[key]: ELEMENT_TYPES[array.dtype.name]
                for key, array in self._arrays.items()
            },
            arg_types=self._arg_types,
            can_fail=can_fail,
        )
        flat = {keys[key]: array.reshape(-1) for key, array in self._arrays.items()}
        self.implementations.add_implementation("numpy", self._evaluate)
        for target, source in sources.items():
            self.implementations.add_implementation(
                target,
                source,
                namespace=flat,
                name=f"_call_{self.name}",
                compiler_kwds={"headers": ["<cstdio>"]} if target == "cpp" else None,
            )


def unit_name(dim):
    """How a dimension is written in equations: 'siemens', '1' (not radian)."""
    return "1" if dim is DIMENSIONLESS else repr(get_unit(dim))


def _checked(key, values):
    values = np.asarray(values)
    if values.dtype.name not in ELEMENT_TYPES:
        raise TypeError(
            f"array {key!r} has type {values.dtype}, must be one of "
            f"{', '.join(ELEMENT_TYPES)}."
        )
    if values.size == 0:
        raise ValueError(f"array {key!r} is empty.")
    return np.array(values, order="C")
