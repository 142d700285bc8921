"""Trained networks in place of sensory cells, synapses and other models."""

from . import sound, stimuli
from .benchmark import SurrogateBenchmark, benchmark
from .cnn import EncoderDecoderCNN
from .compact import CompactSurrogate
from .files import SurrogateFileError
from .group import SurrogateGroup
from .surrogate import Surrogate
from .task import SurrogateTask
from .training import train

__all__ = [
    "CompactSurrogate",
    "EncoderDecoderCNN",
    "Surrogate",
    "SurrogateBenchmark",
    "SurrogateFileError",
    "SurrogateGroup",
    "SurrogateTask",
    "benchmark",
    "sound",
    "stimuli",
    "train",
]
