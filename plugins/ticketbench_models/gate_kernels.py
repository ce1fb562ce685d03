"""Triton: the gates of a step in one pass over memory, forward and backward, for all members at once.

`gates.py` has the twins, which say what is computed; `gate_launches.py` starts these. A program computes `block` units
of one example of one member; it reads and writes no other, so that everything can stay in place. Tensors are given as
address, stride of the fleet and stride of the batch, with units side by side. Numbers are fp32 and differ from the
twins' by rounding. Importing this file imports Triton.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def offset(fleet_stride: tl.tensor, row_stride: tl.tensor, batch: tl.tensor) -> tl.tensor:
    """Where this program's example begins."""
    row = tl.program_id(0).to(tl.int64)
    return (row // batch) * fleet_stride + (row % batch) * row_stride


@triton.jit
def squashed(sums: tl.tensor) -> tl.tensor:
    """tanh to 2 ulp: a polynomial (Cephes' tanhf) where 1 − e^(−2|x|) would lose digits."""
    square, size = sums * sums, tl.abs(sums)
    series = -5.70498872745e-3 * square + 2.06390887954e-2
    series = (series * square - 5.37397155531e-2) * square + 1.33314422036e-1
    series = (series * square - 3.33332819422e-1) * square
    fading = tl.exp(-2.0 * size)
    far = (1.0 - fading) / (1.0 + fading)
    return tl.where(size < 0.625, sums + sums * series, tl.where(sums < 0, -far, far))


@triton.jit
def opened(sums: tl.tensor) -> tl.tensor:
    """σ, of any size of sums without a warning or a NaN."""
    fading = tl.exp(-tl.abs(sums))
    return tl.where(sums < 0, fading, 1.0) / (1.0 + fading)


@triton.jit
def state_pass(
    gates: tl.tensor,
    gates_fleet: tl.tensor,
    gates_row: tl.tensor,
    hidden: tl.tensor,
    hidden_fleet: tl.tensor,
    hidden_row: tl.tensor,
    to_hidden: tl.tensor,
    to_fleet: tl.tensor,
    to_row: tl.tensor,
    batch: tl.tensor,
    units: tl.tensor,
    backward: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """`state_forward` and `state_backward`."""
    unit = tl.program_id(1) * block + tl.arange(0, block)
    inside = unit < units
    gates += offset(gates_fleet, gates_row, batch) + unit
    hidden += offset(hidden_fleet, hidden_row, batch) + unit
    if backward:
        state = tl.load(hidden, inside)
        gradient = tl.load(to_hidden + offset(to_fleet, to_row, batch) + unit, inside)
        tl.store(gates, gradient * (1.0 - state * state), inside)
    else:
        tl.store(hidden, squashed(tl.load(gates, inside)), inside)


@triton.jit
def gated_pass(
    gates: tl.tensor,
    gates_fleet: tl.tensor,
    gates_row: tl.tensor,
    loop: tl.tensor,
    loop_fleet: tl.tensor,
    loop_row: tl.tensor,
    before: tl.tensor,
    before_fleet: tl.tensor,
    before_row: tl.tensor,
    other: tl.tensor,
    other_fleet: tl.tensor,
    other_row: tl.tensor,
    batch: tl.tensor,
    units: tl.tensor,
    backward: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """`gated_forward`, where `other` is the state after the step, and `gated_backward`, where it is its gradient."""
    unit = tl.program_id(1) * block + tl.arange(0, block)
    inside = unit < units
    gates += offset(gates_fleet, gates_row, batch) + unit
    loop += offset(loop_fleet, loop_row, batch) + unit
    other += offset(other_fleet, other_row, batch) + unit
    old = tl.load(before + offset(before_fleet, before_row, batch) + unit, inside)
    reset, update = tl.load(gates, inside), tl.load(gates + units, inside)
    candidate, product = tl.load(gates + 2 * units, inside), tl.load(loop, inside)
    if backward:
        gradient = tl.load(other, inside)
        to_candidate = gradient * (1.0 - update) * (1.0 - candidate * candidate)
        tl.store(gates, to_candidate * product * reset * (1.0 - reset), inside)
        tl.store(gates + units, gradient * (old - candidate) * update * (1.0 - update), inside)
        tl.store(gates + 2 * units, to_candidate * reset, inside)
        tl.store(loop, to_candidate, inside)
        tl.store(other, gradient * update, inside)
    else:
        reset, update = opened(reset), opened(update)
        candidate = squashed(candidate + reset * product)
        tl.store(gates, reset, inside)
        tl.store(gates + units, update, inside)
        tl.store(gates + 2 * units, candidate, inside)
        tl.store(other, candidate + update * (old - candidate), inside)


@triton.jit
def memory_forward_pass(
    gates: tl.tensor,
    gates_fleet: tl.tensor,
    gates_row: tl.tensor,
    before: tl.tensor,
    before_fleet: tl.tensor,
    before_row: tl.tensor,
    memory: tl.tensor,
    memory_fleet: tl.tensor,
    memory_row: tl.tensor,
    hidden: tl.tensor,
    hidden_fleet: tl.tensor,
    hidden_row: tl.tensor,
    batch: tl.tensor,
    units: tl.tensor,
    enters: tl.constexpr,
    leaves: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """`enter_forward`, `leave_forward`, or both at once."""
    unit = tl.program_id(1) * block + tl.arange(0, block)
    inside = unit < units
    gates += offset(gates_fleet, gates_row, batch) + unit
    memory += offset(memory_fleet, memory_row, batch) + unit
    if enters:
        old = tl.load(before + offset(before_fleet, before_row, batch) + unit, inside)
        enter, forget = opened(tl.load(gates, inside)), opened(tl.load(gates + units, inside))
        candidate = squashed(tl.load(gates + 2 * units, inside))
        new = forget * old + enter * candidate
        tl.store(gates, enter, inside)
        tl.store(gates + units, forget, inside)
        tl.store(gates + 2 * units, candidate, inside)
        tl.store(memory, new, inside)
    else:
        new = tl.load(memory, inside)
    if leaves:
        leave = opened(tl.load(gates + 3 * units, inside))
        tl.store(gates + 3 * units, leave, inside)
        tl.store(hidden + offset(hidden_fleet, hidden_row, batch) + unit, leave * squashed(new), inside)


@triton.jit
def memory_backward_pass(
    gates: tl.tensor,
    gates_fleet: tl.tensor,
    gates_row: tl.tensor,
    before: tl.tensor,
    before_fleet: tl.tensor,
    before_row: tl.tensor,
    memory: tl.tensor,
    memory_fleet: tl.tensor,
    memory_row: tl.tensor,
    to_hidden: tl.tensor,
    to_hidden_fleet: tl.tensor,
    to_hidden_row: tl.tensor,
    to_memory: tl.tensor,
    to_memory_fleet: tl.tensor,
    to_memory_row: tl.tensor,
    batch: tl.tensor,
    units: tl.tensor,
    enters: tl.constexpr,
    leaves: tl.constexpr,
    block: tl.constexpr,
) -> None:
    """`leave_backward`, `enter_backward`, or both at once."""
    unit = tl.program_id(1) * block + tl.arange(0, block)
    inside = unit < units
    gates += offset(gates_fleet, gates_row, batch) + unit
    to_memory += offset(to_memory_fleet, to_memory_row, batch) + unit
    gradient = tl.load(to_memory, inside)
    if leaves:
        leave = tl.load(gates + 3 * units, inside)
        value = squashed(tl.load(memory + offset(memory_fleet, memory_row, batch) + unit, inside))
        upper = tl.load(to_hidden + offset(to_hidden_fleet, to_hidden_row, batch) + unit, inside)
        tl.store(gates + 3 * units, upper * value * leave * (1.0 - leave), inside)
        gradient += upper * leave * (1.0 - value * value)
    if enters:
        old = tl.load(before + offset(before_fleet, before_row, batch) + unit, inside)
        enter, forget = tl.load(gates, inside), tl.load(gates + units, inside)
        candidate = tl.load(gates + 2 * units, inside)
        tl.store(gates, gradient * candidate * enter * (1.0 - enter), inside)
        tl.store(gates + units, gradient * old * forget * (1.0 - forget), inside)
        tl.store(gates + 2 * units, gradient * enter * (1.0 - candidate * candidate), inside)
        gradient *= forget
    tl.store(to_memory, gradient, inside)
