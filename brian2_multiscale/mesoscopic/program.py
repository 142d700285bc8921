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
from .names import covariance_name, pairs
from .roles import PER_NEURON, Roles
from .selection import Selection

__all__ = ["Model", "Program"]

# Keeps a division by zero finite where the numerator is zero, too
_TINY = sp.Float(1e-300)
_FEW = sp.Float(1e-9)
_HUGE = sp.Float(1e300)
_clip = sp.Function("clip", real=True)
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
    refractory : sympy expression
        Number of time steps.
    roles : Roles
    frozen : frozenset of str
        Variables that stand still in the refractory period.
    order : int
        1: means of the cohorts, 2: covariances, too.
    noise : bool
    passengers : list
        Additional `LinearPassenger` objects (plasticity of projections).
    """

    update: list
    reset: dict
    hazard: sp.Expr
    refractory: sp.Expr
    roles: Roles
    frozen: frozenset
    order: int
    noise: bool
    passengers: list


class Program:
    """
    Abstract code of one step.

    Attributes
    ----------
    blocks : dict of str to str
    sums : list of str
        ``_sum_<x>`` is the sum over the cohorts of ``_add_<x>``.
    sums_of : dict of str to list of str
        Which of the sums a block adds to.
    hoisted : list of str
        Names assigned in ``before`` and read in other blocks.
    random : tuple of str
        Variables that have covariances in the cohorts.
    """

    def __init__(self, model):
        self.model, self.roles = model, model.roles
        self.random = self.roles.random if model.order == 2 else ()
        self.pairs = pairs(self.random)
        self.sums = []
        self.sums_of = {}
        self._outer = Hoister((), "_outer")
        self._split_update()
        self.selection = Selection(model.hazard, self.random)
        before = self._before()
        active = self._cohort("_x", refractory=False)
        refractory = self._cohort("_r", refractory=True)
        for block, code in (("active", active), ("refractory", refractory)):
            added = {name for name, _ in code}
            self.sums_of[block] = [n for n in self.sums if f"_add_{n}" in added]
        after = self._after()
        self.hoisted = [n for n, _ in before if not n.startswith("_newest")]
        self.hoisted += self._outer.names
        self.blocks = {
            "before": emit(before + self._outer.statements),
            "active": emit(active),
            "refractory": emit(refractory),
            "after": emit(after),
        }

    # -- the numerical method ------------------------------------------------------
    def _split_update(self):
        """Sort the method's statements: final writes, common ones, all others."""
        roles = self.roles
        self.noises = [n for n, value in self.model.update if _is_noise(n)]
        moving = {*roles.cohort, *self.noises, *PER_NEURON}
        self._body, self._final = [], {}
        for name, value in self.model.update:
            if name in self.noises:
                continue
            if name in {*roles.common, *roles.cohort}:
                self._final[name] = value
            elif names_in(value) & moving:
                moving.add(name)
                self._body.append((name, value))
            else:
                self._outer.statements.append((name, value))
        self._new_common = {
            symbol(n): self._final[n] for n in roles.common if n in self._final
        }
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
        for name in self.roles.cohort:
            kick = s(f"_mean_{name}") - s(f"_saved_{name}")
            statements.append((f"_kick_{name}", kick))
        for name in self.random:
            variance = s(f"_input_var_{name}")
            statements.append((f"_kick_var_{name}", variance))
        for name in self.roles.renewed:
            statements.append(self._undo_kick(name))
            if name in self.random:
                statements.append(self._undo_kick(name, "var_"))
        missing = s("_size") - s("_total")
        enough = _int(s("_total_variance") > _FEW)
        correction = missing * enough / (s("_total_variance") + _FEW)
        statements.append(("_correction", correction))
        return statements

    def _undo_kick(self, name, what=""):
        # In a NeuronGroup the reset comes after the synapses of the same step, so
        # that what they add to the voltage of a neuron that has just fired is lost.
        lost = symbol(f"_kick_{what}{name}")
        if name in self.model.frozen:
            lost *= _int(symbol("_refractory_steps") <= 1)
        return f"_newest_{what}{name}", symbol(f"_newest_{what}{name}") - lost

    # -- one cohort ----------------------------------------------------------------
    def _cohort(self, tag, refractory):
        frozen = self.model.frozen if refractory else frozenset()
        statements, means, spread = self._integrate(tag, refractory, frozen)
        statements += self._hazard(tag, means, spread)
        finals, final_spread = means, spread
        survivors, variance = symbol("survivors"), symbol("survivors_variance")
        if not refractory:
            statements += self._firing(tag, means, spread)
            taken, finals, final_spread = self._survivors(tag, means, spread)
            statements += taken
            survivors, variance = symbol(f"{tag}_m"), symbol(f"{tag}_z")
        statements += self._totals(survivors, variance, finals)
        statements += self._passengers(tag, refractory)
        statements += _writes({"survivors": survivors, "survivors_variance": variance})
        statements += _writes({"escape_rate": symbol(f"{tag}_rho")})
        statements += _writes(finals)
        statements += _writes({covariance_name(*p): v for p, v in final_spread.items()})
        varying = {
            *self.roles.cohort,
            *(covariance_name(*p) for p in self.pairs),
            *("survivors", "survivors_variance", "escape_rate", "lastspike"),
            *(n for p in self.model.passengers for n in p.features),
        }
        self._outer.varying = varying
        return self._outer.apply(statements)

    def _integrate(self, tag, refractory, frozen):
        """Input of the last step, then the numerical method."""
        names = {n: f"{tag}_0_{n}" for n in self.roles.cohort}
        statements = []
        for n, name in names.items():
            kick = 0 if n in frozen else symbol(f"_kick_{n}")
            statements.append((name, symbol(n) + kick))
        body = self._renamed(tag, names, refractory)
        mean = {n: symbol(names[n] if n in frozen else f"{tag}_1_{n}") for n in names}
        if not self.random:
            return statements + body, mean, {}
        known = {}
        for a, b in self.pairs:
            name = covariance_name(a, b)
            kick = symbol(f"_kick_var_{a}") if a == b and a not in frozen else 0
            statements.append((f"{tag}_0_{name}", symbol(name) + kick))
            known[names[a], names[b]] = symbol(f"{tag}_0_{name}")
            known[names[b], names[a]] = symbol(f"{tag}_0_{name}")
        known.update({(n, n): symbol("dt") for n in self.noises})
        seeds = [*(names[n] for n in self.random), *self.noises]
        body, slopes, extra = tangents(body, seeds, known, f"{tag}_d")
        rows = {
            n: {names[n]: sp.S.One} if n in frozen else slopes.get(f"{tag}_1_{n}", {})
            for n in self.random
        }
        for a, b in self.pairs:
            moved = sum(
                left * right * known.get((i, j), 0)
                for i, left in rows[a].items()
                for j, right in rows[b].items()
            )
            body.append((f"{tag}_1_{covariance_name(a, b)}", sp.expand(moved)))
        for n in names:
            if n not in frozen:
                mean[n] += extra.get(f"{tag}_1_{n}", 0)
        silent = {symbol(n): sp.S.Zero for n in self.noises}
        body = [(n, sp.sympify(value).xreplace(silent)) for n, value in body]
        body += [(f"{tag}_2_{n}", value) for n, value in mean.items()]
        mean = {n: symbol(f"{tag}_2_{n}") for n in mean}
        spread = {p: symbol(f"{tag}_1_{covariance_name(*p)}") for p in self.pairs}
        return statements + body, mean, spread

    def _hazard(self, tag, means, spread):
        values = {symbol(n): v for n, v in means.items()}
        values.update(self._new_common)
        return self.selection.statements(tag, values, _lookup(spread))

    def _firing(self, tag, means, spread):
        """Probability to fire, who fires, and who is left."""
        s = symbol
        rate = (s("escape_rate") + s(f"{tag}_rho")) / 2
        weight = s(f"{tag}_p") * (
            s("survivors") + s("_correction") * s("survivors_variance")
        )
        left, firing = s(f"{tag}_left"), s(f"{tag}_p") * s("survivors")
        statements = [
            (f"{tag}_left", sp.exp(-s("dt") * rate)),
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
        return statements

    def _moments_of_spikers(self, tag, means, spread):
        """Sums for mean and covariance of the new cohort."""
        firing = {
            symbol(n): means[n] + self.selection.shift(tag, n)
            if n in self.random
            else means[n]
            for n in means
        }
        widths = {
            (symbol(a), symbol(b)): c + self.selection.widening(tag, a, b)
            for (a, b), c in spread.items()
        }
        random = {symbol(n) for n in self.random}
        fixed = {s: v for s, v in firing.items() if s not in random}
        fixed.update(self._new_common)
        statements = []
        names = {}
        for s in random:
            names[s] = symbol(f"{tag}_s_{s.name}")
            statements.append((names[s].name, firing[s]))
        for (a, b), value in widths.items():
            names[a, b] = symbol(f"{tag}_s_{covariance_name(a.name, b.name)}")
            statements.append((names[a, b].name, value))
        self._firing_means = {s: names[s] for s in random}
        self._firing_widths = {p: names[p] for p in widths}
        weight = symbol(f"{tag}_w")
        for n in self._summed():
            value = self._expected(self._after_reset(n)).xreplace(fixed)
            statements += self._add(f"new_{n}", weight * value)
        for a, b in self.pairs:
            if a in self._summed() and b in self._summed():
                product = sp.expand(self._after_reset(a) * self._after_reset(b))
                value = self._expected(product).xreplace(fixed)
                statements += self._add(f"new_{covariance_name(a, b)}", weight * value)
        return statements

    def _expected(self, value):
        if not self.random:
            return value
        return expectation(value, self._firing_means, self._firing_widths)

    def _after_reset(self, name):
        return self.model.reset.get(name, symbol(name))

    def _summed(self):
        """Variables whose value after the reset depends on the cohort."""
        cohort = {*self.roles.cohort, *PER_NEURON}
        return [
            n for n in self.roles.cohort if names_in(self._after_reset(n)) & cohort
        ]

    def _survivors(self, tag, means, spread):
        """Those who fire take their share of mean and covariance away."""
        if not self.selection.active:
            return [], means, spread
        s, ratio = symbol, symbol(f"{tag}_ratio")
        share = s(f"{tag}_p") / _clip(s(f"{tag}_left"), sp.Rational(1, 2), 1)
        shift = {n: self.selection.shift(tag, n) for n in self.random}
        finals = {
            n: v - ratio * shift[n] if n in self.random else v for n, v in means.items()
        }
        final_spread = {}
        for (a, b), c in spread.items():
            taken = ratio * (1 + ratio) * shift[a] * shift[b]
            value = c - ratio * self.selection.widening(tag, a, b) - taken
            final_spread[a, b] = _clip(value, 0, _HUGE) if a == b else value
        return [(ratio.name, share)], finals, final_spread

    def _totals(self, survivors, variance, finals):
        statements = self._add("total", survivors)
        statements += self._add("total_variance", variance)
        for n, value in finals.items():
            statements += self._add(f"mean_{n}", survivors * value)
        return statements

    def _passengers(self, tag, refractory):
        """Plasticity decays, and counts where a cohort fires."""
        statements = []
        for passenger in self.model.passengers:
            for feature, factor in passenger.decays().items():
                now = symbol(f"{tag}_now{feature}")
                statements.append((now.name, symbol(feature) * factor))
                if not refractory:
                    statements += self._add(feature, symbol(f"{tag}_w") * now)
                statements.append((feature, now))
        return statements

    def _add(self, name, value):
        if name not in self.sums:
            self.sums.append(name)
        return [(f"_add_{name}", value)]

    # -- after ---------------------------------------------------------------------
    def _after(self):
        s = symbol
        statements = [("_expected", _clip(s("_sum_expected"), 0, s("_size")))]
        count = s("_expected")
        if self.model.noise:
            draw = sp.Function("binomial_draw", real=True)
            count = draw(s("_neurons"), count / s("_size"))
        statements += [("_count", count), ("n", s("_count"))]
        statements += [("_inverse", 1 / (s("_sum_expected") + _TINY))]
        means, spread, new = self._new_cohort()
        statements += new
        values = {symbol(n): v for n, v in means.items()} | self._new_common
        statements += self.selection.statements("_new", values, _lookup(spread))
        statements += self._merge()
        statements += [(f"_old_{n}", v) for n, v in means.items()]
        statements += [(f"_old_{covariance_name(*p)}", v) for p, v in spread.items()]
        for passenger in self.model.passengers:
            code, new = passenger.after(lambda f: s(f"_sum_{f}"), s("_inverse"))
            statements += code
            statements += [(f"_old_{f}", value) for f, value in new.items()]
            statements += self._releases(passenger)
        statements += [
            ("_old_survivors", s("_count")),
            ("_old_survivors_variance", sp.S.Zero),
            ("_old_escape_rate", s("_new_rho")),
            ("_old_lastspike", s("t")),
            ("_total", s("_sum_total") + s("_count")),
            ("_total_variance", s("_sum_total_variance")),
            ("A", s("_count") / (s("_size") * s("dt"))),
            ("A_expected", s("_expected") / (s("_size") * s("dt"))),
        ]
        for n in self.roles.cohort:
            mean = (s(f"_sum_mean_{n}") + s("_count") * means[n]) / (s("_total") + _TINY)
            statements += [(f"_mean_{n}", mean), (f"_saved_{n}", s(f"_mean_{n}"))]
        statements += [(f"_input_var_{n}", sp.S.Zero) for n in self.random]
        statements += [(n, self._final[n]) for n in self.roles.common if n in self._final]
        return statements

    def _releases(self, passenger):
        """Amount that all firing neurons release together, and the sum of squares."""
        statements, s = [], symbol
        for k in range(passenger.count):
            mean, square = s(passenger.release(k)), s(passenger.square(k))
            amount = s("_count") * mean
            if self.model.noise:
                spread = _clip(s("_count") * (square - mean**2), 0, _HUGE)
                amount += sp.sqrt(spread) * sp.Function("standard_normal", real=True)()
            statements.append((f"{passenger.name}_amount_{k}", amount))
            statements.append((f"{passenger.name}_squares_{k}", s("_count") * square))
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
        for a, b in self.pairs:
            name = covariance_name(a, b)
            if a not in summed or b not in summed:
                spread[a, b] = sp.S.Zero
                continue
            value = symbol(f"_sum_new_{name}") * symbol("_inverse") - means[a] * means[b]
            statements.append((f"_new_{name}", _clip(value, 0, _HUGE) if a == b else value))
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
            apart = share * (1 - share) * difference[a] * difference[b]
            mixed = s(f"_pool_{name}") + share * (s(f"_old_{name}") - s(f"_pool_{name}"))
            statements.append((f"_pool_{name}", mixed + apart))
        for n in self.roles.cohort:
            statements.append((f"_pool_{n}", s(f"_pool_{n}") + share * difference[n]))
        for n in [f for p in self.model.passengers for f in p.features]:
            mixed = s(f"_pool_{n}") + share * (s(f"_old_{n}") - s(f"_pool_{n}"))
            statements.append((f"_pool_{n}", mixed))
        for n in ("escape_rate",):
            mixed = s(f"_pool_{n}") + share * (s(f"_old_{n}") - s(f"_pool_{n}"))
            statements.append((f"_pool_{n}", mixed))
        for n in ("survivors", "survivors_variance"):
            statements.append((f"_pool_{n}", s(f"_pool_{n}") + s(f"_old_{n}")))
        return statements


def _is_noise(name):
    return name == "xi" or name.startswith("xi_")


def _lookup(spread):
    def covariance(a, b):
        return spread.get((a, b), spread.get((b, a), sp.S.Zero))

    return covariance


def _writes(values):
    return [(n, v) for n, v in values.items() if v != symbol(n)]
