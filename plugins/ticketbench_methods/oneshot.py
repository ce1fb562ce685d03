"""One-shot pruning at initialization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketbench import Method, Scope, option

if TYPE_CHECKING:
    from ticketbench import Trial


@dataclass(frozen=True)
class OneShot(Method):
    """Score once at initialization and keep the best weights. The scorer is the row's."""

    name = "oneshot"
    summary = "score once before training, keep the best, train"
    reference = "Lee, Ajanthan and Torr 2019 (arXiv 1810.02340), Algorithm 1"
    ranks_by = ""

    scope: Scope = option("global", "how layers share the budget")

    def draw(self, trial: Trial) -> None:
        """Score the initial weights, and keep the best at the cell's density."""
        trial.prune(scope=self.scope)
