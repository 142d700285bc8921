"""Voltage densities of populations of noisy neurons."""

from .siegert import siegert_rate
from .stationary import stationary
from .step import density_step

__all__ = ["density_step", "siegert_rate", "stationary"]
