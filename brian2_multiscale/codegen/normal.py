"""Normal random numbers made of uniform ones."""

import numpy as np
from brian2.core.functions import Function

from .shared import shared_implementations

__all__ = ["standard_normal"]

# Box and Muller, the cosine only: two uniform numbers for a normal one
_CODE = """
static double %CORE%(double (*rand)(int), int index)
{
    const double radius = sqrt(-2*log(1 - rand(index)));
    return radius*cos(6.283185307179586*rand(index));
}
"""


def _draw(vectorisation_idx):
    try:
        size = len(vectorisation_idx)
    except TypeError:
        size = ()
    # One pair of numbers after the other, as the other targets draw them
    pairs = np.random.rand(*np.atleast_1d(size), 2)
    draws = np.sqrt(-2 * np.log(1 - pairs[..., 0])) * np.cos(2 * np.pi * pairs[..., 1])
    return draws if size != () else draws[0]


def _make():
    function = Function(
        lambda: float(_draw(0)),
        arg_units=[],
        arg_names=[],
        return_unit=1,
        stateless=False,
        auto_vectorise=True,
    )
    sources, dependencies = shared_implementations(
        "_standard_normal", _CODE, arg_types=[], random=True
    )
    function.implementations.add_implementation("numpy", _draw)
    for target, source in sources.items():
        function.implementations.add_implementation(
            target, source, dependencies=dependencies, name="_standard_normal"
        )
    return function


#: ``standard_normal()``: Brian2's ``randn()`` made of ``rand()``, so that a model draws
#: from one stream of uniform numbers and is the same on all targets (Box and Muller
#: 1958, doi:10.1214/aoms/1177706645).
standard_normal = _make()
