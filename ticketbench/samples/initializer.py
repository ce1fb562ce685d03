"""An initializer for ticketbench."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ticketbench import Initializer, hookimpl, option


@dataclass(frozen=True)
class Sample(Initializer):
    """θ ~ N(0, gain² / n), where n is how many inputs a unit reads (kernel included); all biases are zero.

    A weight is a parameter of two or more dimensions, and a bias one whose name ends in `bias`; scales of
    normalizations stay as they were built.
    Deviations: the paper's σ = n^(−1/2) is for its scaled tanh; `gain` is what other activations need.
    """

    name = "sample"
    summary = "normal weights, their variance one over the inputs of a unit"
    reference = "LeCun et al. 1998, Efficient BackProp, section 4.6"

    gain: float = option(1.0, "factor on the standard deviation", at_least=0.0)

    def initialize(self, module: nn.Module, mask: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Fill in place, with random numbers from the generator alone."""
        for name, parameter in module.named_parameters():
            if parameter.ndim >= 2:
                inputs = parameter[0].numel()
                parameter.normal_(0.0, self.gain / math.sqrt(inputs), generator=generator)
            elif name.endswith("bias"):
                parameter.zero_()


@hookimpl
def ticketbench_initializers() -> Sequence[Initializer]:
    """What this plugin offers."""
    return [Sample()]
