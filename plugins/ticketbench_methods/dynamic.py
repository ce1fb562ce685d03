"""Dynamic sparse training: what its methods have in common."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import Method, Scope, Train, keep_top, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class Dynamic(Method):
    """Start from a sparse mask; every ΔT steps of one training replace some of its weights, their number unchanged.

    The first mask is drawn by the row's scorer (random by default) with the layer densities of the scope. Updates
    are made at the steps ΔT, 2ΔT, … before the share `stop` of the schedule. What is new starts at zero with every
    slot of the optimizer at zero; a weight that an update drops and grows again keeps its value and its slots.
    At the end "explored" is noted: the fraction of all weights that were ever active, R_s of Liu et al. 2021.
    """

    ranks_by = "random"

    scope: Scope = option("erk", "how layers share the budget")
    every: int = option(100, "steps between updates of the mask", at_least=1)
    stop: float = option(0.75, "share of training after which the mask stays; 1 never stops", at_least=0.0, at_most=1.0)

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Draw the first mask, then train and update until the mask stays."""
        trial.prune(scope=self.scope)
        explored, masks = trial.mask, self.masks(trial)
        for step in range(self.every, self.last_step(trial), self.every):
            yield self.training(trial, step)
            mask = next(masks)
            trial.set_mask(mask)
            explored = {name: part | mask[name] for name, part in explored.items()}
        trial.note("explored", active(explored) / trial.total_weights)

    @abstractmethod
    def masks(self, trial: Trial) -> Iterator[Mapping[str, Tensor]]:
        """The mask of every update, each made from the network as it is when the mask is asked for."""

    def training(self, trial: Trial, until: int) -> Train:
        """The request to train up to an update."""
        return trial.train(until=until)

    def last_step(self, trial: Trial) -> int:
        """The step from which the mask stays."""
        return int(self.stop * trial.total_steps)


@dataclass(frozen=True)
class DropAndGrow(Dynamic):
    """In each layer drop n = ⌊f·active⌋ active weights with the smallest |θ|, then grow among all places not kept.

    Where a method does not share out otherwise, a layer grows as many as it dropped. Ties go to the lower index.
    """

    fraction: float = option(0.3, "fraction of a layer's weights replaced at first", at_least=0.0, at_most=1.0)
    schedule: Literal["cosine", "constant", "learning_rate"] = option("cosine", "how the fraction falls")

    @abstractmethod
    def growth(self, trial: Trial) -> Mapping[str, Tensor]:
        """A score for every place; those with the highest are grown."""

    def shares(self, trial: Trial, dropped: Mapping[str, int], free: Mapping[str, int]) -> Mapping[str, int]:
        """How many weights each layer grows, by how many it dropped and how many places it has free for them."""
        return dropped

    def masks(self, trial: Trial) -> Iterator[Mapping[str, Tensor]]:
        """For each update: drop the smallest weights of each layer, and grow as many where the scores are highest."""
        while True:
            mask, weights = trial.mask, trial.weights
            fraction = self.fraction_at(trial.step, trial)
            dropped = {name: int(int(part.sum()) * fraction) for name, part in mask.items()}
            kept = {
                name: keep_top(weights[name].abs(), int(part.sum()) - dropped[name], allowed=part)
                for name, part in mask.items()
            }
            free = {name: int((~part).sum()) for name, part in kept.items()}
            grown = self.shares(trial, dropped, free)
            scores = self.growth(trial)
            yield {name: part | keep_top(scores[name], grown[name], allowed=~part) for name, part in kept.items()}

    def fraction_at(self, step: int, trial: Trial) -> float:
        """The share of a layer that is replaced at a step.

        cosine: f₀/2·(1 + cos(πt/t_end)), zero when the mask stays. learning_rate: f₀·η_t/η, where η is the highest
        rate at any multiple of ΔT.
        """
        if self.schedule == "cosine":
            return self.fraction / 2 * (1 + math.cos(math.pi * step / self.last_step(trial)))
        if self.schedule == "learning_rate":
            highest = max(trial.learning_rate(at) for at in range(0, trial.total_steps, self.every))
            return self.fraction * trial.learning_rate(step) / highest
        return self.fraction


def active(mask: Mapping[str, Tensor]) -> int:
    """How many places a mask keeps."""
    return sum(int(part.sum()) for part in mask.values())


def random_scores(trial: Trial) -> dict[str, Tensor]:
    """A uniform number for every place, in float64, as among millions of float32 draws there are ties."""
    source = trial.generator("growth")
    return {
        name: torch.rand(weight.shape, generator=source, dtype=torch.float64).to(weight.device)
        for name, weight in trial.weights.items()
    }
