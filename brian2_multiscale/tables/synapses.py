"""TabulatedSynapses: synapses that only cost something when a spike arrives."""

import ast
import gc
import weakref

import numpy as np
from brian2.core.spikesource import SpikeSource
from brian2.devices.device import RuntimeDevice, get_device
from brian2.equations.equations import Equations
from brian2.groups.group import Group
from brian2.groups.subgroup import Subgroup
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.synapses.synapses import Synapses
from brian2.units.allunits import second
from brian2.units.fundamentalunits import (
    DimensionMismatchError,
    Quantity,
    get_unit,
)
from brian2.utils.logger import get_logger
from brian2.utils.stringtools import get_identifiers

from ..arguments import (
    check_flag,
    check_handed_on,
    check_method,
    check_name,
    check_numbers,
)
from ..codegen.pool import PooledExponentials
from ..codegen.targets import check_tools
from ..mechanisms.values import unit_text
from .source import equation_line
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
    on_post, method, method_options, namespace, dtype, dt, clock, order, name
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

    What is added is ``weight*(response now - response without the spike)``. A weight
    that changes during a run scales what later spikes add, not what is under way;
    after a large decrease the sum can be slightly negative for a while, and a table
    reproduces a vanishing response only to its stated error, of either sign.

    The response is relative to the resting output of the mechanism (zero for most).

    Spikes in denser bursts than the table was made for get the response to the
    densest burst that it knows; `outside` counts them, and after a run in runtime
    mode they are reported once.

    Nothing else may write to a target variable, and values that it is given before a
    run are lost (with a warning in runtime mode). Synapses from several sources may use
    the same table for it; they share one pool.
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
        method=None,
        method_options=None,
        multisynaptic_index=None,
        name="tabulatedsynapses*",
        codeobj_class=None,
    ):
        check_handed_on(
            name,
            namespace,
            dtype,
            dt,
            clock,
            order,
            codeobj_class,
            method_options,
        )
        if method is not None:
            check_method("method", method)
        if multisynaptic_index is not None:
            check_name("multisynaptic_index", multisynaptic_index)
        check_flag("heterogeneous_delays", heterogeneous_delays)
        _check_ends(source, target)
        _as_lines(on_post, "on_post")
        check_tools(get_device().code_object_class(codeobj_class))
        self._tables = _as_tables(table, target_variable)
        # Known before the group refuses new attributes.
        self.pools, self.terminals = {}, None
        delay = _checked_delay(delay, heterogeneous_delays)
        prefixes = {variable: f"{variable}_table" for variable in self._tables}
        terminal = _Terminal(self._tables, prefixes, stp)
        namespace = {**(namespace or {}), **terminal.namespace}
        shared = delay is not None
        statements = _as_lines(on_pre, "on_pre")
        statements += [] if shared else terminal.statements
        weights = _as_weights(weight, self._tables)
        for variable, deltas in terminal.deltas.items():
            statements += [
                f"{prefixes[variable]}_pool{k}_post += ({weights[variable]})*{delta}"
                for k, delta in enumerate(deltas, start=1)
            ]
        own = [] if shared else terminal.equations
        model = "\n".join([*_as_lines(model, "model"), *own])
        if method is not None:
            options = {"method": method, "method_options": method_options}
        else:
            options = {}
        super().__init__(
            source,
            target,
            model=model,
            on_pre="\n".join(statements),
            on_post=on_post,
            delay=delay,
            namespace=namespace,
            dtype=_dtypes(model, dtype, own),
            dt=dt,
            clock=clock,
            order=order,
            multisynaptic_index=multisynaptic_index,
            name=name,
            codeobj_class=codeobj_class,
            **options,
        )
        self._prefixes, self._terminal = prefixes, terminal
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
            f"{delta} : {unit_text(self._tables[variable].unit.dim)}"
            for variable, deltas in terminal.deltas.items()
            for delta in deltas
        ]
        model = "\n".join([*terminal.equations, *stored])
        terminals = Synapses(
            whole,
            whole,
            model=model,
            on_pre="\n".join(terminal.statements),
            delay=delay,
            namespace=terminal.namespace,
            dtype=_dtypes(model, None, terminal.equations),
            clock=self.clock,
            name=self.name + "_terminals",
            codeobj_class=self.codeobj_class,
        )
        terminals.connect(j="i")
        self._set_rest(terminals, terminal)
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
        known = isinstance(get_device(), RuntimeDevice)
        start = len(self) if known else 0
        super().connect(*args, **kwds)
        if self.terminals is None:
            self._set_rest(self, self._terminal, start)

    def _set_rest(self, synapses, terminal, start=0):
        """Let plasticity and transmitter start from where silence leaves them."""
        for name, value in terminal.rest.items():
            if start:
                getattr(synapses, name)[start:] = value
            else:
                setattr(synapses, name, value)

    def __setattr__(self, name, value):
        if name == "delay" and not isinstance(value, str):
            self._check_delay(value)
        super().__setattr__(name, value)
        if name == "delay" and self.terminals is not None:
            self.terminals.delay = value

    def _check_delay(self, value):
        if np.any(np.asarray(value) < 0) or not np.all(np.isfinite(np.asarray(value))):
            raise ValueError(f"S.delay has to be finite times >= 0 s, got {value}.")
        if self.terminals is not None and np.size(value) != 1:
            raise ValueError(
                f"'{self.name}' has one delay for all synapses, got {np.size(value)}; "
                "make it with heterogeneous_delays=True."
            )

    def before_run(self, run_namespace):
        if self.terminals is not None:
            self._prepare_terminals()
        if isinstance(get_device(), RuntimeDevice):
            self._check_delay(self.pre.variables["delay"].get_value())
            self._warn_of_lost_values()
        super().before_run(run_namespace)

    def _warn_of_lost_values(self):
        """Values of the targets that no response has caused."""
        for name, pool in self.pools.items():
            decays = range(1, len(pool.taus) + 1)
            caused = any(np.any(pool.variables[f"z{k}"].get_value()) for k in decays)
            if not caused and np.any(_whole(self.target).variables[name].get_value()):
                logger.warn(
                    f"The values given to '{name}' of '{self.target.name}' are lost: "
                    f"'{self.name}' writes the sum of its responses there in every "
                    "time step. Let spikes arrive at the beginning, or add a variable "
                    "of your own in the equations.",
                    "lost_values",
                    once=True,
                )

    def _prepare_terminals(self):
        # The standalone device only declares the synapses that it finds in a network
        # itself, not those that its objects contain.
        if hasattr(get_device(), "synapses"):
            get_device().synapses.add(self.terminals)
        if isinstance(get_device(), RuntimeDevice):
            # S.pre.delay may have been set; both have to arrive together.
            delay = self.pre.variables["delay"].get_value()
            self.terminals.pre.variables["delay"].set_value(delay)
        if self.terminals.pre.order >= self.pre.order:
            raise ValueError(
                f"The terminals of '{self.name}' have to act before its synapses: set "
                "S.terminals.pre.order below S.pre.order."
            )

    def _check_weights(self, weights):
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

    def after_run(self):
        super().after_run()
        if isinstance(get_device(), RuntimeDevice) and self.outside:
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
        self.namespace, self.rest, scale, codes = {}, {}, "1", []
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
        for transmitter in transmitters.values():
            self.rest |= transmitter.rest
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
        self.equations += [equation_line(e) for e in stp.equations.values()]
        self.statements += stp.on_pre.strip().splitlines()
        self.namespace |= stp.namespace
        self.rest |= stp.initial
        return stp.output


