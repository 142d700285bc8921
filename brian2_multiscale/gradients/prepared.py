"""Networks that are run many times with other numbers."""

from brian2.core.network import Network

__all__ = ["PreparedNetwork"]


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
            super().before_run(run_namespace)
            self._prepared = True
