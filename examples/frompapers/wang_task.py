"""Evidence accumulation: cues to the left and to the right, which were more?

The task of Wang et al. (2024), after Morcos and Harvey (2016, doi:10.1038/nn.4403).
Spikes are arrays of 0 and 1, (trials, steps, inputs); a step is 1 ms.
"""

from dataclasses import dataclass

import numpy as np

#: Probability of a spike in a step: 40 Hz while a cue is on, noise 10 Hz
ON, NOISE = 0.040, 0.010


@dataclass(frozen=True)
class Task:
    """
    How a trial goes; numbers are in steps.

    Attributes
    ----------
    cues : int
        Odd: there is always a majority.
    gap, cue : int
        Silence before every cue, and its length.
    delay, recall : int
        Silence after the last cue; then the answer is asked for.
    channels : int
        Inputs of each kind: left, right, recall, noise.
    """

    cues: int = 7
    gap: int = 50
    cue: int = 100
    delay: int = 1000
    recall: int = 150
    channels: int = 25

    @property
    def steps(self):
        return self.cues * (self.gap + self.cue) + self.delay + self.recall

    @property
    def inputs(self):
        return 4 * self.channels

    def batch(self, trials, *seed):
        """
        Spikes and answers: the same for the same numbers.

        Returns
        -------
        spikes : ndarray of uint8, shape (trials, steps, inputs)
        answers : ndarray of int, shape (trials,)
            0 left, 1 right.
        """
        random = np.random.default_rng(seed)
        rare = random.random((trials, 1)) < 0.5
        right = random.random((trials, self.cues)) < np.where(rare, 0.3, 0.7)
        rates = self._rates(right)
        spikes = random.random(rates.shape, dtype=np.float32) < rates
        return spikes.astype(np.uint8), (right.mean(axis=1) > 0.5).astype(int)

    def _rates(self, right):
        rates = np.zeros((len(right), self.steps, self.inputs), dtype=np.float32)
        left_inputs, right_inputs, recall, noise = np.split(rates, 4, axis=2)
        for k in range(self.cues):
            end = (k + 1) * (self.gap + self.cue)
            shown = right[:, k, None, None]
            left_inputs[:, end - self.cue : end] = ON * ~shown
            right_inputs[:, end - self.cue : end] = ON * shown
        recall[:, -self.recall :] = ON
        noise[:] = NOISE
        return rates

    def decisions(self, y):
        """Answers of a readout, (trials, steps, 2): the larger sum at the end."""
        return y[:, -self.recall :].sum(axis=1).argmax(axis=1)


#: Seven cues in 2.2 s; and three in 450 ms, for learning while the network runs
LONG = Task()
SMALL = Task(cues=3, gap=50, cue=50, delay=50, recall=100, channels=10)
