"""Correlations of a fleet: three taps a dimension, zeros beyond the border, each member with its own batch and taps.

Channels lie last: inputs (F, B, L, C) or (F, B, H, W, C), and taps (F, O, 3, C) or (F, O, 3, 3, C). Inputs and results
lie in tensors that `room` makes, or in slices of their batches.

On CUDA with Triton a correlation is one kernel with whatever comes after it (`added`, `relu`, `gate`), and sums are
fp32. Elsewhere, and for fp64, it is the twin, plain torch operations, which agrees with the kernel to rounding. In two
dimensions that is torch's convolution of channels last, member after member. In one dimension a room of the twin has a
row of zeros before the first string and behind each: then a tap reads a shifted view, and a correlation is three
products without a copy. Measured on one CPU thread of a busy machine (batch 100, 16 or 32 positions, width 32 to 128),
with a sum and a ReLU behind it, that takes 40 to 80 % of the time of torch's convolution of one member.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from ticketbench.kernels.presence import runs_kernels

KERNEL_TYPES = (torch.float32, torch.bfloat16, torch.float16)
"""What the kernels multiply; other types are left to the twins."""


@torch.no_grad()
def correlate(
    inputs: Tensor,
    taps: Tensor,
    added: Tensor | None = None,
    gate: Tensor | None = None,
    *,
    relu: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """y[f, b, s, o] = Σ over t and c of taps[f, o, t, c] · inputs[f, b, s + t − 1, c], and then what comes after it.

    `added` is added; with `relu` what is negative becomes zero; where `gate` is not above zero, the result is zero: the
    way back through a ReLU whose output was `gate`. The result may be written over `added`, and over nothing else that
    is read.
    """
    check_correlation(inputs, taps, {"added": added, "gate": gate, "out": out})
    if out is None:
        out = room(inputs, inputs.shape[1], taps.shape[1])
    if uses_kernels(inputs):
        from ticketbench.kernels.correlation_launch import launch_correlation

        launch_correlation(inputs, taps, added, gate, out, relu=relu)
    elif out.numel():
        correlate_twin(inputs, taps, added, gate, relu=relu, out=out)
    return out


@torch.no_grad()
def correlate_twin(
    inputs: Tensor, taps: Tensor, added: Tensor | None, gate: Tensor | None, *, relu: bool, out: Tensor
) -> None:
    """What `correlate` computes, in torch's operations."""
    if inputs.ndim == 4:
        result = string_rows(out)
        factors = [(string_rows(inputs, tap - 1), taps[:, :, tap].mT) for tap in range(3)]
        if added is None:
            torch.bmm(*factors.pop(), out=result)
        elif added.data_ptr() != out.data_ptr():
            result.copy_(string_rows(added))
        for left, right in factors:
            result.baddbmm_(left, right)
        if relu:
            result.relu_()
        if gate is not None:
            stop_where_shut(result, string_rows(gate), result)
        else:
            zero_rows(out).zero_()
        return
    for member, place in enumerate(out):
        image, kernel = (part[member].permute(0, 3, 1, 2) for part in (inputs, taps))
        found = functional.conv2d(image, kernel, padding=1).permute(0, 2, 3, 1)
        if added is not None:
            found = torch.add(found, added[member], out=place)
        if relu:
            found = torch.clamp_min(found, 0, out=place)
        if gate is not None:
            stop_where_shut(found, gate[member], place)
        elif found is not place:
            place.copy_(found)


def stop_where_shut(gradient: Tensor, gate: Tensor, place: Tensor) -> None:
    """A gradient into its place, with zeros where the gate is not above zero."""
    torch.ops.aten.threshold_backward.grad_input(gradient, gate, 0, grad_input=place)


def room(example: Tensor, batch: int, channels: int | None = None) -> Tensor:
    """Where inputs and results lie, not yet filled: of the example's members, positions, type and device.

    The example is (F, B, L, C) or (F, B, H, W, C); its batch and its channels may be replaced.
    """
    members, _, *space, given = example.shape
    channels = given if channels is None else channels
    if len(space) == 2 or uses_kernels(example):
        return example.new_empty(members, batch, *space, channels)
    (length,) = space
    whole = example.new_empty(members, 1 + batch * (length + 1), channels)
    whole[:, 0] = 0
    strings = torch.unflatten(whole[:, 1:], 1, (batch, length + 1))
    strings[:, :, length] = 0
    found: Tensor = strings[:, :, :length]
    return found


def uses_kernels(inputs: Tensor) -> bool:
    """Whether tensors like this one are left to the kernels."""
    return inputs.dtype in KERNEL_TYPES and runs_kernels(inputs.device)


