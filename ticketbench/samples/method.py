"""A method for ticketbench."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ticketbench import Method, Train, Trial, hookimpl, option


@dataclass(frozen=True)
class Sample(Method):
    """Train a share of the schedule, keep the weights that have grown most, and train them from their start.

    A weight's score is |θ_t| − |θ_0|, where θ_0 is what it started from and t = share · T of T steps. What is left is
    set back to θ_0 and trained for the whole schedule.
    Deviations: the paper prunes each layer by a share of its own; here the scores of all layers are ranked together.
    """

    name = "sample"
    summary = "keep the weights that training makes larger, from where they started"
    reference = "Zhou et al. 2019 (arXiv 1905.01067), section 3, the criterion 'magnitude increase'"

    share: float = option(1.0, "how much of the schedule is trained before pruning", at_least=0.0, at_most=1.0)

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Written for one network; each `yield` trains all members of a fleet together."""
        start = trial.snapshot()
        yield trial.train(until=round(self.share * trial.total_steps))
        trial.prune(scores={name: weight.abs() - start.weights[name].abs() for name, weight in trial.weights.items()})
        trial.rewind(start)

    def trainings(self, density: float) -> float:
        """The one that looks, and the one that counts."""
        return self.share + 1.0


@hookimpl
def ticketbench_methods() -> Sequence[Method]:
    """What this plugin offers."""
    return [Sample()]
