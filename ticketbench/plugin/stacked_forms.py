"""Whether a plugin's thing has a form for many members that belongs to its form for one."""

from __future__ import annotations

from ticketbench.plugin.contracts import KINDS


def has_form(item: object, stacked: str, single: str) -> bool:
    """Whether the method `stacked` of a thing says what its method `single` says.

    That is so where the class that defines `stacked` defines `single`, too, or is made from one that does. Who
    overrides the single form alone computes something else, and the stacked form that it inherits is of no use.
    """
    for kind in type(item).__mro__:
        if kind in KINDS.values():
            return False
        if stacked in vars(kind):
            return True
        if single in vars(kind):
            return False
    return False
