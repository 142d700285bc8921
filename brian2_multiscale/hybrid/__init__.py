"""Neurons and densities in one simulation; exact events of synchronous firing."""

from .cascade import Cascade
from .group import HybridGroup

__all__ = ["Cascade", "HybridGroup"]
