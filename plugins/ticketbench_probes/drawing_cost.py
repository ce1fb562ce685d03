"""What drawing the ticket has cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketbench import Probe

if TYPE_CHECKING:
    from ticketbench import Trial


@dataclass(frozen=True)
class DrawingCost(Probe):
    """Seconds, training steps and FLOPs from the first weight to the finished ticket, trainings on the way included.

    The engine counts them. Steps and FLOPs depend on the cell alone; seconds on the machine and on the fleet, whose
    members share the time of what they do together.
    """

    name = "drawing_cost"
    summary = "seconds, training steps and FLOPs until the ticket is drawn"
    reference = "Evci et al. 2020 (arXiv 1911.11134), for the counting of FLOPs"
    moments = ("drawn",)

    def measure(self, trial: Trial) -> Mapping[str, float]:
        """What the engine has booked for this cell until now."""
        spent = trial.spent
        return {"seconds": float(spent.seconds), "steps": float(spent.steps), "flops": float(spent.flops)}
