"""Spikes that cause spikes in the same time step."""

import numpy as np
from brian2.core.variables import ArrayVariable, Constant, Variables
from brian2.devices.device import RuntimeDevice, get_device
from brian2.groups.group import CodeRunner
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.units.fundamentalunits import DIMENSIONLESS, DimensionMismatchError
from brian2.utils.stringtools import get_identifiers, word_substitute

from ..arguments import check_name
from ..codegen.arrays import unit_name
from ..codegen.sources import cpp_text
from ..codegen.straightline import names_in, parse_expression
from ..codegen.targets import OwnTemplates
from ..matrices import pair_matrix
from ..mesoscopic.memory import known_value
from ..mesoscopic.subgroup import whole_of
from .cascade_parts import check_group, check_variable, parts_of, pieces
from .cascade_strings import check_deterministic, find_drop, find_kick, find_threshold

__all__ = ["Cascade"]

# What on_pre can read besides constants and shared variables
_PAIR_NAMES = {
    "w": "_weight",
    "N": "_neurons",
    "N_pre": "_source_neurons",
    "N_post": "_target_neurons",
}


class Cascade(OwnTemplates, CodeRunner):
    r"""
    Instantaneous all-to-all coupling, with spikes that cause spikes at once.

    Neurons that cross the threshold fire. Every spike moves all neurons, those that
    thereby cross the threshold fire in the same time step, and so on until nobody new
    does. `Synapses` without delay pass on one such generation per time step.

    Parameters
    ----------
    group : `NeuronGroup`, `Subgroup` or sequence of `Subgroup`
        Neurons that are coupled. Several subgroups of one group, without common
        neurons, are several populations.
    on_pre : str
        What a spike does to every neuron, in one statement as in `Synapses`:
        ``'v_post += 0.1*mV'``. It may contain constants, shared variables of the group,
        the weight ``w``, and numbers of neurons: ``N`` (all that are coupled),
        ``N_pre`` and ``N_post`` (of the population that fires and that is moved).
    weights : float, `Quantity` or array, optional
        The weight ``w``: one value, or a matrix with one row per firing and one column
        per moved population.
    name : str, optional

    Raises
    ------
    TypeError, ValueError, DimensionMismatchError
        If the group or the strings do not allow it; units and values of constants are
        looked at when a run starts.

    Notes
    -----
    The object takes the place of ``group.thresholder['spike']``: it is part of the
    group, whether or not it is added to a `Network`, and needs no reference to it. A
    group has one cascade at most. Its threshold must be ``'v > ...'`` (or ``>=``) with
    the variable that is kicked; the value may differ between neurons and change.

    *Order in a step.* In the slot of the thresholds, neurons that are above threshold
    fire and kicks are given until they carry nobody else over the threshold: with `k`
    spikes in the step, a neuron fires if ``v`` plus `k` kicks is above it, and `k` is
    the smallest number that agrees with that [1]_. With several populations this is so
    for the positive kicks; the negative ones follow when it has ended, and prevent no
    spike of the same step. Neurons also get the kicks of their own spikes. Then come
    other synapses and, in their slot, the resets.

    *Reset.* Neurons that fired have got all kicks of the step when they are reset. With
    ``reset='v -= v_th - v_r'`` they keep them, which is the limit of ever shorter
    delays [2]_. All kicks together must then be less than ``v_th - v_r``, or neurons
    would have to fire twice; this is checked if it is known when the run starts. With
    ``reset='v = v_r'`` they lose them, as if they were refractory for the rest of the
    step, and kicks may be of any size.

    *Refractory neurons* do not fire. They are not moved either if the variable is
    marked ``(unless refractory)``.

    It *is* the thresholder: with ``active = False`` the group does not fire at all.

    *Cost.* N neurons with k spikes take O(N + k log k) operations per step; a step
    without spikes takes what a threshold takes.

    References
    ----------
    .. [1] Du Y, Xie X, Zhou Z (2023). arXiv:2305.05915, doi:10.1137/23M1573276
    .. [2] Delarue F, Inglis J, Rubenthaler S, Tanré E (2015). Stoch Process Appl
       125:2451-2492, doi:10.1016/j.spa.2015.01.007

    Examples
    --------
    >>> group = NeuronGroup(1000, '''dv/dt = (I - v)/tau + sigma*xi*tau**-0.5 : volt
    ...                              I : volt (shared)''',
    ...                     threshold='v > v_th', reset='v -= v_th - v_r')
    >>> Cascade(group, on_pre='v_post += b/N')

    Excitatory and inhibitory neurons:

    >>> Cascade([group[:800], group[800:]], on_pre='v_post += w',
    ...         weights=[[0.01, 0.01], [-0.04, -0.03]]*mV)
    """

    def __init__(self, group, on_pre, weights=None, name="cascade*"):
        check_name("name", name)
        parts = parts_of(group)
        whole = whole_of(parts[0])
        check_group(whole)
        if not isinstance(on_pre, str):
            raise TypeError(f"on_pre must be a string, got {on_pre!r}.")
        self.on_pre = on_pre
        self.variable, self._kick = find_kick(on_pre, whole, weights is not None)
        check_variable(whole, self.variable)
        limit, inclusive = find_threshold(whole.events["spike"], self.variable, whole)
        self._limit, self._sign = limit, ">=" if inclusive else ">"
        self._takes_weights(weights, len(parts), whole)
        first, numbers = pieces(parts, len(whole))
        replaced = whole.thresholder["spike"]
        refractory = whole._refractory is not False
        needed = [self.variable]
        needed += ["t", "not_refractory", "lastspike"] if refractory else []
        CodeRunner.__init__(
            self,
            whole,
            "multiscale_cascade",
            clock=whole.clock,
            when=replaced.when,
            order=replaced.order,
            name=name,
            needed_variables=needed,
            template_kwds={
                "_core": cpp_text("cascade.h"),
                "_variable": self.variable,
                "_populations": len(numbers),
                "_inclusive": inclusive,
                "_uses_refractory": refractory,
                "_unless_refractory": _is_fixed_in_silence(whole, self.variable),
            },
            codeobj_class=whole.codeobj_class,
        )
        self._add_variables(whole, first, numbers)
        self._take_over(whole, replaced)

    def _takes_weights(self, weights, count, group):
        """Weights per pair of populations, if on_pre has them."""
        self.weights = None
        if weights is None:
            return
        # What differs between neurons cannot be meant
        taken = "w" in group.variables and group.variables["w"].scalar
        if taken or "w" not in get_identifiers(self._kick):
            raise ValueError(
                f"weights are given, but on_pre='{self.on_pre}' does not use them: "
                "call them w, as in 'v_post += w' (and nothing shared in the group w)."
            )
        self.weights = pair_matrix("weights", weights, (count, count))

    def _add_variables(self, group, first, numbers):
        self.variables = v = Variables(self)
        dim = group.variables[self.variable].dim
        v.add_auxiliary_variable("_cond", dtype=bool)
        v.add_auxiliary_variable("_gap", dimensions=dim)
        v.add_auxiliary_variable("_pair_idx", dtype=np.int32)
        v["_pair_idx"].unique = True
        v.add_array("_first", len(first), dtype=np.int32, values=first, constant=True)
        for name in ("_reach", "_shift"):
            v.add_array(name, len(numbers), dimensions=dim, dtype=float)
        self._add_pairs("_kick", np.zeros(len(numbers) ** 2), dim)
        self._pairs = self._values_of_pairs(np.diff(first).astype(float), numbers)
        for name, values in self._pairs.items():
            dim = self.weights.dim if name == "_weight" else DIMENSIONLESS
            self._add_pairs(name, values, dim)

    def _add_pairs(self, name, values, dim):
        # Not the preferred type of numbers: C++ code wants double
        self.variables.add_array(
            name,
            values.size,
            dimensions=dim,
            dtype=float,
            values=values,
            index="_pair_idx",
        )

    def _values_of_pairs(self, sizes, numbers):
        """What differs between pairs, flat; number -1 is what is not coupled."""
        coupled = numbers >= 0
        pairs = {
            "_coupled": np.outer(coupled, coupled).astype(float),
            "_neurons": np.full((len(sizes),) * 2, sizes[coupled].sum()),
            "_source_neurons": np.outer(sizes, np.ones_like(sizes)),
            "_target_neurons": np.outer(np.ones_like(sizes), sizes),
        }
        if self.weights is not None:
            # -1 finds some weight, which will not be used
            pairs["_weight"] = np.asarray(self.weights)[np.ix_(numbers, numbers)]
        return {name: values.ravel() for name, values in pairs.items()}

    def _take_over(self, group, replaced):
        group.contained_objects[group.contained_objects.index(replaced)] = self
        group.thresholder["spike"] = self

    # -- for projections -------------------------------------------------------------
    #: Whether kicks wait for `start_kicking` in every run
    waits = False

    def before_run(self, run_namespace):
        super().before_run(run_namespace)
        if self.waits:
            self._set_coupled(0)

    def start_kicking(self):
        """The projection that this is made for takes part in a run."""
        self._set_coupled(1)

    def _set_coupled(self, factor):
        self.variables["_coupled"].set_value(factor * self._pairs["_coupled"])

    # -- code ----------------------------------------------------------------------
    @property
    def _own_names(self):
        """Names in on_pre that stand for variables of this object."""
        return {k: name for k, name in _PAIR_NAMES.items() if name in self.variables}

    def update_abstract_code(self, run_namespace):
        self._check_values(run_namespace)
        kick = word_substitute(self._kick, self._own_names)
        crossed = f"({self.variable} {self._sign} _limit)"
        if self.template_kwds["_uses_refractory"]:
            crossed += " and not_refractory"
        self.abstract_code = {
            "neuron": f"_limit = {self._limit}\n"
            f"_cond = {crossed}\n"
            f"_gap = _limit - {self.variable}",
            "pair": f"_kick = _coupled*({kick})",
        }
        condition = self.group.events["spike"]
        self.user_code = {"neuron": f"_cond = {condition}", "pair": f"_kick = {kick}"}

    # -- checks --------------------------------------------------------------------
    def _check_values(self, run_namespace):
        variables = self._resolve(get_identifiers(self._kick), run_namespace)
        variables |= {k: self.variables[name] for k, name in self._own_names.items()}
        check_deterministic(self._kick, variables)
        self._check_unit(variables)
        kicks = self._known_kicks(_numbers(variables))
        drop = find_drop(self.group.event_codes.get("spike"), self.variable)
        if kicks is None or drop is None or self.group._refractory is not False:
            return
        sizes = self._pairs["_source_neurons"].reshape(kicks.shape)
        largest = np.sum(sizes * np.maximum(kicks, 0), axis=0).max()
        numbers = _numbers(self._resolve(names_in(drop), run_namespace))
        height = known_value(drop, numbers)
        if height is not None and largest >= height:
            raise ValueError(
                f"If all neurons of {self.group.name!r} fire, {self.name!r} moves them "
                f"by {largest:g} and the reset back by {height:g} only (in "
                f"{unit_name(self._dim)}): they would have to fire twice in a step. "
                "Use smaller kicks, a refractory period, or a reset to a fixed value, "
                f"'{self.variable} = ...'."
            )

    @property
    def _dim(self):
        return self.group.variables[self.variable].dim

    def _resolve(self, names, run_namespace):
        names = set(names) - set(self._own_names)
        return self.group.resolve_all(names, run_namespace, names)

    def _check_unit(self, variables):
        found = parse_expression_dimensions(self._kick, variables)
        if found is not self._dim:
            raise DimensionMismatchError(
                f"on_pre='{self.on_pre}' of {self.name!r} must add something with the "
                f"unit {unit_name(self._dim)} to '{self.variable}'; weights are "
                f"{self.weights}",
                found,
            )

    def _known_kicks(self, numbers):
        """Matrix of what a spike does, or None if the run may change it."""
        kick = parse_expression(self._kick)
        kicks = np.zeros(self._pairs["_coupled"].size)
        for pair in np.flatnonzero(self._pairs["_coupled"]):
            own = {k: self._pairs[name][pair] for k, name in self._own_names.items()}
            value = known_value(kick, {**numbers, **own})
            if value is None:
                return None
            kicks[pair] = value
        if not np.all(np.isfinite(kicks)):
            raise ValueError(
                f"on_pre='{self.on_pre}' of {self.name!r} adds something that is no "
                "finite number."
            )
        return kicks.reshape((self.template_kwds["_populations"],) * 2)

    def __repr__(self):
        return f"<Cascade {self.name!r} in {self.group.name!r}: {self.on_pre}>"


def _is_fixed_in_silence(group, name):
    """Whether refractory neurons get no kicks."""
    return group.variables[name].conditional_write is not None


def _numbers(variables):
    """Variables whose values are known before the run."""
    kinds = (Constant,)
    if isinstance(get_device(), RuntimeDevice):
        kinds += (ArrayVariable,)
    return {
        name: np.asarray(variable.get_value()).item()
        for name, variable in variables.items()
        if isinstance(variable, kinds) and variable.scalar and variable.constant
    }
