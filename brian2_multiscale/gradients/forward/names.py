"""Names of derivatives among the variables of a group."""

from ...codegen.directional import derivative_name

__all__ = ["shift_name"]


def shift_name(parameter):
    """Name of the derivative of the time of the last spike: ``S_t_gl``."""
    return derivative_name("t", parameter)
