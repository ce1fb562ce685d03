"""A slice of the training examples, in pieces that fit in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from ticketbench import Split

if TYPE_CHECKING:
    from torch import Tensor

    from ticketbench import Trial


def training_slice(trial: Trial, examples: int, piece: int) -> Iterator[Split]:
    """So many examples drawn at random, or all of them for 0, in pieces of at most `piece`."""
    for batch in trial.batches(min(examples, 1), examples or piece):
        for inputs, targets in zip(torch.split(batch.inputs, piece), torch.split(batch.targets, piece), strict=True):
            yield Split(inputs, targets)


def in_double(inputs: Tensor) -> Tensor:
    """Numbers in float64; tokens as they are."""
    return inputs.double() if inputs.is_floating_point() else inputs
