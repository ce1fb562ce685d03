"""A stranger's method that changes gradients: each weight's gradient counts by its size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from ticketbench import Method, Regime, StepView, Train, Trial, hookimpl


@dataclass(frozen=True)
class BySize(Regime):
    """g ← g · |θ| / mean |θ| for matrices: what is small moves little, and stays small."""

    def gradient(self, gradients: Mapping[str, Tensor], step: StepView) -> Mapping[str, Tensor]:
        """The gradients of the prunable weights."""
        sizes = {name: step.weights[name].abs() for name in step.mask}
        return {name: gradients[name] * size / (size.mean() + 1e-8) for name, size in sizes.items()}


@dataclass(frozen=True)
class Steady(Method):
    """Train so that large weights grow and small ones stay, then keep the large ones."""

    name = "steady"
    summary = "gradients weighed by the weights' sizes"
    reference = "a test"
    ranks_by = "magnitude"

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Half of the schedule, then the mask; the engine trains the rest plainly."""
        yield trial.train(until=trial.total_steps // 2, regime=BySize())
        trial.prune()


@hookimpl
def ticketbench_methods() -> list[Method]:
    """What this plugin offers."""
    return [Steady()]
