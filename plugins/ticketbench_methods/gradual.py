"""Gradual magnitude pruning: to prune or not to prune, during one training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketbench import Method, OptionError, Request, Scope, option

if TYPE_CHECKING:
    from ticketbench import Trial


@dataclass(frozen=True)
class Gradual(Method):
    """One training, in which the sparsity rises along a cubic: fast while there is much to spare, then slowly.

    s_t = s_f + (s_i − s_f)·(1 − (t − t₀)/(nΔt))³ at the steps t = t₀ + kΔt, k = 1 … n, with s_i = 0 and s_f one less
    the density; t₀ is `begin` and the last update the last one up to `end`, as shares of the schedule. Each update
    keeps the best of the weights that are left, by the row's scorer, and training goes on. Every layer has the
    sparsity s_t, as in the paper, unless the scope is another. The default shares are those of Evci et al. 2020 for
    small networks (steps 3,000 to 7,000 of 11,719); Δt between 100 and 1,000 made no difference in the paper.
    Deviation: the authors' code leaves masked weights where they were and ranks them again, so that one could come
    back once the live ones have shrunk below it. Here a pruned weight is zero and does not return.
    """

    name = "gradual"
    summary = "prune the smallest weights a little at a time while training goes on"
    reference = "Zhu and Gupta 2017 (arXiv 1710.01878), equation 1"
    ranks_by = "magnitude"
    mixes = False

    begin: float = option(0.25, "share of training before pruning begins", at_least=0.0, at_most=1.0)
    end: float = option(0.6, "share of training by which the density is reached", at_least=0.0, at_most=1.0)
    every: int = option(100, "steps between updates of the mask", at_least=1)
    scope: Scope = option("layerwise", "how layers share the budget")

    def __post_init__(self) -> None:
        if self.begin >= self.end:
            raise ValueError(f"begin = {self.begin:g} must be less than end = {self.end:g}")

    def draw(self, trial: Trial) -> Iterator[Request]:
        """Train and prune in turns; the engine trains what is left after the last update."""
        for step, density in self.updates(trial.density, trial.total_steps):
            yield trial.train(until=step)
            yield trial.pruning(density, scope=self.scope)

    def updates(self, final: float, total: int) -> list[tuple[int, float]]:
        """The steps at which the mask changes, and the densities after them; the last one is `final` exactly."""
        first, last = round(self.begin * total), round(self.end * total)
        count = (last - first) // self.every
        if not count:
            raise OptionError(
                f"every = {self.every} leaves no update between step {first} (begin = {self.begin:g}) and step {last} "
                f"(end = {self.end:g}) of {total}: it must be at most {last - first}, or the schedule longer"
            )
        shares = [(1 - number / count) ** 3 for number in range(1, count + 1)]
        return [
            (first + number * self.every, final + (1 - final) * share) for number, share in enumerate(shares, start=1)
        ]
