"""Derivatives of equation strings: fitting neurons, training networks."""

from ..codegen.slopes import with_derivatives
from .events import sensitivity_reset
from .fitter import GradientFitter
from .losses import SpikeLikelihood, TraceLoss
from .param import Param
from .result import FitResult
from .sensitivity import Sensitivity, sensitivity_equations

__all__ = [
    "FitResult",
    "GradientFitter",
    "Param",
    "Sensitivity",
    "SpikeLikelihood",
    "TraceLoss",
    "sensitivity_equations",
    "sensitivity_reset",
    "with_derivatives",
]
