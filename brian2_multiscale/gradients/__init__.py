"""Derivatives of equation strings: fitting neurons, training networks."""

from ..codegen.slopes import with_derivatives
from ..kinetics.differentiation import NotDifferentiableError
from .eprop import EProp
from .events import sensitivity_reset
from .fitter import GradientFitter
from .losses import SpikeLikelihood, TraceLoss
from .network import DifferentiableNetwork
from .param import Param
from .population import PopulationDerivatives
from .release import ReleaseDerivatives
from .result import FitResult
from .sensitivity import Sensitivity, sensitivity_equations
from .surrogate_gradient import SurrogateGradient
from .tabulated import TableDerivatives
from .trainer import Trainer

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
