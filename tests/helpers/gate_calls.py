"""What tests ask of the gates of recurrent cells, with kernels or without, in whatever process they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ticketbench_models import gates, sequence
from ticketbench_models.cells import Cell, GRUCell, LSTMCell, PeepholeCell, RNNCell

CELLS: dict[str, Cell] = {"rnn": RNNCell(), "lstm": LSTMCell(), "peephole": PeepholeCell(), "gru": GRUCell()}


def at_step(name: str, kernels: bool, step: int, *buffers: Tensor) -> None:
    """Call a function on one step of buffers (…, steps, batch, columns), in place."""
    module = gates
    if kernels:
        from ticketbench_models import gate_launches

        module = gate_launches
    getattr(module, name)(*(buffer.select(-3, step) for buffer in buffers))


def learned_by_kernels(
    cell: str, inputs: Tensor, bias: Tensor, weights: Sequence[Tensor], initial: Sequence[Tensor]
) -> list[Tensor]:
    """States and gradients of all members together, with kernels for the gates, of the sum of all squared states."""
    from ticketbench_models import gate_launches

    before, sequence.pointwise_for = sequence.pointwise_for, lambda like: gate_launches
    try:
        leaves = [part.clone().requires_grad_() for part in (inputs, bias, *weights, *initial)]
        own = dict(zip(CELLS[cell].roles, leaves[2:], strict=False))
        start = leaves[2 + len(own) :]
        states = sequence.written_sequence(CELLS[cell], *leaves[:1], own, leaves[1], start, every=True, together=True)
        found = torch.autograd.grad([part.square().sum() for part in states], leaves)
    finally:
        sequence.pointwise_for = before
    return [part.detach() for part in (*states, *found)]
