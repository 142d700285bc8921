"""Tables: formulas in equations, and synapses that are looked up instead of solved."""

from .files import TableFileError
from .function import TableFunction
from .synapses import TabulatedSynapses
from .table import SynapticTable
from .tabulate import ToleranceError, tabulate

__all__ = [
    "SynapticTable",
    "TableFileError",
    "TableFunction",
    "TabulatedSynapses",
    "ToleranceError",
    "tabulate",
]
