"""The event statements of a table, as Brian2 equations and code."""

from dataclasses import dataclass, field

from brian2.equations.equations import Equations
from brian2.parsing.statements import parse_statement
from brian2.units.allunits import second
from brian2.units.fundamentalunits import Quantity
from brian2.utils.stringtools import get_identifiers, word_substitute

from .history import HistoryTable

__all__ = ["TableCode", "TransmitterCode", "table_code"]


@dataclass
class TableCode:
    """
    What a table adds to the equations and statements of its terminal.

    Attributes
    ----------
    equations : list of str
    before : list of str
        Statements that use the transmitter before the event.
    after : list of str
        Statements that use it after the event; they set the ``deltas``.
    deltas : list of str
        Names of what each exponential receives.
    namespace : dict
    """

    equations: list = field(default_factory=list)
    before: list = field(default_factory=list)
    after: list = field(default_factory=list)
    deltas: list = field(default_factory=list)
    namespace: dict = field(default_factory=dict)


class TransmitterCode:
    """
    The transmitter's own variables, renamed so that they collide with nothing.

    Parameters
    ----------
    table : `SynapticTable`
        Any of the tables that this transmitter drives.
    prefix : str
    """

    def __init__(self, table, prefix):
        self._source = source = table.source
        self.drivers = source.drivers
        self._equations = Equations(source.equations) if source.equations else None
        self._transmitter = table.transmitter
        names = set(source.constants) | set(self._equations or ())
        names |= {parse_statement(s)[0] for s in source.on_pre.splitlines()}
        self._rename = {name: f"{prefix}_{name}" for name in names}
        self.namespace = {
            self._rename[n]: value for n, value in source.namespace.items()
        }

    @property
    def equations(self):
        """Equations for a terminal; its differential equations event by event."""
        if self._equations is None:
            return []
        lines = []
        for line in self._source.equations.splitlines():
            flag = " (event-driven)" if line.startswith("d") and "/dt" in line else ""
            lines.append(self._renamed(line) + flag)
        return lines

    @property
    def rest(self):
        """Initial values of the variables that do not rest at zero."""
        values = zip(
            self._transmitter.variables, self._transmitter.initial(), strict=True
        )
        return {
            self._rename[n]: Quantity(float(v), dim=self.dimensions(n))
            for n, v in values
            if v != 0
        }

    @property
    def statements(self):
        """What happens to the transmitter at an event."""
        return [self._renamed(s) for s in self._source.on_pre.splitlines()]

    def _renamed(self, text):
        # dx/dt is one word for the substitution
        derivatives = {f"d{old}": f"d{new}" for old, new in self._rename.items()}
        return word_substitute(text, {**derivatives, **self._rename})

    def future(self, driver, delay, prefix):
        """
        Expression for a driver ``delay`` seconds after the event.

        Returns
        -------
        expression : str
        namespace : dict
        """
        flowing = self._transmitter.flowing
        text = driver if driver in flowing else self._opened(driver)
        values = {f"{prefix}_delay": delay * second}
        # The event acts at the end of its time step.
        changes = {"t": f"(t + dt + {prefix}_delay)"}
        later = self._transmitter.flow.propagators([delay])[0]
        for i, name in enumerate(flowing):
            terms = []
            for k, other in enumerate(flowing):
                values[f"{prefix}_p{i}_{k}"] = self._factor(later[i, k], name, other)
                terms.append(f"{prefix}_p{i}_{k}*{other}")
            values[f"{prefix}_p{i}"] = self._factor(later[i, -1], name, None)
            changes[name] = "(" + " + ".join([*terms, f"{prefix}_p{i}"]) + ")"
        return self._renamed(word_substitute(text, changes)), values

    def _opened(self, name):
        """A subexpression with those that it contains written out."""
        text = self._equations[name].expr.code
        inside = get_identifiers(text) & self._equations.subexpr_names
        # Not Brian2's substitution: sympy refuses to compare some of the results.
        return word_substitute(text, {n: f"({self._opened(n)})" for n in inside})

    def _factor(self, value, name, other):
        dim = self._equations[name].dim
        if other is not None:
            dim = dim / self._equations[other].dim
        return Quantity(float(value), dim=dim)

    def dimensions(self, driver):
        """Dimensions of a driver."""
        return self._equations[driver].dim


def table_code(table, transmitter, prefix, scale):
    """
    Equations and statements for one table.

    Parameters
    ----------
    table : `SynapticTable`
    transmitter : `TransmitterCode`
    prefix : str
        Begins every new name.
    scale : str
        Factor of each response at its event, such as the release by short-term
        plasticity; '1' for none.
    """
    make = _history_code if isinstance(table.core, HistoryTable) else _state_code
    code = make(table.core, table.functions, transmitter, prefix)
    count = len(table.core.time_constants)
    code.namespace[f"{prefix}_unit"] = Quantity(1.0, dim=table.unit.dim)
    code.deltas = [f"{prefix}_delta{k}" for k in range(count)]
    code.after += [
        f"{delta} = {prefix}_x{k}*{prefix}_unit*({scale})"
        for k, delta in enumerate(code.deltas)
    ]
    return code


