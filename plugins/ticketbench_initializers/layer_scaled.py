"""A dense initialization, widened by what each layer has lost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ticketbench import option
from ticketbench_initializers.scaled import Scaled

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class LayerScaled(Scaled):
    """θ = θ_dense / √d, with the density d of each layer: every neuron alike, however many inputs it has left.

    base: the variance of θ_dense is "he" 2 / fan_in, "lecun" 1 / fan_in (He's with gain 1), or "glorot"
    2 / (fan_in + fan_out). Masked weights are zero; an empty layer is zero. Weights that may not be pruned are drawn
    dense, and biases are those of `he` and `glorot`, which are the same without the division.
    Deviation: the code of Liu et al. draws N(0, 2 / (fan_out·d)), in convolutions alone; the default here is uniform.
    """

    name = "layer_scaled"
    summary = "a dense initialization divided by the root of each layer's density"
    reference = "Liu et al. 2019 (arXiv 1810.05270); Evci et al. 2022 (arXiv 2010.03533), section 3.1"
    sparse_aware = True

    base: Literal["he", "lecun", "glorot"] = option("he", "the dense initialization")

    def std(self, fan_in: int, fan_out: int) -> float:
        """The standard deviation of the dense layer."""
        return math.sqrt({"he": 2 / fan_in, "lecun": 1 / fan_in, "glorot": 2 / (fan_in + fan_out)}[self.base])

    def initialize(self, module: nn.Module, mask: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Draw dense layers and biases, then widen what the mask keeps."""
        super().initialize(module, mask, generator)
        parameters = dict(module.named_parameters())
        for name, kept in mask.items():
            factor = math.sqrt(kept.numel() / max(1, int(kept.sum())))
            parameters[name].copy_((parameters[name] * factor).where(kept, 0))
