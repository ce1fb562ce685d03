"""Which places of the parameters a probe counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial, TrialStack


def counted(trial: Trial, biases: bool) -> dict[str, Tensor]:
    """The live places of the prunable weights; with `biases`, every place of what is never pruned, too."""
    return places(trial.parameters, trial.mask, biases)


def counted_stacked(stack: TrialStack, biases: bool) -> dict[str, Tensor]:
    """The same of several members, with a leading axis."""
    return places(stack.parameters, stack.mask, biases)


def places(parameters: Mapping[str, Tensor], mask: Mapping[str, Tensor], biases: bool) -> dict[str, Tensor]:
    """The mask where there is one; all places of other parameters, if they count."""
    return {
        name: mask[name] if name in mask else torch.ones_like(part, dtype=torch.bool)
        for name, part in parameters.items()
        if biases or name in mask
    }


def read_together(
    sums: Mapping[str, Tensor], per_tensor: bool, named: Callable[..., Mapping[str, float]]
) -> list[dict[str, float]]:
    """What a probe makes of sums over tensors, (members, kinds of sums) each: of their total, and of each on request.

    All of them are read from the device at once. `named` gets "" or " NAME", and a number of each kind.
    """
    every = torch.stack(list(sums.values()), dim=1)
    rows = torch.cat([every.sum(1, keepdim=True), every], dim=1).tolist()
    labels = ["", *(f" {name}" for name in sums)] if per_tensor else [""]
    return [
        {key: value for of, row in zip(labels, own, strict=False) for key, value in named(of, *row).items()}
        for own in rows
    ]
