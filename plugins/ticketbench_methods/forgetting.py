"""Structural learning with forgetting: all weights decay by a constant, and later the small ones alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import Method, OptionError, Regime, Scope, Train, kept_count, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import StepView, Trial


@dataclass(frozen=True)
class Decay(Regime):
    """strength·Σ|θ| over the weights that may be pruned; of those alone that are below the threshold, if selective."""

    strength: float = 0.0
    selective: bool = False

    def extras(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        """The threshold, which each network has of its own."""
        return {"threshold": next(iter(weights.values())).new_zeros(())}

    def rate(self, name: str) -> float:
        """It is held, not trained."""
        return 0.0

    def penalty(self, step: StepView) -> Tensor:
        """The sum over all layers."""
        sizes = [step.weights[name].abs() for name in step.mask]
        if self.selective:
            sizes = [size.where(size < step.extras["threshold"], 0) for size in sizes]
        return self.strength * torch.stack([size.sum() for size in sizes]).sum()


@dataclass(frozen=True)
class Forgetting(Method):
    """One training under ε·Σ|θ|, from the middle on for small weights only; then a cut, and the rest of the schedule.

    Learning with forgetting: J_f = J + ε·Σ|θ|, so that a step of gradient descent takes η·ε·sgn(θ) off each weight, and
    what learning does not hold up fades away. Up to `rough` of the schedule all weights forget; then, with `selective`,
    J_s = J + ε·Σ_{|θ|<t} |θ|: weights at or above t no longer do, as forgetting makes the error larger than it could
    be. After `cut` of the schedule exactly as many weights stay as the density says, the largest |θ|, and are trained
    to its end without a penalty.
    threshold: t, 0.1 in the paper; 0 for a threshold of each network's own, the size of the smallest weight that the
    cut would keep when selective forgetting begins.
    ε is `strength`, and the sums are over the weights that may be pruned. Adam divides a gradient by its size, and so
    what is forgotten: where the loss has hardly a slope, much more than η·ε is.
    Deviations: the paper finds a structure by dropping what has faded; here a count decides. Its clarification of
    hidden units, c·Σ min(1 − h, h), is for units between 0 and 1 and is left out. It leaves ε and the lengths of the
    phases to each problem; with ε = 1e-4 and a cut at 0.8 a small GRU at a density of 0.05 did worse than a random
    mask. At density 1 nothing is cut.
    """

    name = "forgetting"
    summary = "let all weights decay by a constant, later the small ones alone, and cut what has faded"
    reference = "Ishikawa 1996 (Structural learning with forgetting, Neural Networks 9)"
    mixes = False

    strength: float = option(1e-3, "ε, how much is forgotten", at_least=0.0)
    selective: bool = option(True, "whether large weights stop forgetting")
    threshold: float = option(0.1, "the size from which a weight is large; 0 for the one of the cut", at_least=0.0)
    rough: float = option(0.4, "share of training in which all weights forget", at_least=0.0, at_most=1.0)
    cut: float = option(0.6, "share of training before the cut", at_least=0.0, at_most=1.0)
    scope: Scope = option("global", "how layers share the budget at the cut")

    def __post_init__(self) -> None:
        if self.rough > self.cut:
            raise ValueError(f"rough = {self.rough:g} must not be more than cut = {self.cut:g}")

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Forget, forget selectively, and cut; the engine trains what is left."""
        first, last = (round(share * trial.total_steps) for share in (self.rough, self.cut))
        if not last:
            raise OptionError(
                f"cut = {self.cut:g} leaves no step of {trial.total_steps} to forget in; "
                f"it must be at least {1 / trial.total_steps:.3g}"
            )
        forget = Decay(self.strength)
        yield trial.train(until=first if self.selective else last, regime=forget)
        if self.selective:
            large = self.threshold or smallest_kept(trial)
            trial.set_extras({"threshold": torch.tensor(large, dtype=torch.float64)})
            yield trial.train(until=last, regime=Decay(self.strength, selective=True))
        if trial.density < 1:
            trial.prune(scope=self.scope, scores={name: weight.abs() for name, weight in trial.weights.items()})


def smallest_kept(trial: Trial) -> float:
    """The size of the smallest weight that the density would keep, all layers together."""
    sizes = torch.cat([weight.abs().flatten() for weight in trial.weights.values()])
    kept = max(1, kept_count(trial.density, trial.total_weights))
    return float(sizes.sort(descending=True).values[kept - 1])
