"""Spiking neurons: as populations, and with spikes that cause spikes at once."""

from .cascade import Cascade
from .group import SpikingGroup

__all__ = ["Cascade", "SpikingGroup"]
