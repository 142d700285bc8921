"""Multivariate polynomials of bounded total degree."""

import itertools

import numpy as np

__all__ = ["exponents", "monomials"]


def exponents(variables, degree):
    """All exponent tuples of total degree <= ``degree``, shape (terms, variables)."""
    every = itertools.product(range(degree + 1), repeat=variables)
    chosen = sorted((e for e in every if sum(e) <= degree), key=lambda e: (sum(e), e))
    return np.array(chosen, dtype=np.int32).reshape(len(chosen), variables)


def monomials(points, powers):
    """Values of the monomials, shape (..., terms), at ``points`` (..., variables)."""
    points = np.asarray(points, dtype=float)
    return np.prod(points[..., None, :] ** powers, axis=-1)
