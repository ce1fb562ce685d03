"""Random scores: the baseline every criterion should beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import Scorer

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class Random(Scorer):
    """s ~ Uniform(0, 1) for every weight, from the cell's own seed.

    Drawn in float64: among millions of float32 draws there are ties, which the index would break.
    """

    name = "random"
    summary = "a uniform random number for every weight"
    reference = "baseline; Frankle et al. 2021 (arXiv 2009.08576), section 4"

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """A uniform random number for every prunable weight."""
        source = trial.generator("random scorer")
        return {
            name: torch.rand(weight.shape, generator=source, dtype=torch.float64).to(weight.device)
            for name, weight in trial.weights.items()
        }
