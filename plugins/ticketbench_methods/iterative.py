"""Iterative pruning at initialization: many rounds of scoring, no training between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ticketbench import Method, Scope, option

if TYPE_CHECKING:
    from ticketbench import Prune, Trial


@dataclass(frozen=True)
class Iterative(Method):
    """Round k of n prunes what is left to density ρ^(k/n) (exponential) or 1 − (1−ρ)·k/n (linear).

    Scores are taken anew each round, with the pruned weights at zero; a pruned weight does not come back.
    """

    name = "iterative"
    summary = "prune a little and score again, for many rounds before training"
    reference = "Tanaka et al. 2020 (arXiv 2006.05467), Algorithm 1"
    ranks_by = ""

    rounds: int = option(100, "rounds of scoring", at_least=1)
    schedule: Literal["exponential", "linear"] = option("exponential", "how the density falls")
    scope: Scope = option("global", "how layers share the budget")

    def draw(self, trial: Trial) -> Iterator[Prune]:
        """Score and prune, round by round; the last round keeps exactly the cell's density."""
        for number in range(1, self.rounds + 1):
            share = number / self.rounds
            density = trial.density**share if self.schedule == "exponential" else 1 - (1 - trial.density) * share
            yield trial.pruning(trial.density if number == self.rounds else density, scope=self.scope)

    def scorings(self, density: float) -> float:
        """One a round."""
        return float(self.rounds)
