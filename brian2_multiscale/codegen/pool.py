"""Exponentials pooled per neuron: decays that synapses add to, and their sum."""

import weakref

import numpy as np
from brian2.core.variables import ArrayVariable, Variables
from brian2.equations.equations import PARAMETER
from brian2.groups.group import CodeRunner, Group
from brian2.groups.subgroup import Subgroup
from brian2.units.allunits import second
from brian2.units.fundamentalunits import (
    Quantity,
    fail_for_dimension_mismatch,
)

from .arrays import unit_name
from .targets import OwnTemplates

__all__ = ["PooledExponentials"]

# Pools by the variable that they write to
_writers = weakref.WeakKeyDictionary()


class PooledExponentials(OwnTemplates, CodeRunner, Group):
    """K decaying values per neuron, whose sum is written to a variable of the neurons.

    Every time step, for each target neuron,
    ``output = z1 + ... + zK; zk *= exp(-dt/taus[k])``.
    Synapses add to ``z1`` ... ``zK`` (see `expose_to`), so that any number of synapses
    with the same time constants costs K multiplications per neuron and step.

    Parameters
    ----------
    target : `NeuronGroup` or `Subgroup`
        Neurons to write to. With a subgroup only its neurons are written.
    variable : str
        Name of the output: a parameter of `target` that is neither constant nor
        shared (``g_ampa : siemens``). It gives the unit of the ``zk``.
    taus : `Quantity`, array of shape (K,)
        Time constants, positive.
    decay_first : bool, optional
        Decay before the sum instead of after it. By default the output is the value
        at the beginning of the step, with everything that arrived in the step before.
    when, order : optional
        Place in the schedule; by default ``'groups'``, one before the state update of
        `target` (as Brian2's summed variables), so that a spike that arrives in one
        step acts in the next one.
    name : str, optional
    codeobj_class : class, optional
        Code-object class; by default the one of the active device.

    Raises
    ------
    KeyError, TypeError, DimensionMismatchError, ValueError
        For a variable that is not a parameter of `target`, or bad `taus`.

    Notes
    -----
    The decay is exact for any time step, and follows a change of ``dt`` between runs.
    Monitors of the output record the value of the step before, as for summed
    variables, because they come first in a step.
    """

    def __init__(
        self,
        target,
        variable,
        taus,
        decay_first=False,
        when="groups",
        order=None,
        name="pooledexponentials*",
        codeobj_class=None,
    ):
        output = _checked_output(target, variable)
        self.taus = _checked_taus(taus)
        self._target = target  # keeps a subgroup made on the fly alive
        source = target.source if isinstance(target, Subgroup) else target
        start, stop = target.start, target.stop
        pools = [(f"z{k}", f"_decay{k}") for k in range(1, len(self.taus) + 1)]
        CodeRunner.__init__(
            self,
            source,
            "multiscale_pooled_decay",
            code="\n".join(
                f"_decay{k} = exp(-dt/_tau{k})" for k in range(1, len(pools) + 1)
            ),
            user_code="",
            clock=target.clock,
            when=when,
            order=target.order - 1 if order is None else order,
            name=name,
            check_units=False,
            template_kwds={
                "_pools": pools,
                "_start": int(start),
                "_stop": int(stop),
                "_decay_first": decay_first,
            },
            needed_variables=[*(pool for pool, _ in pools), "_output"],
            codeobj_class=codeobj_class,
        )
        self._add_variables(source, variable, output)
        self._range = range(start, stop)
        self._run = None
        _writers.setdefault(output, weakref.WeakSet()).add(self)
        self._enable_group_attributes()

    def _add_variables(self, source, variable, output):
        self.variables = Variables(self)
        self.variables.add_constant("N", len(source))
        self.variables.add_reference("dt", source)
        self.variables.add_reference("_output", source, variable)
        for k, tau in enumerate(self.taus, start=1):
            self.variables.add_constant(f"_tau{k}", float(tau), dimensions=second.dim)
            self.variables.add_array(
                f"z{k}", len(source), dimensions=output.dim, dtype=output.dtype
            )

    def before_run(self, run_namespace):
        # all objects of a network get the same namespace, which tells them apart from
        # pools that are not part of this run
        self._run = id(run_namespace)
        for other in _writers[self.variables["_output"]] - {self}:
            if other._run == self._run:
                self._refuse_overlap(other)
        super().before_run(run_namespace)

    def after_run(self):
        self._run = None
        super().after_run()

    def _refuse_overlap(self, other):
        start = max(self._range.start, other._range.start)
        stop = min(self._range.stop, other._range.stop)
        if start < stop:
            raise NotImplementedError(
                f"{self.name!r} and {other.name!r} both write to "
                f"{self.variables['_output'].name!r} of neurons {start} to {stop - 1}; "
                "give them variables of their own and add these in the equations."
            )

    def expose_to(self, synapses, prefix="z", side="post"):
        """Let the statements of synapses write to the decays.

        Afterwards ``on_pre='z1_post += w'`` adds to the first decay of the
        postsynaptic neuron.

        Parameters
        ----------
        synapses : `Synapses`
            Whose target (or source, with ``side='pre'``) is the group of these
            decays or a part of it.
        prefix : str, optional
            The variables are called ``<prefix>1_post`` ... ``<prefix>K_post``.
        side : {'post', 'pre'}, optional

        Returns
        -------
        list of str
            The names, in the order of `taus`.
        """
        names = [f"{prefix}{k}_{side}" for k in range(1, len(self.taus) + 1)]
        for k, name in enumerate(names, start=1):
            synapses.variables.add_reference(
                name, self, f"z{k}", index=f"_{side}synaptic_idx"
            )
        return names

    def __repr__(self):
        return (
            f"<PooledExponentials {self.name!r}: {len(self.taus)} decays for "
            f"{self._target.name!r}>"
        )


def _checked_output(target, variable):
    if variable not in target.variables:
        raise KeyError(f"{target.name} has no variable {variable!r} to write to.")
    output = target.variables[variable]
    equation = getattr(target, "equations", None) or {}
    is_parameter = (
        isinstance(output, ArrayVariable)
        and getattr(equation.get(variable), "type", PARAMETER) == PARAMETER
    )
    if not is_parameter or output.constant or output.scalar or output.read_only:
        raise TypeError(
            f"Variable {variable!r} of {target.name} cannot be written every step: it "
            "must be a parameter that is neither constant nor shared; write "
            f"'{variable} : {unit_name(output.dim)}' in the equations."
        )
    if not np.issubdtype(output.dtype, np.floating):
        raise TypeError(
            f"Variable {variable!r} of {target.name} has type {output.dtype}, must be "
            "a floating point number."
        )
    return output


def _checked_taus(taus):
    fail_for_dimension_mismatch(
        taus, second, "taus must be times, got {value}", value=taus
    )
    values = np.atleast_1d(np.asarray(taus, dtype=float))
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"taus must be a list of times, has shape {values.shape}.")
    if not np.all(np.isfinite(values) & (values > 0)):
        raise ValueError(f"taus must be positive and finite, got {taus}.")
    return Quantity(values, dim=second.dim)
