"""Time steps of ordinary Brian2 groups in a form that compilers turn into vectors.

When ``prefs.multiscale.fast_equations`` is first set, `install` puts wrappers around
the integration methods that Brian2 knows by name, and around some functions; nothing of
Brian2 is touched before. While the preference is on, the state updater of a group takes
the template of `StepCode`; when it is off again the generated code is Brian2's.
"""

from functools import cache

from brian2.codegen.generators.cpp_generator import CPPCodeGenerator
from brian2.core.functions import DEFAULT_FUNCTIONS, Function
from brian2.core.preferences import prefs
from brian2.stateupdaters.base import StateUpdateMethod
from brian2.stateupdaters.GSL import GSLStateUpdater

from .step_code import StepCode

__all__ = ["FastCode", "FastMethod", "has_fast_step", "install"]


class FastCode(StepCode):
    """Abstract code that takes its own template while the preference is on.

    Brian2 keeps what a method has returned for equations, whatever the preference was.
    """

    def _independent(self, group):
        return prefs["multiscale.fast_equations"] and super()._independent(group)


def has_fast_step(owner):
    """Whether code of a group is for a loop with vectors."""
    updater = getattr(owner, "state_updater", None)
    own = getattr(updater, "template", None) == StepCode.template
    return prefs["multiscale.fast_equations"] and own


class FastMethod(StateUpdateMethod):
    """
    An integration method of Brian2 that heeds ``prefs.multiscale.fast_equations``.

    Parameters
    ----------
    own : `StateUpdateMethod`
        What it calls.
    """

    def __init__(self, own):
        self.own = own

    def __call__(self, equations, variables=None, method_options=None):
        code = self.own(equations, variables, method_options)
        known = variables or {}
        if not isinstance(code, str) or not known or _remembers(equations, known):
            return code
        # The refractory period is a written state as well
        states = {*equations.diff_eq_names, "not_refractory"} & set(known)
        return FastCode(code, tuple(states))

    def __getattr__(self, name):
        if name == "own":  # not there while it is copied
            raise AttributeError(name)
        return getattr(self.own, name)


def _remembers(equations, variables):
    """Whether a neuron's step depends on how many came before it (random numbers)."""
    functions = [v for v in variables.values() if isinstance(v, Function)]
    return equations.is_stochastic or not all(f.stateless for f in functions)


def _wrap_methods():
    for name, method in StateUpdateMethod.stateupdaters.items():
        if not isinstance(method, GSLStateUpdater | FastMethod):
            StateUpdateMethod.stateupdaters[name] = FastMethod(method)


# Brian2's has branches, which keep compilers from using vectors
_EXPREL = """
static inline double _exprel(double x)
{
    const bool tiny = fabs(x) < 1e-16;
    const double safe = tiny ? 1.0 : x;
    const double value = expm1(safe)/safe;
    return tiny ? 1.0 : (x > 717 ? INFINITY : value);
}
"""

# Brian2's makes a 64-bit integer (a whole number here, too), for which processors
# before AVX-512 have no vector instruction; refractory periods need it
_TIMESTEP = """
static inline double _timestep(double t, double dt)
{
    return trunc((t + 1e-3*dt)/dt);
}
"""


def _offer(name, code):
    """Give a function of Brian2 an implementation that looks at the preference."""
    implementations = DEFAULT_FUNCTIONS[name].implementations
    own = implementations[CPPCodeGenerator]
    implementations.add_dynamic_implementation(
        CPPCodeGenerator,
        code=lambda owner: code if has_fast_step(owner) else own.get_code(owner),
        namespace=own.get_namespace,
        dependencies=own.dependencies,
        availability_check=own.availability_check,
        name=own.name,
        compiler_kwds=own.compiler_kwds,
    )


@cache  # once
def install():
    """Let Brian2 know of the fast forms."""
    _wrap_methods()
    _offer("exprel", _EXPREL)
    _offer("timestep", _TIMESTEP)
    # What methods returned for equations so far would be used again
    StateUpdateMethod.apply_stateupdater.__wrapped__._cache.clear()
