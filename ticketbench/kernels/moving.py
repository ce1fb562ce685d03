"""What updates share: numbers a member beside a stacked weight, and new values put in the place of old ones."""

from __future__ import annotations

import torch
from torch import Tensor

from ticketbench.kernels.pace import Pace


def across(numbers: Tensor, weight: Tensor) -> Tensor:
    """A number a member (F,), shaped to be multiplied with a stacked weight."""
    return numbers.view(-1, *[1] * (weight.ndim - 1))


def bits_of(mask: Tensor | None, weight: Tensor) -> Tensor | None:
    """A mask as integers as wide as the weight's numbers: all bits where it keeps, none where it does not."""
    return None if mask is None else mask.to(_integers(weight)).neg_()


def kept_by(tensor: Tensor, bits: Tensor | None) -> Tensor:
    """A tensor's values where bits are set, and 0.0 elsewhere, whatever is there.

    As `where` would have it, which takes several times as long on a CPU.
    """
    if bits is None:
        return tensor
    return tensor.view(bits.dtype).bitwise_and(bits).view(tensor.dtype)


def move(pace: Pace, bits: Tensor | None, *changed: tuple[Tensor, Tensor]) -> None:
    """Put new values in the place of old ones: zero where bits are not set, and only where a member is live."""
    for old, new in changed:
        old.copy_(kept_by(new, bits).where(across(pace.live, old), old))


def _integers(tensor: Tensor) -> torch.dtype:
    """The integers that are as wide as a tensor's numbers."""
    return torch.int64 if tensor.dtype == torch.float64 else torch.int32


def as_bytes(flags: Tensor | None) -> Tensor | None:
    """A bool tensor as the bytes that it is, which a kernel reads."""
    return None if flags is None else flags.view(torch.uint8)


def on_device_of(weight: Tensor) -> torch.cuda.device:
    """A context in which kernels start on the GPU that holds a weight; none at all for a CPU's."""
    return torch.cuda.device(weight.device if weight.is_cuda else -1)
