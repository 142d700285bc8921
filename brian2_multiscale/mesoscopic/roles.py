"""Which variables of a model are common, renewed or carried."""

from dataclasses import dataclass

from brian2.equations.equations import (
    DIFFERENTIAL_EQUATION,
    PARAMETER,
    SUBEXPRESSION,
)

from ..codegen.straightline import names_in

__all__ = ["PER_NEURON", "Roles", "dependent", "find_roles", "is_noisy"]

#: Names that are different for every neuron because of its last spike
PER_NEURON = frozenset({"not_refractory", "lastspike"})


@dataclass(frozen=True)
class Roles:
    """
    The kinds of variables of a mesoscopic model.

    Attributes
    ----------
    common : tuple of str
        The same for all neurons of a population.
    renewed : tuple of str
        Set by the reset to something common.
    carried : tuple of str
        All other variables that differ between neurons.
    subexpressions : frozenset of str
        Those that differ between neurons.
    random : tuple of str
        Cohort variables that differ between the neurons of one cohort, too.
    private : tuple of str
        Common variables around whose common mean the neurons differ, because each has
        noise or input of its own.
    """

    common: tuple
    renewed: tuple
    carried: tuple
    subexpressions: frozenset
    random: tuple
    private: tuple

    @property
    def cohort(self):
        return self.renewed + self.carried


def find_roles(equations, reset, private=()):
    """
    Dependency analysis of equations and reset.

    Parameters
    ----------
    equations : `Equations`
    reset : dict of str to sympy expression
        Value after the reset of every variable that it changes.
    private : collection of str
        Variables whose input is different for every neuron.

    Returns
    -------
    Roles
    """
    state = [
        name
        for name, eq in equations.items()
        if eq.type == DIFFERENTIAL_EQUATION
        or (eq.type == PARAMETER and name in {*reset, *private})
    ]
    uses = {
        name: set(eq.identifiers)
        for name, eq in equations.items()
        if eq.type != PARAMETER
    }
    noisy = {n for n, used in uses.items() if _has_noise(used)} | set(private)
    flagged = {n for n, eq in equations.items() if "unless refractory" in eq.flags}
    touched = dependent(flagged | set(reset), uses, PER_NEURON)
    renewed = [
        name
        for name in state
        if name in reset and not names_in(reset[name]) & (touched | PER_NEURON)
    ]
    carried = [n for n in state if n in touched and n not in renewed]
    spread = dependent(set(carried) | noisy, uses, ())
    return Roles(
        common=tuple(n for n in state if n not in touched),
        renewed=tuple(renewed),
        carried=tuple(carried),
        subexpressions=frozenset(
            n
            for n, eq in equations.items()
            if eq.type == SUBEXPRESSION and n in touched
        ),
        random=tuple(n for n in (*renewed, *carried) if n in spread),
        private=tuple(n for n in state if n in spread and n not in touched),
    )


def _has_noise(identifiers):
    return any(n == "xi" or n.startswith("xi_") for n in identifiers)


def is_noisy(equation):
    """Whether a differential equation has white noise."""
    return equation.type == DIFFERENTIAL_EQUATION and bool(
        equation.stochastic_variables
    )


def dependent(start, uses, also=()):
    """All names that depend on one of ``start`` (or use one of ``also``)."""
    found = set(start) | {n for n, used in uses.items() if used & set(also)}
    while True:
        more = {n for n, used in uses.items() if used & found} - found
        if not more:
            return found
        found |= more
