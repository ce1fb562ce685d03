"""DSR: dynamic sparse reparameterization, which moves weights between layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketbench import allocate, keep_top, option
from ticketbench_methods.dynamic import Dynamic, active, random_scores

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class Dsr(Dynamic):
    """Start from a sparse mask; every ΔT steps drop all weights below one threshold and grow as many at random.

    Active weights of any layer with |θ| < H are dropped. H starts at `threshold`; after each update it is halved
    where more than 1.1·N were dropped, and doubled where fewer than 0.9·N were. As many as were dropped are grown,
    shared among the layers in proportion to the weights that they have left; what does not fit into a layer goes to
    the others in the same proportion. Within a layer each place not kept is as likely as any other, and starts at
    zero with every optimizer slot at zero. The first mask is drawn by the row's scorer (random by default) with the
    layer densities of the scope. "explored", the fraction of weights ever active, is noted.
    Deviations: a just-dropped weight that is grown again keeps its value (less than H) and its slots, as in the
    other methods of this kind. Shares are rounded so that the density is exact, by largest remainders. The authors
    start from one density for convolutions and one for linear layers (here by the scope), and give N as a number.
    """

    name = "dsr"
    summary = "train sparse; now and then drop all weights below an adaptive threshold and grow as many at random"
    reference = "Mostafa and Wang 2019 (arXiv 1902.05967), Algorithm 1"

    threshold: float = option(1e-3, "the first H", at_least=0.0)
    target: float = option(0.1, "N: a share of the active weights if less than 1, else their number", at_least=0.0)
    stop: float = option(1.0, "share of training after which the mask stays; 1 never stops", at_least=0.0, at_most=1.0)

    def __post_init__(self) -> None:
        if self.threshold == 0:
            raise ValueError("threshold = 0 drops nothing, and twice 0 is 0: it must be positive, such as 0.001")
        if self.target > 1 and self.target != int(self.target):
            raise ValueError(f"target = {self.target:g} is neither a share, less than 1, nor a whole number of weights")

    def masks(self, trial: Trial) -> Iterator[Mapping[str, Tensor]]:
        """Drop, share out, grow, and adapt the threshold."""
        threshold = self.threshold
        while True:
            mask, weights = trial.mask, trial.weights
            kept = {name: part & (weights[name].abs() >= threshold) for name, part in mask.items()}
            left = {name: int(part.sum()) for name, part in kept.items()}
            free = {name: part.numel() - left[name] for name, part in kept.items()}
            total = active(mask)
            dropped = total - sum(left.values())
            grown = allocate(left, {name: tuple(part.shape) for name, part in mask.items()}, dropped, free)
            scores = random_scores(trial)
            threshold = self.adapted(threshold, dropped, total)
            yield {name: part | keep_top(scores[name], grown[name], allowed=~part) for name, part in kept.items()}

    def adapted(self, threshold: float, dropped: int, total: int) -> float:
        """The threshold of the next update: half, the same or twice, by how many weights were dropped against N."""
        target = self.target if self.target >= 1 else self.target * total
        if dropped > 1.1 * target:
            return threshold / 2
        return threshold * 2 if dropped < 0.9 * target else threshold
