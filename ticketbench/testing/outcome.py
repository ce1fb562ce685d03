"""What a cell leaves behind in a test: its masks, its weights, its headline and its curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ticketbench.masks.ticket import Mask, Ticket
from ticketbench.plan.cell import Cell
from ticketbench.store.schema import CurvePoint, Finding

if TYPE_CHECKING:
    from ticketbench import Trial


@dataclass(frozen=True)
class Outcome:
    """A cell that has been led to its end."""

    density: float
    seed: int
    status: str
    """"ok", "collapsed", "diverged" or "failed"."""
    reason: str
    error: str
    """The traceback of what was raised, if anything was."""
    headline: float
    steps: int
    """Training steps, those of drawing included."""
    ticket: Ticket | None
    """The drawn mask, and the weights and statistics that the last training starts from; None if there was none."""
    solution: Ticket | None
    """The mask, and the weights and statistics that were judged."""
    curves: Sequence[CurvePoint]
    findings: Sequence[Finding]
    """The single numbers that probes measured and the method noted."""
    cell: Cell
    trial: Trial
    """The trial as it is at the end, with the trained network and what the method has kept."""

    @property
    def mask(self) -> Mask:
        """The mask of the ticket; no masks where it came to none."""
        return dict(self.ticket.mask) if self.ticket else {}

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights and statistics that were judged; none where it did not come to that."""
        return dict(self.solution.weights) if self.solution else {}


def distance(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """‖a − b‖ / ‖a‖ of all floating numbers together; infinite where names or shapes differ, or one is not finite."""
    if {name: part.shape for name, part in one.items()} != {name: part.shape for name, part in other.items()}:
        return math.inf
    names = [name for name, part in one.items() if part.is_floating_point()]
    if not names:
        return 0.0
    first, second = (torch.cat([state[name].double().flatten() for name in names]) for state in (one, other))
    if bool(((first == second) | (first.isnan() & second.isnan())).all()):
        return 0.0
    apart = float((first - second).norm() / first.norm().clamp(min=1e-12))
    return math.inf if math.isnan(apart) else apart
