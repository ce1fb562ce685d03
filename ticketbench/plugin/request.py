"""What a method asks of the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ticketbench.plugin.mask_rule import MaskRule
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


@dataclass(frozen=True)
class Remask:
    """A method's request to the engine: change my mask by this rule."""

    rule: MaskRule
    numbers: Mapping[str, float] = field(default_factory=dict)
    """What the rule is told beside, of this cell and this change."""


@dataclass(frozen=True)
class Prune:
    """A method's request to the engine: prune my network by the row's scorer, as `trial.prune` does."""

    density: float
    scope: str = "global"


Request = Train | Remask | Prune
"""Everything that a method may yield."""
