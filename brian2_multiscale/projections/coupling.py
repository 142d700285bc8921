"""Populations that act on populations: counts of spikes in, synaptic input out."""

import numpy as np
from brian2.core.variables import Variables
from brian2.equations.unitcheck import check_dimensions
from brian2.groups.group import CodeRunner, Group
from brian2.units.fundamentalunits import DimensionMismatchError, Quantity
from brian2.utils.stringtools import get_identifiers

from ..codegen.targets import OwnTemplates
from .derivatives import derivative_statements

__all__ = ["PopulationCoupling"]


class PopulationCoupling(OwnTemplates, CodeRunner, Group):
    """
    One element per pair of populations, one code object for all (private).

    Parameters
    ----------
    name : str
    target : Group
        Whose clock and namespace are used.
    sources, targets : array of int, shape (pairs,)
        Indices of populations.
    delays : array of int, shape (pairs,)
        In time steps.
    when, order
        Place in the schedule.
    """

    def __init__(
        self, name, source, target, sources, targets, delays, namespace, order
    ):
        pairs = len(sources)
        self.length = int(np.max(delays, initial=0)) + 1
        self._sources = len(source)
        # Names are looked up here, not in the target, for a namespace of its own
        self.codeobj_class = target.codeobj_class
        CodeRunner.__init__(
            self,
            self,
            "multiscale_population_coupling",
            code={"push": "", "pair": ""},
            user_code={"push": "", "pair": ""},
            clock=target.clock,
            when="synapses",
            order=order,
            name=name,
            check_units=False,
            codeobj_class=target.codeobj_class,
        )
        self.namespace = namespace
        self.variables = Variables(self)
        v = self.variables
        v.add_constant("N", pairs)
        v.add_array("_pre_idx", pairs, dtype=np.int32, values=sources, constant=True)
        v.add_array("_post_idx", pairs, dtype=np.int32, values=targets, constant=True)
        v.add_array("_delay_steps", pairs, dtype=np.int32, values=delays, constant=True)
        v.add_array("_now", 1, dtype=np.int32, scalar=True)
        for index in ("_push_idx", "_ring_idx", "_source_idx"):
            v.add_auxiliary_variable(index, dtype=np.int32)
            v[index].unique = True
        for clock_variable in ("t", "dt"):
            v.add_reference(clock_variable, target, clock_variable)
        self._code = {"push": [], "pair": []}
        # For derivatives: both ends, delayed variables, names of what was added
        self.source, self.target = source, target
        self.late, self.companions = {}, set()
        self._derivatives = []
        self._to_check = []
        # Whether what a pair adds depends on what others have added
        self.in_turn = False
        self._enable_group_attributes()

    def delayed(self, group, variable):
        """Let the pairs see a variable of the sources after their delays; its name."""
        name, v = f"_late_{variable.strip('_')}", self.variables
        if name in v:
            return name
        ring = f"_ring_{variable.strip('_')}"
        v.add_array(ring, self.length * self._sources, index="_ring_idx")
        v.add_reference(name, self, ring, index="_ring_idx")
        v.add_reference(f"_push_{name}", self, ring, index="_push_idx")
        v.add_reference(f"_source_{variable}", group, variable, index="_source_idx")
        self._code["push"].append(f"_push_{name} = _source_{variable}")
        self.late[name] = variable
        return name

    def add_direction(self, direction, moving):
        """
        Hand derivatives on from the sources to the targets, in a direction.

        Parameters
        ----------
        direction : str
            Known to both ends.
        moving : dict of str to array
            What is moved of the pairs (``w``), and how fast.
        """
        statements = derivative_statements(self, self._code["pair"], direction, moving)
        self._derivatives.append(statements)

    @property
    def has_code(self):
        return bool(self._code["pair"])

    def add(self, statement):
        """A statement for every pair."""
        self._code["pair"].append(statement)

    def check_unit(self, expression, dim):
        """Check a dimension when a run begins and all names are known."""
        self._to_check.append((expression, dim))

    def update_abstract_code(self, run_namespace):
        for expression, dim in self._to_check:
            names = get_identifiers(expression)
            known = self.resolve_all(names, run_namespace, user_identifiers=names)
            try:
                check_dimensions(expression, dim, known)
            except DimensionMismatchError as error:
                weights = self.variables.get("w")
                given = weights and Quantity(weights.get_value(), dim=weights.dim)
                raise DimensionMismatchError(
                    f"{error.desc} (the weights w are {given})", *error.dims
                ) from None
        # What is added has to be differentiated before it is added
        pairs = zip(*self._derivatives, [[s] for s in self._code["pair"]], strict=True)
        code = {
            **self._code,
            "pair": [s for rows in pairs for row in rows for s in row],
        }
        self.abstract_code = {k: "\n".join(lines) for k, lines in code.items()}
        self.template_kwds = {
            "_ring_length": self.length,
            "_sources": self._sources,
            "_in_turn": self.in_turn,
        }
