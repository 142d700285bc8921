"""Measures of population activity, and how far scales are apart in them."""

from .comparison import ScaleComparison
from .recording import Recording

__all__ = ["Recording", "ScaleComparison"]
