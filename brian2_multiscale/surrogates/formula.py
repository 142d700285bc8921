"""A compact surrogate as Brian2 equation strings."""

import numpy as np

__all__ = ["equations"]


# Values of one time step: as plain subexpressions, Brian2 would write every layer out
# in the equations of all states behind it
_ONCE = " (constant over dt)"


def equations(surrogate, inputs):
    """Text of the equations; see `CompactSurrogate.as_equations`."""
    if surrogate.options["feedback"]:
        raise NotImplementedError(
            "A surrogate with feedback changes its output sample by sample, which "
            "equations do not: use SurrogateGroup(N, surrogate)."
        )
    p = {k: np.asarray(v, dtype=float) for k, v in surrogate.parameters.items()}
    lines = []
    for k, signal in enumerate(surrogate.inputs):
        given = f" = {inputs[signal.name]}" if signal.name in inputs else ""
        lines.append(f"{signal.name}{given} : {signal.unit}")
        lines.append(f"z_{k} = {_input(surrogate, signal)} : 1{_ONCE}")
    u = [f"z_{k}" for k in range(len(surrogate.inputs))]
    u = _layer(lines, "u", p["W"], p["b"], u)
    for k in range(surrogate.options["blocks"]):
        s = [f"s_{k}_{j}" for j in range(surrogate.options["states"])]
        taus = np.exp(p[f"log_tau{k}"])
        for name, row, tau in zip(s, p[f"B{k}"], taus, strict=True):
            lines.append(
                f"d{name}/dt = ({_sum(row, u)} - {name})/({_n(tau)}*second) : 1"
            )
        q = s + u
        u = _layer(lines, f"u_{k}", p[f"C{k}"], p[f"c{k}"], q, p.get(f"G{k}"))
    for output, *rows in zip(surrogate.outputs, p["w"], p["w_states"], strict=True):
        lines.append(_output(surrogate, output, _sum(np.concatenate(rows), u + q)))
    return "\n".join(lines)


def _n(number):
    # repr of numpy's numbers is no expression
    return repr(float(number))


def _sum(weights, names):
    terms = [f"{_n(w)}*{name}" for w, name in zip(weights, names, strict=True) if w]
    return "(" + (" + ".join(terms) or "0") + ")"


def _layer(lines, prefix, weights, offsets, inputs, gates=None):
    names = [f"{prefix}_{j}" for j in range(len(weights))]
    for j, (name, row, offset) in enumerate(zip(names, weights, offsets, strict=True)):
        rest = _n(np.tanh(offset))
        text = f"(tanh({_sum(row, inputs)} + {_n(offset)}) - {rest})"
        if gates is not None:
            text += f"*(1 + {_sum(gates[j], inputs)})"
        lines.append(f"{name} = {text} : 1{_ONCE}")
    return names


def _base(signal):
    return "" if signal.unit == "1" else f"*({signal.unit})"


def _input(surrogate, signal):
    base = _base(signal)
    z = f"({signal.name} - {_n(signal.rest)}{base})/({_n(signal.scale)}{base})"
    if surrogate.options["compression"] == "asinh":
        # Brian2 has no asinh; odd, so that small negative numbers stay exact
        return f"sign({z})*log(abs({z}) + sqrt(({z})**2 + 1))"
    return z


def _output(surrogate, signal, y):
    base = _base(signal)
    text = f"{_n(signal.rest)}{base} + {_n(signal.scale)}{base}*{y}"
    if surrogate.options["nonnegative"]:
        text = f"clip({text}, 0{base}, inf{base})"
    return f"{signal.name} = {text} : {signal.unit}{_ONCE}"
