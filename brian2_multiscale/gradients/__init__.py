"""Derivatives of equation strings: fitting neurons, training networks."""

from ..codegen.slopes import with_derivatives
from ..kinetics.differentiation import NotDifferentiableError
from .components.population import PopulationDerivatives
from .components.release import ReleaseDerivatives
from .components.tabulated import TableDerivatives
from .eprop.eprop import EProp
from .fitting.fitter import GradientFitter
from .fitting.losses import SpikeLikelihood, TraceLoss
from .fitting.param import Param
from .fitting.result import FitResult
from .forward.events import sensitivity_reset
from .forward.sensitivity import Sensitivity, sensitivity_equations
from .network.network import DifferentiableNetwork
from .surrogate_gradient import SurrogateGradient
from .training.trainer import Trainer

__all__ = [
    "DifferentiableNetwork",
    "EProp",
    "FitResult",
    "GradientFitter",
    "NotDifferentiableError",
    "Param",
    "PopulationDerivatives",
    "ReleaseDerivatives",
    "Sensitivity",
    "SpikeLikelihood",
    "SurrogateGradient",
    "TableDerivatives",
    "TraceLoss",
    "Trainer",
    "sensitivity_equations",
    "sensitivity_reset",
    "with_derivatives",
]
