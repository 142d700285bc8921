"""Trained networks as plain numpy: whole signals, and sample by sample."""
