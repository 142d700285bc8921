"""Brian2 networks as differentiable functions of their parameters."""
