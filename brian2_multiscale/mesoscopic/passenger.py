r"""Variables that follow spikes without acting on them, carried by the cohorts.

Short-term plasticity depends on when its neuron fired but does not change when it
fires. If it obeys linear equations with constant coefficients between spikes, every
moment of its eigenmodes :math:`d` decays on its own:
:math:`E\,d_1^a d_2^b \propto e^{-(a\lambda_1 + b\lambda_2)t}`. So a cohort stores the
moments that its next spike needs, each of which costs one multiplication per step and
is added up over the cohorts that fire without any closure; the Gaussian assumption
enters once per cohort, when the moments of a new one are made.
"""

import itertools

import sympy as sp

from ..codegen.straightline import symbol
from ..numerics.gaussian import expectation

__all__ = ["Passenger"]


class Passenger:
    """
    Linear variables between spikes, polynomial maps at spikes.

    Parameters
    ----------
    name : str
        Beginning of the names of arrays and local variables.
    rates : dict of str to sympy expression
        Right-hand sides of the differential equations.
    jumps : dict of str to sympy expression
        Value of a variable after a spike.
    releases : list of sympy expression
        What a spike releases, in terms of the values before it.
    order : int
        1: the neurons of a cohort are alike; 2: they have a covariance.

    Attributes
    ----------
    features : list of str
        Names of the arrays with the moments.

    Raises
    ------
    ValueError
        If an equation is not linear with constant coefficients, a map no polynomial,
        or a variable never returns to rest.
    """

    def __init__(self, name, rates, jumps, releases, order):
        self.name, self.order = name, order
        #: Numbers for the constants of the expressions, known when a run begins
        self.numbers = {}
        self.variables = list(rates)
        self.symbols = [symbol(n) for n in self.variables]
        self._modes = [sp.Dummy(f"mode{k}", real=True) for k in range(len(rates))]
        self._analyse(rates)
        self.jumps = [jumps.get(n, s) for n, s in zip(rates, self.symbols, strict=True)]
        self.releases = list(releases)
        self._needed = self._collect()
        self.features = [self._feature(powers) for powers in self._needed]

    def _analyse(self, rates):
        """Eigenmodes, their rates and the state of rest."""
        vector = sp.Matrix(list(rates.values()))
        matrix = vector.jacobian(self.symbols) if rates else sp.zeros(0, 0)
        offset = vector.xreplace(dict.fromkeys(self.symbols, sp.S.Zero))
        for n, row in zip(rates, matrix.tolist(), strict=True):
            if any(e.free_symbols & {*self.symbols, symbol("t")} for e in row):
                raise ValueError(
                    f"The equation of '{n}' is not linear with constant coefficients."
                )
        if matrix.det() == 0:
            raise ValueError(
                f"The equations of {self.variables} have no state of rest to return to."
            )
        self.rest = list(-matrix.LUsolve(offset)) if rates else []
        if matrix.is_diagonal():
            self.vectors, diagonal = sp.eye(len(rates)), matrix
        else:
            try:
                self.vectors, diagonal = matrix.diagonalize()
            except sp.matrices.MatrixError as error:
                raise ValueError(
                    f"The equations of {self.variables} have no eigenmodes: {error}"
                ) from error
        self.decay = [-sp.simplify(diagonal[k, k]) for k in range(len(rates))]
        self.inverse = self.vectors.inv()

    def _polynomial(self, expression):
        """A polynomial of the variables as {powers of the modes: coefficient}."""
        values = [
            r + sum(v * d for v, d in zip(row, self._modes, strict=True))
            for r, row in zip(self.rest, self.vectors.tolist(), strict=True)
        ]
        replaced = expression.xreplace(dict(zip(self.symbols, values, strict=True)))
        if not self._modes:
            return {(): replaced}
        try:
            return dict(sp.Poly(sp.expand(replaced), *self._modes).terms())
        except sp.PolynomialError as error:
            raise ValueError(
                f"'{expression}' is no polynomial of {self.variables}"
            ) from error

    def _products(self):
        return list(itertools.combinations_with_replacement(range(len(self.jumps)), 2))

    def _collect(self):
        """All monomials of which the mean over the firing neurons is needed."""
        self._jump_terms = [self._polynomial(j) for j in self.jumps]
        self._square_terms = {}
        if self.order == 2:
            for i, j in self._products():
                product = self.jumps[i] * self.jumps[j]
                self._square_terms[i, j] = self._polynomial(product)
        self._release_terms = [self._polynomial(r) for r in self.releases]
        self._release_squares = [self._polynomial(r**2) for r in self.releases]
        terms = [
            *self._jump_terms,
            *self._square_terms.values(),
            *self._release_terms,
            *self._release_squares,
        ]
        powers = {p for term in terms for p in term if any(p)}
        return sorted(powers, key=lambda p: (sum(p), p))

    def _feature(self, powers):
        return f"_{self.name}_moment_{'_'.join(str(p) for p in powers)}"

    # -- the step --------------------------------------------------------------------
    def before(self):
        """
        Statements once per population: by how much stored moments have decayed.

        Moments are stored once, as they would be at the beginning of the lap of the
        ring in which they were made, and not touched again (but for a common factor
        when numbers become very small). ``_now<feature>`` and ``_last<feature>`` are
        the factors for the cohorts of this lap and of the one before,
        ``_step<feature>`` that of one step, for the pool.
        """
        statements = []
        for k, rate in enumerate(self.decay):
            step = sp.exp(-symbol("dt") * self._known(rate))
            statements.append((f"_step_{self.name}_{k}", step))
        modes = [symbol(name) for name, _ in statements]
        for powers in self._needed:
            feature = self._feature(powers)
            now = symbol(f"_now{feature}")
            step = sp.prod(mode**k for mode, k in zip(modes, powers, strict=True))
            statements += [
                (now.name, symbol(f"_this{feature}")),
                (f"_step{feature}", step),
                (f"_last{feature}", now * symbol(f"_end{feature}")),
            ]
        return statements

    def turn(self, wrap):
        """Statements once per population: the lap goes on, or another one begins."""
        statements = []
        for feature in self.features:
            on = symbol(f"_now{feature}") * symbol(f"_step{feature}")
            end = symbol(f"_end{feature}")
            statements += [
                (f"_this{feature}", on * (1 - wrap) + wrap),
                (end.name, on * wrap + end * (1 - wrap)),
            ]
        return statements

    def _known(self, expression):
        return sp.sympify(expression).xreplace(self.numbers)

    def _mean(self, terms):
        """Mean over the firing neurons, from the sums over cohorts."""
        total = terms.get((0,) * len(self._modes), sp.S.Zero)
        for powers, coefficient in terms.items():
            if any(powers):
                total += coefficient * symbol(f"_spikers_{self._feature(powers)}")
        return total

    def after(self, sums, inverse):
        """
        Statements once per population: what is released, and the new cohort.

        Parameters
        ----------
        sums : callable
            ``sums(feature)``: symbol of the weighted sum over cohorts.
        inverse : symbol
            One over the sum of the weights.

        Returns
        -------
        statements : list of (str, sympy expression)
            `release` and `square` name the means of release and squared release of
            the neurons that fire.
        new : dict of str to sympy expression
            Feature: its value in the new cohort.
        """
        statements = [(f"_spikers_{f}", sums(f) * inverse) for f in self.features]
        for k, _ in enumerate(self.releases):
            statements += [
                (self.release(k), self._mean(self._release_terms[k])),
                (self.square(k), self._mean(self._release_squares[k])),
            ]
        means, widths, new = self._new_modes()
        statements += new
        features = {}
        for powers in self._needed:
            monomial = sp.prod(d**k for d, k in zip(self._modes, powers, strict=True))
            features[self._feature(powers)] = expectation(monomial, means, widths)
        statements = [(n, self._known(e)) for n, e in statements]
        return statements, {f: self._known(e) for f, e in features.items()}

    @property
    def count(self):
        """Number of releases."""
        return len(self.releases)

    def release(self, k):
        return f"_{self.name}_release_{k}"

    def square(self, k):
        return f"_{self.name}_square_{k}"

    def amount(self, k):
        return f"_{self.name}_amount_{k}"

    def squares(self, k):
        return f"_{self.name}_squares_{k}"

    def _new_modes(self):
        """Mean and covariance of the modes after the spike."""
        count, prefix = len(self._modes), f"_{self.name}"
        statements = [
            (f"{prefix}_new_{k}", self._mean(self._jump_terms[k])) for k in range(count)
        ]
        new = [symbol(f"{prefix}_new_{k}") for k in range(count)]
        shifted = self.inverse * sp.Matrix(
            [n - r for n, r in zip(new, self.rest, strict=True)]
        )
        statements += [(f"{prefix}_mode_{k}", shifted[k]) for k in range(count)]
        means = {d: symbol(f"{prefix}_mode_{k}") for k, d in enumerate(self._modes)}
        if self.order == 1:
            return means, {}, statements
        spread = sp.zeros(count, count)
        for i, j in self._products():
            name = f"{prefix}_spread_{i}_{j}"
            statements.append(
                (name, self._mean(self._square_terms[i, j]) - new[i] * new[j])
            )
            spread[i, j] = spread[j, i] = symbol(name)
        modes = self.inverse * spread * self.inverse.T
        widths = {}
        for i, j in self._products():
            name = f"{prefix}_width_{i}_{j}"
            statements.append((name, modes[i, j]))
            widths[self._modes[i], self._modes[j]] = symbol(name)
        return means, widths, statements
