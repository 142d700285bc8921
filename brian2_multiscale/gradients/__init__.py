"""Derivatives of equation strings: fitting neurons, training networks."""

from .sensitivity import Sensitivity, sensitivity_equations

__all__ = ["Sensitivity", "sensitivity_equations"]
