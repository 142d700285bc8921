"""Neurons and densities in one simulation."""

from .group import HybridGroup

__all__ = ["HybridGroup"]
