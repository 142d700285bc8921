"""What the strings of a cascade say: the threshold, the kick, the reset."""

import ast
import re

from brian2.codegen.translation import analyse_identifiers
from brian2.core.functions import Function
from brian2.parsing.statements import parse_statement
from brian2.utils.stringtools import get_identifiers, word_substitute

from ..codegen.straightline import names_in, parse, simultaneous, symbol

__all__ = ["find_drop", "find_kick", "find_threshold"]

_TURNED = {"<": ">", "<=": ">="}
_SIGNS = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<="}


def find_threshold(threshold, variable, group):
    """
    The value that a variable has to cross, and whether reaching it is enough.

    Parameters
    ----------
    threshold : str
        ``'v > limit'``, with ``>=``, or the other way round.
    variable : str
    group : `NeuronGroup`

    Returns
    -------
    limit : str
    inclusive : bool

    Raises
    ------
    ValueError
        If it is another condition.
    """
    if not isinstance(threshold, str):
        raise TypeError(f"The threshold of {group.name!r} is no string: {threshold!r}.")
    left, sign, right = _comparison(threshold) or (None, None, None)
    if sign in _TURNED:
        left, sign, right = right, _TURNED[sign], left
    if left != variable or sign not in _TURNED.values():
        raise ValueError(
            f"A cascade needs a threshold of the form '{variable} > ...' (or >=) for "
            f"the variable that on_pre kicks; {group.name!r} has '{threshold}'."
        )
    code = f"_limit = {right}"
    _, known, _ = analyse_identifiers(code, group.variables, recursive=True)
    if variable in known:
        raise ValueError(
            f"The threshold '{threshold}' of {group.name!r} compares '{variable}' with "
            "something that depends on itself; a cascade needs the value to cross."
        )
    return right, sign == ">="


def _comparison(code):
    """Left side, sign and right side, if that is all that there is."""
    node = ast.parse(code.strip(), mode="eval").body
    if not (isinstance(node, ast.Compare) and len(node.ops) == 1):
        return None
    left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
    return left, _SIGNS.get(type(node.ops[0])), right


def find_kick(on_pre, group, weighted=False):
    """
    The variable that spikes change and what they add to it.

    Parameters
    ----------
    on_pre : str
    group : `NeuronGroup`
    weighted : bool, optional
        Whether ``w`` is the weight, even if the group has a variable of this name.

    Returns
    -------
    variable, kick : str
        Without the endings of `Synapses`: ``_pre`` and ``_post``.
    """
    lines = [line for line in re.split(r"[;\n]", on_pre) if line.split("#")[0].strip()]
    if len(lines) != 1:
        raise ValueError(
            f"on_pre='{on_pre}' must be one statement, such as 'v_post += 0.1*mV'; "
            "other effects of spikes belong to Synapses."
        )
    name, operation, kick, _ = parse_statement(lines[0].strip())
    if operation not in ("+=", "-=") or not name.endswith("_post"):
        raise ValueError(
            f"on_pre='{on_pre}' must add to a variable of the neurons, as in "
            "'v_post += 0.1*mV'."
        )
    kick = _of_the_group(kick, group, {"N", "w"} if weighted else {"N"})
    return name[: -len("_post")], kick if operation == "+=" else f"-({kick})"


def _of_the_group(kick, group, own):
    """Shared variables as the group calls them; nothing else of it is allowed."""
    renamed = {}
    for name in get_identifiers(kick):
        base = re.sub("_(pre|post)$", "", name)
        variable = group.variables.get(base)
        if base in own or variable is None:
            continue
        if not variable.scalar:
            raise ValueError(
                f"on_pre adds '{kick}', in which '{name}' differs between the neurons "
                f"of {group.name!r}. In a cascade all neurons of a population get the "
                "same: use constants, shared variables, or weights=... per population."
            )
        renamed[name] = base
    return word_substitute(kick, renamed)


def check_deterministic(kick, variables):
    """A kick is worked out once per time step, not once per spike."""
    for name in get_identifiers(kick):
        function = variables.get(name)
        if isinstance(function, Function) and not function.stateless:
            raise ValueError(
                f"on_pre adds '{kick}' with the random function '{name}'; in a cascade "
                "all spikes of a time step have the same effect."
            )


def find_drop(reset, variable):
    """
    By how much a reset lowers a variable, as sympy expression.

    None if the value after the reset does not depend on the value before it, or if
    there is more to it.
    """
    if reset is None or variable not in reset:
        return None
    after = simultaneous(parse(reset), {variable}).get(variable)
    if after is None:
        return None
    drop = (symbol(variable) - after).expand()
    return None if variable in names_in(drop) else drop
