"""Initialization that knows the mask: each neuron's spread follows the inputs it has left."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ticketbench import option
from ticketbench_initializers.scaled import Scaled, fans

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class Sparse(Scaled):
    """Var θ_ij = gain / max(1, n_ij) for the connection from unit j to unit i: N(0, Var) or U(±√(3·Var)).

    n_ij counts what the mask keeps, kernel included: the inputs of i ("in"), the outputs of j ("out"), or the mean of
    the two ("average"). Masked weights are zero, and so are all of a neuron without inputs. The draws are those of the
    dense layer, widened by √(n / n_ij) with its fan n. So a mask of ones gives the dense initialization of that fan:
    He's for "in" and gain 2, Glorot's for "average" and gain 1. Weights that may not be pruned are drawn dense.
    The gain is a factor on the variance: 2 as the paper writes it, 1 as the authors' code runs it, with uniform draws
    where the paper has normal ones. The dense initializations under a mask are `glorot` and `he`, which do not
    look at it. Biases are as there.
    """

    name = "sparse"
    summary = "variance 2 / the inputs that each neuron has left"
    reference = "Evci et al. 2022 (arXiv 2010.03533), section 3.1"
    sparse_aware = True

    distribution: Literal["uniform", "normal"] = option("normal", "the shape of the distribution")
    fan: Literal["in", "out", "average"] = option("in", "what is counted: inputs, outputs, or the mean of the two")
    gain: float = option(2.0, "factor on the variance; 2 for ReLU", at_least=0.0)

    def std(self, fan_in: int, fan_out: int) -> float:
        """√(gain / n), of the dense layer."""
        return math.sqrt(self.gain / self.chosen(fan_in, fan_out))

    def initialize(self, module: nn.Module, mask: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Draw dense layers and biases, then widen what the mask keeps."""
        super().initialize(module, mask, generator)
        parameters = dict(module.named_parameters())
        for name, kept in mask.items():
            left = self.chosen(*fans_left(kept)).clamp(min=1)
            factor = (self.chosen(*fans(kept.shape)) / left).sqrt()
            parameters[name].copy_((parameters[name] * factor).where(kept, 0))

    def chosen(self, fan_in: Any, fan_out: Any) -> Any:
        """The fan that counts, of numbers or of tensors."""
        return {"in": fan_in, "out": fan_out, "average": (fan_in + fan_out) / 2}[self.fan]


def fans_left(kept: Tensor) -> tuple[Tensor, Tensor]:
    """The kept inputs of every row and the kept outputs of every column, kernel included, to be broadcast."""
    kernel = tuple(range(2, kept.ndim))
    return kept.double().sum((1, *kernel), keepdim=True), kept.double().sum((0, *kernel), keepdim=True)
