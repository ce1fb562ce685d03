"""Which places of the parameters a probe counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


def counted(trial: Trial, biases: bool) -> dict[str, Tensor]:
    """The live places of the prunable weights; with `biases`, every place of what is never pruned, too."""
    mask = trial.mask
    return {
        name: mask[name] if name in mask else torch.ones_like(part, dtype=torch.bool)
        for name, part in trial.parameters.items()
        if biases or name in mask
    }
