"""Which equations ``method='kinetic'`` takes together."""

from markov_hh import CLASSIC_HH, MARKOV_HH, SODIUM
from published_receptors import NMDA
from stepping import as_equations

from brian2_multiscale.kinetics import KineticScheme
from brian2_multiscale.kinetics.blocks import split


def blocks_of(model):
    _, singles, blocks = split(as_equations(model))
    return [set(b.states) for b in blocks], set(singles)


def test_blocks_of_schemes_and_single_equations():
    blocks, singles = blocks_of(
        """
        dA/dt = -k*A + l*B : 1
        dB/dt = k*A - l*B : 1
        k = exp(v/mV)*Hz : Hz
        dC/dt = -w*C + D*Hz : 1
        dD/dt = w*C - D*Hz : 1
        dv/dt = (B*mV - v)/ms : volt
        dw/dt = -w/ms : Hz
        """
    )
    assert blocks == [{"A", "B"}, {"C", "D"}] and singles == {"v", "w"}


def test_the_voltage_is_taken_out_of_the_block():
    blocks, singles = blocks_of(MARKOV_HH)
    assert blocks == [set(SODIUM.states)] and singles == {"v", "n"}
    assert blocks_of(CLASSIC_HH) == ([], {"v", "n", "m", "h"})


def test_linear_membranes_are_blocks():
    adaptation = "dv/dt = (-v - w)/ms : volt\ndw/dt = (2*v - w)/(7*ms) : volt"
    assert blocks_of(adaptation) == ([{"v", "w"}], set())
    exponential = adaptation.replace("-v - w", "exp(v/mV)*mV - v - w")
    assert blocks_of(exponential) == ([], {"v", "w"})


def test_one_way_exchange_belongs_together():
    blocks, singles = blocks_of(
        """
        dA/dt = -k*A : 1
        dB/dt = k*A - l*B : 1
        dX/dt = 3*l*B/(1*Hz)/ms - X/ms : 1  # driven by B, but nothing is exchanged
        dY/dt = -Y**2/ms : 1
        dZ/dt = Y**2/ms : 1
        """
    )
    assert blocks == [{"A", "B"}] and singles == {"X", "Y", "Z"}


def test_bilinear_pairs_are_no_block():
    blocks, singles = blocks_of("dx/dt = (x - x*y)/ms : 1\ndy/dt = (x*y - y)/ms : 1")
    assert blocks == [] and singles == {"x", "y"}


def test_hidden_linearity_is_found():
    text = "dA/dt = ((A + 1)*(v + 1) - A*v - v - B)/ms : 1\ndB/dt = (A - B)/ms : 1"
    blocks, singles = blocks_of(text + "\ndv/dt = -v/ms : 1")
    assert blocks == [{"A", "B"}] and singles == {"v"}


def test_eliminated_state_is_a_member_of_the_block():
    scheme = KineticScheme(NMDA, eliminate="R")
    blocks, singles = blocks_of(scheme.equations)
    assert blocks == [set(scheme.states)] and singles == set()
    other = "B = 1 - A : 1\ndA/dt = -A*B/ms : 1"  # a complement, but not linear
    assert blocks_of(other) == ([], {"A"})
