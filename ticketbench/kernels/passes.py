"""Triton: mask, optimizer and weight in one pass over memory, for every member of a fleet at once.

The twins in `update.py` say what is computed. Every operation is rounded by itself (`div_rn`, `sqrt_rn`, and
`enable_fp_fusion=False` where a kernel is started), as torch's are, so that kernel and twin agree bit for bit.
Importing this file imports Triton.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def adam_element(
    weight: tl.tensor,
    gradient: tl.tensor,
    first: tl.tensor,
    second: tl.tensor,
    step: tl.tensor,
    root: tl.tensor,
    decay: tl.tensor,
    shrink: tl.tensor,
    fresh_first: tl.tensor,
    keep_second: tl.tensor,
    fresh_second: tl.tensor,
    epsilon: tl.tensor,
) -> tuple[tl.tensor, tl.tensor, tl.tensor]:
    """A masked gradient's update by Adam: the new weight and the new averages."""
    gradient = gradient + decay * weight
    first = first + fresh_first * (gradient - first)
    second = keep_second * second + fresh_second * gradient * gradient
    scale = tl.div_rn(tl.sqrt_rn(second), root) + epsilon
    return shrink * weight - tl.div_rn(step * first, scale), first, second


@triton.jit
def adam_pass(
    weight: tl.tensor,
    gradient: tl.tensor,
    mask: tl.tensor,
    first: tl.tensor,
    second: tl.tensor,
    live: tl.tensor,
    rate: tl.tensor,
    decay: tl.tensor,
    shrink: tl.tensor,
    correction: tl.tensor,
    root: tl.tensor,
    size: tl.tensor,
    fresh_first: tl.tensor,
    keep_second: tl.tensor,
    fresh_second: tl.tensor,
    epsilon: tl.tensor,
    block: tl.constexpr,
) -> None:
    """Adam on `block` weights of one member: 29 bytes a weight. The grid is (blocks of a member, members)."""
    member = tl.program_id(1)
    within = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    moves = within < size
    at = member.to(tl.int64) * size + within
    if tl.load(live + member) != 0:
        kept = moves
        if mask is not None:
            kept = tl.load(mask + at, mask=moves, other=0) != 0
        new_weight, new_first, new_second = adam_element(
            tl.load(weight + at, mask=moves, other=0.0),
            tl.where(kept, tl.load(gradient + at, mask=moves, other=0.0), 0.0),
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
def sgd_element(
    weight: tl.tensor,
    gradient: tl.tensor,
    buffer: tl.tensor,
    rate: tl.tensor,
    decay: tl.tensor,
    shrink: tl.tensor,
    momentum: tl.tensor,
    has_buffer: tl.constexpr,
    nesterov: tl.constexpr,
) -> tuple[tl.tensor, tl.tensor]:
    """A masked gradient's update by SGD: the new weight and the new momentum buffer."""
    gradient = gradient + decay * weight
    if has_buffer:
        buffer = momentum * buffer + gradient
        gradient = gradient + momentum * buffer if nesterov else buffer
    return shrink * weight - rate * gradient, buffer


@triton.jit
def sgd_pass(
    weight: tl.tensor,
    gradient: tl.tensor,
    mask: tl.tensor,
    buffer: tl.tensor,
    live: tl.tensor,
    rate: tl.tensor,
    decay: tl.tensor,
    shrink: tl.tensor,
    size: tl.tensor,
    momentum: tl.tensor,
    nesterov: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """SGD on `block` weights of one member: 13 bytes a weight, 21 with momentum. The grid is as Adam's."""
    member = tl.program_id(1)
    within = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    moves = within < size
    at = member.to(tl.int64) * size + within
    if tl.load(live + member) != 0:
        kept = moves
        if mask is not None:
            kept = tl.load(mask + at, mask=moves, other=0) != 0
        held = tl.load(weight + at, mask=moves, other=0.0)
        before = held
        if buffer is not None:
            before = tl.load(buffer + at, mask=moves, other=0.0)
        new_weight, new_buffer = sgd_element(
            held,
            tl.where(kept, tl.load(gradient + at, mask=moves, other=0.0), 0.0),
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
