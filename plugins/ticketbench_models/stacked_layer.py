"""A recurrent layer of many members over whole sequences: by the written pass, or step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ticketbench import stacked_linear
from ticketbench_models.cells import Cell
from ticketbench_models.sequence import written_sequence
from ticketbench_models.sequence_buffers import Lender


def layer_states(
    cell: Cell,
    parameters: Mapping[str, Tensor],
    inputs_fsbi: Tensor,
    lender: Lender,
    initial: Sequence[Tensor] = (),
    every: bool = False,
) -> tuple[Tensor, ...]:
    """The last states, (fleet, batch, hidden) each, and if asked for every hidden state (fleet, steps, batch, hidden).

    Of sequences (fleet, steps, batch, features), from the states given or from zeros.
    """
    weights = {role: parameters[f"from_{role}"] for role in cell.roles}
    if is_written(inputs_fsbi):
        return written_sequence(cell, inputs_fsbi, weights, parameters["bias"], initial, every, lender)
    return stepwise(cell, inputs_fsbi, weights, parameters["bias"], initial, every)


def is_written(inputs: Tensor) -> bool:
    """Whether the written pass is taken: always beside a CPU, and on one wherever a gradient will be asked for.

    Not where torch compiles what it is given; on a CPU not under autocast, either.
    """
    if torch.compiler.is_compiling():
        return False
    return inputs.device.type != "cpu" or (torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu"))


def stepwise(
    cell: Cell,
    inputs_fsbi: Tensor,
    weights: Mapping[str, Tensor],
    bias: Tensor,
    initial: Sequence[Tensor] = (),
    every: bool = False,
) -> tuple[Tensor, ...]:
    """What the features add, of all steps at once, in one product; then the cell's own step for all members."""
    members, steps, batch, _ = inputs_fsbi.shape
    projected = stacked_linear(inputs_fsbi.flatten(1, 2), weights["input"], bias)
    zeros = projected.new_zeros(members, batch, weights["hidden"].shape[-1], dtype=bias.dtype)
    carried = tuple(initial) or (zeros,) * cell.carries
    hidden = []
    for part in torch.unflatten(projected, 1, (steps, batch)).unbind(1):
        carried = cell.step(part, weights, carried)
        if every:
            hidden.append(carried[0])
    return (*carried, torch.stack(hidden, dim=1)) if every else carried
