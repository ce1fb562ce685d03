"""Dense: no pruning at all, the line every ticket is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketbench import Method

if TYPE_CHECKING:
    from ticketbench import Trial


@dataclass(frozen=True)
class Dense(Method):
    """The whole network: every weight is kept and trained, at a density of 1 only."""

    name = "dense"
    summary = "train the whole network"
    reference = "baseline"
    fixed_density = 1.0

    def draw(self, trial: Trial) -> None:
        """Leave the mask as it is, all ones: the engine trains the network."""
