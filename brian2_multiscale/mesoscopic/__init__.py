"""Mesoscopic populations: cohorts of neurons with the same last spike."""

from .group import MesoscopicGroup

__all__ = ["MesoscopicGroup"]
