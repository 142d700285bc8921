"""Populations as probability densities of the voltage."""

from .group import DensityGroup

__all__ = ["DensityGroup"]