def string_rows(strings: Tensor, shift: int = 0) -> Tensor:
    """All positions of strings (F, B, L, C) in a room, and the zeros between them, or the row beside each."""
    members, batch, length, channels = strings.shape
    start = strings.storage_offset() + shift * channels
    return strings.as_strided((members, batch * (length + 1) - 1, channels), (strings.stride(0), channels, 1), start)


def zero_rows(strings: Tensor) -> Tensor:
    """The rows between strings (F, B, L, C) in a room."""
    members, batch, length, channels = strings.shape
    start = strings.storage_offset() + length * channels
    return strings.as_strided((members, batch - 1, channels), (strings.stride(0), (length + 1) * channels, 1), start)


@torch.no_grad()
def taps_gradient(inputs: Tensor, gradients: Tensor, total: Tensor) -> None:
    """Add to `total` (F, O, 3[, 3], C) the gradient of a correlation's taps, from that of what it gave.

    total[f, o, t, c] += Σ over b and s of gradients[f, b, s, o] · inputs[f, b, s + t − 1, c]. `total` is fp32, or fp64
    where the inputs are.
    """
    check_correlation(inputs, total, {"gradients": gradients}, mixed=True)
    if uses_kernels(inputs):
        from ticketbench.kernels.correlation_launch import launch_taps_gradient

        launch_taps_gradient(inputs, gradients, total)
    elif gradients.numel():
        taps_gradient_twin(inputs, gradients, total)


@torch.no_grad()
def taps_gradient_twin(inputs: Tensor, gradients: Tensor, total: Tensor) -> None:
    """What `taps_gradient` computes, in torch's operations, member after member."""
    if inputs.ndim == 4:
        left = string_rows(gradients).mT
        for tap in range(3):
            right = string_rows(inputs, tap - 1)
            if inputs.dtype == total.dtype:
                total[:, :, tap].baddbmm_(left, right)
            else:
                total[:, :, tap] += torch.bmm(left, right)
    else:
        for member, place in enumerate(total):
            image, gradient = (part[member].permute(0, 3, 1, 2) for part in (inputs, gradients))
            shape = place.permute(0, 3, 1, 2).shape
            found = conv2d_weight(image, shape, gradient, padding=1)  # type: ignore[no-untyped-call]
            place.add_(found.permute(0, 2, 3, 1))


def check_correlation(
    inputs: Tensor, taps: Tensor, others: Mapping[str, Tensor | None], *, mixed: bool = False
) -> None:
    """A `ValueError` that names what does not fit; with `mixed`, the taps may be of another type."""
    dimensions = inputs.ndim - 3
    if dimensions not in (1, 2):
        raise ValueError(f"a fleet's inputs are (F, B, L, C) or (F, B, H, W, C), not of shape {tuple(inputs.shape)}")
    wanted = (len(inputs), taps.shape[1], *[3] * dimensions, inputs.shape[-1])
    if tuple(taps.shape) != wanted:
        raise ValueError(
            f"inputs of shape {tuple(inputs.shape)} need taps (F, O, {'3, ' * dimensions}C) = {wanted}, "
            f"not {tuple(taps.shape)}"
        )
    if taps.dtype != inputs.dtype and not mixed:
        raise ValueError(f"inputs are {inputs.dtype} and taps are {taps.dtype}: they must be of one type")
    results = (*inputs.shape[:-1], taps.shape[1])
    for name, other in {"inputs": inputs, **others}.items():
        if other is None:
            continue
        if name != "inputs" and tuple(other.shape) != results:
            raise ValueError(f"'{name}' has the shape {tuple(other.shape)}, where {results} fits")
        if other.dtype != inputs.dtype:
            raise ValueError(f"'{name}' is {other.dtype}, where the inputs are {inputs.dtype}")
        if not lies_in_room(other):
            raise ValueError(f"'{name}' must lie as `room` lays it out, channels last; it has strides {other.stride()}")


def lies_in_room(tensor: Tensor) -> bool:
    """Whether a tensor has the strides of a room's; whether zeros lie between strings cannot be told from them."""
    if not tensor.numel():
        return True
    if tensor.ndim == 5 or uses_kernels(tensor):
        return tensor[0].is_contiguous()
    length, channels = tensor.shape[2:]
    wanted = ((length + 1) * channels, channels, 1)
    return all(
        size == 1 or mine == right
        for size, mine, right in zip(tensor.shape[1:], tensor.stride()[1:], wanted, strict=True)
    )
