r"""What firing selects: the hazard of a cohort whose neurons differ.

In a cohort the variables X are Gaussian with mean m and covariance C. To second order
the logarithm of the hazard is

.. math:: \log\rho(X) = \log\rho(m) + a\,s + \tfrac{1}{2} b\,s^2,\quad s = g^T (X - m)

so that with :math:`c = g^T C g` and :math:`D = 1 - b c` the mean hazard and the mean
and covariance of the neurons that fire are

.. math::

    E\rho = \rho(m) D^{-1/2} e^{a^2 c/(2D)},\quad m + C g\,a/D,\quad
    C + C g g^T C\,b/D .
"""

from dataclasses import dataclass

import sympy as sp

from ..codegen.straightline import symbol

__all__ = ["Selection"]

# The expansion needs b*c < 1; where it is not, the largest D that keeps it finite
_SMALLEST = sp.Float(0.05)
# A linear hazard selects in proportion to 1/rho (Hz)
_SMALLEST_RATE = sp.Float(1e-6)


@dataclass
class Selection:
    """
    The symbolic form of a hazard near the mean of a cohort.

    Parameters
    ----------
    hazard : sympy expression
        In terms of the names of the variables.
    random : sequence of str
        Variables that differ within a cohort.
    """

    hazard: sp.Expr
    random: tuple

    def __post_init__(self):
        slopes = {}
        self.affine = self._affine()
        if self.affine:
            self.slope, self.bend, self.direction = sp.S.One, sp.S.Zero, self.affine
            return
        if self.hazard.free_symbols & {symbol(n) for n in self.random}:
            logarithm = sp.expand_log(sp.log(self.hazard), force=True)
            slopes = {n: _simple(_derivative(logarithm, n)) for n in self.random}
        slopes = {n: a for n, a in slopes.items() if a != 0}
        self.slope, self.bend, self.direction = sp.S.Zero, sp.S.Zero, {}
        if slopes:
            self._along(slopes)

    def _affine(self):
        """Slopes of a hazard that is linear in the variables that differ, or None."""
        random = [symbol(n) for n in self.random]
        slopes = {n: _derivative(self.hazard, n) for n in self.random}
        slopes = {n: a for n, a in slopes.items() if a != 0}
        linear = not any(a.free_symbols & set(random) for a in slopes.values())
        return slopes if linear else None

    def _along(self, slopes):
        first = next(iter(slopes))
        direction = {n: _simple(a / slopes[first]) for n, a in slopes.items()}
        random = {symbol(n) for n in self.random}
        if any(d.free_symbols & random for d in direction.values()):
            # No function of one linear combination: the tangent, without curvature
            self.slope, self.direction = sp.S.One, slopes
            return
        self.slope, self.direction = slopes[first], direction
        self.bend = _simple(sp.diff(slopes[first], symbol(first)))

    @property
    def active(self):
        """Whether the hazard depends on a variable that differs within a cohort."""
        return bool(self.direction)

    def statements(self, prefix, means, covariance, also=()):
        """
        Code for the averaged hazard.

        Parameters
        ----------
        prefix : str
            Beginning of the names that are assigned.
        means : dict of symbol to sympy expression
            What to put in place of every variable.
        covariance : callable
            ``covariance(name, name)``: symbol or expression.
        also : sequence of str
            Further variables that the hazard selects indirectly.

        Returns
        -------
        list of (str, sympy expression)
            ``<prefix>_rho`` is the averaged hazard.
        """
        rho = self.hazard.xreplace(means)
        if not self.active:
            return [(f"{prefix}_rho", rho)]
        g = {n: d.xreplace(means) for n, d in self.direction.items()}
        s = lambda name: symbol(f"{prefix}_{name}")  # noqa: E731
        output = [
            (f"{prefix}_cg_{k}", sum(covariance(k, n) * g[n] for n in g))
            for k in (*self.random, *also)
        ]
        spread = sum(g[n] * s(f"cg_{n}") for n in g)
        output.append((f"{prefix}_spread", spread))
        if self.affine:
            at_least = sp.Function("at_least", real=True)
            inverse = 1 / at_least(rho, _SMALLEST_RATE)
            return [*output, (f"{prefix}_rho", rho), (f"{prefix}_a", inverse)]
        slope, bend = self.slope.xreplace(means), self.bend.xreplace(means)
        if bend == 0:
            output.append((f"{prefix}_a", slope))
            average = rho * sp.exp(s("a") ** 2 * s("spread") / 2)
        else:
            at_least = sp.Function("at_least", real=True)
            rest = at_least(1 - bend * s("spread"), _SMALLEST)
            output += [
                (f"{prefix}_rest", rest),
                (f"{prefix}_a", slope / s("rest")),
                (f"{prefix}_b", bend / s("rest")),
            ]
            average = (
                rho
                * sp.exp(s("a") ** 2 * s("spread") * s("rest") / 2)
                / sp.sqrt(s("rest"))
            )
        return [*output, (f"{prefix}_rho", _one_exponential(average))]

    def shift(self, prefix, name):
        """Mean of the neurons that fire minus the mean of all, after `statements`."""
        if not self.active:
            return sp.S.Zero
        return symbol(f"{prefix}_a") * symbol(f"{prefix}_cg_{name}")

    def calm(self, prefix, fired, ratio):
        """Mean hazard of those who are left; ``ratio`` is fired/(1 - fired)."""
        squared = sp.exp(symbol(f"{prefix}_a") ** 2 * symbol(f"{prefix}_spread"))
        at_least = sp.Function("at_least", real=True)
        share = at_least(1 - fired * squared, sp.S.Zero) * (1 + ratio)
        return symbol(f"{prefix}_rho") * share

    def widening(self, prefix, first, second):
        """The same for the covariance."""
        if not self.active or (self.bend == 0 and not self.affine):
            return sp.S.Zero
        if self.affine:
            return -self.shift(prefix, first) * self.shift(prefix, second)
        return (
            symbol(f"{prefix}_b")
            * symbol(f"{prefix}_cg_{first}")
            * symbol(f"{prefix}_cg_{second}")
        )


def _derivative(expression, name):
    try:
        derivative = sp.diff(expression, symbol(name))
    except AttributeError:  # sympy has no derivative of a condition
        derivative = sp.nan
    if derivative is sp.nan or derivative.has(sp.Derivative, sp.Subs, sp.DiracDelta):
        raise ValueError(
            f"The hazard cannot be differentiated with respect to '{name}', which "
            "closure_order=2 needs. Use a smooth function (softplus instead of clip), "
            "or closure_order=1."
        )
    return derivative


def _one_exponential(product):
    """Multiply exponentials by adding their exponents: the loop computes one."""
    exponents = [f.args[0] for f in sp.Mul.make_args(product) if f.func is sp.exp]
    others = [f for f in sp.Mul.make_args(product) if f.func is not sp.exp]
    if len(exponents) < 2:
        return product
    return sp.Mul(*others) * sp.exp(sp.Add(*exponents))


def _simple(expression):
    return sp.simplify(expression)
