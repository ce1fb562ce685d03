"""Grow and prune: from a sparse seed to a larger network by gradients, and down again by magnitudes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import (
    Examples,
    MaskRule,
    MaskView,
    Method,
    OptionError,
    Request,
    Scope,
    best_left,
    kept_count,
    mask_count,
    option,
)

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class GrowDormant(MaskRule):
    """Wake the dormant weights with the largest |∂L/∂θ| until there are as many as the number "count" says."""

    examined: int
    scope: Scope

    def examples(self) -> Examples:
        """The first training examples, always the same."""
        return Examples("slice", self.examined)

    def masks(self, view: MaskView) -> Mapping[str, Tensor]:
        """What is there, and the best of what is not."""
        present = torch.stack([mask_count(part) for part in view.mask.values()]).sum()
        wanted = (view.numbers["count"].long() - present).clamp(min=0)
        sizes = {name: part.abs() for name, part in view.gradient.items()}
        grown = best_left(sizes, {name: ~part for name, part in view.mask.items()}, wanted, self.scope)
        return {name: part | grown[name] for name, part in view.mask.items()}


@dataclass(frozen=True)
class GrowAndPrune(Method):
    """Start from a sparse seed; wake dormant weights by gradient up to a peak, and prune by magnitude, in one training.

    The seed has `seed` times the weights of the cell's density ρ, drawn at random within the scope. Up to the share
    `grown` of the schedule, every ΔT steps, the dormant weights with the largest |∂L/∂θ| on `examples` training
    examples are woken, in equal portions up to `peak` times ρ (all weights at most). From there to the share `stop`,
    every ΔT steps, the worst by the row's scorer (magnitude by default) go, by equal factors down to exactly ρ; then
    the mask stays. A woken weight starts at zero with every optimizer slot at zero.
    scope: "layerwise" = each layer wakes the same share of its dormant weights, and keeps the same density where it
    is pruned, as H-LSTM's thresholds by layer do; "global" = all layers compete; the other
    scopes share seed, growth and pruning in their proportions.
    Deviations: NeST also grows whole neurons and feature maps, and both papers train to convergence after each change
    and begin pruning from there; here all takes place within one schedule, as for other dynamic sparse training.
    NeST's seed leaves no neuron unconnected. H-LSTM adds hidden layers to its gates and regularizes by dropout, which
    are models and not a mask's matter. At density 1 nothing is dormant, and the network is trained as usual.
    """

    name = "grow_and_prune"
    summary = "start sparser than asked, wake weights by gradient beyond it, and prune back by magnitude"
    reference = (
        "Dai, Yin and Jha 2017 (NeST, arXiv 1711.02017), section 3; 2018 (H-LSTM, arXiv 1805.11797), section 3.2"
    )
    ranks_by = "magnitude"
    mixes = False

    seed: float = option(0.5, "weights of the seed, as a multiple of the density's", at_least=0.01, at_most=1.0)
    peak: float = option(3.0, "weights at the peak, as a multiple of the density's", at_least=1.0)
    every: int = option(100, "steps between changes of the mask", at_least=1)
    grown: float = option(0.25, "share of the schedule at which growth is over", at_least=0.0, at_most=1.0)
    stop: float = option(0.75, "share of the schedule after which the mask stays", at_least=0.0, at_most=1.0)
    examples: int = option(1000, "training examples that the gradient is taken on", at_least=1)
    scope: Scope = option("layerwise", "how layers share what is woken and what is pruned")

    def draw(self, trial: Trial) -> Iterator[Request]:
        """Seed, grow, prune."""
        if trial.density == 1:
            return
        growing, pruning = self.moments(trial.total_steps)
        total, density = trial.total_weights, trial.density
        first = kept_count(max(density * self.seed, 1 / total), total)
        most = kept_count(min(1.0, density * self.peak), total)
        source = trial.generator("seed")
        random = {
            name: torch.rand(weight.shape, generator=source, dtype=torch.float64).to(weight.device)
            for name, weight in trial.weights.items()
        }
        trial.prune(first / total, self.scope, random)
        rule = GrowDormant(self.examples, self.scope)
        for number, step in enumerate(growing, 1):
            yield trial.train(until=step)
            yield trial.remask(rule, count=first + (most - first) * number // len(growing))
        trial.note("peak", trial.present_density)
        for number, step in enumerate(pruning, 1):
            yield trial.train(until=step)
            share = (most / total) * (density * total / most) ** (number / len(pruning))
            yield trial.pruning(density if number == len(pruning) else share, self.scope)

    def moments(self, total: int) -> tuple[list[int], list[int]]:
        """The steps at which weights are woken, and those at which they are pruned."""
        changes = range(self.every, int(self.stop * total) + 1, self.every)
        growing = [step for step in changes if step <= self.grown * total]
        pruning = [step for step in changes if step > self.grown * total]
        if not growing or not pruning:
            fits = max(1, int(min(self.grown, self.stop - self.grown) * total))
            raise OptionError(
                f"'{self.name}' needs a change up to the share grown = {self.grown:g} of {total} steps, and one from "
                f"there to stop = {self.stop:g}; with every = {self.every} there are {len(growing)} and "
                f"{len(pruning)}. What would work: every = {fits}, or other shares"
            )
        return growing, pruning

    def scorings(self, density: float) -> float:
        """A guess, as it is not known how many steps there are."""
        return 0.0 if density == 1 else 10.0
