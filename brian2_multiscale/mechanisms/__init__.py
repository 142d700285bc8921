"""Mechanism files: found, read, checked, turned into Brian2 equations."""

from .errors import MechanismError
from .mechanism import Mechanism
from .parameters import Parameter
from .search import list_mechanisms

__all__ = ["Mechanism", "MechanismError", "Parameter", "list_mechanisms"]
