"""Projections between groups of any scale."""

from .projection import Projection
from .rule import ProjectionError

__all__ = ["Projection", "ProjectionError"]
