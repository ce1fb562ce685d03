"""Dynamic network surgery: prune and splice by two thresholds while every weight goes on being trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import torch

from ticketbench import Method, OptionError, Regime, Scope, StepView, Train, allocate, kept_count, option
from ticketbench_methods.straight import straight

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial

CONNECTED = "connected "
"""What stands before a weight's name among the extras, for the mask that the surgeon changes."""


@dataclass(frozen=True)
class Surgery(Regime):
    """The forward sees θ ⊙ M and ∂L/∂θ is taken to be ∂L/∂(θ ⊙ M): weights outside M are trained, too."""

    names: tuple[str, ...] = ()

    def extras(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        """M, in which everything is connected at first."""
        return {f"{CONNECTED}{name}": torch.ones_like(weights[name], dtype=torch.bool) for name in self.names}

    def rate(self, name: str) -> float:
        """M is held."""
        return 0.0

    def computed(self, step: StepView) -> Mapping[str, Tensor]:
        """θ ⊙ M."""
        return {name: straight(step.weights[name], step.extras[f"{CONNECTED}{name}"]) for name in self.names}


@dataclass(frozen=True)
class DynamicSurgery(Method):
    """One training of all weights, of which the forward sees those that are connected.

    From `begin` on, a weight of layer l is disconnected where |θ| < a_l, connected where |θ| ≥ b_l, and stays what it
    is between. Weights that are not connected go on being trained by ∂L/∂(θ ⊙ M), and are spliced in again when they
    have grown. a = (1 − slack)·τ and b = (1 + slack)·τ, where as many |θ| reach τ as the density says, within the
    scope. Every `every` steps the mask has the chance σ(t) = (1 + gamma·t)^(−power) to be updated, t steps after
    `begin`: it is updated where the sum of these chances goes beyond another whole number. At `end` the mask is cut to
    the density, connected weights before others and larger before smaller ones, and training goes on under it. Noted
    are "spliced", connections that came back as a share of all weights, and "own density", that of M before the cut.

    Deviations: the authors begin with a trained network, and set a = 0.9·max(μ + c·σ, 0) and b = 1.1 of that once, of
    the mean and deviation of each layer's |θ|, with a c of every layer found by hand. Here τ follows the weights so
    that the density is the one asked for. They throw dice at every step for each layer; here the number of updates is
    the one to be expected, the same for all cells. They stop updates at a step and leave the mask as it is.
    """

    name = "surgery"
    summary = "prune and splice by two thresholds while all weights go on being trained"
    reference = "Guo et al. 2016 (arXiv 1608.04493), equations 2 and 4, Algorithm 1"
    mixes = False

    begin: float = option(0.25, "share of training before the first update", at_least=0.0, at_most=1.0)
    end: float = option(0.75, "share of training at which the mask is cut and stays", at_least=0.0, at_most=1.0)
    every: int = option(10, "steps between chances of an update", at_least=1)
    gamma: float = option(1e-4, "how fast updates become rare, per step", at_least=0.0)
    power: float = option(1.0, "with which power they do", at_least=0.0)
    slack: float = option(
        0.1, "how far both thresholds are from the one between, as a share", at_least=0.0, at_most=1.0
    )
    scope: Scope = option("layerwise", "how layers share the budget")

    def __post_init__(self) -> None:
        if self.begin >= self.end:
            raise ValueError(f"begin = {self.begin:g} must be less than end = {self.end:g}")

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Train and operate in turns, then cut; the engine trains what is left."""
        if trial.density == 1:
            return
        regime, spliced = Surgery(tuple(trial.mask)), 0
        for step in self.updates(trial.total_steps):
            yield trial.train(until=step, regime=regime)
            before = connected(trial)
            after = self.operated(trial, before)
            spliced += sum(int((part & ~before[name]).sum()) for name, part in after.items())
            trial.set_extras({f"{CONNECTED}{name}": part for name, part in after.items()})
        yield trial.train(until=round(self.end * trial.total_steps), regime=regime)
        found = connected(trial)
        trial.note("spliced", spliced / trial.total_weights)
        trial.note("own density", sum(int(part.sum()) for part in found.values()) / trial.total_weights)
        sizes = {name: weight.abs().double() for name, weight in trial.weights.items()}
        above = 1 + max(float(part.max()) for part in sizes.values())
        ranks = {name: part.where(found[name], part - above) for name, part in sizes.items()}
        trial.prune(scope=self.scope, scores=ranks)

    def updates(self, total: int) -> list[int]:
        """The steps at which the mask is updated."""
        first, last = round(self.begin * total), round(self.end * total)
        steps, chances = [], 0.0
        for step in range(first, last, self.every):
            chance = (1 + self.gamma * (step - first)) ** -self.power
            if ceil(chances + chance) > ceil(chances):
                steps.append(step)
            chances += chance
        if not steps:
            raise OptionError(
                f"'{self.name}' has no step to update the mask at between step {first} (begin = {self.begin:g}) and "
                f"step {last} (end = {self.end:g}) of {total}: the schedule must be longer"
            )
        return steps

    def operated(self, trial: Trial, before: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mask after an update: what is below a goes, what is not below b comes, the rest stays."""
        sizes = {name: weight.abs() for name, weight in trial.weights.items()}
        found = {}
        for name, limit in limits(sizes, trial.density, self.scope).items():
            stays = before[name] & (sizes[name] >= (1 - self.slack) * limit)
            found[name] = stays | (sizes[name] >= (1 + self.slack) * limit)
        return found


def connected(trial: Trial) -> dict[str, Tensor]:
    """What the surgeon has connected at present."""
    extras = trial.extras
    return {name: extras[f"{CONNECTED}{name}"] for name in trial.mask}


def limits(sizes: Mapping[str, Tensor], density: float, scope: Scope) -> dict[str, float]:
    """A size for each layer that as many weights reach as the density says; the same for all where they are one."""
    total = sum(size.numel() for size in sizes.values())
    kept = kept_count(density, total)
    if scope == "global":
        limit = reached(torch.cat([size.reshape(-1) for size in sizes.values()]), kept)
        return dict.fromkeys(sizes, limit)
    counts = allocate(scope, {name: tuple(size.shape) for name, size in sizes.items()}, kept)
    return {name: reached(size.reshape(-1), counts[name]) for name, size in sizes.items()}


def reached(sizes: Tensor, count: int) -> float:
    """The size that exactly `count` of them reach, but for ties; infinite for none."""
    return float(sizes.kthvalue(sizes.numel() - count + 1).values) if count else float("inf")
