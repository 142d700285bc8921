"""Training of a network by the gradient of a loss."""

import json

import numpy as np

from ...arguments import (
    check_choice,
    check_mapping,
    check_path,
    check_positive,
    check_whole,
)
from ...numerics.descent import RULES, Plan, Progress, descend
from ...optional import require
from .batches import check_batch, validation_loss
from .faults import where_not_finite
from .limits import coordinates_of

__all__ = ["Trainer"]

#: How slowly Adam forgets squares of gradients: as published
_POWER = 0.999


class Trainer:
    """
    Lower a loss of a network's output, step by step, each on a batch of trials.

    Needs JAX: ``pip install "brian2-multiscale[gradients]"``. What is trained runs
    without it, after `write_back`.

    Parameters
    ----------
    network : `DifferentiableNetwork`
    loss : callable
        ``loss(outputs, *args)``: a number, computed by `jax.numpy` from the dict of
        what the network records.
    lr : float
        Learning rate: about the change of a parameter per step, in its `scale`.
    optimizer : {'adam', 'rotated_adam'}
        The second suits few parameters (up to 3000) that can replace each other, see
        `numerics.descent.RotatedAdam`.
    sign : dict, optional
        Dale's law: '+' or '-' for all values of a variable, or an array of 1 and -1
        (one for each synapse).
    mask : dict, optional
        A connectome: True where a value is trained, False where it stays what it is;
        an array of the variable's shape, or for `Synapses` a matrix of the shape
        (sources, targets).
    bounds : dict, optional
        ``(lowest, highest)`` with units; one of both can be None.
    scale : dict, optional
        What counts as a change of one; 1 for variables without unit, needed for all
        others.
    clip : float, optional
        Largest norm of the gradient (of parameters measured in `scale`); longer ones
        are shortened.

    Attributes
    ----------
    parameters, best : dict of str to ndarray
        Values in base units: present ones, and those with the lowest validation loss.
    history : dict
        'loss' per step, 'validation_step', 'validation_loss', 'elapsed' (seconds) and
        'stopped': 'steps' or 'interrupted'.

    Raises
    ------
    ValueError, TypeError, DimensionMismatchError
        If an argument is wrong, or first values do not keep `sign` or `bounds`.

    Notes
    -----
    Keys of dicts are Brian2 objects, or names such as 'synapses.w' (needed if several
    variables of an object are trained).

    After every step parameters are projected to the nearest ones that keep `sign` and
    `bounds`. A parametrisation by the absolute value, as Wang et al. (2024,
    arXiv:2406.19708) have it, lets weights bounce at zero; projected, they stay there
    until the gradient calls them back, so that what is pruned is exactly zero, and what
    is trained is the user's own variable. Values under a `mask` are no parameters at
    all: their gradient and their change are zero.

    Examples
    --------
    >>> trainer = Trainer(network, loss, lr=1e-3, sign={S_exc: "+"})  # doctest: +SKIP
    >>> trainer.fit(batches, steps=300, validate=[batches(-1)])  # doctest: +SKIP
    >>> trainer.write_back()  # S_exc.w is now trained  # doctest: +SKIP
    """

    def __init__(
        self,
        network,
        loss,
        lr=1e-3,
        optimizer="adam",
        *,
        sign=None,
        mask=None,
        bounds=None,
        scale=None,
        clip=None,
    ):
        if not hasattr(network, "value_and_grad"):
            raise TypeError(
                f"network must be a DifferentiableNetwork, got {network!r}."
            )
        if not callable(loss):
            raise TypeError(
                f"loss must be a function of the outputs and of what comes with a "
                f"batch, got {loss!r}."
            )
        require("jax", "gradients", "Training a network")
        self.network, self.loss = network, loss
        self._found = network.value_and_grad(loss)
        self._lr = check_positive("lr", lr)
        check_choice("optimizer", optimizer, tuple(RULES))
        self._clip = np.inf if clip is None else check_positive("clip", clip)
        self._coordinates = coordinates_of(network, sign, mask, bounds, scale)
        start = self._coordinates.vector
        self._rule = RULES[optimizer](start.size, power=_POWER)
        self._optimizer = optimizer
        self._progress = Progress(start.copy(), start.copy())
        self._validated = False

    @property
    def parameters(self):
        return self._coordinates.split(self._progress.parameters)

    @property
    def best(self):
        return self._coordinates.split(self._progress.best)

    @property
    def history(self):
        return self._progress.history

    def fit(
        self,
        batches,
        steps,
        *,
        validate=None,
        every=None,
        report=None,
        checkpoint=None,
    ):
        """
        Train.

        Parameters
        ----------
        batches : callable
            ``batches(number)``: ``(inputs, args)`` of a step, for the network and for
            the loss. It must depend on the number alone, so that a training that is
            resumed is the same.
        steps : int
            The training ends when so many steps have been made, those of earlier calls
            and of a checkpoint included.
        validate : callable or list, optional
            What decides which parameters are `best`: ``validate(parameters)``, lower
            is better, or a list of batches ``(inputs, args)`` with their mean loss. By
            default the mean loss since the last time. The best of an earlier call is
            judged anew.
        every : int, optional
            Steps between validations; by default a hundredth of `steps`.
        report : {None, 'text', 'stdout', 'stderr'}
            Where progress is printed.
        checkpoint : path-like, optional
            '.npz' file, written at every validation. If it exists training goes on from
            there, and gives the same as without an interruption.

        Returns
        -------
        dict
            `history`. Also after Ctrl-C, once there was a validation.

        Raises
        ------
        FloatingPointError
            If the loss or a derivative is not finite: names the step of the training,
            and the recorded variable and its time step, or the parameter.
        ValueError, TypeError
            If an argument is wrong, or the checkpoint belongs to another training.
        """
        steps = check_whole("steps", steps)
        every = max(steps // 100, 1) if every is None else check_whole("every", every)
        check_choice("report", report, ("text", "stdout", "stderr", None))
        if checkpoint is not None:
            check_path("checkpoint", checkpoint)
        if not callable(batches):
            raise TypeError(
                f"batches must be a function of the number of a step, got {batches!r}."
            )
        plan = Plan(steps, self._lr, clip=self._clip, every=every, constant=True)
        self._progress = descend(
            self._progress,
            lambda vector, number: self._gradient(vector, number, batches),
            self._judge(validate),
            plan,
            self._coordinates.project,
            report=report,
            checkpoint=checkpoint,
            key=self._key(),
            rule=self._rule,
            advise=lambda vector, number: self._fault(vector, number, batches),
        )
        return self.history

    def write_back(self, parameters=None):
        """
        Set the variables of the user's own Brian2 objects.

        Parameters
        ----------
        parameters : dict, optional
            Values, plain numbers in base units; by default `best`.

        Raises
        ------
        ValueError, TypeError, DimensionMismatchError
            If they are unknown, or have another shape or unit.
        """
        check_mapping("parameters", parameters)
        unknown = sorted(set(parameters or ()) - set(self.network.names))
        if unknown:
            raise ValueError(
                f"parameters has {unknown}, which are not trained; trained are "
                f"{list(self.network.names)}."
            )
        self.network.write_back(self.best if parameters is None else parameters)

    def _judge(self, validate):
        """What judges parameters: also the best so far, by the same loss."""
        split, progress = self._coordinates.split, self._progress
        judge = validation_loss(self.network, self.loss, validate, split)
        unlike, self._validated = self._validated, judge is not None
        if judge is None:
            if unlike:  # means of batches say nothing of what was best before
                progress.best_loss = np.inf
            return None
        known = []

        def anew(vector):
            if not known and progress.validation:
                loss = judge(progress.best)
                progress.best_loss = loss if np.isfinite(loss) else np.inf
            known.append(True)
            return judge(vector)

        return anew

    def _gradient(self, vector, number, batches):
        inputs, args = check_batch(f"batches({number})", batches(number))
        parameters = self._coordinates.split(vector)
        loss, gradients = self._found(parameters, inputs=inputs, args=args, seed=number)
        return float(loss), self._coordinates.gradient(gradients)

    def _fault(self, vector, number, batches):
        inputs, args = batches(number)
        parameters = self._coordinates.split(vector)
        return where_not_finite(
            self.network, self.loss, parameters, inputs, args, number
        )

    def _key(self):
        """All that the path of parameters depends on, but not how often one looks."""
        name = getattr(self.loss, "__qualname__", type(self.loss).__qualname__)
        clip = None if self._clip == np.inf else self._clip
        made = [self._coordinates.hash, self._lr, self._optimizer, clip, name]
        return json.dumps(made)
