"""DSR: dynamic sparse reparameterization, which moves weights between layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ticketbench import MaskView, mask_count, option, shared_out, top_mask
from ticketbench_methods.dynamic import Dynamic, Exploring, uniform_noise

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Noise


@dataclass(frozen=True)
class DropBelow(Exploring):
    """Drop below a threshold that is remembered and adapted, and grow as many at random; `Dsr` says how."""

    threshold: float = 1e-3
    target: float = 0.1

    def noise(self, weights: Mapping[str, Tensor]) -> Mapping[str, Noise]:
        """A uniform number for every place."""
        return uniform_noise(weights)

    def memory(self, view: MaskView) -> Mapping[str, Tensor]:
        """The first threshold, and the first mask."""
        like = next(iter(view.weights.values()))
        first = torch.full((), self.threshold, dtype=torch.float64, device=like.device)
        return {**super().memory(view), "threshold": first}

    def kept(self, view: MaskView) -> dict[str, Tensor]:
        """The active weights that are not below the threshold."""
        limit = view.memory["threshold"]
        return {
            name: part & (view.weights[name].abs() >= limit.to(view.weights[name].dtype))
            for name, part in view.mask.items()
        }

    def masks(self, view: MaskView) -> Mapping[str, Tensor]:
        """Drop, share out by what is left, and grow."""
        kept = self.kept(view)
        left = torch.stack([mask_count(part) for part in kept.values()])
        free = torch.stack([mask_count(~part) for part in kept.values()])
        grown = shared_out(free, left, counted(view.mask) - left.sum())
        return {
            name: part | top_mask(view.noise[name], grown[at], allowed=~part)
            for at, (name, part) in enumerate(kept.items())
        }

    def remember(self, view: MaskView, masks: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The threshold of the next update: half, the same or twice, by how many weights were dropped against N."""
        total = counted(view.mask)
        dropped = total - counted(self.kept(view))
        target = total.double() * self.target if self.target < 1 else torch.full_like(total.double(), self.target)
        threshold = view.memory["threshold"]
        lowered = (threshold / 2).where(dropped > 1.1 * target, threshold)
        return {**super().remember(view, masks), "threshold": (threshold * 2).where(dropped < 0.9 * target, lowered)}


def counted(masks: Mapping[str, Tensor]) -> Tensor:
    """How many places masks have in all."""
    return torch.stack([mask_count(part) for part in masks.values()]).sum()


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

    def rule(self) -> DropBelow:
        """Dropping below the threshold, growth at random."""
        return DropBelow(self.threshold, self.target)
