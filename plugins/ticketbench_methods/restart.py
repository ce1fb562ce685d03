"""Prune, restart: what the mask of one pruning solution is worth with other weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ticketbench import OptionError, Request, option
from ticketbench_methods.gradual import Gradual

if TYPE_CHECKING:
    from ticketbench import Snapshot, Trial


@dataclass(frozen=True)
class Restart(Gradual):
    """Gradual pruning, trained to the end of the schedule, is the pruning solution; then its mask is trained again.

    weights: "start" = a lottery ticket, from the initial weights that the mask keeps, or from those after `rewind_step`
    steps (late rewinding); "fresh" = a scratch network, from new weights of the cell's initializer, which may look at
    the mask. The optimizer is fresh. The pruning solution is a point of the curve, at the density itself.
    companions: as many further lottery tickets and as many further scratch networks, each trained from the same mask
    on an order of the examples of its own, one for "lottery k" and "scratch k", and each scratch network from weights
    of its own. None of them is judged. They are kept for the probes that compare solutions, as "lottery 1 start",
    "lottery 1 end", "scratch 1 start", "scratch 1 end", … beside "prune end" and "prune start", the initial weights
    under the mask. The judged network comes last, on the order that the pruning solution saw, and is not kept.
    """

    name = "restart"
    summary = "prune while training, then train the mask again from its first weights or from new ones"
    reference = "Evci et al. 2022 (arXiv 2010.03533), section 4.3; late rewinding: arXiv 1912.05671"

    weights: Literal["start", "fresh"] = option("start", "a lottery ticket's weights, or new ones")
    rewind_step: int = option(0, "the step whose weights lottery tickets start from", at_least=0)
    companions: int = option(0, "further networks of each kind that are trained and kept for probes", at_least=0)

    def draw(self, trial: Trial) -> Iterator[Request]:
        """The pruning solution, its companions, and what the judged network starts from."""
        initial = trial.snapshot()
        self.check_rewinding(trial)
        if self.rewind_step:
            yield trial.train(until=self.rewind_step)
        start = trial.snapshot()
        yield from super().draw(trial)
        yield trial.train()
        trial.report()
        trial.keep("prune end")
        trial.rewind(initial)
        trial.keep("prune start")
        for number in range(1, self.companions + 1):
            for kind, weights in (("lottery", start), ("scratch", None)):
                stand(trial, weights)
                trial.keep(f"{kind} {number} start")
                yield trial.train(order=number)
                trial.keep(f"{kind} {number} end")
        stand(trial, start if self.weights == "start" else None)

    def check_rewinding(self, trial: Trial) -> None:
        """The weights to rewind to are there before anything is pruned."""
        first, _ = self.updates(trial.density, trial.total_steps)[0]
        if self.rewind_step > first:
            raise OptionError(
                f"rewind_step = {self.rewind_step} comes after the first update of the mask, at step {first} of "
                f"{trial.total_steps}: the weights to rewind to must be those of the dense network"
            )

    def trainings(self, density: float) -> float:
        """The pruning solution's, two for each pair of companions, and the judged network's."""
        return 2.0 + 2.0 * self.companions


def stand(trial: Trial, start: Snapshot | None) -> None:
    """Put the network where its training starts: at weights to rewind to, or at new ones."""
    if start is None:
        trial.reinitialize()
    else:
        trial.rewind(start)
