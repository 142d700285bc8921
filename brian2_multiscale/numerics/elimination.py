"""Sparse Gaussian elimination written out as straight-line code."""

from dataclasses import dataclass, field

__all__ = ["LinearSystem", "eliminate"]

# One division costs about as much as this many multiply-adds in a vectorised loop.
_DIVISION_COST = 16


@dataclass
class LinearSystem:
    """A sparse system ``B x = y`` whose entries are sums of products in a program.

    Each entry is a list of terms, each term a name, a number, or a product of these
    (``["1", "2.0*q"]``). The off-diagonal entries are given by their *weights*
    ``w[i, j] = -B[i, j]`` (for an implicit Euler step ``B = I - dt*Q`` the weight is
    ``dt*Q[i, j]``, what flows from `j` to `i`). The diagonal is given in one of two
    ways.

    Parameters
    ----------
    weights : dict
        ``(i, j) -> terms`` for ``i != j``; absent entries are zero.
    rhs : list of terms
        The right-hand side ``y``.
    sums : list of terms, optional
        Sum of each column of ``B``. With nonnegative weights, nonnegative sums (not
        all zero) and nonnegative ``rhs`` no subtraction occurs: the solution is
        nonnegative, and accurate in every component however small.
    diagonal : list of terms, optional
        Diagonal of ``B``, for systems without such a structure.
    constant : set of str
        Names that do not change between the members of a group; the order of the
        elimination is chosen so that as much as possible depends only on these.
    """

    weights: dict
    rhs: list
    sums: list = None
    diagonal: list = None
    constant: set = field(default_factory=set)

    def __post_init__(self):
        if (self.sums is None) == (self.diagonal is None):
            raise ValueError("give either the column sums or the diagonal, not both")


def _is_number(name):
    return name[0].isdigit()


class _Program:
    """Statements written so far; sums stay lists of terms until a name is needed."""

    def __init__(self, prefix, constant):
        self.prefix, self.constant = prefix, set(constant)
        self.statements, self.names = [], {}

    def is_constant(self, terms):
        factors = (f for t in terms for f in t.lstrip("-").split("*"))
        return all(_is_number(f) or f in self.constant for f in factors)

    def define(self, expression, constant):
        if expression not in self.names:
            name = self.names[expression] = f"{self.prefix}{len(self.statements)}"
            self.statements.append((name, expression))
            if constant:
                self.constant.add(name)
        return self.names[expression]

    def inverse(self, terms):
        """Name of one over a sum."""
        if terms == ["1"]:
            return "1"
        return self.define(f"1/({' + '.join(terms)})", self.is_constant(terms))

    def name(self, terms):
        """One name for a sum; the sum is replaced by it in place."""
        if len(terms) > 1 or "*" in terms[0]:
            terms[:] = [self.define(" + ".join(terms), self.is_constant(terms))]
        return terms[0]


def _times(a, b):
    return b if a == "1" else a if b == "1" else f"{a}*{b}"


class _Elimination:
    def __init__(self, system, prefix):
        self.program = _Program(prefix, system.constant)
        self.weights = {key: list(w) for key, w in system.weights.items()}
        self.rhs = [list(y) for y in system.rhs]
        self.conservative = system.sums is not None
        self.diagonal = [list(d) for d in system.sums or system.diagonal]
        self.active = set(range(len(system.rhs)))
        self.rows = {i: {} for i in self.active}
        self.columns = {i: {} for i in self.active}
        for i, j in self.weights:
            self.rows[i][j] = self.columns[j][i] = None
        self.solved = []

    def pivot_terms(self, k):
        if not self.conservative:
            return self.diagonal[k]
        return self.diagonal[k] + [self.weights[i, k][0] for i in self.columns[k]]

    def cost(self, k):
        """Operations per group member if `k` were eliminated next."""
        constant = self.program.is_constant
        entries = [t for i in self.columns[k] for t in self.weights[i, k]]
        column = not constant(entries)
        pivot = column or not constant(self.diagonal[k])
        varying = [pivot or not constant(self.weights[k, j]) for j in self.rows[k]]
        updates = sum(varying) + column * (len(varying) - sum(varying))
        return (
            _DIVISION_COST * pivot
            + (len(self.columns[k]) + 1) * updates
            + len(self.rows[k])
            + len(self.columns[k])
        )

    def next_pivot(self):
        return min(self.active, key=lambda k: (self.cost(k), k))

    def step(self, k):
        """Eliminate unknown `k` from the remaining equations."""
        name, weights = self.program.name, self.weights
        column = {i: name(weights[i, k]) for i in self.columns[k]}
        name(self.diagonal[k])
        terms = self.pivot_terms(k)
        inverse = self.program.inverse(terms)
        row = {j: [_times(name(weights[k, j]), inverse)] for j in self.rows[k]}
        row = {j: name(term) for j, term in row.items()}
        value = name([_times(name(self.rhs[k]), inverse)])
        for i, w in column.items():
            self.rhs[i].append(_times(w, value))
        self.update_matrix(k, column, row)
        self.solved.append((k, value, row))

    def update_matrix(self, k, column, row):
        total = self.diagonal[k][0]
        for j, u in row.items():
            if self.conservative:
                self.diagonal[j].append(_times(total, u))
            elif j in column:
                self.subtract_from_diagonal(j, _times(column[j], u))
            del self.columns[j][k]
            for i, w in column.items():
                if i != j:
                    self.weights.setdefault((i, j), []).append(_times(w, u))
                    self.rows[i][j] = self.columns[j][i] = None
        for i in column:
            del self.rows[i][k]

    def subtract_from_diagonal(self, j, term):
        self.diagonal[j].append("-" + term)

    def run(self, order):
        queue = list(order) if order is not None else None
        while self.active:
            k = self.next_pivot() if queue is None else queue.pop(0)
            self.active.remove(k)
            self.step(k)

    def back_substitute(self):
        solution = {}
        for k, value, row in reversed(self.solved):
            terms = [value] + [_times(u, solution[j]) for j, u in row.items()]
            solution[k] = self.program.name(terms)
        return [solution[k] for k in sorted(solution)]


def eliminate(system, prefix="_x", order=None):
    """Write the solution of a sparse linear system as straight-line code.

    The order of the elimination is chosen greedily for least arithmetic (a minimum
    degree order in which entries that are the same for all group members are free).
    There is one division per unknown and no branch.

    If the system is given by column sums, each pivot is computed as its column sum
    plus the weights that leave the unknown, so that nothing is ever subtracted
    [1]_: for ``B = I - dt*Q`` with a generator ``Q`` the solution is nonnegative at
    any ``dt`` and its sum is that of the right-hand side.

    Parameters
    ----------
    system : `LinearSystem`
        Entries that are names (or numbers) in the program.
    prefix : str
        Start of the names of all temporaries.
    order : sequence of int, optional
        Use this elimination order instead.

    Returns
    -------
    statements : list of (str, str)
        Name and expression of each temporary, in order of execution.
    solution : list of str
        The names that hold the solution.

    References
    ----------
    .. [1] Grassmann, Taksar, Heyman (1985), Regenerative analysis and steady state
       distributions for Markov chains, Oper Res 33:1107,
       https://doi.org/10.1287/opre.33.5.1107
    """
    elimination = _Elimination(system, prefix)
    elimination.run(order)
    solution = elimination.back_substitute()
    return elimination.program.statements, solution
