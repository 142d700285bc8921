"""Where a loss that is not finite comes from."""

import numpy as np

__all__ = ["where_not_finite"]


def where_not_finite(network, loss, parameters, inputs, args, seed):
    """
    Advice for whoever trained into it.

    Parameters
    ----------
    network : `DifferentiableNetwork`
    loss : callable
    parameters : dict of str to ndarray
    inputs, args, seed
        Of the batch.

    Returns
    -------
    str
        The first variable, time step and element that is not finite; or the parameter
        whose derivative is not; or that it is the loss.
    """
    outputs = network.run(parameters, inputs=inputs, seed=seed)
    found = [
        (int(np.argwhere(wrong)[:, -2].min()), name, wrong)
        for name, wrong in _not_finite(outputs)
    ]
    if found:
        step, name, wrong = min(found, key=lambda item: item[:2])
        element = np.argwhere(np.moveaxis(wrong, -2, 0)[step])[0]
        number = f"{element[-1]}" + (f" of trial {element[0]}" * (len(element) > 1))
        value = np.asarray(outputs[name])[(*element[:-1], step, element[-1])]
        return (
            f"see why {name!r}[{number}] is {value} from time step {step} on: the "
            "first of what is recorded that is not finite"
        )
    gradients = network.value_and_grad(loss)(
        parameters, inputs=inputs, args=args, seed=seed
    )[1]
    wrong = [(name, np.count_nonzero(bad)) for name, bad in _not_finite(gradients)]
    if wrong:
        name, count = wrong[0]
        return (
            f"look for what has no derivative: all recorded variables "
            f"({', '.join(outputs)}) are finite, but {count} derivatives by {name!r} "
            "are not (loss functions with log(0) or sqrt(0) are the usual cause)"
        )
    return (
        f"look at the loss function: all that it is given ({', '.join(outputs)}) is "
        "finite"
    )


def _not_finite(arrays):
    for name, values in arrays.items():
        wrong = ~np.isfinite(np.asarray(values, dtype=float))
        if wrong.any():
            yield name, wrong
