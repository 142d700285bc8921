"""Parameters of the column of Schwalger, Deger and Gerstner (2017).

The modified model of Potjans and Diesmann in the authors' code
(github.com/schwalger/mesopopdyn_microcircuit), in mV and ms: 8 populations, exponential
currents, escape noise, no adaptation unless asked for. Imports numpy only, because the
peers run in Pythons of their own.
"""

import numpy as np

NAMES = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
SIZES = np.array([20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948])
# mV above rest
MU = np.array(
    [
        19.14942021,
        20.36247192,
        30.80455243,
        28.06868188,
        29.43680143,
        29.32954448,
        34.93225564,
        32.08123423,
    ]
)
#: What the authors fitted mu to, Hz
RATES = np.array(
    [
        0.9736411,
        2.86068612,
        4.67324687,
        5.64983048,
        8.1409982,
        9.01281818,
        0.98813263,
        7.53034027,
    ]
)
# Rows are targets, columns sources
PROBABILITY = np.array(
    [
        [0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0000, 0.0076, 0.0000],
        [0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0000, 0.0042, 0.0000],
        [0.0077, 0.0059, 0.0497, 0.1350, 0.0067, 0.0003, 0.0453, 0.0000],
        [0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0000, 0.1057, 0.0000],
        [0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0000],
        [0.0548, 0.0269, 0.0257, 0.0022, 0.0600, 0.3158, 0.0086, 0.0000],
        [0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252],
        [0.0364, 0.0010, 0.0034, 0.0005, 0.0277, 0.0080, 0.0658, 0.1443],
    ]
)
# Area of the response to one spike, mV: 87.8 pA * 0.5 ms / 250 pF, g = -4
WEIGHT = np.tile([0.1756, -0.7024], (8, 4))
WEIGHT[0, 2] *= 2  # L4E to L23E

TAU_M, TAU_S, REFRACTORY, DELAY = 10.0, 0.5, 2.0, 1.5
THRESHOLD, SOFTNESS, HAZARD = 15.0, 5.0, 0.01
#: A spike raises the threshold of an excitatory neuron by 1 mV for 1 s (mV, ms)
JUMP = np.where(np.arange(8) % 2, 0.0, 1.0)
TAU_THETA = 1000.0


def drive(adaptation):
    """Mean input, mV; what adaptation takes away at the fitted rates is made up for."""
    return MU + JUMP * TAU_THETA * 1e-3 * RATES if adaptation else MU
