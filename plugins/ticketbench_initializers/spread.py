"""Initializers with one distribution for all weights, whatever their shapes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ticketbench import Initializer, option

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class Chosen(Initializer):
    """Draws the weights of two or more dimensions, all of them or those that may be pruned; then the biases.

    What is not drawn stays as the model built it: with weights = "prunable" a read-out that may not be pruned keeps
    its own initialization, weight and bias. Biases (of a recurrent layer, too) are drawn after all weights, so that
    the weights of a seed are the same whatever the biases are. Other parameters, such as the scales of norms, and
    frozen ones stay as built.
    """

    weights: Literal["all", "prunable"] = option("all", "which weights: all, or those that may be pruned")
    biases: Literal["zeros", "alike", "default"] = option("zeros", "biases zero, drawn likewise, or as built")

    @abstractmethod
    def fill(self, part: Tensor, generator: torch.Generator) -> None:
        """Draw a weight, a block of one, or a bias in place."""

    def blocks(self, module: nn.Module, name: str, weight: Tensor) -> list[Tensor]:
        """The parts of a weight that are drawn one by one, as views."""
        return [weight]

    def initialize(self, module: nn.Module, mask: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Fill the weights, then the biases."""
        homes = {name.rpartition(".")[0] for name in mask}
        for name, weight in module.named_parameters():
            if weight.ndim >= 2 and weight.requires_grad and (self.weights == "all" or name in mask):
                for part in self.blocks(module, name, weight):
                    self.fill(part, generator)
        for name, bias in module.named_parameters():
            home, _, own = name.rpartition(".")
            if bias.ndim < 2 and own.startswith("bias") and (self.weights == "all" or home in homes):
                if self.biases == "zeros":
                    bias.zero_()
                elif self.biases == "alike":
                    self.fill(bias, generator)


@dataclass(frozen=True)
class Normal(Chosen):
    """θ ~ N(0, std²): `std` is the standard deviation, not the variance.

    The paper's N(0, 0.1) is read as a standard deviation of 0.1, the default. Its Table 6 also has N(0, 1). There the
    read-out keeps Xavier's initialization, which is weights = "prunable" here.
    """

    name = "normal"
    summary = "normal numbers with one standard deviation for all weights"
    reference = "Zhang and Stadie 2020 (arXiv 1912.00120), section 6.1 and Table 6"

    std: float = option(0.1, "the standard deviation", at_least=0.0)

    def fill(self, part: Tensor, generator: torch.Generator) -> None:
        """N(0, std²)."""
        part.normal_(0.0, self.std, generator=generator)


@dataclass(frozen=True)
class Uniform(Chosen):
    """θ ~ U(low, high). The default U(0, 0.1) is that of the paper's Table 6: no weight is negative."""

    name = "uniform"
    summary = "uniform numbers between the same bounds for all weights"
    reference = "Zhang and Stadie 2020 (arXiv 1912.00120), Table 6"

    low: float = option(0.0, "the lower bound")
    high: float = option(0.1, "the upper bound")

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ValueError(f"low = {self.low:g} must be less than high = {self.high:g}")

    def fill(self, part: Tensor, generator: torch.Generator) -> None:
        """U(low, high)."""
        part.uniform_(self.low, self.high, generator=generator)
