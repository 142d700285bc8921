"""Moments of polynomials of Gaussian random variables, symbolically."""

import sympy as sp

__all__ = ["covariance", "expectation"]


def expectation(polynomial, means, covariances):
    r"""
    Expected value of a polynomial of jointly Gaussian variables.

    Parameters
    ----------
    polynomial : sympy expression
        Polynomial in the keys of `means`; other symbols are constants.
    means : dict
        Symbol of each random variable: its mean (any expression).
    covariances : dict
        ``(symbol, symbol)``: covariance. Both orders of a pair are looked up; what is
        missing is zero.

    Returns
    -------
    sympy expression

    Raises
    ------
    ValueError
        If the expression is no polynomial in the random variables.

    Notes
    -----
    Exact: central moments by Isserlis' theorem (sum over all pairings).
    """
    polynomial = sp.sympify(polynomial)
    symbols = [s for s in means if polynomial.has(s)]
    if not symbols:
        return polynomial
    deviations = {s: sp.Dummy("deviation", real=True) for s in symbols}
    # Means may be called as the variables themselves
    centres = {s: sp.Dummy("centre", real=True) for s in symbols}
    shifted = polynomial.xreplace({s: centres[s] + deviations[s] for s in symbols})
    try:
        poly = sp.Poly(sp.expand(shifted), *deviations.values())
    except sp.PolynomialError as error:
        raise ValueError(f"{polynomial} is no polynomial") from error
    total = sp.S.Zero
    for powers, coefficient in poly.terms():
        factors = [s for s, k in zip(symbols, powers, strict=True) for _ in range(k)]
        total += coefficient * _central_moment(factors, covariances)
    return sp.expand(total).xreplace({centres[s]: means[s] for s in symbols})


def covariance(first, second, means, covariances):
    """Covariance of two polynomials of jointly Gaussian variables."""
    product = expectation(sp.expand(first * second), means, covariances)
    return sp.expand(
        product
        - expectation(first, means, covariances)
        * expectation(second, means, covariances)
    )


def _central_moment(factors, covariances):
    if len(factors) % 2:
        return sp.S.Zero
    if not factors:
        return sp.S.One
    first, rest = factors[0], factors[1:]
    return sum(
        _covariance_of(first, other, covariances)
        * _central_moment(rest[:k] + rest[k + 1 :], covariances)
        for k, other in enumerate(rest)
    )


def _covariance_of(a, b, covariances):
    return covariances.get((a, b), covariances.get((b, a), sp.S.Zero))
