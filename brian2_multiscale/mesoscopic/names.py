"""Names of variables in cohorts and in generated code."""

__all__ = ["covariance_name", "pairs"]


def covariance_name(first, second):
    """``var_v`` or ``cov_v_w``: a (co)variance within a cohort."""
    return f"var_{first}" if first == second else f"cov_{first}_{second}"


def pairs(names):
    """Every pair of names once, a name with itself included."""
    names = list(names)
    return [(a, b) for k, a in enumerate(names) for b in names[k:]]
