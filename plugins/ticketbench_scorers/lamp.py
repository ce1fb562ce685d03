"""LAMP: layer-adaptive magnitude."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import Scorer

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import MaskView, Trial


@dataclass(frozen=True)
class Lamp(Scorer):
    """s(u) = θ_u² / Σ_{v ≥ u} θ_v², the sum over the weights of the layer that would be pruned no sooner than u.

    Within a layer the order is that of magnitude, and of equal magnitudes the one of lower index is larger, as the
    engine breaks ties: one weight of every layer scores 1. With one threshold for all layers (scope "global") the
    scores share the budget out between them. Weights outside the mask are zero, so that they score 0 and count for
    nothing; so does a layer of zeros. Computed in float64.
    """

    name = "lamp"
    summary = "squared weight over the sum of squares of the layer's weights that are at least as large"
    reference = "Lee et al. 2021 (arXiv 2010.07611), the LAMP score"

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """θ² over the running sum of θ² from the largest down."""
        return {name: layer_scores(weight) for name, weight in trial.weights.items()}

    def scores_of(self, view: MaskView) -> Mapping[str, Tensor]:
        """The same, for a fleet at once."""
        return {name: layer_scores(weight) for name, weight in view.weights.items()}


def layer_scores(weight: Tensor) -> Tensor:
    """The scores of one layer."""
    squares = weight.detach().double().square().flatten()
    order = squares.argsort(descending=True, stable=True)
    sums = torch.zeros_like(squares).scatter(0, order, squares.gather(0, order).cumsum(0))
    return torch.where(squares > 0, squares / sums, 0.0).view(weight.shape)
