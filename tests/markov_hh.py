"""Hodgkin and Huxley's axon: sodium as gates, and as a scheme with eight states."""

from brian2 import Equations

from brian2_multiscale.kinetics import KineticScheme

SODIUM = KineticScheme("""
C3 <-> C2 : 3*am, bm
C2 <-> C1 : 2*am, 2*bm
C1 <-> O  : am, 3*bm
I3 <-> I2 : 3*am, bm
I2 <-> I1 : 2*am, 2*bm
I1 <-> I0 : am, 3*bm
C3 <-> I3 : bh, ah
C2 <-> I2 : bh, ah
C1 <-> I1 : bh, ah
O  <-> I0 : bh, ah
""")
GATES = """
am = 1/exprel(-(v + 40*mV)/(10*mV))/ms : Hz
bm = 4*exp(-(v + 65*mV)/(18*mV))/ms : Hz
ah = 0.07*exp(-(v + 65*mV)/(20*mV))/ms : Hz
bh = 1/(exp(-(v + 35*mV)/(10*mV)) + 1)/ms : Hz
an = 0.1/exprel(-(v + 55*mV)/(10*mV))/ms : Hz
bn = 0.125*exp(-(v + 65*mV)/(80*mV))/ms : Hz
dn/dt = an*(1 - n) - bn*n : 1
"""
MEMBRANE = """
dv/dt = (120*open*(50*mV - v) + 36*n**4*(-77*mV - v) + 0.3*(-54.4*mV - v)
         + 10*mV)/ms : volt
"""
MARKOV_HH = SODIUM.equations + Equations(GATES + MEMBRANE, open="O")
CLASSIC_HH = Equations(
    GATES
    + MEMBRANE
    + """
dm/dt = am*(1 - m) - bm*m : 1
dh/dt = ah*(1 - h) - bh*h : 1
open = m**3*h : 1
"""
)


def sodium_states(m, h):
    """Occupancies of independent gates."""
    powers = [(1 - m) ** 3, 3 * m * (1 - m) ** 2, 3 * m**2 * (1 - m), m**3]
    names = ["C3", "C2", "C1", "O", "I3", "I2", "I1", "I0"]
    values = [h * p for p in powers] + [(1 - h) * p for p in powers]
    return dict(zip(names, values, strict=True))
