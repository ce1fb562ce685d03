"""SNIP: connection sensitivity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketbench import Scorer, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class Snip(Scorer):
    """s = |∂L/∂c| at c = 1, where c multiplies the weight: s = |g·θ|.

    L is the mean criterion over the scoring batches, so the gradient is averaged before the absolute value.
    The paper divides by the sum of all scores, which changes no ranking. Deviation from the printed Eq. 3 of
    You and Yu (lottery initialization of deep recurrent networks), which omits θ: |g| alone is not ∂L/∂c.
    The network's statistics (batch norm) see the scoring batch but are not changed by it.
    """

    name = "snip"
    summary = "how much the loss changes when the connection is scaled: |gradient × weight|"
    reference = "Lee, Ajanthan and Torr 2019 (arXiv 1810.02340), Eq. 6"

    batches: int = option(1, "scoring batches; 0 for the whole training split", at_least=0)
    batch: int = option(0, "examples in a scoring batch; 0 for the recipe's batch", at_least=0)

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """|ḡ·θ| of every prunable weight, ḡ the mean gradient over the scoring batches."""
        batches = list(trial.batches(self.batches, self.batch or None))
        total = sum(len(examples) for examples in batches)
        mean: dict[str, Tensor] = {}
        for examples in batches:
            for name, gradient in trial.gradient(examples, live=True).items():
                mean[name] = mean.get(name, 0) + gradient * (len(examples) / total)
        return {name: (mean[name] * weight).abs() for name, weight in trial.weights.items()}
