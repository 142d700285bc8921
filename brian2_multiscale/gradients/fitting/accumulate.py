"""Loss, gradient and Gauss-Newton matrix, summed up while neurons run."""

import numpy as np
import sympy as sp
from brian2.equations.equations import PARAMETER, Equations, SingleEquation
from brian2.units.allunits import second
from brian2.units.fundamentalunits import DIMENSIONLESS, get_unit

from ...arguments import check_numbers, check_positive
from ...codegen.directional import derivative_name
from ...codegen.straightline import names_in, parse_expression, symbol
from ...kinetics.differentiation import derivative
from ...mechanisms.values import unit_text
from ...mesoscopic.names import pairs
from ..forward.sensitivity import Sensitivity
from ..rates import inlined
from ..threshold import threshold_distance
from .losses import TraceLoss

__all__ = [
    "WIDTH",
    "Accumulating",
    "accumulator_equations",
    "gradient_name",
    "matrix_name",
]

LOSS = "fit_loss"
WIDTH = "fit_width"


def gradient_name(p):
    """Half of the derivative of the loss."""
    return f"fit_g_{p}"


def matrix_name(p, q):
    """An entry of the Gauss-Newton matrix, halved, too."""
    # The length says where one name ends: 'E_K', 'b' are not 'E', 'K_b'
    return f"fit_h_{len(p)}_{p}_{q}"


def accumulator_equations(parameters, dimensions):
    """Variables for the sums."""
    entries = [(LOSS, DIMENSIONLESS)]
    entries += [(gradient_name(p), dimensions[p] ** -1) for p in parameters]
    entries += [
        (matrix_name(p, q), (dimensions[p] * dimensions[q]) ** -1)
        for p, q in pairs(parameters)
    ]
    return Equations([SingleEquation(PARAMETER, name, dim) for name, dim in entries])


class Accumulating(Sensitivity):
    """A method that also compares with recordings; see `Sensitivity`."""

    def __init__(self, method, parameters, model, summands, slopes):
        super().__init__(method, parameters)
        self.model, self.summands, self.slopes = model, summands, slopes

    def slopes_of(self, variables):
        """Also of functions that are in no equation, but in the threshold."""
        return self.slopes

    def also(self, values):
        given = self.model, self.parameters, values, self.slopes
        return [s for summand in self.summands for s in summand.statements(*given)]


def add_up(loss, gradient, matrix):
    """Statements that add to the sums; what is zero is left out."""
    terms = {LOSS: loss}
    terms |= {gradient_name(p): g for p, g in gradient.items()}
    terms |= {matrix_name(p, q): h for (p, q), h in matrix.items()}
    return [(n, symbol(n) + term) for n, term in terms.items() if term != 0]


def total_derivatives(expression, states, parameters, moved=None, slopes=None):
    """
    Derivatives of an expression by parameters, through the state variables.

    Parameters
    ----------
    expression : sympy expression
    states, parameters : list of str
    moved : dict of str to sympy expression, optional
        What variables and their derivatives have become.
    slopes : `~brian2_multiscale.codegen.slopes.Slopes`, optional
        Derivatives of functions.
    """
    moved = moved or {}
    now = {symbol(n): value for n, value in moved.items()}
    inner = sorted(names_in(expression) & set(states))
    partial = {x: derivative(expression, symbol(x), slopes) for x in inner}
    result = {}
    for p in parameters:
        total = sum(partial[x] * symbol(derivative_name(x, p)) for x in inner)
        total += derivative(expression, symbol(p), slopes)
        result[p] = sp.sympify(total).xreplace(now)
    return result


class TraceSummand:
    """Squares of differences of one recorded variable."""

    def __init__(self, name, data, loss, dt):
        self.name, self.dim = name, data.dimensions[name]
        self.target = np.nan_to_num(data.traces[name].T)
        weight = np.isfinite(data.traces[name].T).astype(float)
        weight[: round(check_numbers("t_start", loss.t_start, second) / dt)] = 0
        if not weight.any():
            raise ValueError(
                f"t_start={loss.t_start} leaves nothing of the recording "
                f"{name!r}, which ends at {len(weight) * dt * second}."
            )
        self.scale = _scale(name, data, loss, weight.astype(bool))
        self.samples = weight.sum()
        self.weight = weight / (self.samples * self.scale**2)
        # Of several variables one can be looked at alone
        self.switch = f"fit_counts_{name}" if len(data.traces) > 1 else None

    #: There is only one way to look at differences
    widths = (None,)

    def equations(self):
        """Variables that statements refer to, beside the sums."""
        if self.switch is None:
            return Equations([])
        switch = SingleEquation(PARAMETER, self.switch, DIMENSIONLESS, flags=["shared"])
        return Equations([switch])

    def noise(self, loss, parameters):
        """
        Variance of a sample, times its weight.

        Parameters
        ----------
        loss : float
            What this variable adds to the loss.
        parameters : float
            How many parameters it has determined.
        """
        return loss / max(self.samples - parameters, 1)

    @property
    def even(self):
        """Whether all samples count the same."""
        return np.ptp(self.weight) == 0

    def arrays(self):
        """Values, over time or not, that statements refer to, and dimensions."""
        weight = self.weight.flat[0] if self.even else self.weight
        return {
            f"fit_target_{self.name}": (self.target, self.dim),
            f"fit_weight_{self.name}": (weight, self.dim**-2),
        }

    def difference(self, model, moved=None):
        """What is recorded and simulated, as expressions."""
        value = inlined(symbol(self.name), model)
        value = value.xreplace({symbol(n): x for n, x in (moved or {}).items()})
        return value - parse_expression(f"fit_target_{self.name}(t, fit_trial)")

    def factor(self):
        """By which squares count."""
        switch = "" if self.switch is None else f"{self.switch}*"
        array = "" if self.even else "(t, fit_trial)"
        return parse_expression(f"{switch}fit_weight_{self.name}{array}")

    def statements(self, model, parameters, values, slopes=None):
        """At the beginning of a step, when Brian2's monitors record, too."""
        rest, weight = symbol(f"_rest_{self.name}"), symbol(f"_weight_{self.name}")
        value = inlined(symbol(self.name), model)
        states = model.diff_eq_names
        slopes = total_derivatives(value, states, parameters, slopes=slopes)
        return [
            (rest.name, self.difference(model)),
            (weight.name, self.factor()),
            *add_up(
                weight * rest**2,
                {p: weight * rest * s for p, s in slopes.items()},
                {(p, q): weight * slopes[p] * slopes[q] for p, q in pairs(parameters)},
            ),
        ]

    def at_spike(self, model, shifts, values):
        """A spike that comes later leaves the trace before it for longer."""
        if not shifts:
            return []
        before, after = self.difference(model), self.difference(model, values)
        gain = self.factor() * (before**2 - after**2) / 2 / symbol("dt")
        return add_up(0, {p: gain * shift for p, shift in shifts.items()}, {})


def _scale(name, data, loss, counted):
    given = (loss.scale or {}).get(name)
    if given is not None:
        unit = get_unit(data.dimensions[name])
        return check_positive(f"scale[{name!r}]", given, unit)
    spread = float(np.std(data.traces[name].T[counted]))
    return spread if spread > 0 else 1.0


class SpikeSummand:
    """The logarithm of the likelihood of the recorded spikes."""

    def __init__(self, threshold, refractory, loss, data, dt, dim):
        self.refractory = refractory
        self.distance = threshold_distance(threshold)
        self.dim = dim
        kind = f"in the unit of the threshold's distance, '{unit_text(dim)}'"
        widths = check_numbers("width", loss.width, get_unit(dim), kind)
        self.widths = np.atleast_1d(widths).tolist()
        self.offset = float(np.log(check_numbers("rate", loss.rate, 1 / second) * dt))
        self.spikes = data.spikes.T.astype(float)
        self.scale = 1 / (data.steps * dt * data.trials)

    def equations(self):
        return Equations([SingleEquation(PARAMETER, WIDTH, self.dim, flags=["shared"])])

    #: There is nothing else that could be looked at alone
    switch = None

    def noise(self, loss, parameters):
        return self.scale / 2

    def arrays(self):
        return {"fit_spikes": (self.spikes, DIMENSIONLESS)}

    def statements(self, model, parameters, values, slopes=None):
        """At the end of a step, when the threshold is tested, too."""
        distance = inlined(self.distance, model)
        states = sorted(model.diff_eq_names)
        now = {symbol(v): values[v] for v in states if v in values}
        width = symbol(WIDTH)
        slopes = total_derivatives(distance, states, parameters, values, slopes)
        slopes = {p: s / width for p, s in slopes.items()}
        u, chance, surprise, weight = (
            symbol(f"_{n}_spike") for n in ("u", "chance", "surprise", "weight")
        )
        fired = parse_expression("fit_spikes(t, fit_trial)")
        scale = sp.Float(self.scale, 17)
        free = parse_expression("int(not_refractory)") if self.refractory else 1
        return [
            (u.name, distance.xreplace(now) / width + sp.Float(self.offset, 17)),
            (chance.name, parse_expression("1/(1 + exp(-clip(_u_spike, -500, 500)))")),
            # ln(1 + exp(u)), which never overflows
            ("_size_spike", parse_expression("abs(_u_spike)")),
            (
                surprise.name,
                parse_expression(
                    "log1p(exp(-_size_spike)) + 0.5*(_u_spike + _size_spike)"
                )
                - fired * u,
            ),
            (weight.name, scale * free),
            *add_up(
                weight * surprise,
                {p: weight * (chance - fired) * s / 2 for p, s in slopes.items()},
                {
                    (p, q): weight * chance * (1 - chance) * slopes[p] * slopes[q] / 2
                    for p, q in pairs(parameters)
                },
            ),
        ]

    def at_spike(self, model, shifts, values):
        return []


def summands(loss, threshold, refractory, data, dt, dim):
    """What is added up for a loss; `dim` is that of the distance from threshold."""
    if isinstance(loss, TraceLoss):
        return [TraceSummand(name, data, loss, dt) for name in data.traces]
    return [SpikeSummand(threshold, refractory, loss, data, dt, dim)]
