"""Pruning after training, in one shot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ticketbench import Method, Request, Scope, option

if TYPE_CHECKING:
    from ticketbench import Trial


@dataclass(frozen=True)
class AfterTraining(Method):
    """Train to the end, prune once to the density by the row's scorer, and then one of three.

    then: "rewind" = the kept weights go back to their initialization, the one-shot ticket of Frankle and Carbin 2019;
    "finetune" = they stay and the schedule restarts (Han et al. 2015); "stop" = the network is judged as pruned, and
    trained again only where the protocol trains elsewhere. The dense network is a point of the curve.
    Deviations: Han et al. prune by a threshold that is a multiple of each layer's standard deviation, fine-tune at a
    tenth of the learning rate and repeat; here the count is exact and the schedule the same.
    At density 1 there is nothing to prune, and the network is trained once.
    """

    name = "after_training"
    summary = "train, prune the smallest weights at once, then rewind, fine-tune or stop"
    reference = "Han et al. 2015 (arXiv 1506.02626); one-shot tickets: Frankle and Carbin 2019 (arXiv 1803.03635)"
    ranks_by = "magnitude"

    then: Literal["rewind", "finetune", "stop"] = option("rewind", "what comes after pruning")
    scope: Scope = option("global", "how layers share the budget")

    def draw(self, trial: Trial) -> Iterator[Request]:
        """Train the dense network, judge it as a point of the curve, prune once, and set the start of what follows."""
        if trial.density == 1:
            return
        start = trial.snapshot()
        yield trial.train()
        trial.report()
        yield trial.pruning(scope=self.scope)
        if self.then == "rewind":
            trial.rewind(start)
        elif self.then == "finetune":
            trial.restart()

    def trainings(self, density: float) -> float:
        """Two, unless there is nothing to prune or nothing after pruning."""
        return 1.0 if density == 1 or self.then == "stop" else 2.0
