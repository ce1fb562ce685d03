"""The outputs of a network, or of one that its method has kept, over any number of examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial

BATCH = 1000
"""Examples a forward."""


def evaluated(
    trial: Trial, inputs: Tensor, weights: Mapping[str, Tensor] | None, buffers: Mapping[str, Tensor] | None
) -> Tensor:
    """The outputs in evaluation mode, under given weights and statistics where there are any."""
    with torch.no_grad():
        return torch.cat([trial.outputs(part, weights, buffers, training=False) for part in torch.split(inputs, BATCH)])
