"""Correlations of numbers drawn from a seed, by `ticketbench.kernels` in whichever process, and by torch's own."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ticketbench.kernels.correlation import correlate, room, taps_gradient

Extras = tuple[Tensor | None, Tensor | None, bool]
"""What is added, the gate, and whether a ReLU comes in between."""


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Normal numbers."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def moved_in(tensor: Tensor | None) -> Tensor | None:
    """A copy in a room of this process, among other examples' rows."""
    if tensor is None:
        return None
    batch = tensor.shape[1]
    larger = room(tensor, batch + 2).fill_(9.0)
    return larger[:, 1 : batch + 1].copy_(tensor)


def correlated(inputs: Tensor, taps: Tensor, added: Tensor | None, gate: Tensor | None, relu: bool) -> Tensor:
    """The correlation of contiguous tensors, as a contiguous tensor."""
    own = [moved_in(tensor) for tensor in (inputs, added, gate)]
    return correlate(own[0], taps, *own[1:], relu=relu).contiguous()


def correlated_in_place(inputs: Tensor, taps: Tensor, added: Tensor) -> Tensor:
    """The same, written over what is added."""
    place = moved_in(added)
    correlate(moved_in(inputs), taps, place, relu=True, out=place)
    return place.contiguous()


def gradient_of_taps(inputs: Tensor, gradients: Tensor, total: Tensor) -> Tensor:
    """The total with the gradient added."""
    total = total.clone()
    taps_gradient(moved_in(inputs), moved_in(gradients), total)
    return total


def plainly(inputs: Tensor, taps: Tensor, added: Tensor | None, gate: Tensor | None, relu: bool) -> Tensor:
    """torch's convolution of each member, in fp64, and what comes after it one by one."""
    conv = functional.conv1d if inputs.ndim == 4 else functional.conv2d
    pairs = zip(inputs.double().movedim(-1, 2), taps.double().movedim(-1, 2), strict=True)
    found = torch.stack([conv(x, w, padding=1) for x, w in pairs]).movedim(2, -1)
    found = found if added is None else found + added
    found = found.relu() if relu else found
    return found if gate is None else found * (gate > 0)


def plain_gradient(inputs: Tensor, gradients: Tensor, total: Tensor) -> Tensor:
    """The gradient of the taps by autograd, in fp64, added to the total."""
    taps = torch.zeros_like(total, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(plainly(inputs, taps, None, None, False), taps, gradients.double())
    return total + found
