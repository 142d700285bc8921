"""`TimedArray` without branches, which compilers can read several columns of at once.

`install` puts C++ implementations into Brian2's ``TimedArray.implementations`` that are
for loops with vectors only, with ``prefs.multiscale.fast_equations``; anywhere else
they give Brian2's own, which is faster one by one. Arrays that were made before keep
Brian2's.
"""

from functools import cache

from brian2.input.timedarray import TimedArray, _find_K
from brian2.utils.stringtools import replace

from .fast_methods import has_fast_step

__all__ = ["install"]

# The row depends on time alone, so that compilers compute it once per step
_ROW = """
static inline int %NAME%_row(const double t)
{
    const double epsilon = %DT% / %K%;
    const int row = (int)((t/epsilon + 0.5)/%K%);
    return row < 0 ? 0 : (row >= %ROWS% ? %ROWS% - 1 : row);
}
"""

_ONE_DIMENSION = """
static inline double %NAME%(const double t)
{
    return _namespace%NAME%_values[%NAME%_row(t)];
}
"""

_TWO_DIMENSIONS = """
static inline double %NAME%(const double t, const int i)
{
    const double* row = _namespace%NAME%_values + (ptrdiff_t)%NAME%_row(t)*%COLS%;
    const int column = i < 0 ? 0 : (i >= %COLS% ? %COLS% - 1 : i);
    const double value = row[column];
    return column == i ? value : NAN;
}
"""


def _fast_source(values, dt, name, owner):
    """C++ that gives what Brian2's gives, with its way of rounding times."""
    function = _ONE_DIMENSION if values.ndim == 1 else _TWO_DIMENSIONS
    found = {
        "%NAME%": name,
        "%DT%": f"{dt:.18f}",
        "%K%": str(_find_K(owner.clock.dt_, dt)),
        "%ROWS%": str(values.shape[0]),
        "%COLS%": str(values.shape[-1]),
    }
    return replace(_ROW + function, found)


def _offer(factory_of_brian2):
    """A factory like Brian2's: ``factory(values, dt, name)(owner)`` is the code."""

    def factory(values, dt, name):
        own = factory_of_brian2(values, dt, name)
        return lambda owner: (
            _fast_source(values, dt, name, owner)
            if has_fast_step(owner)
            else own(owner)
        )

    return factory


@cache  # once
def install():
    """Let Brian2 know of the fast form."""
    factories = TimedArray.implementations["cpp"]
    TimedArray.implementations["cpp"] = tuple(map(_offer, factories))
