"""The code object that computes one sample of a surrogate for all channels."""

import json

import numpy as np
from brian2.core.variables import Variables
from brian2.devices.device import RuntimeDevice, get_device
from brian2.groups.group import CodeRunner, Group

from ..codegen.sources import cpp_text
from ..codegen.targets import ExportsArrays, OwnTemplates
from ..numerics.surrogates.compact import CompactSteps

__all__ = ["SurrogateUpdater"]

# Names of functions in surrogate.h and numpy
_COMPRESSION = {"asinh": ("ms_asinh", "_numpy.arcsinh"), None: ("ms_same", "")}


class SurrogateUpdater(ExportsArrays, OwnTemplates, CodeRunner, Group):
    """One code object for all channels of a `SurrogateGroup` (private)."""

    def __init__(self, group, surrogate, strict):
        self._group, self._surrogate, self._strict = group, surrogate, strict
        CodeRunner.__init__(
            self,
            group,
            "multiscale_surrogate_step",
            code="",
            user_code="",
            clock=group.clock,
            when="groups",
            # Before the equations of the group, which see the new output
            order=group.order - 0.25,
            name=f"{group.name}_network",
            check_units=False,
            codeobj_class=group.codeobj_class,
        )
        self._add_variables(group, surrogate)
        self._enable_group_attributes()

    def _add_variables(self, group, surrogate):
        self.variables = v = Variables(self)
        real = np.dtype(group.variables[surrogate.outputs[0].name].dtype)
        steps = CompactSteps(
            surrogate.parameters, surrogate.shape, float(surrogate.step), real
        )
        count, n_in, n_out = len(group), len(surrogate.inputs), len(surrogate.outputs)
        v.add_constant("N", count)
        for name in ("t", "dt", "t_in_timesteps"):
            v.add_reference(name, group, name)
        for k in range(n_in):
            v.add_auxiliary_variable(f"_in_{k}", dtype=np.float64)
        v.add_array("_raw", n_in * count, dtype=float, read_only=True)
        for name, size in (("_z", n_in), ("_y", n_out), ("_state", steps.width)):
            v.add_array(name, size * count, dtype=real)
        for name, start in (("_lowest", np.inf), ("_highest", -np.inf)):
            values = np.full(n_in, start)
            v.add_array(name, n_in, dtype=float, values=values, read_only=True)
        weights = kernel_weights(steps).astype(real)
        v.add_array(
            "_weights", len(weights), dtype=real, values=weights, read_only=True,
            constant=True,
        )  # fmt: skip
        v.add_object("_network", steps)
        v.add_object("_not_finite", _stop)
        v.add_object("_checked", self.check_range)
        for signal in surrogate.outputs:
            v.add_reference(signal.name, group, signal.name)

    def update_abstract_code(self, run_namespace):
        surrogate = self._surrogate
        lines = [f"_in_{k} = {s.name}" for k, s in enumerate(surrogate.inputs)]
        self.abstract_code = "\n".join(lines)
        cpp, numpy = _COMPRESSION[surrogate.options["compression"]]
        self.needed_variables = [s.name for s in surrogate.outputs]
        self.template_kwds = {
            "_core": cpp_text("guard.h", "surrogate.h"),
            "_compression": cpp,
            "_compression_numpy": numpy,
            "_shape": kernel_shape(surrogate),
            "_strict": self._strict,
            "_inputs": [_input(self._group, s) for s in surrogate.inputs],
            "_outputs": [
                _output(self._group, s, surrogate.options["nonnegative"])
                for s in surrogate.outputs
            ],
            "_quoted": json.dumps,
        }

    def check_range(self):
        """Tell (or, if strict, raise) that inputs left the range of training."""
        v = self.variables
        ends = v["_lowest"].get_value(), v["_highest"].get_value()
        for signal, low, high in zip(self._surrogate.inputs, *ends, strict=True):
            if low <= high:  # it has run
                self._surrogate.check_range(signal, [low, high], self._strict)

    def after_run(self):
        super().after_run()
        # A program tells on its own
        if isinstance(get_device(), RuntimeDevice):
            self.check_range()


def _stop(message, time):
    raise FloatingPointError(f"{message}{1e3 * time:.10g} ms")


def _input(group, signal):
    return {
        "name": signal.name,
        "rest": repr(float(signal.rest)),
        "factor": repr(1 / float(signal.scale)),
        "low": _number(signal.low - signal.slack),
        "high": _number(signal.high + signal.slack),
        "unit": "" if signal.unit == "1" else f" {signal.unit}",
        "broken": (
            f"The input {signal.name!r} of {group.name!r} is not finite: its "
            "expression divides by zero or overflows, or what synapses add to it "
            "does; t = "
        ),
        "outside": (
            f"{group.name!r}: the surrogate was trained for {signal.name} from "
            f"{signal.range_text()} and may be far off outside: {signal.name} = "
        ),
    }


def _number(value):
    # Both targets have to understand it
    return repr(float(np.clip(value, -1e300, 1e300)))


def _output(group, signal, nonnegative):
    return {
        "name": signal.name,
        "rest": repr(float(signal.rest)),
        "scale": repr(float(signal.scale)),
        "nonnegative": int(nonnegative),
        "broken": (
            f"The output {signal.name!r} of {group.name!r} is not finite: the "
            "surrogate is unstable with this input (feedback, or an input far outside "
            "the range of training); t = "
        ),
    }


def kernel_shape(surrogate):
    """Template arguments of ``ms_surrogate``."""
    o = surrogate.shape
    sizes = [len(surrogate.inputs), len(surrogate.outputs), o.units, o.blocks, o.states]
    flags = [str(flag).lower() for flag in (o.gated, o.feedback)]
    return ", ".join([*map(str, sizes), *flags])


def kernel_weights(steps):
    """All numbers that ``ms_surrogate`` wants, in its order, matrices by columns."""
    p, found = steps.p, []

    def layer(matrix, offset, rest):
        found.extend([p[matrix].T, p[offset], p[rest]])

    layer("W", "b", "t")
    for k in range(steps.options.blocks):
        decay = p[f"a{k}"]
        found.extend([decay, ((1 - decay)[:, None] * p[f"B{k}"]).T])
        layer(f"C{k}", f"c{k}", f"t{k}")
        if steps.options.gated:
            found.append(p[f"G{k}"].T)
    found.extend([p["w"].T, p["w_states"].T])
    return np.concatenate([np.ravel(part) for part in found])
