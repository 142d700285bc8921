"""One Brian2 model at every scale.

Use it beside Brian2::

    from brian2 import *
    from brian2_multiscale import *
"""

from importlib.metadata import PackageNotFoundError, version

from . import preferences  # noqa: F401 (registers prefs.multiscale)
from .codegen.binomial import binomial_draw
from .density import DensityGroup
from .hybrid import Cascade, HybridGroup
from .kinetics import *  # noqa: F403
from .kinetics import __all__ as _kinetics
from .kinetics.transmitter import NotEventDrivenError
from .mechanisms import *  # noqa: F403
from .mechanisms import __all__ as _mechanisms
from .mesoscopic import MesoscopicGroup
from .projections import Projection, ProjectionError
from .tables import *  # noqa: F403
from .tables import __all__ as _tables

__all__ = [
    "Cascade",
    "DensityGroup",
    "HybridGroup",
    "MesoscopicGroup",
    "NotEventDrivenError",
    "Projection",
    "ProjectionError",
    "binomial_draw",
]
# Names that say little by themselves stay in their rooms.
__all__ += sorted({*_kinetics, *_mechanisms, *_tables} - {"Parameter", "kinetic"})

try:
    __version__ = version("brian2-multiscale")
except PackageNotFoundError:  # used from a source folder
    __version__ = "unknown"
