"""Supermasks: what a mask alone makes of a network whose weights are as they were drawn, or their signs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ticketbench import Method, Scope, Train, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial

Criterion = Literal[
    "large_final",
    "small_final",
    "large_init",
    "small_init",
    "large_init_large_final",
    "small_init_small_final",
    "magnitude_increase",
    "movement",
    "large_final_same_sign",
    "large_final_diff_sign",
]


def evened(first: Tensor, last: Tensor) -> Tensor:
    """|w_f| times the α that makes its deviation that of |w_i|."""
    sizes, spread = last.abs(), last.abs().std(correction=0)
    return sizes * (first.abs().std(correction=0) / spread.where(spread > 0, 1))


CRITERIA: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "large_final": lambda first, last: last.abs(),
    "small_final": lambda first, last: -last.abs(),
    "large_init": lambda first, last: first.abs(),
    "small_init": lambda first, last: -first.abs(),
    "large_init_large_final": lambda first, last: evened(first, last).minimum(first.abs()),
    "small_init_small_final": lambda first, last: -evened(first, last).maximum(first.abs()),
    "magnitude_increase": lambda first, last: last.abs() - first.abs(),
    "movement": lambda first, last: (last - first).abs(),
    "large_final_same_sign": lambda first, last: (last * first.sign()).clamp(min=0),
    "large_final_diff_sign": lambda first, last: (-last * first.sign()).clamp(min=0),
}
"""Scores of a layer by its first and its last weights; higher = keep."""


@dataclass(frozen=True)
class Supermask(Method):
    """Train, score every weight by where it began, w_i, and where it came to, w_f, and put others under the mask.

    criterion: large_final |w_f|; small_final −|w_f|; large_init |w_i|; small_init −|w_i|; magnitude_increase
    |w_f| − |w_i|; movement |w_f − w_i|; large_init_large_final min(α·|w_f|, |w_i|); small_init_small_final
    −max(α·|w_f|, |w_i|), α such that both have the same deviation in the layer; large_final_same_sign
    max(0, w_f·sign(w_i)), the paper's best; large_final_diff_sign max(0, −w_f·sign(w_i)).
    weights: "start" = w_i; "signs" = sign(w_i)·d, where d is the standard deviation of the layer's w_i, all of them.
    then: "stop" = the supermask itself: the network is judged with these weights, none of it trained, and trained only
    where the protocol trains elsewhere; "train" = they are trained for another schedule.
    rounds: in k rounds of train, prune and back to w_i, the density falls by the same factor in each. A weight that
    was pruned before stays pruned.
    Deviations: of layers where the criterion ties, as the two with signs do at 0, the lower index stays, so that the
    count is exact. Pruned weights are 0; the paper also tries to leave them as they began. Its layers have rates of
    their own, the last one half of the others'; here they share as the scope says.
    """

    name = "supermask"
    summary = "a mask by where weights began and came to, on the first weights or their signs alone"
    reference = "Zhou et al. 2019 (arXiv 1905.01067), sections 3 to 5"

    criterion: Criterion = option("large_final_same_sign", "what weights are ranked by")
    weights: Literal["start", "signs"] = option("signs", "what stands under the mask")
    then: Literal["stop", "train"] = option("stop", "what comes after the mask was found")
    rounds: int = option(1, "trainings in which the density falls", at_least=1)
    scope: Scope = option("layerwise", "how layers share the budget")

    def draw(self, trial: Trial) -> Iterator[Train]:
        """Train and prune in rounds, each from the first weights, and end at what stands under the mask."""
        if trial.density == 1:
            return
        start = trial.snapshot()
        for number in range(1, self.rounds + 1):
            yield trial.train()
            last = trial.weights
            scores = {name: CRITERIA[self.criterion](start.weights[name], part) for name, part in last.items()}
            trial.prune(trial.density ** (number / self.rounds), scope=self.scope, scores=scores)
            trial.rewind(replace(start, step=trial.total_steps) if self.stops_after(number) else start)
        if self.weights == "signs":
            trial.set_weights({name: signed(start.weights[name]) for name in trial.mask})

    def stops_after(self, number: int) -> bool:
        """Whether nothing is trained after this round."""
        return self.then == "stop" and number == self.rounds

    def trainings(self, density: float) -> float:
        """One a round, and one of what was found if it is trained."""
        return 1.0 if density == 1 else self.rounds + float(self.then == "train")


def signed(weights: Tensor) -> Tensor:
    """sign(w)·d, with the standard deviation d of all of them."""
    return weights.sign() * weights.std(correction=0)
