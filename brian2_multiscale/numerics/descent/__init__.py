"""Descent on noisy gradients: rules, plan, progress, and all of it on disk."""

from .checkpoint import read_checkpoint, write_checkpoint
from .descent import Plan, Progress, descend
from .rules import RULES, Adam, RotatedAdam, rule_for

__all__ = [
    "RULES",
    "Adam",
    "Plan",
    "Progress",
    "RotatedAdam",
    "descend",
    "read_checkpoint",
    "rule_for",
    "write_checkpoint",
]
