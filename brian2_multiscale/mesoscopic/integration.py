"""Numerical integration as abstract code."""

from brian2.stateupdaters.base import StateUpdateMethod

from ..codegen.fast_methods import FastCode

__all__ = ["method_code"]


def method_code(group, equations, variables, argument="method"):
    """What the numerical method of a group, its `argument`, makes of equations."""
    code = StateUpdateMethod.apply_stateupdater(
        equations,
        variables,
        group.state_updater.method_choice,
        method_options=group.state_updater.method_options,
        group_name=group.name,
    )
    if isinstance(code, FastCode):
        return code.code
    if not isinstance(code, str):
        raise NotImplementedError(
            f"{argument}={group.state_updater.method_choice!r} makes code of its own; "
            "use one of Brian2's explicit methods ('exact', 'exponential_euler', "
            "'rk4')."
        )
    return code
