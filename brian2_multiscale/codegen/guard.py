"""What a run says when a variable of a population becomes nan or infinite.

Templates look at the variables of every population in every step, with the text in
``multiscale_guard.*``, and the run stops with the same message on all targets. All that
takes time happens after something has been found.
"""

import json
from dataclasses import dataclass

import numpy as np
from brian2.core.variables import Constant, Variable
from brian2.devices.device import get_device
from brian2.units.fundamentalunits import get_unit

from .sources import cpp_text

__all__ = ["Guard", "Watched", "of_equation", "of_hazard", "of_input", "of_voltage"]

_SUSPICIOUS = "Parameters that are zero (bad in a denominator) or not finite: "


@dataclass(frozen=True)
class Watched:
    """An array with a value per population, how it is called, and why it may break."""

    variable: Variable
    label: str
    cause: str = ""

    @property
    def unit(self):
        return _unit(self.variable.dim)

    def code(self, array_name, population):
        """The value for a population in the code of any target."""
        index = "0" if self.variable.scalar else population
        return f"{array_name(self.variable)}[{index}]"

    def code_in_program(self, population):
        """The same in a program, also where the code does not use the array."""
        return self.code(get_device().get_array_name, population)

    def value(self, population):
        values = np.ravel(self.variable.get_value())
        return float(values[0 if self.variable.scalar else population])


class Guard:
    """
    The variables that the code of a group watches, and what it says of them.

    Parameters
    ----------
    group : `Group`
        With `sizes` and a clock. Its name is in the message.
    parameters : sequence of str
        Variables of the group that the message lists where they are zero or not finite.
    find : callable, optional
        ``find(population)``: list of sentences for the end of the message (runtime
        targets).

    Attributes
    ----------
    drivers, results : list of `Watched`
        What is looked at before and after what takes most of a step. The first one
        that is broken is taken for the cause of the rest: watch what drives others
        first. Their arrays must be in the code anyway.
    voltage : `Watched` or None
        Of a density: what its drift and noise are functions of.
    """

    def __init__(self, group, parameters=(), find=None):
        self.name, self.sizes = group.name, list(group.sizes)
        self.time = Watched(group.variables["t"], "t")
        self.drivers, self.results, self.voltage = [], [], None
        self.constants, self._find = (), find
        known = {n: group.variables[n] for n in parameters if n in group.variables}
        self.parameters = [
            Watched(variable, name)
            for name, variable in known.items()
            if np.issubdtype(variable.dtype, np.number)
        ]

    def know(self, names):
        """Take over the constants among all that the equations refer to."""
        constants = {n: v for n, v in names.items() if type(v) is Constant}
        self.constants = tuple(
            _assigned(name, constant.get_value(), _unit(constant.dim))
            for name, constant in constants.items()
            if _is_suspicious(constant.get_value())
        )

    # -- for templates ---------------------------------------------------------------
    core = property(lambda self: cpp_text("guard.h"))
    program = property(lambda self: cpp_text("guard.h", "report.h"))
    heading = _SUSPICIOUS
    quoted = staticmethod(json.dumps)

    def stop(self, population):
        """
        Stop the run because of a population (targets numpy and Cython).

        Raises
        ------
        FloatingPointError
            With group, population, time, variables, and likely causes.
        """
        # Where a driver is broken, what follows from it has not been computed yet
        broken = _broken(self.drivers, population) or _broken(self.results, population)
        states = ", ".join(f"{w.label} = {v:g}" for w, v in broken)
        raise FloatingPointError(
            f"The state of population {population} of '{self.name}' "
            f"({self.sizes[population]} neurons) is not finite at "
            f"{self._when()}: {states}. "
            f"Likely causes: {broken[0][0].cause}."
            + "".join(f" {text}." for text in self._findings(population, broken[0][0]))
        )

    def stop_division(self):
        """
        Stop the run because code has divided by zero, which only Cython notices.

        Raises
        ------
        FloatingPointError
            With group, time, and the parameters that are zero in some population.
        """
        zeros = []
        for parameter in self.parameters:
            values = np.broadcast_to(parameter.variable.get_value(), len(self.sizes))
            where = np.flatnonzero(values == 0)
            if len(where):
                zeros.append(f"{parameter.label} = 0 (populations {_listed(where)})")
        zeros += self.constants
        raise FloatingPointError(
            f"An equation of '{self.name}' divided by zero at {self._when()}."
            + (f" {_SUSPICIOUS}{', '.join(zeros)}." if zeros else "")
        )

    def _when(self):
        return f"t = {1e3 * self.time.value(0):.10g} ms"

    def _suspicious(self, population):
        known = [(w, w.value(population)) for w in self.parameters]
        return [_assigned(w.label, v, w.unit) for w, v in known if _is_suspicious(v)]

    def _findings(self, population, first):
        suspicious = [*self._suspicious(population), *self.constants]
        findings = [_SUSPICIOUS + ", ".join(suspicious)] if suspicious else []
        if self._find and first in self.results:
            findings += self._find(population)
        return findings


def _broken(watched, population):
    values = [(w, w.value(population)) for w in watched]
    return [(w, v) for w, v in values if not np.isfinite(v)]


def _listed(numbers):
    return ", ".join(map(str, numbers))


def _is_suspicious(value):
    return np.ndim(value) == 0 and (value == 0 or not np.isfinite(value))


def _unit(dim):
    return "" if dim.is_dimensionless else f" {get_unit(dim)}"


def _assigned(name, value, unit):
    return f"{name} = {float(value):g}{unit}"


# -- causes ----------------------------------------------------------------------------
_OUTSIDE = (
    "input to '{name}' (synapses, PoissonInput, run_regularly, a TimedArray) is not "
    "finite or too large"
)


def of_equation(name, equation, method):
    """Why a variable with a differential equation may break."""
    chosen = f"method='{method}'" if isinstance(method, str) else "the method"
    return (
        f"(1) the equation d{name}/dt = {equation.expr} divides by zero, has a root "
        f"of a negative number, or grows without limits; (2) {chosen} is unstable: "
        "the time step is longer than about twice the shortest time constant, choose "
        "a smaller dt or another method ('exponential_euler', 'exact'); (3) "
        + _OUTSIDE.format(name=name)
    )


def of_voltage(name, equation):
    """Why the density of a variable may break."""
    return (
        f"(1) the equation d{name}/dt = {equation.expr} divides by zero, overflows or "
        "has a root of a negative number somewhere between v_min and threshold; (2) "
        "its noise is zero; (3) " + _OUTSIDE.format(name=name)
    )


def of_hazard(hazard):
    """Why the expected activity may break."""
    return (
        f"the hazard '{hazard}' is no number: it divides by zero, has a root or "
        "logarithm of a negative number, or is a difference or ratio of numbers that "
        "overflow (exp of more than 709)"
    )


def of_input(name):
    """Why what was added to a variable may break."""
    return (
        _OUTSIDE.format(name=name)
        + ": check weights, on_pre and the variables of the sources"
    )
