"""Which functions compute the gates of a step: torch's operations."""

from __future__ import annotations

from types import ModuleType

from torch import Tensor

from ticketbench_models import gates


def pointwise_for(like: Tensor) -> ModuleType:
    """A module with the functions of `gates.py`, for tensors of this type on this device."""
    return gates
