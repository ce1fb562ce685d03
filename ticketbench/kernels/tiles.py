"""Triton: the gradient of a linear layer's weight, tile by tile, used for the update and never written to memory.

The twins in `product.py` say what is computed; the update of an element is that of `passes.py`. Importing this file
imports Triton.
"""

from __future__ import annotations

import triton
import triton.language as tl

from ticketbench.kernels.passes import adam_element, sgd_element


@triton.jit
def gradient_tile(
    inputs: tl.tensor,
    output_gradients: tl.tensor,
    member: tl.tensor,
    row: tl.tensor,
    column: tl.tensor,
    batch: tl.tensor,
    outs: tl.tensor,
    ins: tl.tensor,
    steps: tl.constexpr,
    rows: tl.constexpr,
    columns: tl.constexpr,
    depth: tl.constexpr,
    precision: tl.constexpr,
) -> tl.tensor:
    """Σ over examples b of g[b, row]·x[b, column], accumulated in fp32, `depth` examples a step."""
    tile = tl.zeros((rows, columns), dtype=tl.float32)
    for step in range(steps):
        example = step * depth + tl.arange(0, depth)
        line = member.to(tl.int64) * batch + example
        left = tl.load(
            output_gradients + line[None, :] * outs + row[:, None],
            mask=(example < batch)[None, :] & (row < outs)[:, None],
            other=0.0,
        )
        right = tl.load(
            inputs + line[:, None] * ins + column[None, :],
            mask=(example < batch)[:, None] & (column < ins)[None, :],
            other=0.0,
        )
        tile = tl.dot(left, right, tile, input_precision=precision)
    return tile


@triton.jit
def adam_tile(
    weight: tl.tensor,
    inputs: tl.tensor,
    output_gradients: tl.tensor,
    mask: tl.tensor,
    first: tl.tensor,
    second: tl.tensor,
    live: tl.tensor,
    rate: tl.tensor,
    decay: tl.tensor,
    shrink: tl.tensor,
    correction: tl.tensor,
    root: tl.tensor,
    batch: tl.tensor,
    outs: tl.tensor,
    ins: tl.tensor,
    fresh_first: tl.tensor,
    keep_second: tl.tensor,
    fresh_second: tl.tensor,
    epsilon: tl.tensor,
    steps: tl.constexpr,
    rows: tl.constexpr,
    columns: tl.constexpr,
    depth: tl.constexpr,
    precision: tl.constexpr,
) -> None:
    """Adam on a tile of one member's weight. The grid is (tiles of a member, row by row, members)."""
    member = tl.program_id(1)
    across = tl.cdiv(ins, columns)
    row = tl.program_id(0) // across * rows + tl.arange(0, rows)
    column = tl.program_id(0) % across * columns + tl.arange(0, columns)
    if tl.load(live + member) != 0:
        gradient = gradient_tile(
            inputs, output_gradients, member, row, column, batch, outs, ins, steps, rows, columns, depth, precision
        )
        at = (member.to(tl.int64) * outs + row)[:, None] * ins + column[None, :]
        moves = (row < outs)[:, None] & (column < ins)[None, :]
        kept = moves
        if mask is not None:
            kept = tl.load(mask + at, mask=moves, other=0) != 0
        new_weight, new_first, new_second = adam_element(
            tl.load(weight + at, mask=moves, other=0.0),
            tl.where(kept, gradient, 0.0),
            tl.load(first + at, mask=moves, other=0.0),
            tl.load(second + at, mask=moves, other=0.0),
            tl.div_rn(tl.load(rate + member), tl.load(correction + member)),
            tl.load(root + member),
            tl.load(decay + member),
            tl.load(shrink + member),
            fresh_first,
            keep_second,
            fresh_second,
            epsilon,
        )
        tl.store(weight + at, tl.where(kept, new_weight, 0.0), mask=moves)
        tl.store(first + at, tl.where(kept, new_first, 0.0), mask=moves)
        tl.store(second + at, tl.where(kept, new_second, 0.0), mask=moves)


@triton.jit
def sgd_tile(
    weight: tl.tensor,
    inputs: tl.tensor,
    output_gradients: tl.tensor,
    mask: tl.tensor,
    buffer: tl.tensor,
    live: tl.tensor,
    rate: tl.tensor,
    decay: tl.tensor,
    shrink: tl.tensor,
    batch: tl.tensor,
    outs: tl.tensor,
    ins: tl.tensor,
    momentum: tl.tensor,
    nesterov: tl.constexpr,
    steps: tl.constexpr,
    rows: tl.constexpr,
    columns: tl.constexpr,
    depth: tl.constexpr,
    precision: tl.constexpr,
) -> None:
    """SGD on a tile of one member's weight. The grid is as Adam's."""
    member = tl.program_id(1)
    across = tl.cdiv(ins, columns)
    row = tl.program_id(0) // across * rows + tl.arange(0, rows)
    column = tl.program_id(0) % across * columns + tl.arange(0, columns)
    if tl.load(live + member) != 0:
        gradient = gradient_tile(
            inputs, output_gradients, member, row, column, batch, outs, ins, steps, rows, columns, depth, precision
        )
        at = (member.to(tl.int64) * outs + row)[:, None] * ins + column[None, :]
        moves = (row < outs)[:, None] & (column < ins)[None, :]
        kept = moves
        if mask is not None:
            kept = tl.load(mask + at, mask=moves, other=0) != 0
        held = tl.load(weight + at, mask=moves, other=0.0)
        before = held
        if buffer is not None:
            before = tl.load(buffer + at, mask=moves, other=0.0)
        new_weight, new_buffer = sgd_element(
            held,
            tl.where(kept, gradient, 0.0),
            before,
            tl.load(rate + member),
            tl.load(decay + member),
            tl.load(shrink + member),
            momentum,
            buffer is not None,
            nesterov,
        )
        tl.store(weight + at, tl.where(kept, new_weight, 0.0), mask=moves)
        if buffer is not None:
            tl.store(buffer + at, tl.where(kept, new_buffer, 0.0), mask=moves)
