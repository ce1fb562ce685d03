"""Magnitude pruning down a ladder of densities, during one training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketbench import Method, OptionError, Request, Scope, option

if TYPE_CHECKING:
    from ticketbench import Trial

LADDER = (0.8, 0.6, 0.4, 0.2, 0.1, 0.05, 0.02, 0.01)


@dataclass(frozen=True)
class Annealed(Method):
    """One training, in which the density goes down a ladder, a level every `every` steps, to the cell's density.

    At the steps k·g, k = 1 … n, the best of the weights that are left stay, by the row's scorer: as many as the k-th
    level says. Levels at or below the cell's density are left out, and the n-th is that density itself. Training goes
    on without a rewind, with the same optimizer, and after the last level to the end of the schedule. g is `every`, or
    where n levels would then end after the share `end` of the schedule, that share divided by n; it is noted as "steps
    between levels".

    Deviation: the paper prunes every 10,000 steps, also in a training of 50 epochs on sequential MNIST (46,900 steps
    of 64 examples), of which five percent would take 60,000. It calls this prune-retrain cycles, longer by an order of
    magnitude than other methods, and does not say how many steps there were. Here g shrinks so that all levels
    fit; a recipe of 75,000 steps has room for g = 10,000 at five percent. Which scope was used is not said either.
    """

    name = "annealed"
    summary = "prune the smallest weights level by level while training goes on"
    reference = "Zhang and Stadie 2020 (arXiv 1912.00120), section 6.1, there called L2; Reed 1993"
    ranks_by = "magnitude"
    mixes = False

    levels: tuple[float, ...] = option(LADDER, "the densities on the way, falling")
    every: int = option(10_000, "steps between levels, if the schedule has room for them", at_least=1)
    end: float = option(0.8, "share of training by which the density is reached", at_least=0.0, at_most=1.0)
    scope: Scope = option("global", "how layers share the budget")

    def __post_init__(self) -> None:
        falls = all(before > after for before, after in zip((1.0, *self.levels), (*self.levels, 0.0), strict=True))
        if not falls:
            raise ValueError(f"levels = {list(self.levels)} must fall from below 1 and stay above 0")

    def draw(self, trial: Trial) -> Iterator[Request]:
        """Train and prune in turns; the engine trains what is left after the last level."""
        for step, density in self.updates(trial.density, trial.total_steps):
            yield trial.train(until=step)
            yield trial.pruning(density, scope=self.scope)
        if trial.density < 1:
            trial.note("steps between levels", self.gap(trial.density, trial.total_steps))

    def updates(self, final: float, total: int) -> list[tuple[int, float]]:
        """The steps at which the mask changes, and the densities after them; the last one is `final` exactly."""
        gap = self.gap(final, total)
        return [(gap * number, density) for number, density in enumerate(self.down_to(final), start=1)]

    def down_to(self, final: float) -> list[float]:
        """The levels above `final`, and `final`; none where nothing is pruned."""
        return [*(level for level in self.levels if level > final * (1 + 1e-6)), final] if final < 1 else []

    def gap(self, final: float, total: int) -> int:
        """Steps between two levels of a schedule."""
        last, count = round(self.end * total), len(self.down_to(final))
        if last < count:
            raise OptionError(
                f"'{self.name}' has no room for {count} levels down to a density of {final:g} in {last} steps "
                f"(end = {self.end:g} of {total}): it takes a step a level at least"
            )
        return min(self.every, last // max(1, count))
