"""A stranger's method with a penalty: weights are shrunk while they are trained, then the smallest are pruned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from ticketbench import Method, Regime, StepView, Train, Trial, hookimpl, option


@dataclass(frozen=True)
class L1(Regime):
    """L + λ Σ |θ|, over the prunable weights, the stronger the more of the schedule is done."""

    strength: float = 1e-3

    def penalty(self, step: StepView) -> Tensor:
        """λ · (share of the schedule done) · Σ |θ|."""
        size = sum((step.weights[name].abs().sum() for name in step.mask), start=step.progress * 0)
        return self.strength * step.progress * size


@dataclass(frozen=True)
class Shrinking(Method):
    """Train under an L1 penalty to the middle, prune, go on under it to the end (after Han et al., 2015)."""

    name = "shrinking"
    summary = "an L1 penalty, then magnitude"
    reference = "a test"
    ranks_by = "magnitude"

    strength: float = option(1e-2, "λ", at_least=0.0)

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Half of the schedule dense, half of it under the mask."""
        yield trial.train(until=trial.total_steps // 2, regime=L1(self.strength))
        trial.prune()
        yield trial.train(regime=L1(self.strength))


@hookimpl
def ticketbench_methods() -> list[Method]:
    """What this plugin offers."""
    return [Shrinking()]
