"""Weights as products of two factors, whose lengths are penalized: the trace norm in its variational form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import Regime

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import StepView

LEFT, RIGHT, KEPT = "left of ", "right of ", "kept of "
"""What stands before a weight's name in the names of its factors, and of which of their directions are kept."""


@dataclass(frozen=True)
class Factors(Regime):
    """W = U·V for some weights, and ½·strength·Σ(‖U‖² + ‖V‖²): at its least for a W, strength·(its trace norm)."""

    names: tuple[str, ...] = ()
    strength: float = 0.0

    def extras(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        """The balanced factors of the weights as they are, all directions kept."""
        found: dict[str, Tensor] = {}
        for name in self.names:
            left, right = balanced(weights[name])
            found |= {LEFT + name: left, RIGHT + name: right, KEPT + name: torch.ones_like(left[0])}
        return found

    def rate(self, name: str) -> float:
        """Factors are trained as weights are; which directions are kept is held."""
        return 0.0 if name.startswith(KEPT) else 1.0

    def factors(self, step: StepView, name: str) -> tuple[Tensor, Tensor]:
        """U and V in the directions that are kept."""
        kept = step.extras[KEPT + name]
        return step.extras[LEFT + name] * kept, step.extras[RIGHT + name] * kept.unsqueeze(1)

    def computed(self, step: StepView) -> Mapping[str, Tensor]:
        """U·V in each weight's shape."""
        found = {}
        for name in self.names:
            left, right = self.factors(step, name)
            found[name] = (left @ right).reshape(step.weights[name].shape)
        return found

    def penalty(self, step: StepView) -> Tensor:
        """The sum over all layers."""
        squares = [part.square().sum() for name in self.names for part in self.factors(step, name)]
        return 0.5 * self.strength * torch.stack(squares).sum()


def balanced(weight: Tensor) -> tuple[Tensor, Tensor]:
    """U·√S and √S·Vᵀ of the singular value decomposition of a weight, as a matrix of a row an output."""
    left, values, right = torch.linalg.svd(weight.flatten(1).double(), full_matrices=False)
    roots = values.sqrt()
    return (left * roots).to(weight.dtype), (roots.unsqueeze(1) * right).to(weight.dtype)


def rank_of(weight: Tensor, variance: float) -> int:
    """The fewest singular values whose squares make up this share of all; one at least."""
    squares = torch.linalg.svdvals(weight.flatten(1).double()).square()
    missing = squares.cumsum(0) < variance * (1 - 1e-12) * squares.sum()
    return min(len(squares), 1 + int(missing.sum()))
