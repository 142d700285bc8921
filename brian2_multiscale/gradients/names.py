"""Names of derivatives among the variables of a group."""

__all__ = ["sensitivity_name", "shift_name"]


def sensitivity_name(variable, parameter):
    """Name of the derivative of a variable by a parameter: ``S_v_gl``."""
    return f"S_{variable}_{parameter}"


def shift_name(parameter):
    """Name of the derivative of the time of the last spike: ``S_t_gl``."""
    return sensitivity_name("t", parameter)
