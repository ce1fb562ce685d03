"""One update of a fleet's stacked weights, in place: gradients masked, optimizer, weights.

A weight has a leading axis over F members, and every number that may differ between them or from step to step is a
tensor (F,) on the device (`Pace`). Nothing is read on the host, so that an update can be captured in a CUDA graph.
Outside a mask, weights and slots are zero after every update, whatever the gradient is there. A member that is not
live keeps every bit.

On CUDA with Triton an update is one pass over memory; elsewhere it is the twin, plain torch operations, which is what
the kernel computes bit for bit. Against torch.optim.Adam and torch.optim.SGD, member by member, it differs by rounding:
rates are fp32, and no multiplication is fused with an addition.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ticketbench.kernels.checks import check_momentum, check_pace, check_stacked
from ticketbench.kernels.moving import across, as_bytes, bits_of, kept_by, move, on_device_of
from ticketbench.kernels.pace import Corrections, Pace, corrections_of
from ticketbench.kernels.presence import runs_kernels

BLOCK = 1024
"""Weights that one program of a kernel updates."""
WARPS = 8
"""Of 32 threads, in a program: four weights a thread, so that each reads 16 bytes at once of every tensor."""


@torch.no_grad()
def adam_(
    weight: Tensor,
    gradient: Tensor,
    mask: Tensor | None,
    first: Tensor,
    second: Tensor,
    pace: Pace,
    *,
    betas: tuple[float, float],
    epsilon: float,
    corrections: Corrections | None = None,
) -> None:
    """Adam on a stacked weight (F, ...), for each member at its own rate, decay and age.

    g ← g·mask + decay·θ;  m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²;
    θ ← shrink·θ − rate / (1 − β₁^age) · m / (√v / √(1 − β₂^age) + ε)

    `first` and `second` are m and v. `corrections` are those of `pace.age`; whoever updates several tensors computes
    them once with `corrections_at`.
    """
    corrections = corrections or corrections_of(pace, betas)
    if not runs_kernels(weight.device):
        return adam_twin_(
            weight, gradient, mask, first, second, pace, betas=betas, epsilon=epsilon, corrections=corrections
        )
    check_stacked({"weight": weight, "gradient": gradient, "first": first, "second": second}, mask)
    check_pace(pace, weight, {"corrections.first": corrections.first, "corrections.root": corrections.root})
    if not weight.numel():
        return None
    from ticketbench.kernels.passes import adam_pass

    size = weight[0].numel()
    with on_device_of(weight):
        adam_pass[(-(-size // BLOCK), len(weight))](
            weight,
            gradient,
            as_bytes(mask),
            first,
            second,
            as_bytes(pace.live),
            pace.rate,
            pace.decay,
            pace.shrink,
            corrections.first,
            corrections.root,
            size,
            1 - betas[0],
            betas[1],
            1 - betas[1],
            epsilon,
            block=BLOCK,
            num_warps=WARPS,
            enable_fp_fusion=False,
        )
    return None


@torch.no_grad()
def adam_twin_(
    weight: Tensor,
    gradient: Tensor,
    mask: Tensor | None,
    first: Tensor,
    second: Tensor,
    pace: Pace,
    *,
    betas: tuple[float, float],
    epsilon: float,
    corrections: Corrections | None = None,
) -> None:
    """What `adam_` computes, in torch's operations."""
    corrections = corrections or corrections_of(pace, betas)
    step, root, decay, shrink = (
        across(numbers, weight)
        for numbers in (pace.rate / corrections.first, corrections.root, pace.decay, pace.shrink)
    )
    bits = bits_of(mask, weight)
    gradient = kept_by(gradient, bits) + decay * weight
    new_first = (gradient - first).mul_(1 - betas[0]).add_(first)
    new_second = (1 - betas[1]) * gradient
    new_second = new_second.mul_(gradient).add_(betas[1] * second)
    scale = new_second.sqrt().div_(root).add_(epsilon)
    new_weight = shrink * weight - (step * new_first).div_(scale)
    move(pace, bits, (weight, new_weight), (first, new_first), (second, new_second))


@torch.no_grad()
def sgd_(
    weight: Tensor,
    gradient: Tensor,
    mask: Tensor | None,
    momentum_buffer: Tensor | None,
    pace: Pace,
    *,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> None:
    """SGD on a stacked weight (F, ...), for each member at its own rate and decay; dampening is 0.

    g ← g·mask + decay·θ;  b ← momentum·b + g;  g ← g + momentum·b if Nesterov, else b;  θ ← shrink·θ − rate·g

    A fresh buffer b is zero. Without a buffer there is no momentum.
    """
    check_momentum(momentum_buffer, momentum, nesterov)
    if not runs_kernels(weight.device):
        return sgd_twin_(weight, gradient, mask, momentum_buffer, pace, momentum=momentum, nesterov=nesterov)
    slots = {} if momentum_buffer is None else {"momentum_buffer": momentum_buffer}
    check_stacked({"weight": weight, "gradient": gradient, **slots}, mask)
    check_pace(pace, weight)
    if not weight.numel():
        return None
    from ticketbench.kernels.passes import sgd_pass

    size = weight[0].numel()
    with on_device_of(weight):
        sgd_pass[(-(-size // BLOCK), len(weight))](
            weight,
            gradient,
            as_bytes(mask),
            momentum_buffer,
            as_bytes(pace.live),
            pace.rate,
            pace.decay,
            pace.shrink,
            size,
            momentum,
            nesterov=nesterov,
            block=BLOCK,
            num_warps=WARPS,
            enable_fp_fusion=False,
        )
    return None


@torch.no_grad()
def sgd_twin_(
    weight: Tensor,
    gradient: Tensor,
    mask: Tensor | None,
    momentum_buffer: Tensor | None,
    pace: Pace,
    *,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> None:
    """What `sgd_` computes, in torch's operations."""
    check_momentum(momentum_buffer, momentum, nesterov)
    rate, decay, shrink = (across(numbers, weight) for numbers in (pace.rate, pace.decay, pace.shrink))
    bits = bits_of(mask, weight)
    gradient = kept_by(gradient, bits) + decay * weight
    changed: list[tuple[Tensor, Tensor]] = []
    if momentum_buffer is not None:
        new_buffer = momentum * momentum_buffer + gradient
        changed.append((momentum_buffer, new_buffer))
        gradient = gradient + momentum * new_buffer if nesterov else new_buffer
    move(pace, bits, (weight, shrink * weight - rate * gradient), *changed)
