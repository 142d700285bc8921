"""TabulatedSynapses: synapses that only cost something when a spike arrives."""

import weakref

import numpy as np
from brian2.devices.device import get_device
from brian2.groups.subgroup import Subgroup
from brian2.synapses.synapses import Synapses
from brian2.units.allunits import second
from brian2.units.fundamentalunits import (
    DimensionMismatchError,
    Quantity,
    get_unit,
    have_same_dimensions,
)
from brian2.utils.logger import get_logger

from ..codegen.pool import PooledExponentials
from .statements import TransmitterCode, table_code
from .table import SynapticTable

__all__ = ["TabulatedSynapses"]

logger = get_logger(__name__)

# Pools by target group: synapses from several sources share one.
_POOLS = weakref.WeakKeyDictionary()


class TabulatedSynapses(Synapses):
    """
    Synapses whose responses come from tables instead of differential equations.

    Each arriving spike is looked up once; it adds to a few exponentials that are
    pooled for all synapses of a neuron. The sum is written, every time step, to a
    parameter of the target group.

    Parameters
    ----------
    source : `SpikeSource`
    target : `NeuronGroup` or `Subgroup`
    table : `SynapticTable` or dict
        One table, or several receptors of the same synapses: target variable to
        table, ``{'g_ampa': ampa, 'open_nmda': nmda}``.
    target_variable : str, optional
        With a single table: the parameter of the target that receives the response
        (``'g_ampa'`` for ``g_ampa : siemens`` in its equations).
    model : str, optional
        Synaptic equations, as in `Synapses`.
    weight : str or dict, optional
        Factor of the response, an expression of synaptic variables (by target
        variable if a dict). Its unit times the table's unit has to be that of the
        target variable.
    on_pre : str, optional
        Further statements, executed before the response is added.
    delay : `Quantity`, optional
        One delay for all synapses (none by default). The receptor's state is then
        kept and advanced once per presynaptic neuron instead of per synapse.
    heterogeneous_delays : bool, optional
        Each synapse has its own delay (``S.delay = ...``) and its own state.
    stp : `Mechanism`, optional
        Short-term plasticity in front of the receptors, a mechanism of kind
        'synapse' whose ``output`` is the fraction released at a spike. It scales the
        response to that spike.
    on_post, namespace, dtype, dt, clock, order, name
        As in `Synapses`.

    Attributes
    ----------
    terminals : `Synapses` or None
        The states per presynaptic neuron (None with heterogeneous delays).
    pools : dict
        Target variable to `PooledExponentials`.

    Raises
    ------
    DimensionMismatchError
        If weight times table does not have the unit of the target variable.
    ValueError
        For a negative delay, a missing target variable, or a variable that another
        table already writes to.

    Notes
    -----
    Responses are exact in time: the exponentials decay by their exact factors and the
    table has no time step. A spike at ``t`` acts from the next time step on.

    Spikes in denser bursts than the table was made for get the response to the
    densest burst that it knows; they are counted, and reported once after a run.
    """

    def __init__(
        self,
        source,
        target,
        table,
        target_variable=None,
        model="w : 1",
        weight="w",
        on_pre="",
        on_post=None,
        delay=None,
        heterogeneous_delays=False,
        stp=None,
        namespace=None,
        dtype=None,
        dt=None,
        clock=None,
        order=0,
        name="tabulatedsynapses*",
        codeobj_class=None,
    ):
        self._tables = _as_tables(table, target_variable)
        # Known before the group refuses new attributes.
        self.pools, self.terminals, self._stp = {}, None, stp
        delay = _checked_delay(delay, heterogeneous_delays)
        prefixes = {variable: f"{variable}_table" for variable in self._tables}
        terminal = _Terminal(self._tables, prefixes, stp)
        namespace = {**(namespace or {}), **terminal.namespace}
        shared = delay is not None
        statements = on_pre.splitlines() + ([] if shared else terminal.statements)
        weights = _as_weights(weight, self._tables)
        for variable, deltas in terminal.deltas.items():
            statements += [
                f"{prefixes[variable]}_pool{k}_post += ({weights[variable]})*{delta}"
                for k, delta in enumerate(deltas, start=1)
            ]
        own = [] if shared else terminal.equations
        super().__init__(
            source,
            target,
            model="\n".join([str(model), *own]),
            on_pre="\n".join(statements),
            on_post=on_post,
            delay=delay,
            namespace=namespace,
            dtype=dtype,
            dt=dt,
            clock=clock,
            order=order,
            name=name,
            codeobj_class=codeobj_class,
        )
        self._prefixes = prefixes
        self.pools = {
            variable: _pool(target, variable, table)
            for variable, table in self._tables.items()
        }
        for variable, pool in self.pools.items():
            pool.expose_to(self, f"{prefixes[variable]}_pool")
            self.contained_objects.append(pool)
        self._check_weights(weights)
        self.terminals = self._make_terminals(terminal, delay) if shared else None

    def _make_terminals(self, terminal, delay):
        whole = _whole(self.source)
        stored = [
            f"{delta} : {_unit_text(self._tables[variable].unit)}"
            for variable, deltas in terminal.deltas.items()
            for delta in deltas
        ]
        terminals = Synapses(
            whole,
            whole,
            model="\n".join([*terminal.equations, *stored]),
            on_pre="\n".join(terminal.statements),
            delay=delay,
            namespace=terminal.namespace,
            clock=self.clock,
            name=self.name + "_terminals",
            codeobj_class=self.codeobj_class,
        )
        terminals.connect(j="i")
        if self._stp is not None:
            self._stp.initialise(terminals)
        # The state of the terminal is advanced before its synapses use it.
        terminals.pre.order = self.pre.order - 1
        for deltas in terminal.deltas.values():
            for delta in deltas:
                self.variables.add_reference(
                    delta, terminals, delta, index="_presynaptic_idx"
                )
        self.contained_objects.append(terminals)
        return terminals

    def connect(self, *args, **kwds):
        """Create synapses; see `Synapses.connect`."""
        super().connect(*args, **kwds)
        if self._stp is not None and self.terminals is None:
            self._stp.initialise(self)

    def _check_weights(self, weights):
        from brian2.parsing.expressions import parse_expression_dimensions
        from brian2.utils.stringtools import get_identifiers

        for variable, table in self._tables.items():
            expression = weights[variable]
            known = {
                n: self.variables[n]
                for n in get_identifiers(expression)
                if n in self.variables
            }
            if set(known) != get_identifiers(expression):
                continue  # external names: Brian2 checks the statement at the run
            given = parse_expression_dimensions(expression, known) * table.unit.dim
            wanted = self.pools[variable].variables["z1"].dim
            if given is not wanted:
                raise DimensionMismatchError(
                    f"weight '{expression}' times the response of '{table.name}' "
                    f"({table.unit!r}) does not have the unit of '{variable}' "
                    f"({get_unit(wanted)!r}); declare the weight in model= with the "
                    f"unit {get_unit(wanted / table.unit.dim)!r}",
                    given,
                    wanted,
                )

    @property
    def outside(self):
        """Number of spikes so far that were outside the range of a table."""
        owner = self if self.terminals is None else self.terminals
        names = [f"{p}_outside" for p in self._prefixes.values()]
        return int(sum(np.sum(getattr(owner, name)[:]) for name in names))

    def before_run(self, run_namespace):
        # The standalone device only declares the synapses that it finds in a network
        # itself, not those that its objects contain.
        if self.terminals is not None and hasattr(get_device(), "synapses"):
            get_device().synapses.add(self.terminals)
        super().before_run(run_namespace)

    def after_run(self):
        super().after_run()
        if get_device().__class__.__name__ == "RuntimeDevice" and self.outside:
            logger.warn(
                f"{self.outside} spikes of '{self.source.name}' came in denser bursts "
                f"than the tables of '{self.name}' were made for and got the response "
                "to the densest burst known. tabulate() with a higher upper rate "
                "makes this message go away.",
                "table_range",
                once=True,
            )

    def __repr__(self):
        tables = ", ".join(f"{v} from '{t.name}'" for v, t in self._tables.items())
        return f"<TabulatedSynapses {self.name!r}: {tables}>"


