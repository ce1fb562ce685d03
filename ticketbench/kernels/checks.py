"""What a kernel is given, checked: it sees addresses alone, and would read anything else as numbers, too."""

from __future__ import annotations

import torch
from torch import Tensor

from ticketbench.kernels.pace import Pace


def check_momentum(momentum_buffer: Tensor | None, momentum: float, nesterov: bool) -> None:
    """Refuse momentum that has nowhere to be kept."""
    if momentum_buffer is None and (momentum or nesterov):
        raise ValueError(f"momentum {momentum} (nesterov: {nesterov}) needs a momentum_buffer, zeros where it is fresh")


def check_stacked(tensors: dict[str, Tensor], mask: Tensor | None) -> None:
    """Refuse what a kernel, which sees addresses alone, would read as something else."""
    weight = tensors["weight"]
    wanted = {name: (tensor, torch.float32) for name, tensor in tensors.items()}
    if mask is not None:
        wanted["mask"] = (mask, torch.bool)
    for name, (tensor, dtype) in wanted.items():
        _check(name, tensor, dtype, weight.shape, weight.device)


def check_product(weight: Tensor, inputs: Tensor, output_gradients: Tensor) -> None:
    """Refuse inputs and gradients of outputs that are not those of these linear layers, on one batch."""
    if weight.ndim != 3 or inputs.ndim != 3:
        raise ValueError(
            f"stacked linear layers have weights (fleet, out, in) and inputs (fleet, batch, in), "
            f"not {tuple(weight.shape)} and {tuple(inputs.shape)}"
        )
    fleet, outs, ins = weight.shape
    batch = inputs.shape[1]
    _check("inputs", inputs, torch.float32, torch.Size((fleet, batch, ins)), weight.device)
    _check("output_gradients", output_gradients, torch.float32, torch.Size((fleet, batch, outs)), weight.device)


def check_pace(pace: Pace, weight: Tensor, others: dict[str, Tensor] | None = None) -> None:
    """Refuse a pace of another fleet, device or type."""
    numbers = {"rate": pace.rate, "decay": pace.decay, "shrink": pace.shrink, **(others or {})}
    for name, tensor in numbers.items():
        _check(name, tensor, torch.float32, weight.shape[:1], weight.device)
    _check("live", pace.live, torch.bool, weight.shape[:1], weight.device)


def _check(name: str, tensor: Tensor, dtype: torch.dtype, shape: torch.Size, device: torch.device) -> None:
    """Refuse a tensor that is not contiguous memory of this type, shape and device."""
    found = (tensor.dtype, tuple(tensor.shape), tensor.device)
    if found != (dtype, tuple(shape), device) or not tensor.is_contiguous():
        raise ValueError(
            f"a kernel needs '{name}' as a contiguous {dtype} tensor of shape {tuple(shape)} on {device}, "
            f"not {'' if tensor.is_contiguous() else 'strided '}{found[0]} of {found[1]} on {found[2]}"
        )
