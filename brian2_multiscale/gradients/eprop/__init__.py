"""Eligibility propagation as equations of synapses."""
