"""Straight-through weights: the forward sees some of them, and all are trained as if it saw them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def straight(weights: Tensor, kept: Tensor) -> Tensor:
    """θ where it is kept and 0 elsewhere, with ∂/∂θ = 1 everywhere.

    The value is exact: θ + 0 where it is kept, and θ − θ elsewhere.
    """
    return weights + (weights.where(kept, 0) - weights).detach()
