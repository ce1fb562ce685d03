"""Iterative magnitude pruning: lottery tickets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import Method, Request, Scope, Train, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Snapshot, Trial


@dataclass(frozen=True)
class Imp(Method):
    """Train, prune a fraction of what is left, rewind, and again; the last ticket is trained and judged.

    Level k keeps (1 − fraction)^k of all weights, the last one exactly the cell's density, each rounded from
    the original count so that rounding never adds up. Every level is judged as a point of the curve.
    rewind: "start" = to initialization (Frankle and Carbin 2019); "step" = to the weights after `rewind_step`
    steps (Frankle et al. 2020); "none" = keep the trained weights and only restart the schedule (Han et al. 2015).
    ticket: "found" = what the procedure finds; two controls train, at every level, another ticket in its place
    (the search goes on with the found one): "reinitialized" = the same mask with new weights, "reshuffled" = the
    same weights with the mask's places shuffled within each layer. A control costs a second training a level.
    Noted at every level but the last: "stability", ‖(θ − θ_dense)⊙m‖₂ between the ends of masked and of dense
    training (Frankle et al. 2019).
    """

    name = "imp"
    summary = "train, prune the smallest weights, rewind, repeat: the lottery ticket procedure"
    reference = "Frankle and Carbin 2019 (arXiv 1803.03635); late rewinding: arXiv 1912.05671"
    ranks_by = "magnitude"

    fraction: float = option(0.2, "fraction of the remaining weights pruned a level", at_least=0.001, at_most=0.999)
    scope: Scope = option("global", "how layers share the budget")
    rewind: Literal["start", "step", "none"] = option("start", "where the weights go back to")
    rewind_step: int = option(0, "the step to rewind to, with rewind = 'step'", at_least=0)
    ticket: Literal["found", "reinitialized", "reshuffled"] = option("found", "which ticket is trained and judged")

    def draw(self, trial: Trial) -> Iterator[Request]:
        """Level by level down to the density."""
        if self.rewind == "step":
            yield trial.train(until=self.rewind_step)
        start = trial.snapshot()
        dense: dict[str, Tensor] = {}
        for number, density in enumerate(self.levels(trial.density)):
            genuine = self.ticket == "found" or number == 0
            if genuine:
                trial.offer()
            else:
                yield from self.control(trial, start)
            yield trial.train()
            if genuine:
                trial.report()
            dense = dense or trial.snapshot().weights
            trial.note("stability", distance(trial.weights, dense, trial.mask))
            yield trial.pruning(density, scope=self.scope)
            if self.rewind == "none":
                trial.restart()
            else:
                trial.rewind(start)
        if self.ticket != "found" and trial.density < 1:
            self.disguise(trial, start)

    def control(self, trial: Trial, start: Snapshot) -> Iterator[Train]:
        """Train and judge another ticket, then go back to the found one."""
        found, mask = trial.snapshot(), trial.mask
        self.disguise(trial, start)
        if not trial.offer():
            yield trial.train()
            trial.report()
        trial.set_mask(mask)
        trial.rewind(found)

    def disguise(self, trial: Trial, start: Snapshot) -> None:
        """Put the control in the place of the found ticket."""
        if self.ticket == "reinitialized":
            trial.reinitialize()
            return
        draws = trial.generator("reshuffle")
        shuffled = {}
        for name, mask in trial.mask.items():
            order = torch.randperm(mask.numel(), generator=draws).to(mask.device)
            shuffled[name] = mask.reshape(-1)[order].view(mask.shape)
        trial.set_mask(shuffled)
        trial.rewind(start)

    def levels(self, final: float) -> list[float]:
        """The densities after each pruning, ending at `final`."""
        levels = []
        density = 1 - self.fraction
        while density > final * (1 + 1e-6):
            levels.append(density)
            density *= 1 - self.fraction
        return [*levels, final] if final < 1 else []

    def trainings(self, density: float) -> float:
        """One a level, and the last ticket's; controls are trained beside the levels between the first and the last."""
        levels = len(self.levels(density))
        return levels + 1 if self.ticket == "found" else max(1, 2 * levels)


def distance(weights: Mapping[str, Tensor], others: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> float:
    """The Euclidean distance of two networks, where a mask keeps their weights."""
    parts = [((weights[name] - others[name]) * kept).double().square().sum() for name, kept in mask.items()]
    return float(torch.stack(parts).sum().sqrt())
