"""SNFS: sparse networks from scratch, by sparse momentum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ticketbench import Train, allocate, option
from ticketbench_methods.dynamic import DropAndGrow

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class Snfs(DropAndGrow):
    """Start from a sparse mask; every ΔT steps drop the smallest weights and grow where the momentum is largest.

    In each layer n = ⌊f·active⌋ active weights with the smallest |θ| are dropped, then places not kept are grown by
    |a|, a running average of the dense gradient: a ← m·a + (1 − m)·∂L/∂θ at every step, zero at the start. A
    just-dropped weight may come back, and then keeps its value and its slots; a new one starts at zero with every
    optimizer slot at zero. f falls from `fraction` by a cosine to zero at `stop`, stays constant, or follows the
    learning rate. The first mask is drawn by the row's scorer (random by default) with the layer densities of the
    scope. "explored", the fraction of weights ever active, is noted.
    redistribution: "none" = a layer grows the n that it dropped, as in Evci et al. 2020; "momentum" = a layer's share
    of all that is grown is in proportion to the mean |a| of its weights that were active before dropping, at most
    0.99 of its free places, and what does not fit goes to the other layers in the same proportion (to the free
    places above 0.99 if there are no others).
    Deviations: the authors take the optimizer's own momentum, kept dense, let f fall from 0.5 to 0.005, and update
    after every epoch; their counts are rounded and corrected at later updates, here they are exact.
    """

    name = "snfs"
    summary = "train sparse; now and then drop the smallest weights and grow those with the largest mean gradient"
    reference = (
        "Dettmers and Zettlemoyer 2019 (arXiv 1907.04840), Algorithm 1; without redistribution: Evci et al. 2020"
    )

    momentum: float = option(0.9, "decay of the running average; less than 1", at_least=0.0, at_most=1.0)
    redistribution: Literal["none", "momentum"] = option("none", "how layers share what is grown")

    def __post_init__(self) -> None:
        if self.momentum == 1:
            raise ValueError("momentum = 1 would never take up a gradient: it must be less than 1, such as 0.9")

    def training(self, trial: Trial, until: int) -> Train:
        """Average the dense gradient on the way."""
        return trial.train(until=until, average=self.momentum)

    def growth(self, trial: Trial) -> Mapping[str, Tensor]:
        """|a|, the size of the averaged gradient, at every place: weights are grown where it is largest."""
        return {name: part.abs() for name, part in trial.average_gradient.items()}

    def shares(self, trial: Trial, dropped: Mapping[str, int], free: Mapping[str, int]) -> Mapping[str, int]:
        """As many as were dropped, or in proportion to the mean |a| of the active weights."""
        if self.redistribution == "none":
            return dropped
        mask, sizes = trial.mask, self.growth(trial)
        means = {
            name: float((sizes[name] * part).double().sum()) / max(1, int(part.sum())) for name, part in mask.items()
        }
        count = sum(dropped.values())
        most = {name: places * 99 // 100 for name, places in free.items()}
        shapes = {name: tuple(part.shape) for name, part in mask.items()}
        return allocate(means, shapes, count, most if count <= sum(most.values()) else free)