class _Terminal:
    """Equations and statements for all tables of one terminal."""

    def __init__(self, tables, prefixes, stp):
        self.equations, self.statements, self.deltas = [], [], {}
        self.namespace, scale, codes = {}, "1", []
        if stp is not None:
            scale = self._add_plasticity(stp)
        transmitters = {}
        for variable, table in tables.items():
            key = (
                table.source.equations,
                table.source.on_pre,
                str(table.source.constants),
            )
            if key not in transmitters:
                prefix = f"{prefixes[variable]}_tr"
                transmitters[key] = TransmitterCode(table, prefix)
            code = table_code(table, transmitters[key], prefixes[variable], scale)
            self.deltas[variable] = code.deltas
            codes.append(code)
        for part in (*transmitters.values(), *codes):
            self.equations += part.equations
            self.namespace |= part.namespace
        for code in codes:
            self.statements += code.before
        for transmitter in transmitters.values():
            self.statements += transmitter.statements
        for code in codes:
            self.statements += code.after

    def _add_plasticity(self, stp):
        if getattr(stp, "output", None) is None or stp.on_pre is None:
            raise TypeError(
                f"stp has to be a mechanism with on_pre and an output (the fraction "
                f"released), for instance Mechanism('tsodyks_markram'), not {stp!r}."
            )
        self.equations += str(stp.equations).splitlines()
        self.statements += stp.on_pre.strip().splitlines()
        self.namespace |= stp.namespace
        return stp.output


