"""FORCE and iterative SNIP: connection sensitivity, taken again and again as the network gets sparser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import Scorer, best_left, kept_count, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class Force(Scorer):
    """s = |θ ⊙ ∂L/∂θ̄| at the pruned network θ̄ = c ⊙ θ, in the last of n rounds; c keeps the best of the round before.

    Round k scores at θ̄ and, if it is not the last, lets c keep the best ρ^(k/n) of all weights, ρ the cell's density
    (the paper's exponential schedule). The gradient is that of the mean criterion over `batches` fresh batches a round.
    recover: true = FORCE: θ is the dense network's, so that a weight that was left out is scored as if it came back,
    and does so where it is among the best. false = iterative SNIP: what is left out stays out, and scores below all
    others. That is also what the method `iterative` does with the scorer `snip`.

    To be used with `oneshot`: the scores of the last round, pruned at ρ, are the paper's mask. Between the rounds all
    layers compete for the budget, whatever the scope of the row. Deviation: the paper fixes a number of rounds a
    network; the default is one that small networks can afford.
    """

    name = "force"
    summary = "SNIP in many rounds at a falling density, in which left-out connections may come back"
    reference = "de Jorge et al. 2021 (arXiv 2006.09081), Eqs. 7 to 10 and Algorithm 1"

    rounds: int = option(60, "rounds of scoring", at_least=1)
    recover: bool = option(True, "whether connections that were left out may come back (FORCE, else iterative SNIP)")
    batches: int = option(1, "scoring batches a round; 0 for the whole training split", at_least=0)
    batch: int = option(0, "examples in a scoring batch; 0 for the recipe's batch", at_least=0)

    def score(self, trial: Trial) -> Mapping[str, Tensor]:
        """|θ ⊙ ∂L/∂θ̄| of every prunable weight, in the last round."""
        weights, mask = trial.weights, trial.mask
        kept = mask
        scores: dict[str, Tensor] = {}
        for number in range(1, self.rounds + 1):
            slopes = self.slopes(trial, {name: weight * kept[name] for name, weight in weights.items()})
            scores = {name: (weight * slopes[name]).abs() for name, weight in weights.items()}
            if not self.recover:
                scores = {name: score.where(kept[name], -1.0) for name, score in scores.items()}
            if number < self.rounds:
                free = mask if self.recover else kept
                count = min(
                    kept_count(trial.density ** (number / self.rounds), trial.total_weights),
                    sum(int(part.sum()) for part in free.values()),
                )
                kept = best_left(scores, free, torch.tensor(count, device=trial.device))
        return scores

    def slopes(self, trial: Trial, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """∂L/∂θ at every place of a network with these weights, the mean over a round's batches."""
        leaves = {name: weight.clone().requires_grad_(True) for name, weight in weights.items()}
        batches = list(trial.batches(self.batches, self.batch or None))
        total = sum(len(examples) for examples in batches)
        found = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        for examples in batches:
            parts = torch.autograd.grad(
                trial.loss(examples, leaves), list(leaves.values()), allow_unused=True, materialize_grads=True
            )
            for name, part in zip(found, parts, strict=True):
                found[name] += part * (len(examples) / total)
        return found
