"""One model at every scale: the same call, and how far the scales are apart."""

from .admissible import AdmissibleScales, admissible_scales
from .compare import compare_scales
from .population import population

__all__ = ["AdmissibleScales", "admissible_scales", "compare_scales", "population"]
