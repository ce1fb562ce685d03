"""The model's own initialization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketbench import Initializer

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class Default(Initializer):
    """What the modules draw when they are built: for PyTorch's layers U(±1/√fan_in), weights and biases."""

    name = "default"
    summary = "PyTorch's own initialization, or the model's"
    reference = "torch.nn.Linear, torch.nn.Conv2d: reset_parameters"

    def initialize(self, module: nn.Module, mask: Mapping[str, Tensor], generator: torch.Generator) -> None:
        """Leave the module as it was built (under the cell's seed)."""
