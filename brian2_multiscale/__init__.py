"""One Brian2 model at every scale.

Use it beside Brian2::

    from brian2 import *
    from brian2_multiscale import *
"""

from importlib.metadata import PackageNotFoundError, version

from . import preferences  # noqa: F401 (registers prefs.multiscale)
from .codegen.binomial import binomial_draw
from .density import DensityGroup
from .gradients import *  # noqa: F403
from .gradients import __all__ as _gradients
from .hybrid import HybridGroup
from .kinetics import *  # noqa: F403
from .kinetics import __all__ as _kinetics
from .kinetics.transmitter import NotEventDrivenError
from .measures import ScaleComparison
from .mechanisms import *  # noqa: F403
from .mechanisms import __all__ as _mechanisms
from .mesoscopic import MesoscopicGroup
from .projections import Projection, ProjectionError
from .scales import *  # noqa: F403
from .scales import __all__ as _scales
from .spiking import Cascade, SpikingGroup
from .surrogates import *  # noqa: F403
from .surrogates import __all__ as _surrogates
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
    "ScaleComparison",
    "SpikingGroup",
    "binomial_draw",
]
# Names that say little by themselves stay in their rooms.
_ROOMS = (*_gradients, *_kinetics, *_mechanisms, *_scales, *_surrogates, *_tables)
__all__ += sorted(set(_ROOMS) - {"Parameter", "kinetic", "sound"})

try:
    __version__ = version("brian2-multiscale")
except PackageNotFoundError:  # used from a source folder
    __version__ = "unknown"
