"""Iterative magnitude pruning: lottery tickets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ticketbench import Method, Train, option

if TYPE_CHECKING:
    from ticketbench import Trial


@dataclass(frozen=True)
class Imp(Method):
    """Train, prune a fraction of what is left, rewind, and again; the last ticket is trained and judged.

    Level k keeps (1 − fraction)^k of all weights, the last one exactly the cell's density, each rounded from
    the original count so that rounding never adds up. Every level is judged as a point of the curve.
    rewind: "start" = to initialization (Frankle and Carbin 2019); "step" = to the weights after `rewind_step`
    steps (Frankle et al. 2020); "none" = keep the trained weights and only restart the schedule (Han et al. 2015).
    """

    name = "imp"
    summary = "train, prune the smallest weights, rewind, repeat: the lottery ticket procedure"
    reference = "Frankle and Carbin 2019 (arXiv 1803.03635); late rewinding: arXiv 1912.05671"
    ranks_by = "magnitude"

    fraction: float = option(0.2, "fraction of the remaining weights pruned a level", at_least=0.001, at_most=0.999)
    scope: Literal["global", "layerwise", "erk", "uniform"] = option("global", "how layers share the budget")
    rewind: Literal["start", "step", "none"] = option("start", "where the weights go back to")
    rewind_step: int = option(0, "the step to rewind to, with rewind = 'step'", at_least=0)

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Level by level down to the density."""
        if self.rewind == "step":
            yield trial.train(until=self.rewind_step)
        start = trial.snapshot()
        for density in self.levels(trial.density):
            yield trial.train()
            trial.report()
            trial.prune(density, scope=self.scope)
            if self.rewind == "none":
                trial.restart()
            else:
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
        """One a level, and the last ticket's."""
        return len(self.levels(density)) + 1
