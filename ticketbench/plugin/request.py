"""What a method asks of the engine."""

from __future__ import annotations

from dataclasses import dataclass

from ticketbench.plugin.regime import Regime


@dataclass(frozen=True)
class Train:
    """A method's request to the engine: train my network until this step (None: to the end)."""

    until: int | None = None
    average: float | None = None
    """The decay of a running average of the dense gradient that is kept on the way; None keeps none."""
    order: int = 0
    """Which order of the examples, each as random as the others; a contiguous task has one only."""
    masks: str = ""
    """"" trains weights. A scope freezes them and trains scores, one a weight: the mask is at every step the best
    `density` of them within that scope."""
    density: float = 1.0
    regime: Regime | None = None
    """What is different about the steps."""
