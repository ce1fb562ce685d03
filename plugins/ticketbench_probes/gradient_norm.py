"""The norm of the gradient, of all prunable weights and of the live ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketbench import Probe, option

if TYPE_CHECKING:
    from ticketbench import Trial


@dataclass(frozen=True)
class GradientNorm(Probe):
    """‖∇L‖₂ over all prunable weights ("dense") and over those inside the mask ("masked"), on one batch."""

    name = "gradient_norm"
    summary = "the norm of the gradient, with and without the mask"
    reference = "Evci et al. 2022 (arXiv 2010.03533), section 3"

    examples: int = option(1000, "training examples the gradient is taken over", at_least=1)

    def measure(self, trial: Trial) -> Mapping[str, float]:
        """Both norms."""
        gradient = trial.gradient(next(trial.batches(1, self.examples)))
        mask = trial.mask
        dense = sum(float(part.double().square().sum()) for part in gradient.values())
        live = sum(float((part * mask[name]).double().square().sum()) for name, part in gradient.items())
        return {"dense": dense**0.5, "masked": live**0.5}
