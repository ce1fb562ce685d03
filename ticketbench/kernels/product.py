"""One update of a fleet's linear layers, in place: the gradient of the weight, mask, optimizer, weights.

For a layer that was given inputs x (F, B, I) and whose outputs have the gradient g (F, B, O), the gradient of its
weight (F, O, I) is gᵀ·x, member by member. On CUDA with Triton it is computed in tiles that are used at once and never
written to memory; elsewhere, and for batches above `MOST_EXAMPLES`, it is torch's product followed by the update of
`update.py`. Whoever clips gradients or keeps averages of them needs them whole, and cannot use this.

The kernel adds the examples in another order than torch's product, so that the two differ by rounding.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ticketbench.kernels.checks import check_momentum, check_pace, check_product, check_stacked
from ticketbench.kernels.moving import as_bytes, on_device_of
from ticketbench.kernels.pace import Corrections, Pace, corrections_of
from ticketbench.kernels.presence import runs_kernels
from ticketbench.kernels.update import adam_, sgd_

Precision = Literal["ieee", "tf32"]
"""How a kernel rounds factors before it multiplies them: not at all, or to TF32. Sums are fp32.

torch's product, where it takes the kernel's place, goes by torch's own setting.
"""

MOST_EXAMPLES = 128
"""The largest batch whose product is computed in the kernel, by estimate: at 128, memory still takes longer in fp32."""
ROWS, COLUMNS, DEPTH = 32, 64, 32
"""Of a weight's tile, and examples that are multiplied at a time."""
TILE_WARPS = 8
"""Of 32 threads, in a program: eight weights a thread."""


@torch.no_grad()
def adam_linear_(
    weight: Tensor,
    inputs: Tensor,
    output_gradients: Tensor,
    mask: Tensor | None,
    first: Tensor,
    second: Tensor,
    pace: Pace,
    *,
    betas: tuple[float, float],
    epsilon: float,
    corrections: Corrections | None = None,
    precision: Precision = "ieee",
) -> None:
    """`adam_` with the gradient gᵀ·x of stacked linear layers' weights (F, O, I)."""
    corrections = corrections or corrections_of(pace, betas)
    if not _fits(weight, inputs):
        gradient = weight_gradient(inputs, output_gradients)
        return adam_(weight, gradient, mask, first, second, pace, betas=betas, epsilon=epsilon, corrections=corrections)
    check_stacked({"weight": weight, "first": first, "second": second}, mask)
    check_product(weight, inputs, output_gradients)
    check_pace(pace, weight, {"corrections.first": corrections.first, "corrections.root": corrections.root})
    if not weight.numel():
        return None
    from ticketbench.kernels.tiles import adam_tile

    with on_device_of(weight):
        adam_tile[_grid(weight)](
            weight,
            inputs,
            output_gradients,
            as_bytes(mask),
            first,
            second,
            as_bytes(pace.live),
            pace.rate,
            pace.decay,
            pace.shrink,
            corrections.first,
            corrections.root,
            inputs.shape[1],
            *weight.shape[1:],
            1 - betas[0],
            betas[1],
            1 - betas[1],
            epsilon,
            steps=-(-inputs.shape[1] // DEPTH),
            rows=ROWS,
            columns=COLUMNS,
            depth=DEPTH,
            precision=precision,
            num_warps=TILE_WARPS,
            enable_fp_fusion=False,
        )
    return None


@torch.no_grad()
def sgd_linear_(
    weight: Tensor,
    inputs: Tensor,
    output_gradients: Tensor,
    mask: Tensor | None,
    momentum_buffer: Tensor | None,
    pace: Pace,
    *,
    momentum: float = 0.0,
    nesterov: bool = False,
    precision: Precision = "ieee",
) -> None:
    """`sgd_` with the gradient gᵀ·x of stacked linear layers' weights (F, O, I)."""
    check_momentum(momentum_buffer, momentum, nesterov)
    if not _fits(weight, inputs):
        gradient = weight_gradient(inputs, output_gradients)
        return sgd_(weight, gradient, mask, momentum_buffer, pace, momentum=momentum, nesterov=nesterov)
    slots = {} if momentum_buffer is None else {"momentum_buffer": momentum_buffer}
    check_stacked({"weight": weight, **slots}, mask)
    check_product(weight, inputs, output_gradients)
    check_pace(pace, weight)
    if not weight.numel():
        return None
    from ticketbench.kernels.tiles import sgd_tile

    with on_device_of(weight):
        sgd_tile[_grid(weight)](
            weight,
            inputs,
            output_gradients,
            as_bytes(mask),
            momentum_buffer,
            as_bytes(pace.live),
            pace.rate,
            pace.decay,
            pace.shrink,
            inputs.shape[1],
            *weight.shape[1:],
            momentum,
            nesterov=nesterov,
            steps=-(-inputs.shape[1] // DEPTH),
            rows=ROWS,
            columns=COLUMNS,
            depth=DEPTH,
            precision=precision,
            num_warps=TILE_WARPS,
            enable_fp_fusion=False,
        )
    return None


def weight_gradient(inputs: Tensor, output_gradients: Tensor) -> Tensor:
    """gᵀ·x (F, O, I), in torch's own precision."""
    return torch.bmm(output_gradients.transpose(1, 2), inputs)


def _fits(weight: Tensor, inputs: Tensor) -> bool:
    """Whether the kernels compute the product, too."""
    return runs_kernels(weight.device) and inputs.shape[1] <= MOST_EXAMPLES


def _grid(weight: Tensor) -> tuple[int, int]:
    """Tiles of a member, and members."""
    fleet, outs, ins = weight.shape
    return -(-outs // ROWS) * -(-ins // COLUMNS), fleet
