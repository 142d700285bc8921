"""Weight updates in generated code, so that networks learn on any target."""

from brian2.groups.group import CodeRunner

from ...codegen.late_variables import give_shared, give_variable
from ...codegen.targets import OwnTemplates

__all__ = ["RULES", "WeightUpdate"]

_DUE = "int(timestep(t + dt, dt) % timestep({period!r}, dt) == 0)"

_SGD = """
_due = {due}
{w} -= {lr!r}*{gradient}
"""

# Kingma and Ba (2015), https://doi.org/10.48550/arXiv.1412.6980; the two shared numbers
# are 1 - beta**updates
_ADAM = """
_adam_first += {due}*0.1*(1 - _adam_first)
_adam_second += {due}*0.001*(1 - _adam_second)
_due = {due}
_adam_mean = 0.9*_adam_mean + 0.1*{gradient}
_adam_square = 0.999*_adam_square + 0.001*{gradient}**2
{w} -= {lr!r}*_adam_mean/{first}/(sqrt(_adam_square/{second}) + 1e-20)
"""

# Before the first update they are zero, by which nothing may be divided
_NEVER_ZERO = {"first": "(_adam_first + 1e-30)", "second": "(_adam_second + 1e-30)"}

RULES = {"sgd": _SGD, "adam": _ADAM}

_SIGNS = {"+": "{w} = clip({w}, 0, 1e300)", "-": "{w} = clip({w}, -1e300, 0)"}


class WeightUpdate(OwnTemplates, CodeRunner):
    """
    A step against the gradient, at the end of every period.

    Parameters
    ----------
    traces : `Traces`
    rule : str
        A key of `RULES`.
    lr, period : float
        In base units.
    sign : {'+', '-', None}
        Weights of the other sign become zero.
    name : str
    """

    def __init__(self, traces, rule, lr, period, sign, name):
        synapses = traces.synapses
        if rule == "adam":
            for one in ("_adam_first", "_adam_second"):
                give_shared(synapses, one)
            for one in ("_adam_mean", "_adam_square"):
                give_variable(synapses, one)
        due = _DUE.format(period=period)
        code = RULES[rule] + _SIGNS.get(sign, "") + "\n{gradient} = 0"
        CodeRunner.__init__(
            self,
            synapses,
            "multiscale_when_due",
            code=code.format(
                w=traces.weight,
                gradient=traces.gradient,
                lr=lr,
                due=due,
                **_NEVER_ZERO,
            ),
            user_code="",
            clock=traces.clock,
            when="end",
            order=3,
            name=f"{name}_{synapses.name}_update",
            check_units=False,
        )
