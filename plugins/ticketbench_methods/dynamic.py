"""Dynamic sparse training: what its methods have in common."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ticketbench import MaskRule, MaskView, Method, Noise, Request, Scope, Train, mask_count, option, top_mask

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial

EXPLORED = "explored "
"""What stands before a weight's name in a memory, for the places that were ever active."""


@dataclass(frozen=True)
class Exploring(MaskRule):
    """An update of a mask that keeps account of the places that were ever active."""

    stream = "growth"

    def memory(self, view: MaskView) -> Mapping[str, Tensor]:
        """The first mask."""
        return {f"{EXPLORED}{name}": part.clone() for name, part in view.mask.items()}

    def remember(self, view: MaskView, masks: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The places that this mask has, too."""
        explored = {f"{EXPLORED}{name}": view.memory[f"{EXPLORED}{name}"] | part for name, part in masks.items()}
        return {**view.memory, **explored}


@dataclass(frozen=True)
class DropAndGrowRule(Exploring):
    """In each layer drop n = ⌊f·active⌋ active weights with the smallest |θ|, then grow among all places not kept.

    f is the number "fraction" of the request. Where a rule does not share out otherwise, a layer grows as many as it
    dropped. Ties go to the lower index.
    """

    @abstractmethod
    def growth(self, view: MaskView) -> Mapping[str, Tensor]:
        """A score for every place; those with the highest are grown."""

    def shares(self, view: MaskView, dropped: Mapping[str, Tensor], free: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """How many weights each layer grows, by how many it dropped and how many places it has free for them."""
        return dropped

    def masks(self, view: MaskView) -> Mapping[str, Tensor]:
        """Drop the smallest weights of each layer, and grow as many where the scores are highest."""
        active = {name: mask_count(part) for name, part in view.mask.items()}
        dropped = {name: (count * view.numbers["fraction"]).long() for name, count in active.items()}
        kept = {
            name: top_mask(view.weights[name].abs(), active[name] - dropped[name], allowed=part)
            for name, part in view.mask.items()
        }
        grown = self.shares(view, dropped, {name: mask_count(~part) for name, part in kept.items()})
        scores = self.growth(view)
        return {name: part | top_mask(scores[name], grown[name], allowed=~part) for name, part in kept.items()}


@dataclass(frozen=True)
class Dynamic(Method):
    """Start from a sparse mask; every ΔT steps of one training replace some of its weights, their number unchanged.

    The first mask is drawn by the row's scorer (random by default) with the layer densities of the scope. Updates
    are made at the steps ΔT, 2ΔT, … before the share `stop` of the schedule. What is new starts at zero with every
    slot of the optimizer at zero; a weight that an update drops and grows again keeps its value and its slots.
    At the end "explored" is noted: the fraction of all weights that were ever active, R_s of Liu et al. 2021.
    """

    ranks_by = "random"
    mixes = False

    scope: Scope = option("erk", "how layers share the budget")
    every: int = option(100, "steps between updates of the mask", at_least=1)
    stop: float = option(0.75, "share of training after which the mask stays; 1 never stops", at_least=0.0, at_most=1.0)

    def draw(self, trial: Trial) -> Iterator[Request]:
        """Draw the first mask, then train and update until the mask stays."""
        trial.prune(scope=self.scope)
        rule, first = self.rule(), trial.mask
        for step in range(self.every, self.last_step(trial), self.every):
            yield self.training(trial, step)
            yield trial.remask(rule, **self.numbers(trial))
        held = trial.remembered
        trial.note("explored", active([held.get(f"{EXPLORED}{name}", part) for name, part in first.items()]))

    @abstractmethod
    def rule(self) -> MaskRule:
        """How the mask is updated: one rule for all updates, `Exploring` or made from it."""

    def numbers(self, trial: Trial) -> Mapping[str, float]:
        """What the rule is told of an update."""
        return {}

    def training(self, trial: Trial, until: int) -> Train:
        """The request to train up to an update."""
        return trial.train(until=until)

    def last_step(self, trial: Trial) -> int:
        """The step from which the mask stays."""
        return int(self.stop * trial.total_steps)


@dataclass(frozen=True)
class DropAndGrow(Dynamic):
    """Dynamic sparse training by a `DropAndGrowRule`, whose fraction falls along a schedule."""

    fraction: float = option(0.3, "fraction of a layer's weights replaced at first", at_least=0.0, at_most=1.0)
    schedule: Literal["cosine", "constant", "learning_rate"] = option("cosine", "how the fraction falls")

    @abstractmethod
    def rule(self) -> DropAndGrowRule:
        """What is grown in place of what is dropped."""

    def numbers(self, trial: Trial) -> Mapping[str, float]:
        """The share that is replaced now."""
        return {"fraction": self.fraction_at(trial.step, trial)}

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


def active(masks: Sequence[Tensor]) -> float:
    """The share of all places that masks have."""
    return sum(int(part.sum()) for part in masks) / sum(part.numel() for part in masks)


def uniform_noise(weights: Mapping[str, Tensor]) -> dict[str, Noise]:
    """A uniform number for every place, in float64, as among millions of float32 draws there are ties."""
    return {name: Noise("uniform", tuple(weight.shape), "float64") for name, weight in weights.items()}
