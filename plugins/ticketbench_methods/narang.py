"""Exploring sparsity in recurrent networks: a threshold that rises while the network trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import MaskRule, MaskView, Method, OptionError, Request, best_left, kept_count, mask_count, option

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class RisingThreshold(MaskRule):
    """Prune what is below a threshold of every layer, but no more than leaves "least" weights; at the "last" exactly.

    Of the request: "threshold", as a multiple of every layer's limit, and these limits, as "limit NAME".
    """

    def memory(self, view: MaskView) -> Mapping[str, Tensor]:
        """How many weights the thresholds alone would leave."""
        return {"above": torch.stack([mask_count(part) for part in view.mask.values()]).sum()}

    def sizes(self, view: MaskView) -> dict[str, Tensor]:
        """|θ| as a multiple of its layer's limit."""
        return {name: weight.abs().double() / view.numbers[f"limit {name}"] for name, weight in view.weights.items()}

    def above(self, view: MaskView) -> Tensor:
        """How many live weights are not below their threshold."""
        sizes, threshold = self.sizes(view), view.numbers["threshold"]
        return torch.stack([mask_count(kept & (sizes[name] >= threshold)) for name, kept in view.mask.items()]).sum()

    def masks(self, view: MaskView) -> Mapping[str, Tensor]:
        """The largest multiples of their limits, over all layers."""
        least = view.numbers["least"].long()
        count = least.where(view.numbers["last"] > 0, torch.maximum(least, self.above(view)))
        return best_left(self.sizes(view), view.mask, count)

    def remember(self, view: MaskView, masks: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What was above the thresholds at this update."""
        return {"above": self.above(view)}


@dataclass(frozen=True)
class Narang(Method):
    """One training, in which weights below a rising threshold are set to zero every f steps.

    At the steps t = f, 2f, … between `begin` and `end`, a weight of layer l is pruned if |θ| < ε_l(t):
    ε = θ_l·(t − begin + 1)/f before `ramp`, and ε = (θ_l·(ramp − begin + 1) + φ_l·(t − ramp + 1))/f from there on, with
    the slopes θ_l = 2·q_l·f / (2·(ramp − begin) + 3·(end − ramp)) and φ_l = `steeper`·θ_l. With φ = 1.5·θ the threshold
    comes to q_l at the end. A layer is a weight tensor; what may not be pruned, as biases, is left alone.
    q_l is a percentile of the layer's |θ| after a training of the dense network from the same start, which is then
    rewound ("trained": two trainings), or of |θ| at initialization ("initial"). The percentile is the cell's sparsity;
    the authors take the 90th and come to sparsities of about 90 %.

    A threshold cannot hit a count. So that the density is exact, the same factor on the thresholds of all layers
    makes up for the difference: no update leaves fewer weights than the density says, and the last one leaves exactly
    as many, those with the largest |θ|/q_l. What thresholds alone would have left is noted as "density by threshold".

    Deviations: begin, ramp and end are shares of the schedule; the authors begin with the second epoch and ramp and
    end after a quarter and a half of the epochs. They zero a weight after each step and look again at the next update,
    so that a large last gradient could bring it back; here a pruned weight does not return.
    """

    name = "narang"
    summary = "prune what is below a threshold that rises while training goes on"
    reference = "Narang et al. 2017 (arXiv 1704.05119), Algorithm 1 and Table 1"
    mixes = False

    begin: float = option(0.05, "share of training before pruning begins", at_least=0.0, at_most=1.0)
    ramp: float = option(0.25, "share of training from which the threshold rises faster", at_least=0.0, at_most=1.0)
    end: float = option(0.5, "share of training at which pruning ends", at_least=0.0, at_most=1.0)
    every: int = option(100, "steps between updates of the mask", at_least=1)
    steeper: float = option(1.5, "φ/θ, how much faster it rises from the ramp on; the authors: 1.5 to 2", at_least=0.0)
    q: Literal["trained", "initial"] = option("trained", "which weights' percentile the thresholds are made for")

    def __post_init__(self) -> None:
        if not self.begin <= self.ramp <= self.end or self.begin == self.end:
            raise ValueError(
                f"begin = {self.begin:g}, ramp = {self.ramp:g} and end = {self.end:g} must come in this order, "
                "and begin before end"
            )

    def draw(self, trial: Trial) -> Iterator[Request]:
        """Find every layer's q, then train and prune in turns; the engine trains what is left."""
        if trial.density == 1:
            return
        updates = self.updates(trial.total_steps)
        start = trial.snapshot()
        if self.q == "trained":
            yield trial.train()
        limits = percentiles(trial.weights, 1 - trial.density)
        if self.q == "trained":
            trial.rewind(start)
        least = kept_count(trial.density, trial.total_weights)
        own = {f"limit {name}": float(limit) for name, limit in limits.items()}
        for step, threshold in updates:
            yield trial.train(until=step)
            last = step == updates[-1][0]
            yield trial.remask(RisingThreshold(), threshold=threshold, least=least, last=last, **own)
        trial.note("density by threshold", int(trial.remembered["above"]) / trial.total_weights)

    def updates(self, total: int) -> list[tuple[int, float]]:
        """The steps at which the mask changes, and the thresholds there as multiples of q."""
        first, ramp, last = (round(share * total) for share in (self.begin, self.ramp, self.end))
        steps = [step for step in range(0, last, self.every) if step > first]
        if not steps:
            raise OptionError(
                f"every = {self.every} leaves no update between step {first} (begin = {self.begin:g}) and step {last} "
                f"(end = {self.end:g}) of {total}: a multiple of it must lie between them"
            )
        slope = 2 / (2 * (ramp - first) + 3 * (last - ramp))  # θ/(q·f): the steps between updates cancel
        return [
            (step, slope * (min(step, ramp) - first + 1 + (self.steeper * (step - ramp + 1) if step >= ramp else 0)))
            for step in steps
        ]

    def trainings(self, density: float) -> float:
        """Two where a dense training comes first."""
        return 2.0 if self.q == "trained" and density < 1 else 1.0


def percentiles(weights: Mapping[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Each layer's size of a weight that this share of the others does not reach; above zero, to divide by."""
    found = {}
    for name, weight in weights.items():
        sizes = weight.abs().double().flatten().sort().values
        place = min(round(sparsity * len(sizes)), len(sizes) - 1)
        found[name] = sizes[place].clamp(min=torch.finfo(torch.float32).tiny)
    return found
