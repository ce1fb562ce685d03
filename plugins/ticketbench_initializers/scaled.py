"""Initializers whose spread follows the number of inputs and outputs of a layer."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ticketbench import Initializer, option

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class Scaled(Initializer):
    """Zero mean and a standard deviation by layer; U(±√3·std) or N(0, std²).

    Fans include the kernel: fan_in = Π shape[1:], fan_out = shape[0] · Π shape[2:]. Biases are zero, N(0, 1) as
    `torch.nn.init.normal_` draws them, or as built; the shift of a norm is a bias too. They are drawn after all
    weights, so that the weights of a seed are the same whatever the biases are. Parameters with fewer than two
    dimensions that are no biases (scales of norms) stay as built.
    """

    distribution: Literal["uniform", "normal"] = option("uniform", "the shape of the distribution")
    biases: Literal["zeros", "normal", "default"] = option("zeros", "biases zero, N(0, 1), or as the module built them")

    @abstractmethod
    def std(self, fan_in: int, fan_out: int) -> float:
        """The standard deviation of a layer."""

    def initialize(self, module: nn.Module, mask: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Fill every weight of two or more dimensions, then the biases."""
        for parameter in module.parameters():
            if parameter.ndim >= 2 and parameter.requires_grad:
                std = self.std(*fans(parameter.shape))
                if self.distribution == "normal":
                    parameter.normal_(0.0, std, generator=generator)
                else:
                    parameter.uniform_(-math.sqrt(3) * std, math.sqrt(3) * std, generator=generator)
        for name, parameter in module.named_parameters():
            if parameter.ndim < 2 and name.rpartition(".")[2].startswith("bias"):
                if self.biases == "zeros":
                    parameter.zero_()
                elif self.biases == "normal":
                    parameter.normal_(0.0, 1.0, generator=generator)


@dataclass(frozen=True)
class Glorot(Scaled):
    """Var θ = gain² · 2 / (fan_in + fan_out); with gain 1, U(±√(6 / (fan_in + fan_out)))."""

    name = "glorot"
    summary = "variance 2 / (fan_in + fan_out), also called Xavier"
    reference = "Glorot and Bengio 2010, Eq. 16"

    gain: float = option(1.0, "factor on the standard deviation", at_least=0.0)

    def std(self, fan_in: int, fan_out: int) -> float:
        """gain · √(2 / (fan_in + fan_out))."""
        return self.gain * math.sqrt(2 / (fan_in + fan_out))


@dataclass(frozen=True)
class He(Scaled):
    """Var θ = gain² / fan_in; gain √2 for ReLU as in the paper, 1 for the linear variant: U(±√(3 / fan_in))."""

    name = "he"
    summary = "variance 2 / fan_in, also called Kaiming"
    reference = "He et al. 2015 (arXiv 1502.01852), Eq. 10"

    gain: float = option(math.sqrt(2), "factor on the standard deviation; √2 for ReLU", at_least=0.0)

    def std(self, fan_in: int, fan_out: int) -> float:
        """gain / √fan_in."""
        return self.gain / math.sqrt(fan_in)


def fans(shape: torch.Size) -> tuple[int, int]:
    """Inputs and outputs of a unit, kernel included."""
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel
