"""One time step of mesoscopic populations as abstract code.

The step is made of four blocks that a template puts into loops:

* ``before``: once per population; also everything that the cohorts have in common,
* ``active`` and ``refractory``: once per cohort, followed by sums over cohorts,
* ``after``: once per population; spike count, new cohort, merging of the oldest one.
"""

from dataclasses import dataclass

import sympy as sp

from ..codegen.straightline import Hoister, emit, names_in, symbol, tangents
from ..numerics.gaussian import expectation
from . import regularity
from .names import covariance_name, pairs
from .roles import PER_NEURON, Roles
from .selection import Selection

__all__ = ["Model", "Program", "inlined"]

# Keeps a division by zero finite where the numerator is zero, too
# Not 0 in single precision either, in which numbers may be written
_TINY = sp.Float(1e-37)
_FEW = sp.Float(1e-9)
_NOBODY = sp.Float(1e-14)
# So that the rounding error of a difference is no noise
_ALMOST = 1 - sp.Float(1e-12)
_at_least = sp.Function("at_least", real=True)
_at_most = sp.Function("at_most", real=True)
_select = sp.Function("select", real=True)
_int = sp.Function("int", real=True)


@dataclass
class Model:
    """
    What a step needs to know of a model.

    Attributes
    ----------
    update : list of (str, sympy expression)
        One step of the numerical method chosen for the equations.
    reset : dict of str to sympy expression
    hazard : sympy expression
        Without subexpressions.
    rule : {'linear', 'exponential', 'trapezoid'}
        Probability of a step: rho*dt or 1 - exp(-rho*dt) with the hazard after the
        integration, as a threshold in a `NeuronGroup`, or 1 - exp(-rho*dt) with the
        mean of the hazards before and after.
    refractory : sympy expression
        Number of time steps.
    roles : Roles
    frozen : frozenset of str
        Variables that stand still in the refractory period.
    order : int
        1: means of the cohorts, 2: covariances, too.
    noise : bool
    passengers : list
        `Passenger` objects (plasticity of projections).
    wired : tuple of str
        Variables with input that differs between the neurons of a population.
    regularity : bool
        Whether to follow how regularly the neurons fire.
    length : int
        Number of cohorts in the memory.
    """

    update: list
    reset: dict
    hazard: sp.Expr
    rule: str
    refractory: sp.Expr
    roles: Roles
    frozen: frozenset
    order: int
    noise: bool
    passengers: list
    wired: tuple = ()
    regularity: bool = False
    length: int = 0


class Program:
    """
    Abstract code of one step.

    Attributes
    ----------
    blocks : dict of str to str
    code : dict of str to list of (str, sympy expression)
        The same, not yet in a form for vector loops.
    sums : list of str
        ``_sum_<x>`` is the sum over the cohorts of ``_add_<x>``.
    sums_of : dict of str to list of str
        Which of the sums a block adds to.
    hoisted : list of str
        Names assigned in ``before`` and read in other blocks.
    random : tuple of str
        Variables that have covariances in the cohorts.
    lazy : dict of str to tuple of str
        Factors for the parts of some of the sums.
    """

    def __init__(self, model):
        self.model, self.roles = model, model.roles
        second = model.order == 2
        self.random = self.roles.random if second else ()
        self.private = self.roles.private if second else ()
        self.wired = model.wired if second else ()
        self.holes = [f"_hole_{n}" for n in self.wired]
        self.outside = (*self.private, *self.holes)
        self.pairs = [*pairs(self.random)]
        self.pairs += [(a, b) for a in self.random for b in self.outside]
        self.outside_pairs = pairs(self.outside)
        self.sums = []
        self.sums_of = {}
        self._outer = Hoister((), "_outer")
        self._split_update()
        self.selection = Selection(model.hazard, (*self.random, *self.private))
        before = self._before()
        active = self._cohort("_x", refractory=False)
        refractory = self._cohort("_r", refractory=True)
        for block, code in (("active", active), ("refractory", refractory)):
            added = {name for name, _ in code}
            self.sums_of[block] = [n for n in self.sums if f"_add_{n}" in added]
        after = self._after()
        self.hoisted = [
            n for n, _ in before if not n.startswith(("_newest", "_pool_escape"))
        ]
        self.hoisted += self._outer.names
        self.code = {
            "before": before + self._outer.statements,
            "edge": self._edge(),
            "active": active,
            "refractory": refractory,
            "after": after,
        }
        self.blocks = {
            block: emit(inlined(code) if block in self.inner else code)
            for block, code in self.code.items()
        }

    #: Blocks that are executed once per cohort
    inner = ("active", "refractory")

    # -- the numerical method ------------------------------------------------------
    def _split_update(self):
        """Sort the method's statements: final writes, common ones, all others."""
        roles = self.roles
        self.noises = [n for n, _ in self.model.update if _is_noise(n)]
        moving = {*roles.cohort, *self.noises, *PER_NEURON, *self.private}
        silent = {symbol(n): sp.S.Zero for n in self.noises}
        cohort = {*roles.cohort, *PER_NEURON}
        self._body, self._final = [], {}
        for name, value in self.model.update:
            if name in self.noises:
                continue
            if name in {*roles.common, *roles.cohort}:
                self._final[name] = value
                continue
            if names_in(value) & moving:
                moving.add(name)
                self._body.append((name, value))
            if names_in(value) & cohort:
                cohort.add(name)
            else:
                self._outer.statements.append((name, value.xreplace(silent)))
        self._new_common = {
            symbol(n): self._final[n].xreplace(silent)
            for n in roles.common
            if n in self._final
        }
        # A threshold is looked at with the time of the beginning of the step
        if self.model.rule == "trapezoid":
            self._new_common[symbol("t")] = symbol("t") + symbol("dt")

    def _renamed(self, tag, names, refractory):
        """The method's statements with names and initial values of a block."""
        replaced = {symbol(n): symbol(new) for n, new in names.items()}
        replaced[symbol("not_refractory")] = sp.false if refractory else sp.true
        body = []
        for name, value in self._body:
            body.append((f"{tag}{name}", value.xreplace(replaced)))
            replaced[symbol(name)] = symbol(f"{tag}{name}")
        for n in names:
            value = self._final.get(n, symbol(n)).xreplace(replaced)
            body.append((f"{tag}_1_{n}", value))
        return body

    # -- before --------------------------------------------------------------------
    def _before(self):
        """What comes first in a population."""
        s = symbol
        statements = [("_refractory_steps", self.model.refractory)]
        if self.model.regularity:
            half = sp.Rational(1, 2)
            statements.append(("_oldest", (self.model.length + half) * s("dt")))
        for name in self.roles.cohort:
            kick = s(f"_mean_{name}") - s(f"_saved_{name}")
            statements.append((f"_kick_{name}", kick))
        statements += [
            self._undo_kick(f"_newest_{name}", name)
            for name in self.roles.renewed
            if name not in self.model.frozen
        ]
        if self.trapezoid:
            statements.append(self._first_rate())
        missing = s("_size") - s("_total")
        enough = _int(s("_total_variance") > _FEW)
        correction = missing * enough / (s("_total_variance") + _FEW)
        statements.append(("_correction", correction))
        wrap = _int(s("_head") + 1 >= self.model.length)
        statements += [("_wrap", wrap)] if self.model.passengers else []
        for passenger in self.model.passengers:
            statements += passenger.before()
        for name in self.wired:
            weight = s(f"_input_var_{name}") + _TINY
            statements += [
                (f"_depth_{name}", s(f"_input_depth_{name}") / weight),
                (f"_filling_{name}", sp.exp(-s(f"_input_filling_{name}") / weight)),
                (f"_spread_{name}", s(f"_input_var_{name}")),
            ]
        return statements

    def _first_rate(self):
        """The hazard before the first step, in which it is not known yet (-1)."""
        now = symbol("_pool_escape_rate")
        state = {
            symbol(n): symbol(f"_pool_{n}") + symbol(f"_kick_{n}")
            for n in self.roles.cohort
        }
        state[symbol("lastspike")] = symbol("_pool_lastspike")
        hazard = self._finite(self.model.hazard.xreplace(state))
        return now.name, _select(now < 0, hazard, now)

    def _undo_kick(self, place, name):
        # In a NeuronGroup the reset comes after the synapses of the same step, so
        # that what they add to the voltage of a neuron that has just fired is lost.
        anybody = _int(symbol(place.removesuffix(name) + "survivors") > 0)
        return place, symbol(place) - symbol(f"_kick_{name}") * anybody

    def _edge(self):
        """The cohort whose refractory period ends now was still in it when kicked."""
        statements = []
        for name in self.roles.cohort:
            if name in self.model.frozen:
                place, value = self._undo_kick(f"_edge_{name}", name)
                if name in self.roles.carried:
                    ever = _int(symbol("_refractory_steps") >= 1)
                    value = symbol(place) + (value - symbol(place)) * ever
                statements.append((place, value))
        return statements

    # -- one cohort ----------------------------------------------------------------
    def _cohort(self, tag, refractory):
        frozen = self.model.frozen if refractory else frozenset()
        statements, means, spread = self._integrate(tag, refractory, frozen)
        if self.trapezoid or not refractory:
            statements += self._hazard(tag, means, spread)
        finals, final_spread = means, spread
        survivors, variance = symbol("survivors"), symbol("survivors_variance")
        if not refractory:
            statements += self._firing(tag, means, spread)
            taken, finals, final_spread = self._survivors(tag, means, spread)
            statements += taken
            survivors, variance = symbol(f"{tag}_m"), symbol(f"{tag}_z")
            if self.nonlinear:
                code, finals, final_spread = self._calmed(tag, finals, final_spread)
                statements += code
        statements += self._totals(survivors, variance, finals)
        if not refractory:
            statements += self._passengers(tag)
        statements += _writes({"survivors": survivors, "survivors_variance": variance})
        if self.trapezoid:
            calm = self.selection.active and not refractory
            rate = symbol(f"{tag}_calm" if calm else f"{tag}_rho")
            statements += _writes({"escape_rate": self._finite(rate)})
        statements += _writes({n: finals[n] for n in self.roles.cohort})
        statements += _writes(
            {covariance_name(*p): final_spread[p] for p in self.pairs}
        )
        self._outer.varying = {
            *self.roles.cohort,
            *(covariance_name(*p) for p in self.pairs),
            *("survivors", "survivors_variance", "lastspike"),
            *(("escape_rate",) if self.trapezoid else ()),
            *self._features(),
        }
        arrays = self._outer.varying | {f"_add_{n}" for n in self.sums}
        return self._outer.apply(statements, kept=arrays)

    def _integrate(self, tag, refractory, frozen):
        """Input of the last step, then the numerical method."""
        names = {n: f"{tag}_0_{n}" for n in self.roles.cohort}
        names.update({n: f"{tag}_0_{n}" for n in self.private})
        statements, body = [], []
        for n, name in names.items():
            kick = 0
            if n in self.roles.cohort and n not in frozen:
                kick = symbol(f"_kick_{n}")
            if n in self.wired and n not in frozen:
                # Private input: noise that is less after a spike of the same source
                kick += symbol(f"xi_input_{n}")
                kick -= symbol(f"_depth_{n}") * symbol(f"{tag}_0__hole_{n}")
                body.append((name, symbol(n) + kick))
            else:
                statements.append((name, symbol(n) + kick))
        body += self._renamed(tag, names, refractory)
        mean = {n: symbol(names[n] if n in frozen else f"{tag}_1_{n}") for n in names}
        if not (self.random or self.private):
            return statements + body, mean, {}
        return self._with_spread(tag, names, statements, body, mean, frozen)

    def _with_spread(self, tag, names, statements, body, mean, frozen):
        """Means to second order and covariances after the step."""
        s = symbol
        start, variances = {}, {s(n): s("dt") for n in self.noises}
        for n in (*self.random, *self.private):
            # Before input: the name in the arrays
            start[n] = n if n in self.wired else names[n]
        for hole in self.holes:
            n = hole[len("_hole_") :]
            start[hole] = f"{tag}_0_{hole}"
            variances[s(f"xi_input_{n}")] = s(f"_spread_{n}")
            refill = s(f"_filling_{n}") * s(start[hole]) + s(f"xi_input_{n}")
            body.append((f"{tag}_1_{hole}", refill))
        known = {(n.name, n.name): v for n, v in variances.items()}
        for a, b in [*self.pairs, *self.outside_pairs]:
            name = covariance_name(a, b)
            known[start[a], start[b]] = known[start[b], start[a]] = s(name)
        seeds = [*start.values(), *(n.name for n in variances)]
        body, slopes, extra = tangents(body, seeds, known, f"{tag}_d")
        rows = {
            n: {start[n]: sp.S.One} if n in frozen else slopes.get(f"{tag}_1_{n}", {})
            for n in start
        }
        for a, b in [*self.pairs, *self.outside_pairs]:
            moved = sum(
                left * right * known.get((i, j), 0)
                for i, left in rows[a].items()
                for j, right in rows[b].items()
            )
            body.append((f"{tag}_1_{covariance_name(a, b)}", sp.expand(moved)))
        for n in names:
            if n not in frozen:
                mean[n] += extra.get(f"{tag}_1_{n}", 0)
        silent = {n: sp.S.Zero for n in variances}
        silent.update({s(start[h]): sp.S.Zero for h in self.holes})
        body = [(n, sp.sympify(value).xreplace(silent)) for n, value in body]
        body += [(f"{tag}_2_{n}", value) for n, value in mean.items()]
        mean = {n: symbol(f"{tag}_2_{n}") for n in mean}
        spread = {
            p: symbol(f"{tag}_1_{covariance_name(*p)}")
            for p in [*self.pairs, *self.outside_pairs]
        }
        return statements + body, mean, spread

    def _hazard(self, tag, means, spread):
        values = {symbol(n): v for n, v in means.items()}
        values = {**self._new_common, **values}
        return self.selection.statements(tag, values, _lookup(spread), self.holes)

    def _firing(self, tag, means, spread):
        """Probability to fire, who fires, and who is left."""
        s = symbol
        weight = s(f"{tag}_p") * (
            s("survivors") + s("_correction") * s("survivors_variance")
        )
        left, firing = s(f"{tag}_left"), s(f"{tag}_p") * s("survivors")
        statements = [
            (f"{tag}_left", self._silence(tag)),
            (f"{tag}_p", 1 - left),
            (f"{tag}_fired", firing),
            (f"{tag}_w", weight),
            (f"{tag}_m", s("survivors") - s(f"{tag}_fired")),
            # Squares as products: a power would not be vectorised by all compilers
            (f"{tag}_half", left * s("survivors_variance")),
            (f"{tag}_z", left * s(f"{tag}_half") + s(f"{tag}_fired")),
        ]
        statements += self._add("expected", s(f"{tag}_w"))
        statements += self._moments_of_spikers(tag, means, spread)
        if self.model.regularity:
            code, sums = regularity.cohort(tag)
            statements += code
            for name, value in sums.items():
                statements += self._add(name, value)
        return statements

    def _silence(self, tag):
        """Probability not to fire in the step."""
        rate, dt = symbol(f"{tag}_rho"), symbol("dt")
        if self.model.rule == "linear":
            return 1 - _at_most(_at_least(rate * dt, sp.S.Zero), sp.S.One)
        if self.trapezoid:
            rate = (rate + symbol("escape_rate")) / 2
        # In a NeuronGroup, too, a negative hazard is none
        return sp.exp(-dt * _at_least(rate, sp.S.Zero))

    def _moments_of_spikers(self, tag, means, spread):
        """Sums for mean and covariance of the new cohort."""
        differ = (*self.random, *self.outside)
        firing = {symbol(n): v for n, v in means.items()}
        firing.update({symbol(h): sp.S.Zero for h in self.holes})
        centres, widths, statements = {}, {}, []
        for n in differ:
            centres[symbol(n)] = symbol(f"{tag}_s_{n}")
            value = firing[symbol(n)] + self.selection.shift(tag, n)
            statements.append((f"{tag}_s_{n}", value))
        for (a, b), c in spread.items():
            name = f"{tag}_s_{covariance_name(a, b)}"
            widths[symbol(a), symbol(b)] = symbol(name)
            statements.append((name, c + self.selection.widening(tag, a, b)))
        fixed = {s: v for s, v in firing.items() if s not in centres}
        fixed = {**self._new_common, **fixed}
        fixed = {s: v for s, v in fixed.items() if s not in centres}
        weight = symbol(f"{tag}_w")
        for name, value in self._wanted():
            if differ:
                value = _expectation(value, centres, widths)
            statements += self._add(f"new_{name}", weight * value.xreplace(fixed))
        return statements

    def _after_reset(self, name):
        return self.model.reset.get(name, symbol(name))

    def _summed(self):
        """Variables whose value after the reset depends on the cohort."""
        cohort = {*self.roles.cohort, *PER_NEURON}
        return [n for n in self.roles.cohort if names_in(self._after_reset(n)) & cohort]

    def _new_pairs(self):
        """Covariances that a new cohort does not begin without."""
        summed = {*self._summed(), *self.outside}
        return [(a, b) for a, b in self.pairs if a in summed and b in summed]

    def _wanted(self):
        """Means over the firing neurons that make a new cohort."""
        wanted = [(n, self._after_reset(n)) for n in self._summed()]
        new_pairs = self._new_pairs()
        late = sorted({b for _, b in new_pairs if b in self.outside})
        wanted += [(b, symbol(b)) for b in late]
        for a, b in new_pairs:
            product = sp.expand(self._after_reset(a) * self._after_reset(b))
            wanted.append((covariance_name(a, b), product))
        return wanted

    def _finite(self, rate):
        # An infinite hazard of nobody would be no number in the pool
        return _at_most(rate, 1000 / symbol("dt"))

    def _calmed(self, tag, finals, spread):
        """Where nobody is left, nothing may grow without limits (upstrokes)."""
        some = symbol(f"{tag}_m") > _NOBODY * symbol("_size")
        statements, calm, calm_spread = [], dict(finals), {}
        for n in self.roles.cohort:
            after = self._after_reset(n)
            if n not in self.roles.renewed:
                continue
            statements.append(
                (
                    f"{tag}_f_{n}",
                    _select(some, finals[n], after.xreplace(self._new_common)),
                )
            )
            calm[n] = symbol(f"{tag}_f_{n}")
        for a, b in self.pairs:
            name = f"{tag}_f_{covariance_name(a, b)}"
            statements.append((name, _select(some, spread[a, b], sp.S.Zero)))
            calm_spread[a, b] = symbol(name)
        return statements, calm, calm_spread

    @property
    def nonlinear(self):
        """Whether the equations are nonlinear in what differs between neurons."""
        moving = [symbol(n) for n in self.roles.cohort]
        moving += [symbol(n) for n, _ in self._body]
        values = [v for _, v in self._body] + list(self._final.values())
        return any(
            sp.diff(v, a, b) != 0
            for v in values
            for a in moving
            for b in moving
            if v.has(a) and v.has(b)
        )

    def _survivors(self, tag, means, spread):
        """Those who fire take their share of mean and covariance away."""
        if not self.selection.active:
            return [], means, spread
        s, ratio = symbol, symbol(f"{tag}_ratio")
        fired = s(f"{tag}_p")
        # fired/(1 - fired), as a series: the closure needs fired << 1 anyway, and a
        # division would cost as much as the exponential
        statements = [(ratio.name, fired * (1 + fired * (1 + fired * (1 + fired))))]
        if self.trapezoid:
            calm = self.selection.calm(tag, fired, ratio)
            statements.append((f"{tag}_calm", calm))
        shift = {n: self.selection.shift(tag, n) for n in (*self.random, *self.outside)}
        finals = {
            n: v - ratio * shift[n] if n in self.random else v for n, v in means.items()
        }
        final_spread = {}
        for a, b in self.pairs:
            taken = ratio * (1 + ratio) * shift[a] * shift[b]
            value = spread[a, b] - ratio * self.selection.widening(tag, a, b) - taken
            final_spread[a, b] = _at_least(value, sp.S.Zero) if a == b else value
        return statements, finals, final_spread

    def _totals(self, survivors, variance, finals):
        statements = self._add("total", survivors)
        statements += self._add("total_variance", variance)
        for n in self.roles.cohort:
            statements += self._add(f"mean_{n}", survivors * finals[n])
        return statements

    def _passengers(self, tag):
        """What the firing neurons carry, without its decay (see `lazy`)."""
        statements = []
        for feature in self._features():
            value = symbol(f"{tag}_w") * symbol(feature)
            statements += self._add(feature, value)
        return statements

    def _features(self):
        return [f for p in self.model.passengers for f in p.features]

    @property
    def trapezoid(self):
        """Whether the hazard of the step before counts, too."""
        return self.model.rule == "trapezoid"

    @property
    def lazy(self):
        """Sums whose parts are multiplied: cohorts of the last lap, this one, pool."""
        return {f: (f"_last{f}", f"_now{f}", f"_step{f}") for f in self._features()}

    @property
    def scaled(self):
        """Moments that are scaled when they become small, with nothing else here."""
        return {f: [] for f in self._features()}

    def _add(self, name, value):
        if name not in self.sums:
            self.sums.append(name)
        return [(f"_add_{name}", value)]

    # -- after ---------------------------------------------------------------------
    def _after(self):
        s = symbol
        statements = [
            (
                "_expected",
                _at_most(_at_least(s("_sum_expected"), sp.S.Zero), s("_size")),
            )
        ]
        count = s("_expected")
        if self.model.noise:
            draw = sp.Function("binomial_draw", real=True)
            count = draw(s("_neurons"), count / s("_size"))
        statements += [("_count", count), ("n", s("_count"))]
        statements += [("_inverse", 1 / (s("_sum_expected") + _TINY))]
        means, spread, new = self._new_cohort()
        statements += new
        outside = self._outside_values()
        values = {**self._new_common, **{symbol(n): v for n, v in means.items()}}
        if self.trapezoid:
            known = _lookup({**spread, **outside})
            statements += self.selection.statements("_new", values, known)
        statements += self._merge()
        statements += [(f"_old_{n}", v) for n, v in means.items()]
        statements += [(f"_old_{covariance_name(*p)}", v) for p, v in spread.items()]
        for passenger in self.model.passengers:
            code, new = passenger.after(lambda f: s(f"_sum_{f}"), s("_inverse"))
            statements += code
            statements += [
                (f"_old_{f}", value / s(f"_now{f}")) for f, value in new.items()
            ]
            statements += self._releases(passenger)
            statements += passenger.turn(s("_wrap"))
        statements += [
            ("_old_survivors", s("_count")),
            ("_old_survivors_variance", sp.S.Zero),
            ("_old_lastspike", s("t")),
            ("_total", s("_sum_total") + s("_count")),
            ("_total_variance", s("_sum_total_variance")),
            ("A", s("_count") / (s("_size") * s("dt"))),
            ("A_expected", s("_expected") / (s("_size") * s("dt"))),
        ]
        statements += self._population_means(means)
        statements += [(covariance_name(*p), v) for p, v in outside.items()]
        for n in self.wired:
            for what in ("var", "depth", "filling"):
                statements.append((f"_input_{what}_{n}", sp.S.Zero))
        if self.model.regularity:
            statements += regularity.after()
        return statements + self._common_writes()

    def _population_means(self, means):
        statements, s = [], symbol
        for n in self.roles.cohort:
            total = s(f"_sum_mean_{n}") + s("_count") * means[n]
            statements += [
                (f"_mean_{n}", total / (s("_total") + _TINY)),
                (f"_saved_{n}", s(f"_mean_{n}")),
            ]
        return statements

    def _outside_values(self):
        """Covariances of what all cohorts have in common, after the step."""
        now = self._outer.outside
        return {
            p: now[symbol(f"_x_1_{covariance_name(*p)}")] for p in self.outside_pairs
        }

    def _common_writes(self):
        now = self._outer.outside
        return [
            (n, now.get(symbol(f"_x_2_{n}"), self._new_common[symbol(n)]))
            for n in self.roles.common
            if n in self._final
        ]

    def _releases(self, passenger):
        """Amount that all firing neurons release together, and the sum of squares."""
        statements, s = [], symbol
        for k in range(passenger.count):
            mean, square = s(passenger.release(k)), s(passenger.square(k))
            amount = s("_count") * mean
            if self.model.noise:
                spread = _at_least(
                    s("_count") * (square * _ALMOST - mean**2), sp.S.Zero
                )
                amount += sp.sqrt(spread) * sp.Function("standard_normal", real=True)()
            statements.append((passenger.amount(k), amount))
            statements.append((passenger.squares(k), s("_count") * square))
        return statements

    def _new_cohort(self):
        """Mean and covariance of the neurons that have just fired."""
        statements, means, spread = [], {}, {}
        summed = self._summed()
        for n in self.roles.cohort:
            value = self._after_reset(n).xreplace(self._new_common)
            if n in summed:
                value = symbol(f"_sum_new_{n}") * symbol("_inverse")
            statements.append((f"_new_{n}", value))
            means[n] = symbol(f"_new_{n}")
        present = self._new_pairs()
        for a, b in self.pairs:
            name = covariance_name(a, b)
            if (a, b) not in present:
                spread[a, b] = sp.S.Zero
                continue
            inverse = symbol("_inverse")
            other = means.get(b, symbol(f"_sum_new_{b}") * inverse)
            value = symbol(f"_sum_new_{name}") * inverse - means[a] * other
            statements.append(
                (f"_new_{name}", _at_least(value, sp.S.Zero) if a == b else value)
            )
            spread[a, b] = symbol(f"_new_{name}")
        return means, spread, statements

    def _merge(self):
        """The oldest cohort joins the pool of neurons older than the memory."""
        s = symbol
        total = s("_pool_survivors") + s("_old_survivors")
        statements = [("_share", s("_old_survivors") / (total + _TINY))]
        share = s("_share")
        difference = {}
        for n in self.roles.cohort:
            difference[n] = s(f"_apart_{n}")
            statements.append((f"_apart_{n}", s(f"_old_{n}") - s(f"_pool_{n}")))
        for a, b in self.pairs:
            name = covariance_name(a, b)
            apart = share * (1 - share) * difference[a] * difference.get(b, 0)
            mixed = s(f"_pool_{name}") + share * (
                s(f"_old_{name}") - s(f"_pool_{name}")
            )
            statements.append((f"_pool_{name}", mixed + apart))
        for n in self.roles.cohort:
            statements.append((f"_pool_{n}", s(f"_pool_{n}") + share * difference[n]))
        for f in self._features():
            kept = (1 - share) * s(f"_pool_{f}") * s(f"_step{f}")
            joined = share * s(f"_old_{f}") * s(f"_last{f}")
            statements.append((f"_pool_{f}", kept + joined))
        if self.trapezoid:
            old, pool = s("_old_escape_rate"), s("_pool_escape_rate")
            statements.append((pool.name, (1 - share) * pool + share * old))
            statements.append((old.name, self._finite(s("_new_rho"))))
        for n in ("survivors", "survivors_variance"):
            statements.append((f"_pool_{n}", s(f"_pool_{n}") + s(f"_old_{n}")))
        return statements


def _expectation(value, centres, widths):
    try:
        return expectation(value, centres, widths)
    except ValueError as error:
        raise ValueError(
            f"The reset is no polynomial of the variables that differ between neurons: "
            f"{error}. Use closure_order=1."
        ) from error


def inlined(statements):
    """Exponentials that may be part of a vector loop."""
    inline_exp = sp.Function("inline_exp", real=True)
    return [(name, value.replace(sp.exp, inline_exp)) for name, value in statements]


def _is_noise(name):
    return name == "xi" or name.startswith("xi_")


def _lookup(spread):
    def covariance(a, b):
        return spread.get((a, b), spread.get((b, a), sp.S.Zero))

    return covariance


def _writes(values):
    return [(n, v) for n, v in values.items() if v != symbol(n)]
