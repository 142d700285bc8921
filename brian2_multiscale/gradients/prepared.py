"""Networks that are run many times with other numbers."""

import gc
from contextlib import contextmanager

from brian2.core.base import BrianObjectException
from brian2.core.network import Network

from ..kinetics.differentiation import NotDifferentiableError

__all__ = ["PreparedNetwork", "own_errors"]


@contextmanager
def own_errors():
    """What has no derivative is said as such, not as an error of some object."""
    try:
        yield
    except BrianObjectException as error:
        if isinstance(error.__cause__, NotDifferentiableError):
            raise error.__cause__ from None
        raise


class PreparedNetwork(Network):
    """
    A network that makes its code once, before its first run.

    Between runs only the values of variables may change: nothing may be added, and no
    constant, function or time step may become another.
    """

    def __init__(self, *objects, name="preparednetwork*"):
        self._prepared = False
        super().__init__(*objects, name=name)

    def before_run(self, run_namespace):
        if not self._prepared:
            with own_errors():
                super().before_run(run_namespace)
            self._prepared = True

    def run(self, *args, **kwds):
        with _nothing_to_collect():
            super().run(*args, **kwds)


@contextmanager
def _nothing_to_collect():
    """
    Brian2 collects garbage at every run: half of the time of many short ones.

    What somebody else has frozen is unfrozen, too. That costs time, nothing else.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
