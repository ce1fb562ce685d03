"""RigL: the rigged lottery, dynamic sparse training."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ticketbench import Method, Train, keep_top, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class Rigl(Method):
    """Start from a sparse mask; every ΔT steps drop the smallest weights and grow where the gradient is largest.

    In each layer n = ⌊f·active⌋ active weights with the smallest |θ| are dropped, then n of all places not kept
    are grown by |∂L/∂θ|, the dense gradient on a fresh training batch. A just-dropped weight may come back, and
    then keeps its value; a new one starts at zero with every optimizer slot at zero. f falls from `fraction` by
    a cosine to zero at `stop`, stays constant, or follows the learning rate. The first mask is drawn by
    the row's scorer (random by default) with the layer densities of the scope.
    """

    name = "rigl"
    summary = "train sparse; now and then drop the smallest weights and grow those with the largest gradient"
    reference = "Evci et al. 2020 (arXiv 1911.11134), Algorithm 1"
    ranks_by = "random"

    scope: Literal["erk", "layerwise", "uniform", "global"] = option("erk", "how layers share the budget")
    fraction: float = option(0.3, "fraction of a layer's weights replaced at first", at_least=0.0, at_most=1.0)
    every: int = option(100, "steps between updates of the mask", at_least=1)
    stop: float = option(0.75, "share of training after which the mask stays", at_least=0.0, at_most=1.0)
    schedule: Literal["cosine", "constant", "learning_rate"] = option("cosine", "how the fraction falls")

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Draw the first mask, then train and update until the mask stays."""
        trial.prune(scope=self.scope)
        stop = int(self.stop * trial.total_steps)
        for step in range(self.every, stop, self.every):
            yield trial.train(until=step)
            fraction = self.fraction_at(step, stop, trial)
            gradients = trial.gradient(next(trial.batches()))
            mask, weights = trial.mask, trial.weights
            trial.set_mask({name: self.updated(mask[name], weights[name], gradients[name], fraction) for name in mask})

    def fraction_at(self, step: int, stop: int, trial: Trial) -> float:
        """The share of a layer that is replaced at a step."""
        if self.schedule == "cosine":
            return self.fraction / 2 * (1 + math.cos(math.pi * step / stop))
        if self.schedule == "learning_rate":
            return self.fraction * trial.learning_rate(step) / trial.learning_rate(0)
        return self.fraction

    @staticmethod
    def updated(mask: Tensor, weight: Tensor, gradient: Tensor, fraction: float) -> Tensor:
        """A layer's next mask: drop by |θ|, grow by |gradient|, the count unchanged."""
        active = int(mask.sum())
        replaced = int(active * fraction)
        kept = keep_top(weight.abs(), active - replaced, allowed=mask)
        return kept | keep_top(gradient.abs(), replaced, allowed=~kept)
