"""Pruning of whole units by what gates on them say: train, remove the least, train again."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import Method, TicketError, Train, kept_count, option
from ticketbench_methods.filters import shrinkable, strongest, units_left, without_units
from ticketbench_methods.mean_replacement import best_of_all

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial
    from ticketbench_methods.filters import Links


@dataclass(frozen=True)
class UnitPruning(Method):
    """Train, remove the units with the lowest scores, and train again, for some rounds.

    Round k of n leaves at most ρ^(k/n) of all weights, the last at most the cell's density. A dropped unit goes with
    its incoming weights and the columns that read it, and does not come back.
    scope: "global" = units of all layers are ranked together, at least the best one of each layer stays; "layerwise" =
    every layer keeps the same fraction of its units.
    Shrunk are the layers that one other layer alone reads, as `unit_chain` finds them, where both may be pruned, and
    recurrent layers; the last layer keeps its outputs. In a recurrent layer the gate stands at what the layer and the
    read-out read of a unit's states, at every step, and not at the state that the unit itself carries on.
    then: "finetune" = the weights stay and the schedule restarts; "stop" = the network is judged as pruned last, and
    trained again only where the protocol trains elsewhere. Every trained network is a point of the curve. At density 1
    there is nothing to drop, and the network is trained once.
    """

    removes_units = True

    scope: Literal["global", "layerwise"] = option("global", "whether layers compete for the budget or share it")
    rounds: int = option(1, "rounds of training and removing", at_least=1)
    examples: int = option(1000, "training examples that scores are taken over; 0 for all", at_least=0)
    then: Literal["finetune", "stop"] = option("finetune", "what comes after the last removal")

    @abstractmethod
    def unit_scores(self, trial: Trial, links: Links) -> dict[str, Tensor]:
        """A number for every unit of every layer that can be shrunk; higher = keep."""

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Train, remove, and again."""
        if trial.density == 1:
            return
        links, dense = shrinkable(trial), trial.weights
        units_left(links, dense, kept_count(trial.density, trial.total_weights))  # or it says what is possible
        stay = {
            name: torch.ones(link.units(len(dense[name])), dtype=torch.bool, device=trial.device)
            for name, link in links.items()
        }
        for number in range(1, self.rounds + 1):
            yield trial.train()
            trial.report()
            share = trial.density if number == self.rounds else trial.density ** (number / self.rounds)
            stay = self.strongest_of(trial, links, stay, dense, kept_count(share, trial.total_weights))
            trial.set_mask(without_units(trial.mask, links, stay))
            if number < self.rounds or self.then == "finetune":
                trial.restart()
            else:
                trial.rewind(trial.snapshot())  # the same weights at the same step: only the optimizer is fresh

    def strongest_of(
        self, trial: Trial, links: Links, alive: Mapping[str, Tensor], dense: Mapping[str, Tensor], target: int
    ) -> dict[str, Tensor]:
        """The units that stay, of those that are left."""
        scores = self.unit_scores(trial, links)
        if not all(bool(part.isfinite().all()) for part in scores.values()):
            raise TicketError(f"'{self.name}' found scores that are not finite: did the training diverge?")
        scores = {name: part.where(alive[name], -torch.inf) for name, part in scores.items()}
        if self.scope == "layerwise":
            return strongest(scores, units_left(links, dense, target))
        whole = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in dense.items()}
        found = best_of_all(scores, whole, links, target)
        return {name: part & alive[name] for name, part in found.items()}

    def trainings(self, density: float) -> float:
        """One a round, and the last network's if it is trained."""
        return 1.0 if density == 1 else float(self.rounds + (self.then == "finetune"))

    def scorings(self, density: float) -> float:
        """One a round."""
        return 0.0 if density == 1 else float(self.rounds)
