"""Fits of neurons to recordings: simulations, losses, searches, results."""
