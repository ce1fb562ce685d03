"""Triton: correlations of a fleet and the gradients of their taps, as products whose rows are gathered on the way.

The twins in `correlation.py` say what is computed. Strings are images of one row. A program computes one tile of one
member; products are summed in fp32, and what comes after a correlation is done before its tile is written.
With
`widened`, factors become fp32 before: the interpreter cannot multiply bf16. Importing this file imports Triton.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def correlation_pass(
    inputs: tl.tensor,
    taps: tl.tensor,
    added: tl.tensor,
    gate: tl.tensor,
    out: tl.tensor,
    rows: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    channels: tl.tensor,
    outputs: tl.tensor,
    to_inputs: tl.tensor,
    to_added: tl.tensor,
    to_gate: tl.tensor,
    to_out: tl.tensor,
    tall: tl.constexpr,
    relu: tl.constexpr,
    precision: tl.constexpr,
    widened: tl.constexpr,
    block_rows: tl.constexpr,
    block_channels: tl.constexpr,
    block_outputs: tl.constexpr,
) -> None:
    """A tile of (positions, output channels). The grid is (tiles of a member, members); `to_…` leads to the next one.

    `tall` is the number of rows of the taps, 3 or, for strings, 1.
    """
    tiles = tl.cdiv(outputs, block_outputs)
    member = tl.program_id(1).to(tl.int64)
    row = (tl.program_id(0) // tiles) * block_rows + tl.arange(0, block_rows)
    output = (tl.program_id(0) % tiles) * block_outputs + tl.arange(0, block_outputs)
    across, down = row % width, (row // width) % height
    blocks = tl.cdiv(channels, block_channels)
    total = tl.zeros((block_rows, block_outputs), dtype=tl.float32)
    for step in range(0, 3 * tall * blocks):
        tap, channel = step // blocks, (step % blocks) * block_channels + tl.arange(0, block_channels)
        up, right = tap // 3 - tall // 2, tap % 3 - 1
        there = (row < rows) & (across + right >= 0) & (across + right < width)
        there = there & (down + up >= 0) & (down + up < height)
        source = member * to_inputs + (row + up * width + right).to(tl.int64) * channels
        left = tl.load(
            inputs + source[:, None] + channel[None, :],
            mask=there[:, None] & (channel < channels)[None, :],
            other=0.0,
        )
        place = ((member * outputs + output) * (3 * tall) + tap) * channels
        factor = tl.load(
            taps + place[None, :] + channel[:, None],
            mask=(output < outputs)[None, :] & (channel < channels)[:, None],
            other=0.0,
        )
        if widened:
            left, factor = left.to(tl.float32), factor.to(tl.float32)
        total = tl.dot(left, factor, total, input_precision=precision)
    at = row.to(tl.int64)[:, None] * outputs + output[None, :]
    inside = (row < rows)[:, None] & (output < outputs)[None, :]
    if added is not None:
        total += tl.load(added + member * to_added + at, mask=inside, other=0.0).to(tl.float32)
    if relu:
        total = tl.where(total < 0, 0.0, total)
    if gate is not None:
        total = tl.where(tl.load(gate + member * to_gate + at, mask=inside, other=0.0) <= 0, 0.0, total)
    tl.store(out + member * to_out + at, total.to(out.dtype.element_ty), mask=inside)


@triton.jit
def taps_gradient_pass(
    inputs: tl.tensor,
    gradients: tl.tensor,
    out: tl.tensor,
    rows: tl.tensor,
    share: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    channels: tl.tensor,
    outputs: tl.tensor,
    to_inputs: tl.tensor,
    to_gradients: tl.tensor,
    tall: tl.constexpr,
    precision: tl.constexpr,
    widened: tl.constexpr,
    block_rows: tl.constexpr,
    block_channels: tl.constexpr,
    block_outputs: tl.constexpr,
) -> None:
    """A tile of (output channels, input channels) at one tap, summed over a share of the rows.

    The grid is (tiles of all taps, members, shares), and `out` is (shares, F, O, taps, C) in fp32.
    """
    tap, tile = tl.program_id(0) % (3 * tall), tl.program_id(0) // (3 * tall)
    tiles = tl.cdiv(channels, block_channels)
    member, part = tl.program_id(1).to(tl.int64), tl.program_id(2)
    output = (tile // tiles) * block_outputs + tl.arange(0, block_outputs)
    channel = (tile % tiles) * block_channels + tl.arange(0, block_channels)
    up, right = tap // 3 - tall // 2, tap % 3 - 1
    total = tl.zeros((block_outputs, block_channels), dtype=tl.float32)
    for start in range(part * share, tl.minimum((part + 1) * share, rows), block_rows):
        row = start + tl.arange(0, block_rows)
        across, down = row % width, (row // width) % height
        there = (row < rows) & (across + right >= 0) & (across + right < width)
        there = there & (down + up >= 0) & (down + up < height)
        source = member * to_inputs + (row + up * width + right).to(tl.int64) * channels
        seen = tl.load(
            inputs + source[:, None] + channel[None, :],
            mask=there[:, None] & (channel < channels)[None, :],
            other=0.0,
        )
        place = member * to_gradients + row.to(tl.int64) * outputs
        gradient = tl.load(
            gradients + place[None, :] + output[:, None],
            mask=there[None, :] & (output < outputs)[:, None],
            other=0.0,
        )
        if widened:
            gradient, seen = gradient.to(tl.float32), seen.to(tl.float32)
        total = tl.dot(gradient, seen, total, input_precision=precision)
    members = tl.num_programs(1)
    at = ((part * members + member) * outputs + output) * (3 * tall) + tap
    tl.store(
        out + at[:, None] * channels + channel[None, :],
        total,
        mask=(output < outputs)[:, None] & (channel < channels)[None, :],
    )
