"""Numbers of every neuron that other code reads, made at a point of the step."""

import sympy as sp
from brian2.core.functions import Function
from brian2.groups.group import CodeRunner
from brian2.utils.stringtools import get_identifiers

from ...codegen.late_variables import give_shared, give_variable
from ...codegen.straightline import emit, names_in, symbol

__all__ = ["NeuronNumbers", "needed"]


class NeuronNumbers(CodeRunner):
    """
    Code that writes expressions into variables that the group is given for them.

    Expressions that are the same for all neurons become shared variables, so that a
    loop over synapses reads them once; mere numbers become none at all.

    Parameters
    ----------
    group : `Group`
    name : str
    when, order :
        Place in the schedule.
    template, template_kwds, needed_variables : optional
        Of the code; by default it is for all neurons.
    """

    def __init__(self, group, name, when, order, template="stateupdate", **kwds):
        CodeRunner.__init__(
            self,
            group,
            template,
            code="",
            user_code="",
            clock=group.clock,
            when=when,
            order=order,
            name=name,
            check_units=False,
            generate_empty_code=False,
            **kwds,
        )

    def compute(self, values, run_namespace, program=(), first="", forced=()):
        """
        Choose what is computed.

        Parameters
        ----------
        values : dict of str to sympy expression
            By the names that the variables get.
        run_namespace : dict
        program : list of (str, sympy expression)
            Statements that the expressions may refer to; what they do not need is left
            out.
        first : str
            Abstract code to put in front.
        forced : collection of str
            Names that become variables of each neuron in any case.

        Returns
        -------
        dict of str to sympy expression
            The name as a symbol, or the number.
        """
        values = {name: sp.sympify(value) for name, value in values.items()}
        stored = {n: v for n, v in values.items() if not v.is_Number or n in forced}
        program = needed(program, stored.values())
        code = "\n".join([first, emit([*program, *stored.items()])])
        names = get_identifiers(code) - {n for n, _ in program} - stored.keys()
        known = self.group.resolve_all(names, run_namespace, user_identifiers=set())
        same = _same_for_all([*program, *stored.items()], known) - set(forced)
        for name in stored:
            give = give_shared if name in same else give_variable
            give(self.group, name)
        # Brian2 wants shared variables to be written first, and takes local ones for
        # different in each neuron
        lines = [(n, _inlined(v, program)) for n, v in stored.items() if n in same]
        others = {n: v for n, v in stored.items() if n not in same}
        rest = [*needed(program, others.values()), *others.items()]
        first = first if others else ""
        self.abstract_code = "\n".join([emit(lines), first, emit(rest)]).strip()
        return {n: symbol(n) if n in stored else v for n, v in values.items()}


def needed(program, values):
    """The statements of a program that some expressions depend on."""
    wanted = set().union(*(names_in(value) for value in values))
    kept = []
    for name, value in reversed(list(program)):
        if name in wanted:
            wanted |= names_in(value)
            kept.append((name, value))
    return kept[::-1]


def _inlined(value, program):
    """An expression without the local names of a program."""
    for name, other in reversed(program):
        value = value.xreplace({symbol(name): other})
    return value


def _same_for_all(program, known):
    """Names of the statements whose values do not depend on the neuron."""
    same = set()
    for name, value in program:
        functions = {known.get(str(f.func)) for f in value.atoms(sp.Function)}
        if any(isinstance(f, Function) and f.auto_vectorise for f in functions):
            continue
        if all(
            n in same or getattr(known.get(n), "scalar", False) for n in names_in(value)
        ):
            same.add(name)
    return same