def _check_ends(source, target):
    if not isinstance(source, SpikeSource):
        raise TypeError(
            "source must emit spikes (a NeuronGroup, PoissonGroup, SpikeGeneratorGroup "
            f"or a part of one), got {source!r}."
        )
    if not isinstance(target, Group):
        raise TypeError(
            f"target must be a NeuronGroup or a part of one, got {target!r}."
        )


def _as_tables(table, target_variable):
    if isinstance(table, dict):
        tables = dict(table)
        if target_variable is not None:
            raise TypeError(
                "target_variable goes with a single table; a dict already says which "
                "variable each table writes to."
            )
    else:
        if not isinstance(table, SynapticTable):
            target_variable = str(target_variable)  # the error is below
        elif not isinstance(target_variable, str) or not target_variable.isidentifier():
            raise TypeError(
                f"target_variable is missing for the table of '{table.name}': name the "
                "parameter of the target that receives the response ('g_ampa'), not "
                f"{target_variable!r}."
            )
        tables = {target_variable: table}
    if not tables:
        raise ValueError(
            "table is an empty dict: name a target variable and its table."
        )
    for variable, one in tables.items():
        if not isinstance(one, SynapticTable):
            raise TypeError(
                f"table has to be a SynapticTable (made by tabulate) or a dict of "
                f"target variables and tables, got {one!r}."
            )
        if not isinstance(variable, str):
            raise TypeError(
                f"target_variable is missing for the table of '{one.name}': name the "
                "parameter of the target that receives the response ('g_ampa'), not "
                f"{variable!r}."
            )
    return tables


