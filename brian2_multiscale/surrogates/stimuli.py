"""Recipes for stimuli: what a surrogate is trained with.

A surrogate knows what it has seen: choose stimuli like those of the simulation, over
the whole range of levels. All are drawn from seeds, none is recorded.
"""

from .current_stimuli import OrnsteinUhlenbeck, Pulses, Ramps, Steps
from .custom_stimulus import Custom
from .sound_stimuli import (
    HarmonicComplex,
    ModulatedNoise,
    ModulatedTones,
    SpeechLike,
    Tones,
)
from .stimulus import Stimulus, Sum

__all__ = [
    "Custom",
    "HarmonicComplex",
    "ModulatedNoise",
    "ModulatedTones",
    "OrnsteinUhlenbeck",
    "Pulses",
    "Ramps",
    "SpeechLike",
    "Steps",
    "Stimulus",
    "Sum",
    "Tones",
]
