"""Methods that find by a penalty which weights they do without: what they have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketbench import Method, Regime, StepView, Train, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class Pressed(Regime):
    """Further parameters beside some of the weights, with a rate of their own and a penalty λ·p."""

    names: tuple[str, ...] = ()
    """The weights that it is about."""
    strength: float = 1.0
    pace: float = 1.0

    def rate(self, name: str) -> float:
        """All of them move at one pace."""
        return self.pace

    @abstractmethod
    def pressure(self, step: StepView) -> Tensor:
        """The penalty p at a strength of 1."""

    def penalty(self, step: StepView) -> Tensor:
        """λ·p."""
        return self.strength * self.pressure(step)


@dataclass(frozen=True)
class Sought(Method):
    """Train under a penalty by which the network finds what it does without, then cut to the density exactly.

    A method of this kind says of every weight by how much it is worth keeping. Those above zero are its own choice, and
    their share of all weights is its own density, which comes of λ, the strength of the penalty. It is noted as "own
    density". At `end` those weights stay that are worth most over all layers, as many as the cell's density says, ties
    by index, with the values that the forward saw; the rest of the schedule trains them plainly. Where the own density
    is above the cell's, the cut takes weights that the method would have kept; where it is below, weights come back
    that the method had done without. So the nearer λ brings one to the other, the more of the result is the method's.
    """

    mixes = False

    strength: float = option(1.0, "λ of the penalty", at_least=0.0)
    pace: float = option(10.0, "the learning rate of what is trained beside weights, against theirs", at_least=0.0)
    end: float = option(0.75, "share of training at which the mask is cut", at_least=0.0, at_most=1.0)

    @abstractmethod
    def regime(self, trial: Trial) -> Pressed:
        """What is different about the steps."""

    @abstractmethod
    def worth(self, trial: Trial) -> dict[str, Tensor]:
        """By how much each weight is worth keeping; above zero the method itself would keep it."""

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Train under the penalty, then cut."""
        if trial.density == 1:
            return
        yield trial.train(until=round(self.end * trial.total_steps), regime=self.regime(trial))
        worth = self.worth(trial)
        own = sum(int((part > 0).sum()) for part in worth.values())
        trial.note("own density", own / trial.total_weights)
        trial.prune(scores=worth)


def examples_of(trial: Trial) -> int:
    """How many examples there are to train on, to a batch: penalties of the papers are for all of them together."""
    return trial.steps_per_epoch * len(next(trial.batches()).inputs)
