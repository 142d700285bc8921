"""Statements as one Python function that reads and writes the arrays of a time step."""

import numpy as np
from brian2.codegen.generators.base import CodeGenerator
from brian2.core.variables import ArrayVariable
from brian2.utils.stringtools import get_identifiers

from ...kinetics.differentiation import NotDifferentiableError
from .functions import namespace_of
from .render import JAXNodeRenderer, SpikeRenderer
from .values import spike_function

__all__ = ["JAXCodeGenerator"]

_INPLACE = {
    "+=": "{} + ({})",
    "-=": "{} - ({})",
    "*=": "{}*({})",
    "/=": "_jax_divide({}, {})",
    "%=": "{} % ({})",
    "**=": "_jax_power({}, {})",
}

# What several synapses may say of the same neuron
_AGREED = {"True": "any_of", "False": "all_of"}


class JAXCodeGenerator(CodeGenerator):
    """
    Writes captured code as a Python function ``block(_jax_s, _jax_amount)``.

    The function gets a time step, which it reads arrays from and writes them to by
    name, and for code that follows an event how much of it happened to each element
    (0 or 1). Such code runs for all elements; what it would change is blended with
    what was there.

    Parameters
    ----------
    captured : `Captured`
    arrays : `Arrays`
    surrogate : `SurrogateGradient`, optional
        For a threshold: the variable ``_cond`` becomes a number with a derivative.
    smooth : bool, optional
        Whether events are graded.
    statements : list of `Statement`, optional
        Instead of those of the captured code.
    events : bool, optional
        Whether it is code that follows an event.
    """

    class_name = "jax"

    def __init__(
        self,
        captured,
        arrays,
        surrogate=None,
        smooth=False,
        statements=None,
        events=False,
    ):
        self.captured, self.arrays, self.events = captured, arrays, events
        self.variables, self.variable_indices = captured.variables, captured.indices
        self.namespace, random = namespace_of(captured, arrays.dtype, smooth)
        self.renderer, self.spikes = JAXNodeRenderer(random), None
        if surrogate is not None:
            # Other events may well depend on what has another unit
            spikes = captured.runner.event == "spike"
            self.spikes = SpikeRenderer(captured, surrogate, random, spikes)
            self.namespace["_jax_spike"] = spike_function(surrogate, arrays.dtype)
        self.lines, self.loaded, self.pending = [], {}, {}
        self.statements = captured.statements if statements is None else statements

    def function(self, result=None):
        """The function; `result` is the name of what it returns."""
        self.lines, self.loaded, self.pending = [], {}, {}
        for statement in self.statements:
            self.translate_statement(statement)
        self._write_back()
        self.lines.append(f"return {result}")
        self.text = "def block(_jax_s, _jax_amount=None):\n" + "".join(
            f"    {line}\n" for line in self.lines
        )
        exec(self.text, self.namespace)  # text of Brian2's own expressions
        return self.namespace["block"]

    # -- reading -----------------------------------------------------------------------
    def translate_expression(self, expr):
        return self.renderer.render_expr(expr)

    def _read(self, text):
        for name in sorted(get_identifiers(text)):
            variable = self.variables.get(name)
            if isinstance(variable, ArrayVariable) and name not in self.loaded:
                self._load(name, variable)

    def _load(self, name, variable):
        key = self.arrays.key(variable)
        if key in self.pending:
            self._refuse_alias(name, key)
        index = self.arrays.index(self.captured, name)
        text = f"_jax_s[{key!r}]"
        if index not in (None, "0"):
            text += f"[_jax_s[{index!r}]]"
        self.lines.append(f"{name} = {text}")
        self.loaded[name] = key

    def _refuse_alias(self, name, key):
        raise NotDifferentiableError(
            f"The code of '{self.captured.runner.name}' reads '{name}' after it has "
            f"changed '{self.pending[key]}', which is the same variable of other "
            "elements. Write the statement that reads first."
        )

    # -- writing -----------------------------------------------------------------------
    def translate_statement(self, statement):
        name, variable = statement.var, self.variables.get(statement.var)
        self._read(statement.expr)
        if not isinstance(variable, ArrayVariable):
            self._shape(() if statement.scalar else (self.captured.elements,))
            self.lines.append(f"{name} = {self._local_value(statement)}")
            return
        index = self.arrays.index(self.captured, name)
        if index in (None, "0"):
            shape = self.arrays.initial[self.arrays.key(variable)].shape
            self._shape(shape)
            self._rebind(name, variable, self._changed(statement), shape)
        else:
            self._shape((self.captured.elements,))
            self._write_elsewhere(statement, variable, index)

    def _shape(self, shape):
        """Of random numbers in the next line."""
        if self.renderer.random:
            self.lines.append(f"_jax_shape = {shape}")

    def _changed(self, statement):
        """The new value of what a statement writes."""
        value = self.translate_expression(statement.expr)
        if statement.op in _INPLACE:
            self._read(statement.var)
            value = _INPLACE[statement.op].format(statement.var, value)
        return value

    def _local_value(self, statement):
        if self.spikes is not None and statement.var == "_cond":
            return self.spikes.render_condition(statement.expr)
        value = self._changed(statement)
        if np.dtype(statement.dtype).kind == "f":
            return f"_jax_np.asarray({value}).astype(_jax_float)"
        return value

    def _rebind(self, name, variable, value, shape):
        key = self.arrays.key(variable)
        dtype = self.arrays.type_of(variable).name
        value = f"_jax_assigned({value}, {shape}, {dtype!r})"
        condition = self._condition(name)
        if condition:
            self._read(f"{name} + {condition}")
            value = f"_jax_np.where({condition}, {value}, {name})"
        self.lines.append(f"{name} = {value}")
        for other in [n for n, k in self.loaded.items() if k == key]:
            del self.loaded[other]
        self.loaded[name], self.pending[key] = key, name

    def _condition(self, name):
        """Name of the condition under which a variable may be written."""
        condition = getattr(self.variables[name], "conditional_write", None)
        if condition is None or condition.name in self.captured.unconditional:
            return None
        return condition.name

    def _write_elsewhere(self, statement, variable, index):
        """Add to variables of other elements (pre- or postsynaptic ones, a part)."""
        key = self.arrays.key(variable)
        if key in self.pending:
            self._refuse_alias(statement.var, key)
        if np.dtype(variable.dtype).kind == "b":
            self._put_elsewhere(statement, key, index)
            return
        value = self._increment(statement)
        condition = self._condition(statement.var)
        if condition:
            self._read(condition)
            value = f"_jax_np.where({condition}, {value}, 0)"
        if self.events:
            value = f"_jax_amount*({value})"
        self._change_elsewhere("add", key, index, value)

    def _put_elsewhere(self, statement, key, index):
        """Truth values have no differences to add."""
        name, condition = statement.var, self._condition(statement.var)
        how = _AGREED.get(statement.expr.strip())
        if how is None:
            self._refuse_meeting(statement)
        self._read(f"{name} + {condition}" if condition else name)
        value = self._changed(statement)
        if condition:
            value = f"_jax_np.where({condition}, {value}, {name})"
        if self.events:
            value = f"_jax_np.where(_jax_amount > 0.5, {value}, {name})"
        self._change_elsewhere(how or "put", key, index, value)

    def _change_elsewhere(self, how, key, index, value):
        self.lines.append(f"_jax_s.{how}({key!r}, {index!r}, {value})")
        self.loaded = {n: k for n, k in self.loaded.items() if k != key}

    def _increment(self, statement):
        name = statement.var
        if statement.op in ("+=", "-="):
            value = self.translate_expression(statement.expr)
            return value if statement.op == "+=" else f"-({value})"
        self._refuse_meeting(statement)
        self._read(name)
        return f"({self._changed(statement)}) - {name}"

    def _refuse_meeting(self, statement):
        name = statement.var
        if not self._is_unique(name):
            raise NotDifferentiableError(
                f"'{name} {statement.op} {statement.expr}' in the code of "
                f"'{self.captured.runner.name}' does more than add to '{name}', where "
                "several synapses can meet; only '+=' and '-=' are known here."
            )

    def _is_unique(self, name):
        index = self.variables[self.captured.indices[name]]
        values = self.arrays.values(index)
        return len(np.unique(values)) == len(values)

    def _write_back(self):
        for key, name in self.pending.items():
            value = name
            if self.events:
                value = f"_jax_blend(_jax_amount, {name}, _jax_s[{key!r}])"
            self.lines.append(f"_jax_s[{key!r}] = {value}")
