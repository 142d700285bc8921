"""Training of differentiable networks."""
