"""What updates share: numbers a member beside a stacked weight, and new values put in the place of old ones."""

from __future__ import annotations

import torch
from torch import Tensor

from ticketbench.kernels.pace import Pace


def across(numbers: Tensor, weight: Tensor) -> Tensor:
    """A number a member (F,), shaped to be multiplied with a stacked weight."""
    return numbers.view(-1, *[1] * (weight.ndim - 1))


def move(pace: Pace, mask: Tensor | None, *changed: tuple[Tensor, Tensor]) -> None:
    """Put new values in the place of old ones: zero outside the mask, and only where a member is live."""
    for old, new in changed:
        new = new if mask is None else new.where(mask, 0)
        old.copy_(new.where(across(pace.live, old), old))


def as_bytes(flags: Tensor | None) -> Tensor | None:
    """A bool tensor as the bytes that it is, which a kernel reads."""
    return None if flags is None else flags.view(torch.uint8)


def on_device_of(weight: Tensor) -> torch.cuda.device:
    """A context in which kernels start on the GPU that holds a weight; none at all for a CPU's."""
    return torch.cuda.device(weight.device if weight.is_cuda else -1)
