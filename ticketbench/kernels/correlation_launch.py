"""Starting the kernels of correlations: grids, sides of tiles, and how factors are multiplied.

The sizes are estimates for GPUs of compute capability 8.0 and 9.0; none has been measured. fp32 factors are multiplied
as TF32 where torch's own products are, else exactly. Importing this file imports Triton.
"""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from ticketbench.kernels.correlation_passes import correlation_pass, taps_gradient_pass
from ticketbench.kernels.moving import on_device_of

LONGEST_SIDE = 128
"""Of a tile: positions and channels, or channels on both sides."""
DEPTH_BYTES = 128
"""How much of a sum's factors is loaded at once from each row."""
GRADIENT_PROGRAMS = 256
"""The gradient of few members' taps is shared out among about so many programs, whose parts are added up."""
LEAST_POSITIONS = 2048
"""What a program of a gradient sums at least."""
STAGED_MEMORY = 98 * 1024
"""Bytes of shared memory that a GPU needs for three tiles at once: with less, none is loaded ahead."""


def launch_correlation(
    inputs: Tensor, taps: Tensor, added: Tensor | None, gate: Tensor | None, out: Tensor, *, relu: bool
) -> None:
    """Start the correlation of a whole fleet; `correlate` has checked what it gets."""
    members, rows, height, width, channels, outputs = sizes_of(inputs, taps)
    if not out.numel():
        return
    block_rows, block_outputs = tile_side(rows), tile_side(outputs)
    with on_device_of(inputs):
        correlation_pass[(triton.cdiv(rows, block_rows) * triton.cdiv(outputs, block_outputs), members)](
            inputs,
            taps,
            added,
            gate,
            out,
            rows,
            height,
            width,
            channels,
            outputs,
            inputs.stride(0),
            0 if added is None else added.stride(0),
            0 if gate is None else gate.stride(0),
            out.stride(0),
            tall=3 if inputs.ndim == 5 else 1,
            relu=relu,
            precision=precision_of(inputs),
            widened=inputs.device.type == "cpu",
            block_rows=block_rows,
            block_channels=tile_side(channels, depth_of(inputs)),
            block_outputs=block_outputs,
            num_warps=8 if block_rows * block_outputs > 4096 else 4,
            num_stages=stages_on(inputs.device),
            enable_fp_fusion=True,
        )


def launch_taps_gradient(inputs: Tensor, gradients: Tensor, total: Tensor) -> None:
    """Start the gradient of a whole fleet's taps and add it to `total`; `taps_gradient` has checked what it gets."""
    members, rows, height, width, channels, outputs = sizes_of(inputs, total)
    if not total.numel() or not rows:
        return
    tall = 3 if inputs.ndim == 5 else 1
    block_channels, block_outputs = tile_side(channels), tile_side(outputs)
    tiles = triton.cdiv(channels, block_channels) * triton.cdiv(outputs, block_outputs) * 3 * tall
    block_rows = depth_of(inputs)
    shares = max(1, min(GRADIENT_PROGRAMS // (tiles * members), rows // LEAST_POSITIONS))
    share = triton.cdiv(triton.cdiv(rows, shares), block_rows) * block_rows
    shares = triton.cdiv(rows, share)
    parts = inputs.new_empty(shares, *total.shape, dtype=torch.float32)
    with on_device_of(inputs):
        taps_gradient_pass[(tiles, members, shares)](
            inputs,
            gradients,
            parts,
            rows,
            share,
            height,
            width,
            channels,
            outputs,
            inputs.stride(0),
            gradients.stride(0),
            tall=tall,
            precision=precision_of(inputs),
            widened=inputs.device.type == "cpu",
            block_rows=block_rows,
            block_channels=block_channels,
            block_outputs=block_outputs,
            num_warps=8 if block_channels * block_outputs > 4096 else 4,
            num_stages=stages_on(inputs.device),
            enable_fp_fusion=True,
        )
    total.add_(parts[0] if shares == 1 else parts.sum(0))


def sizes_of(inputs: Tensor, taps: Tensor) -> tuple[int, int, int, int, int, int]:
    """Members, rows of a member, the height (1 of strings) and width of an example, and channels on both sides."""
    height, width = inputs.shape[2:4] if inputs.ndim == 5 else (1, inputs.shape[2])
    return len(inputs), inputs.shape[1] * height * width, height, width, inputs.shape[-1], taps.shape[1]


def tile_side(size: int, most: int = LONGEST_SIDE) -> int:
    """The side of a tile: a power of two that holds the size if it may, and 16 at least, which products need."""
    return max(16, min(most, 1 << (size - 1).bit_length()))


def depth_of(inputs: Tensor) -> int:
    """How many factors of a sum are loaded at once."""
    return DEPTH_BYTES // inputs.element_size()


def stages_on(device: torch.device) -> int:
    """How many tiles are held at once: three take 96 KB of shared memory, more than some GPUs have."""
    if device.type != "cuda":
        return 1
    memory: int = getattr(torch.cuda.get_device_properties(device), "shared_memory_per_block_optin", 0)
    return 3 if memory > STAGED_MEMORY else 1


def precision_of(inputs: Tensor) -> str:
    """How fp32 factors are multiplied: as TF32 where torch's own products are."""
    rounded = inputs.dtype == torch.float32 and torch.get_float32_matmul_precision() != "highest"
    return "tf32" if rounded else "ieee"
