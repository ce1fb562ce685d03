"""Convolution, ReLU and 2×2 max pooling of many members at once, for networks of few channels.

A window of the pooling sees (k+1)×(k+1) inputs, so the four outputs it chooses from are one product with four shifted
copies of the kernel. These windows, taken every other row and column, hold four times fewer numbers than those of the
convolution, and their products are wide enough to run at the speed of the machine. The batch is the last axis: all
else moves in runs of it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class PooledConvolution(torch.autograd.Function):
    """y = maxpool(relu(W∗x + b)) for every member, stride 1 and an odd kernel; x (fleet, in, height, width, batch).

    relu and max commute, so the ReLU follows the pooling. Of equal values the first in reading order gets the
    gradient, as in torch's own pooling.
    """

    @staticmethod
    def forward(ctx: Any, inputs_fihwb: Tensor, weight_foikk: Tensor, bias_fo: Tensor, padding: int) -> Tensor:
        """One batched product, and the largest of four."""
        fleet, outputs, channels, kernel = weight_foikk.shape[:4]
        padded = functional.pad(inputs_fihwb, (0, 0, *[padding] * 4)) if padding else inputs_fihwb
        windows = padded.unfold(2, kernel + 1, 2).unfold(3, kernel + 1, 2).permute(0, 1, 5, 6, 2, 3, 4)
        height, width, batch = windows.shape[4:]
        columns = windows.reshape(fleet, channels * (kernel + 1) ** 2, height * width * batch)
        shifted = weight_foikk.new_zeros(fleet, 2, 2, outputs, channels, kernel + 1, kernel + 1)
        for down in (0, 1):
            for right in (0, 1):
                shifted[:, down, right, :, :, down : down + kernel, right : right + kernel] = weight_foikk
        four = shifted.view(fleet, 4 * outputs, -1)
        first, second, third, fourth = torch.bmm(four, columns).view(fleet, 4, outputs, -1).unbind(1)
        upper, lower = torch.maximum(first, second), torch.maximum(third, fourth)
        pooled = functional.relu(torch.maximum(upper, lower) + bias_fo.to(upper.dtype).unsqueeze(2))
        ctx.save_for_backward(columns, four, second - first, fourth - third, lower - upper, pooled)
        ctx.sizes = (padding, weight_foikk.shape, (*padded.shape[2:4], height, width, batch))
        return pooled.view(fleet, outputs, height, width, batch)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        """The gradient goes to the largest of four where it is positive; then two products."""
        columns, four, second_leads, fourth_leads, lower_leads, pooled = ctx.saved_tensors
        padding, weight_shape, sizes = ctx.sizes
        fleet, outputs = weight_shape[:2]
        gradient = where_positive(pooled, gradients[0].reshape(pooled.shape))
        parts = gradient.new_empty(fleet, 4, *pooled.shape[1:])
        lower = where_positive(lower_leads, gradient)
        for at, leads, half in ((0, second_leads, gradient - lower), (2, fourth_leads, lower)):
            parts[:, at + 1] = where_positive(leads, half)
            torch.sub(half, parts[:, at + 1], out=parts[:, at])
        parts = parts.view(fleet, 4 * outputs, -1)
        # under autocast the saved tensors may be of another precision
        to_four = torch.bmm(parts, columns.to(parts.dtype).transpose(1, 2))
        to_inputs = None
        if ctx.needs_input_grad[0]:
            to_columns = torch.bmm(four.to(parts.dtype).transpose(1, 2), parts)
            to_inputs = overlap(to_columns, weight_shape[2], weight_shape[3], padding, sizes)
        return to_inputs, unshift(to_four, weight_shape), gradient.sum(dim=2), None


def where_positive(condition: Tensor, values: Tensor) -> Tensor:
    """The values where the condition is above zero, else 0; in one pass, unlike a comparison and a product."""
    kept: Tensor = torch.ops.aten.threshold_backward(values, condition, 0)
    return kept


def unshift(to_four: Tensor, weight_shape: torch.Size) -> Tensor:
    """The kernel's gradient: the sum over its four shifted copies."""
    fleet, outputs, channels, kernel = weight_shape[:4]
    shifted = to_four.view(fleet, 2, 2, outputs, channels, kernel + 1, kernel + 1)
    upper = shifted[:, 0, 0, :, :, :-1, :-1] + shifted[:, 0, 1, :, :, :-1, 1:]
    lower = shifted[:, 1, 0, :, :, 1:, :-1] + shifted[:, 1, 1, :, :, 1:, 1:]
    return upper + lower


def overlap(to_columns: Tensor, channels: int, kernel: int, padding: int, sizes: tuple[int, ...]) -> Tensor:
    """The inputs' gradient: the sum over all windows. Even and odd rows and columns are apart until the end."""
    full_height, full_width, height, width, batch = sizes
    fleet, reach = len(to_columns), (kernel + 1) // 2
    windows = to_columns.view(fleet, channels, reach, 2, reach, 2, height, width, batch)
    rows, columns = height + reach - 1, width + reach - 1
    apart = to_columns.new_zeros(fleet, channels, 2, 2, rows, columns, batch)
    for down in range(reach):
        for right in range(reach):
            apart[:, :, :, :, down : down + height, right : right + width] += windows[:, :, down, :, right]
    whole = apart.permute(0, 1, 4, 2, 5, 3, 6).reshape(fleet, channels, 2 * rows, 2 * columns, batch)
    # an odd last row or column is in no window; what was padded is cut away
    edges = (-padding, full_width - 2 * columns - padding, -padding, full_height - 2 * rows - padding)
    return functional.pad(whole, (0, 0, *edges)) if any(edges) else whole


def pooled_convolution(inputs_fihwb: Tensor, weight_foikk: Tensor, bias_fo: Tensor, padding: int) -> Tensor:
    """Convolution, ReLU and 2×2 max pooling of every member; differentiable once."""
    pooled: Tensor = PooledConvolution.apply(  # type: ignore[no-untyped-call]  # torch has no types for it
        inputs_fihwb, weight_foikk, bias_fo, padding
    )
    return pooled
