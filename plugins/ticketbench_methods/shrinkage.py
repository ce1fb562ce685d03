"""Penalties on the size of single weights, added to the loss: L1 and L2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import Regime

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import StepView


@dataclass(frozen=True)
class Shrinkage(Regime):
    """l1·Σ|θ| + ½·l2·Σθ², over the weights that may be pruned; biases and norms are left alone."""

    l1: float = 0.0
    l2: float = 0.0

    def penalty(self, step: StepView) -> Tensor:
        """The sum over all layers."""
        return torch.stack([self.of(step.weights[name]) for name in step.mask]).sum()

    def of(self, weight: Tensor) -> Tensor:
        """The penalty of one layer."""
        return self.l1 * weight.abs().sum() + 0.5 * self.l2 * weight.square().sum()
