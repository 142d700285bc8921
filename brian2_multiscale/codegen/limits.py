"""Upper and lower limits that compilers turn into single vector instructions.

Brian2's ``clip`` has branches, which makes a loop around it several times slower.
"""

import numpy as np
from brian2.core.functions import Function

from .shared import shared_implementations

__all__ = ["at_least", "at_most", "select"]

# Written so that a value that is not a number stays one
_CODE = """
static inline double %CORE%(double value, double limit)
{
    return value SIGN limit ? limit : value;
}
"""


_SELECT = """
static inline double %CORE%(char condition, double yes, double no)
{
    return condition ? yes : no;
}
"""


def _make_select():
    function = Function(
        np.where,
        arg_units=[None, None, "yes"],
        arg_names=["condition", "yes", "no"],
        arg_types=["boolean", "any", "any"],
        return_unit=lambda condition, yes, no: yes,
        return_type="float",
    )
    sources, dependencies = shared_implementations(
        "_select", _SELECT, arg_types=["boolean", "any", "any"]
    )
    function.implementations.add_implementation("numpy", np.where)
    for target, source in sources.items():
        function.implementations.add_implementation(
            target, source, dependencies=dependencies, name="_select"
        )
    return function


def _make(name, numpy_function, sign):
    function = Function(
        numpy_function,
        arg_units=[None, "value"],
        arg_names=["value", "limit"],
        arg_types=["any", "any"],
        return_unit=lambda value, limit: value,
        return_type="float",
    )
    sources, dependencies = shared_implementations(
        name, _CODE.replace("SIGN", sign), arg_types=["any", "any"]
    )
    function.implementations.add_implementation("numpy", numpy_function)
    for target, source in sources.items():
        function.implementations.add_implementation(
            target, source, dependencies=dependencies, name=name
        )
    return function


#: ``at_least(value, limit)``: the larger one; `value` if it is not a number.
at_least = _make("_at_least", np.maximum, "<")

#: ``at_most(value, limit)``: the smaller one; `value` if it is not a number.
at_most = _make("_at_most", np.minimum, ">")

#: ``select(condition, yes, no)``: unlike ``int(condition)*yes`` also where the other
#: value is infinite or no number.
select = _make_select()
