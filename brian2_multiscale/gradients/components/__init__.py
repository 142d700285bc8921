"""Derivatives through tables, plasticity and populations, and fits of them."""