def _as_weights(weight, tables):
    if isinstance(weight, dict):
        if set(weight) != set(tables):
            raise ValueError(
                f"weight names {sorted(weight)}, the tables write to {sorted(tables)}."
            )
        weights = dict(weight)
    else:
        weights = dict.fromkeys(tables, weight)
    for variable, expression in weights.items():
        if not isinstance(expression, str) or not _is_expression(expression):
            raise TypeError(
                f"weight is an expression of synaptic variables ('w', '2*nS*w'), got "
                f"{expression!r} for '{variable}'."
            )
    return weights


def _is_expression(text):
    try:
        ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return False
    return True


def _as_lines(text, argument):
    if text is None:
        return []
    if not isinstance(text, str | Equations):
        raise TypeError(f"{argument} has to be a string, got {text!r}.")
    return str(text).splitlines()


def _dtypes(model, dtype, generated):
    """Types by variable; times stay in double precision whatever is preferred."""
    names = Equations(model).names
    types = dict(dtype) if isinstance(dtype, dict) else {}
    if dtype is not None and not isinstance(dtype, dict):
        types = dict.fromkeys(names, dtype)
    own = Equations("\n".join(generated)) if generated else {}
    types |= {n: np.float64 for n in own if own[n].dim is second.dim}
    return {n: t for n, t in types.items() if n in names} or None


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
    time = check_numbers("delay", delay, second, "a time (1.5*ms)")
    if time.size != 1 or not 0 <= time.item() < np.inf:
        raise ValueError(
            f"delay has to be one finite time >= 0 s, got {delay}; for a delay of its "
            "own for each synapse use heterogeneous_delays=True and set S.delay."
        )
    return Quantity(time.item(), dim=second.dim)


def _pool(target, variable, table):
    """The pool of a target variable; shared by all synapses with the same table."""
    whole = _whole(target)
    pools = _POOLS.setdefault(whole, {})
    if variable in pools and pools[variable]() is not None:
        gc.collect()  # Brian2's objects go in cycles: what was deleted may linger
    existing = pools[variable]() if variable in pools else None
    # Two pools for one variable are refused when both are part of a run.
    if existing is None or not np.array_equal(existing.taus, table.time_constants):
        name = f"{whole.name}_{variable}_pool*"
        existing = PooledExponentials(whole, variable, table.time_constants, name=name)
        pools[variable] = weakref.ref(existing)
    return existing


def _whole(group):
    """The group that a subgroup is part of, itself and not Brian2's proxy of it."""
    if isinstance(group, Subgroup):
        group = group.source
    return group.before_run.__self__