def _as_tables(table, target_variable):
    if isinstance(table, dict):
        tables = dict(table)
        if target_variable is not None:
            raise TypeError(
                "target_variable goes with a single table; a dict already says which "
                "variable each table writes to."
            )
    else:
        tables = {target_variable: table}
    for variable, one in tables.items():
        if not isinstance(one, SynapticTable):
            raise TypeError(
                f"table has to be a SynapticTable (made by tabulate) or a dict of "
                f"target variables and tables, got {one!r}."
            )
        if not isinstance(variable, str):
            raise TypeError(
                f"target_variable is missing for the table of '{one.name}': name the "
                "parameter of the target that receives the response ('g_ampa')."
            )
    return tables


def _as_weights(weight, tables):
    if isinstance(weight, dict):
        if set(weight) != set(tables):
            raise ValueError(
                f"weight names {sorted(weight)}, the tables write to {sorted(tables)}."
            )
        return {v: str(w) for v, w in weight.items()}
    return dict.fromkeys(tables, str(weight))


def _checked_delay(delay, heterogeneous):
    if heterogeneous:
        if delay is not None:
            raise ValueError(
                "delay is one number for all synapses; with heterogeneous_delays=True "
                "set S.delay after connecting instead."
            )
        return None
    if delay is None:
        return 0 * second
    if not have_same_dimensions(delay, second):
        raise DimensionMismatchError(
            "delay has to be a time (1.5*ms)", Quantity(delay).dim
        )
    if np.size(delay) != 1 or not float(delay) >= 0:
        raise ValueError(
            f"delay has to be one time >= 0 s, got {delay}; for a delay of its own for "
            "each synapse use heterogeneous_delays=True and set S.delay."
        )
    return Quantity(float(delay), dim=second.dim)


def _pool(target, variable, table):
    """The pool of a target variable; shared by all synapses with the same table."""
    whole = _whole(target)
    pools = _POOLS.setdefault(whole, {})
    existing = pools.get(variable)
    existing = existing() if existing is not None else None
    if existing is None:
        name = f"{whole.name}_{variable}_pool"
        existing = PooledExponentials(whole, variable, table.time_constants, name=name)
        pools[variable] = weakref.ref(existing)
    elif not np.array_equal(
        np.asarray(existing.taus), np.asarray(table.time_constants)
    ):
        raise ValueError(
            f"'{variable}' of '{whole.name}' already receives the responses of another "
            f"table; give '{table.name}' a variable of its own and add the two in the "
            "equations of the target."
        )
    return existing


def _whole(group):
    """The group that a subgroup is part of, itself and not Brian2's proxy of it."""
    if isinstance(group, Subgroup):
        group = group.source
    return group.before_run.__self__


def _unit_text(unit):
    return "1" if unit.dim.is_dimensionless else repr(unit)
