"""Orthogonal initialization, gate by gate where a layer is recurrent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from ticketbench import Recurrent, option
from ticketbench_initializers.spread import Chosen

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Orthogonal(Chosen):
    """θ = gain·Q, where Q is a random orthogonal matrix, uniform over all of them: with gain 1 it changes no length.

    The weights of a recurrent layer hold a block of rows for each gate, and each block is drawn for itself. The
    square blocks from hidden state to hidden state are orthogonal: all their singular values are the gain. A block
    that is not square, as those from the inputs mostly are, has orthonormal columns if it has more rows than columns,
    and orthonormal rows otherwise; so has any other weight, whose kernel counts with its inputs, (out, in · kernel).
    """

    name = "orthogonal"
    summary = "random orthogonal matrices, one for each gate of a recurrent layer"
    reference = "Saxe et al. 2014 (arXiv 1312.6120); for recurrent layers Henaff et al. 2016 (arXiv 1602.06662)"

    biases: Literal["zeros", "default"] = option("zeros", "biases zero, or as built")
    gain: float = option(1.0, "factor on the matrix: every singular value", at_least=0.0)

    def fill(self, part: Tensor, generator: torch.Generator) -> None:
        """The Q of a normal matrix, its signs made unique."""
        from torch.nn.init import orthogonal_

        orthogonal_(part, self.gain, generator=generator)

    def blocks(self, module: nn.Module, name: str, weight: Tensor) -> list[Tensor]:
        """A gate's rows each for a weight of the recurrent layer; else the weight."""
        if isinstance(module, Recurrent) and name in module.layer.values():
            return list(torch.split(weight, module.hidden))
        return [weight]
