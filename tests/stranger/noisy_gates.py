"""A stranger's method with gates: parameters beside the weights, noise, and weights that are computed from both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ticketbench import Method, Noise, Regime, StepView, Train, Trial, hookimpl


@dataclass(frozen=True)
class Gates(Regime):
    """w = θ · σ(g + ½ε): a gate a weight, with noise ε ~ N(0, 1) in training and without it in judging."""

    def extras(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        """g of every matrix, around 1; and a constant that is held, not trained."""
        gates = {
            f"gate of {name}": 1 + 0.1 * torch.randn(weight.shape, generator=generator)
            for name, weight in weights.items()
            if weight.ndim > 1
        }
        return {**gates, "half": torch.tensor(0.5)}

    def rate(self, name: str) -> float:
        """Gates move three times as fast as weights."""
        return 0.0 if name == "half" else 3.0

    def noise(self, weights: Mapping[str, Tensor]) -> Mapping[str, Noise]:
        """ε of every gate."""
        return {name: Noise("normal", tuple(weight.shape)) for name, weight in weights.items() if weight.ndim > 1}

    def computed(self, step: StepView) -> Mapping[str, Tensor]:
        """What the forward sees."""
        found = {}
        for name, weight in step.weights.items():
            if weight.ndim > 1:
                gate = step.extras[f"gate of {name}"]
                if step.noise is not None:
                    gate = gate + step.extras["half"] * step.noise[name]
                found[name] = weight * gate.sigmoid()
        return found


@dataclass(frozen=True)
class Gated(Method):
    """Train gates and weights; keep the largest gated weights; go on with their gates folded in."""

    name = "gated"
    summary = "noisy gates on the weights"
    reference = "a test"

    def draw(self, trial: Trial) -> Iterator[Train]:
        """In two stretches under one regime, so that gates go on, then plain training to the end."""
        for until in (trial.total_steps // 4, trial.total_steps // 2):
            yield trial.train(until=until, regime=Gates())
        trial.note("gates", float(sum(gate.sum() for gate in trial.extras.values())))
        trial.prune(scores={name: trial.computed[name].abs() for name in trial.mask})
        yield trial.train(until=3 * trial.total_steps // 4, regime=Gates())


@hookimpl
def ticketbench_methods() -> list[Method]:
    """What this plugin offers."""
    return [Gated()]
