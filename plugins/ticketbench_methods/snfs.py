"""SNFS: sparse networks from scratch, by sparse momentum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import MaskView, Train, mask_count, option, shared_out
from ticketbench_methods.dynamic import DropAndGrow, DropAndGrowRule

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


@dataclass(frozen=True)
class GrowByMomentum(DropAndGrowRule):
    """Grow where |a| is largest, the running average of the dense gradient; `Snfs` says how layers share."""

    averaged = True

    redistribution: Literal["none", "momentum"] = "none"

    def growth(self, view: MaskView) -> Mapping[str, Tensor]:
        """|a| at every place."""
        return {name: part.abs() for name, part in view.average.items()}

    def shares(self, view: MaskView, dropped: Mapping[str, Tensor], free: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """As many as were dropped, or in proportion to the mean |a| of the weights that were active before."""
        if self.redistribution == "none":
            return dropped
        means = []
        for name, size in self.growth(view).items():
            live = view.mask[name]
            means.append((size * live).double().sum() / mask_count(live).clamp(min=1))
        count = torch.stack(list(dropped.values())).sum()
        places = torch.stack(list(free.values()))
        most = places * 99 // 100
        counts = shared_out(most.where(count <= most.sum(), places), torch.stack(means), count)
        return dict(zip(dropped, counts.unbind(), strict=True))


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

    def rule(self) -> GrowByMomentum:
        """Growth by the running average."""
        return GrowByMomentum(self.redistribution)
