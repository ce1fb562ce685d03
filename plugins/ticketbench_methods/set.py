"""SET: sparse evolutionary training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketbench_methods.dynamic import DropAndGrow, DropAndGrowRule, uniform_noise

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import MaskView, Noise


@dataclass(frozen=True)
class GrowAtRandom(DropAndGrowRule):
    """Grow anywhere: each free place is as likely as any other."""

    def noise(self, weights: Mapping[str, Tensor]) -> Mapping[str, Noise]:
        """A uniform number for every place."""
        return uniform_noise(weights)

    def growth(self, view: MaskView) -> Mapping[str, Tensor]:
        """The random numbers."""
        return view.noise


@dataclass(frozen=True)
class Set(DropAndGrow):
    """Start from a sparse mask; every ΔT steps drop the smallest weights and grow as many at random.

    In each layer n = ⌊f·active⌋ active weights with the smallest |θ| are dropped, then n of all places not kept are
    grown, each as likely as any other. A just-dropped weight may come back, and then keeps its value and its slots;
    a new one starts at zero with every optimizer slot at zero. f falls from `fraction` by a cosine to zero at `stop`,
    stays constant, or follows the learning rate. The first mask is drawn by the row's scorer (random by default) with
    the layer densities of the scope. "explored", the fraction of weights ever active, is noted.
    `every = 1500` and a small batch are ITOP (Liu et al. 2021).
    Deviations: the paper updates after every epoch with a constant fraction, drops the smallest positive and the
    largest negative weights apart, and draws values for the new ones. Its layer densities are `scope = "er"`.
    """

    name = "set"
    summary = "train sparse; now and then drop the smallest weights and grow as many at random"
    reference = "Mocanu et al. 2018 (arXiv 1707.04780), Algorithm 1; ITOP: Liu et al. 2021 (arXiv 2102.02887)"

    def rule(self) -> GrowAtRandom:
        """Growth at random."""
        return GrowAtRandom()
