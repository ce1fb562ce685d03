"""Dense: no pruning at all, the line every ticket is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketbench import Method

if TYPE_CHECKING:
    from ticketbench import Trial


@dataclass(frozen=True)
class Dense(Method):
    """All weights are kept."""

    name = "dense"
    summary = "train the whole network"
    reference = "baseline"
    fixed_density = 1.0

    def draw(self, trial: Trial) -> None:
        """Nothing to draw."""
