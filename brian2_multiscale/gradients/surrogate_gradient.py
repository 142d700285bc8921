"""What stands in for the derivative of a spike."""

import math

from brian2.units.fundamentalunits import get_dimensions

from ..arguments import check_choice, check_flag, check_positive

__all__ = ["SurrogateGradient"]

# Names of the numbers of each shape and their defaults
_NUMBERS = {
    "triangle": {"alpha": 0.3, "width": 1.0},
    "sigmoid": {"slope": 4.0},
    "fast_sigmoid": {"slope": 10.0, "height": 1.0},
    "arctan": {"slope": 2.0},
    "gaussian": {"width": 0.5, "height": 0.3},
    "none": {},
}

# The derivative as Brian2 expressions of x
_DERIVATIVES = {
    "triangle": "{alpha}*clip({width} - abs({x}), 0, {width})",
    "sigmoid": "0.25*{slope}/cosh(0.5*{slope}*clip({x}, -{far}, {far}))**2",
    "fast_sigmoid": "{height}/(1 + {slope}*abs({x}))**2",
    "arctan": "0.5*{slope}/(1 + (0.5*pi*{slope}*({x}))**2)",
    "gaussian": "{height}*exp(-0.5*(({x})/{width})**2)",
    "none": "0.0",
}


class SurrogateGradient:
    r"""
    The derivative that a spike gets by the distance from its threshold.

    A spike is 0 or 1; its derivative by the voltage is zero or infinite. Instead,
    :math:`\psi(d/s)/s` is used with the distance :math:`d` from the threshold and a
    scale :math:`s` (Neftci et al. 2019, doi:10.1109/MSP.2019.2931595). What comes out
    of the simulation is not changed.

    Parameters
    ----------
    shape : str
        With :math:`x = d/s`:

        - 'triangle' ``(alpha=0.3, width=1)``: ``alpha*max(0, width - abs(x))``
        - 'sigmoid' ``(slope=4)``: the derivative of ``1/(1 + exp(-slope*x))``
        - 'fast_sigmoid' ``(slope=10, height=1)``: ``height/(1 + slope*abs(x))**2``
        - 'arctan' ``(slope=2)``: ``slope/2/(1 + (pi/2*slope*x)**2)``
        - 'gaussian' ``(width=0.5, height=0.3)``: ``height*exp(-(x/width)**2/2)``
        - 'none': zero; spikes carry no derivative.
    *numbers : float
        Those of the shape, in the order above.
    scale : `Quantity` or float, optional
        :math:`s`, in the unit of what is compared in the threshold: ``1*mV`` for
        ``'v > v_th'``.
    smooth : bool, optional
        Let spikes themselves be graded, the integral of :math:`\psi`: then the
        derivative is the true one of a (different) smooth model. Meant for checking
        derivatives against finite differences.

    Attributes
    ----------
    shape : str
    numbers : dict of str to float
    scale : float
        In base units.
    dimensions : `Dimension`
        Of the scale.
    smooth : bool

    Raises
    ------
    ValueError, TypeError
        Unknown shape, too many numbers, numbers that are not positive and finite.

    Examples
    --------
    >>> from brian2 import mV
    >>> from brian2_multiscale.gradients import SurrogateGradient
    >>> spike = SurrogateGradient("triangle", 0.3, 1.0, scale=10*mV)
    >>> spike.expression("(v - v_th)", "(10*mV)")
    '(0.3*clip(1.0 - abs((v - v_th)/(10*mV)), 0, 1.0))/(10*mV)'
    """

    def __init__(self, shape="triangle", *numbers, scale=1.0, smooth=False):
        self.shape = check_choice("shape", shape, tuple(_NUMBERS))
        names = _NUMBERS[shape]
        if len(numbers) > len(names):
            known = ", ".join(names) or "no numbers"
            raise TypeError(f"shape {shape!r} takes {known}; got {numbers}.")
        given = dict(zip(names, numbers, strict=False))
        self.numbers = {n: check_positive(n, v) for n, v in {**names, **given}.items()}
        self.scale = check_positive("scale", scale, unit=None)
        self.dimensions = get_dimensions(scale)
        self.smooth = check_flag("smooth", smooth)
        if smooth and shape == "none":
            raise ValueError("smooth=True needs a shape other than 'none'.")

    def __repr__(self):
        numbers = "".join(f", {value:g}" for value in self.numbers.values())
        return f"SurrogateGradient({self.shape!r}{numbers}, scale={self.scale:g})"

    def expression(self, distance, scale=None):
        """
        The derivative of a spike by the distance, for equations.

        Parameters
        ----------
        distance : str
            Brian2 expression, ``'(v - v_th)'``.
        scale : str, optional
            Brian2 expression for the scale, with units; without it the distance is
            taken as it is, in units of the scale.

        Returns
        -------
        str
        """
        x = f"{distance}/{scale}" if scale else distance
        slope = self.numbers.get("slope", 1.0)
        text = _DERIVATIVES[self.shape].format(x=x, far=600 / slope, **self.numbers)
        return f"({text})/{scale}" if scale else text

    def derivative(self, x, np):
        """
        The derivative by the distance in units of the scale.

        Parameters
        ----------
        x : array
        np : module
            numpy, or one like it that made `x`.
        """
        k = self.numbers
        if self.shape == "triangle":
            return k["alpha"] * np.maximum(k["width"] - np.abs(x), 0)
        if self.shape == "sigmoid":
            far = 600 / k["slope"]
            y = 0.5 * k["slope"] * np.clip(x, -far, far)
            return 0.25 * k["slope"] / np.cosh(y) ** 2
        if self.shape == "fast_sigmoid":
            return k["height"] / (1 + k["slope"] * np.abs(x)) ** 2
        if self.shape == "arctan":
            return 0.5 * k["slope"] / (1 + (0.5 * math.pi * k["slope"] * x) ** 2)
        if self.shape == "gaussian":
            return k["height"] * np.exp(-0.5 * (x / k["width"]) ** 2)
        return np.zeros_like(x)

    def integral(self, x, np, erf):
        """
        What a smooth spike is: the integral of the derivative up to a distance.

        Parameters
        ----------
        x : array
        np : module
        erf : callable
            The error function for such arrays.
        """
        k = self.numbers
        if self.shape == "triangle":
            y = np.clip(x / k["width"], -1, 1)
            return 0.5 * k["alpha"] * k["width"] ** 2 * (1 + y * (2 - np.abs(y)))
        if self.shape == "sigmoid":
            return 0.5 * (1 + np.tanh(0.5 * k["slope"] * x))
        if self.shape == "fast_sigmoid":
            y = k["slope"] * x
            return k["height"] / k["slope"] * (1 + y / (1 + np.abs(y)))
        if self.shape == "arctan":
            return 0.5 + np.arctan(0.5 * math.pi * k["slope"] * x) / math.pi
        area = k["height"] * k["width"] * math.sqrt(math.pi / 2)
        return area * (1 + erf(x / (math.sqrt(2) * k["width"])))
