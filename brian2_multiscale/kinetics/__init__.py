"""Kinetic schemes: reactions as text, their equations, and their integration."""

from .method import kinetic
from .reactions import ReactionError
from .scheme import KineticScheme

__all__ = ["KineticScheme", "ReactionError", "kinetic"]
