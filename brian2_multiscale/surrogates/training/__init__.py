"""Training of surrogates: gradients by JAX, the optional extra ``gradients``."""

from .train import train

__all__ = ["train"]
