"""RigL: the rigged lottery, dynamic sparse training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ticketbench import Examples, MaskView, option
from ticketbench_methods.dynamic import DropAndGrow, DropAndGrowRule

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GrowByGradient(DropAndGrowRule):
    """Grow where |∂L/∂θ| is largest on some examples."""

    gradient: Examples

    def examples(self) -> Examples:
        """What the gradient is taken on."""
        return self.gradient

    def growth(self, view: MaskView) -> Mapping[str, Tensor]:
        """|∂L/∂θ| at every place, of pruned weights too."""
        return {name: part.abs() for name, part in view.gradient.items()}


@dataclass(frozen=True)
class Rigl(DropAndGrow):
    """Start from a sparse mask; every ΔT steps drop the smallest weights and grow where the gradient is largest.

    In each layer n = ⌊f·active⌋ active weights with the smallest |θ| are dropped, then n of all places not kept
    are grown by |∂L/∂θ|, the dense gradient. A just-dropped weight may come back, and then keeps its value and its
    slots; a new one starts at zero with every optimizer slot at zero. f falls from `fraction` by a cosine to zero at
    `stop`, stays constant, or follows the learning rate. The first mask is drawn by the row's scorer (random by
    default) with the layer densities of the scope. "explored", the fraction of weights ever active, is noted.
    gradient: "batch" = on a fresh training batch of the recipe's size; "slice" = on the first `examples` of the
    training split, the same at every update. `every = 1500` and a small batch are ITOP (Liu et al. 2021).
    Deviation: Algorithm 1 takes no step of the optimizer where it updates the mask; here every step is taken.
    """

    name = "rigl"
    summary = "train sparse; now and then drop the smallest weights and grow those with the largest gradient"
    reference = "Evci et al. 2020 (arXiv 1911.11134), Algorithm 1; ITOP: Liu et al. 2021 (arXiv 2102.02887)"

    gradient: Literal["batch", "slice"] = option("batch", "what the dense gradient is taken on")
    examples: int = option(1000, "examples of the slice", at_least=1)

    def rule(self) -> GrowByGradient:
        """Growth by the gradient on a batch or on the slice."""
        return GrowByGradient(Examples("batch") if self.gradient == "batch" else Examples("slice", self.examples))