def _state_code(core, functions, transmitter, p):
    code = TableCode()
    r, q, count = (
        len(core.propagators),
        len(core.descriptors.delay),
        len(core.responses),
    )
    advance, respond = functions
    code.namespace |= {f"{p}_advance": advance, f"{p}_respond": respond}
    code.equations = [f"{p}_last : second", f"{p}_seen : 1", f"{p}_outside : integer"]
    for name, size in (("z", r), ("d", q), ("e", count)):
        code.equations += [f"{p}_{name}{k} : 1" for k in range(size)]
    d = "".join(f", {p}_d{k}" for k in range(q))
    z = "".join(f", {p}_z{k}" for k in range(r))
    code.before = [f"{p}_gap = t - {p}_last"]
    code.before += [
        f"{p}_y{k} = {p}_seen*{p}_advance({k}, {p}_gap{d}{z})" for k in range(r)
    ]
    code.before += [f"{p}_z{k} = {p}_y{k}" for k in range(r)]
    for k, tau in enumerate(core.time_constants):
        code.namespace[f"{p}_tau{k}"] = float(tau) * second
    code.before += [
        f"{p}_old{k} = {p}_e{k}*exp(-{p}_gap/{p}_tau{k})" for k in range(count)
    ]
    _describe(core.descriptors, transmitter, p, code)
    code.after += [f"{p}_e{k} = {p}_respond({k}{d}{z})" for k in range(count)]
    code.after += [f"{p}_x{k} = {p}_e{k} - {p}_old{k}" for k in range(count)]
    code.after += [f"{p}_last = t", f"{p}_seen = 1"]
    return code


def _describe(descriptors, transmitter, p, code):
    """Statements that set the clipped descriptors after the transmitter's event."""
    outside = []
    for k, delay in enumerate(descriptors.delay):
        driver = transmitter.drivers[descriptors.driver[k]]
        text, values = transmitter.future(driver, float(delay), f"{p}_f{k}")
        dim = transmitter.dimensions(driver)
        code.namespace |= values
        code.namespace |= {
            f"{p}_single{k}": Quantity(float(descriptors.single[k]), dim=dim),
            f"{p}_scale{k}": Quantity(float(descriptors.scale[k]), dim=dim),
            f"{p}_low{k}": float(descriptors.low[k]),
            f"{p}_high{k}": float(descriptors.high[k]),
        }
        code.after += [
            f"{p}_v{k} = (({text}) - {p}_single{k})/{p}_scale{k}",
            f"{p}_r{k} = sign({p}_v{k})*log1p(abs({p}_v{k}))",
            f"{p}_d{k} = clip({p}_r{k}, {p}_low{k}, {p}_high{k})",
        ]
        outside.append(f"{p}_r{k} < {p}_low{k} or {p}_r{k} > {p}_high{k}")
    if outside:
        code.after.append(f"{p}_outside += int({' or '.join(outside)})")


def _history_code(core, functions, transmitter, p):
    code = TableCode()
    order, count = core.order, len(core.time_constants)
    amplitude, shape = functions
    code.namespace |= {
        f"{p}_amplitude": amplitude,
        f"{p}_shape": shape,
        f"{p}_window": core.window * second,
        f"{p}_shortest": core.axis.lo * second,
    }
    code.equations = [f"{p}_seen : integer", f"{p}_outside : integer"]
    code.equations += [f"{p}_t{k} : second" for k in range(order)]
    for k in range(order):
        later = "t" if k == 0 else f"{p}_t{k - 1}"
        code.after += [
            f"{p}_in{k} = int({p}_seen > {k})*int(t - {p}_t{k} < {p}_window)",
            f"{p}_i{k} = {p}_window + {p}_in{k}*({later} - {p}_t{k} - {p}_window)",
        ]
    intervals = ", ".join(f"{p}_i{k}" for k in range(order))
    earlier = " + ".join(f"{p}_in{k}" for k in range(order))
    code.after += [
        f"{p}_outside += int({p}_i0 < {p}_shortest*(1 - 1e-9))",
        f"{p}_peak = {p}_amplitude({intervals})",
        f"{p}_order = {earlier}",
    ]
    code.after += [
        f"{p}_x{k} = {p}_peak*{p}_shape({k}, {p}_order)" for k in range(count)
    ]
    code.after += [f"{p}_t{k} = {p}_t{k - 1}" for k in range(order - 1, 0, -1)]
    code.after += [f"{p}_t0 = t", f"{p}_seen = clip({p}_seen + 1, 0, {order})"]
    return code
