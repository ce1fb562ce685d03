"""Magnitude: keep the largest weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketbench import Scorer

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import MaskView, Trial


@dataclass(frozen=True)
class Magnitude(Scorer):
    """s = |θ|, the size of the weight as it is when it is scored."""

    name = "magnitude"
    summary = "the absolute value of the weight"
    reference = "Han et al. 2015 (arXiv 1506.02626)"

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """|θ| of every prunable weight."""
        return {name: weight.abs() for name, weight in trial.weights.items()}

    def scores_of(self, view: MaskView) -> Mapping[str, Tensor]:
        """|θ|, for a fleet at once."""
        return {name: weight.abs() for name, weight in view.weights.items()}
