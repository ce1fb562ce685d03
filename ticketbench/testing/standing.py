"""Where a trial stands beyond what methods and scorers see of it: its optimizer, and what it has reported."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class OptimizerState:
    """A copy of an optimizer's state."""

    updates: int
    """How many updates it has made since it was fresh."""
    slots: dict[str, dict[str, Tensor]]
    """Slot, such as momentum_buffer or exp_avg, -> parameter name -> its tensor; none before the first update."""


@dataclass(frozen=True)
class Reported:
    """A network that a method has reported and that waits to be judged."""

    density: float
    weights: dict[str, Tensor]
    """Every trainable parameter."""
