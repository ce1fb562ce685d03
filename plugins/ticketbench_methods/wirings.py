"""Discovering neural wirings: at every step the forward sees the largest weights, and all of them are trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import Method, Regime, Scope, StepView, Train, allocate, best_left, kept_count, option, top_mask
from ticketbench_methods.straight import straight

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial

COUNT = "count "
"""What stands before a layer's name among the extras, for how many of its weights the forward sees; "" for all."""


@dataclass(frozen=True)
class Wiring(Regime):
    """The forward sees the largest |θ| of each layer, or of all together, and ∂L/∂θ counts as what it saw."""

    names: tuple[str, ...] = ()
    together: bool = False

    def extras(self, weights: Mapping[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        """How many the forward sees: all, until the method says how many."""
        sizes = {name: weights[name].numel() for name in self.names}
        counts = {"": sum(sizes.values())} if self.together else sizes
        return {f"{COUNT}{name}": torch.tensor(count) for name, count in counts.items()}

    def rate(self, name: str) -> float:
        """Counts are held."""
        return 0.0

    def computed(self, step: StepView) -> Mapping[str, Tensor]:
        """θ where |θ| is among the largest, 0 elsewhere."""
        return {name: straight(step.weights[name], edges) for name, edges in self.edges(step).items()}

    def edges(self, step: StepView) -> dict[str, Tensor]:
        """Where the largest are, ties by index."""
        sizes = {name: step.weights[name].detach().abs() for name in self.names}
        if self.together:
            every = {name: torch.ones_like(size, dtype=torch.bool) for name, size in sizes.items()}
            return dict(best_left(sizes, every, step.extras[COUNT]))
        return {name: top_mask(size, step.extras[f"{COUNT}{name}"]) for name, size in sizes.items()}


@dataclass(frozen=True)
class Wirings(Method):
    """One training in which at every step the forward sees θ ⊙ h, where h is 1 at the largest |θ| and 0 elsewhere.

    h keeps as many as the density says, within the scope, ties by index. Backward h counts as the identity, so that an
    edge u → v that the forward does not see moves by the same rule as the others, θ ← θ − η·x_u·∂L/∂y_v, and comes in
    when it has grown beyond the smallest that is seen. At `end` the largest are the ticket; with 1, the paper's, the
    network is judged as it was last seen.

    Deviations: the paper's own networks are graphs of units that talk across layers; here, as in its comparison with
    sparse training (section 3.2), h acts on the weights of any network, all prunable layers alike, where the authors
    leave the first dense. Weight decay is the recipe's, for edges that are not seen, too.
    """

    name = "dnw"
    summary = "at every step the forward sees the largest weights, and all weights are trained"
    reference = "Wortsman et al. 2019 (arXiv 1906.00586), Algorithm 1 and section 3.2"
    mixes = False

    end: float = option(1.0, "share of training at which the edges stay as they are", at_least=0.0, at_most=1.0)
    scope: Scope = option("layerwise", "how layers share the budget")

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Say how many edges there are, train them, and keep the largest."""
        if trial.density == 1:
            return
        regime = Wiring(tuple(trial.mask), self.scope == "global")
        yield trial.train(until=trial.step, regime=regime)
        kept = kept_count(trial.density, trial.total_weights)
        shapes = {name: tuple(mask.shape) for name, mask in trial.mask.items()}
        counts = {"": kept} if self.scope == "global" else allocate(self.scope, shapes, kept)
        trial.set_extras({f"{COUNT}{name}": torch.tensor(count) for name, count in counts.items()})
        yield trial.train(until=round(self.end * trial.total_steps), regime=regime)
        trial.prune(scope=self.scope, scores={name: weight.abs() for name, weight in trial.weights.items()})
