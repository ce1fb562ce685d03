"""Tensors by name: the parameters or the buffers of a network, of one member or stacked."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

State = dict[str, Tensor]
"""Parameter or buffer name -> tensor; stacked ones carry a leading fleet axis."""


def members_of(state: State, members: int) -> list[State]:
    """Every member's tensors, taken apart so that their gradients are stacked once and not added up."""
    apart = {name: tensor.unbind(0) for name, tensor in state.items()}
    return [{name: parts[index] for name, parts in apart.items()} for index in range(members)]


def member_of(state: State, index: int) -> State:
    """One member's tensors, as views: what is written into them is written into the stack."""
    return {name: tensor[index] for name, tensor in state.items()}


def index_of(members: Sequence[int], total: int, device: torch.device) -> Tensor | None:
    """The rows of some members of a stack; None for all of them in their order, who need no index."""
    return None if list(members) == list(range(total)) else torch.tensor(members, device=device)


def member_rows(state: State, index_m: Tensor | None) -> State:
    """Copies of some members' rows, or of all of them, detached; an operation a tensor, however many they are."""
    if index_m is None:
        return cloned(state)
    return {name: tensor.detach().index_select(0, index_m) for name, tensor in state.items()}


def put_rows(tensor: Tensor, index_m: Tensor | None, rows: Tensor) -> None:
    """Write some members' rows of a stacked tensor, or all of them, in place."""
    if index_m is None:
        tensor.detach().copy_(rows)
    else:
        tensor.detach().index_copy_(0, index_m, rows)


def cloned(state: State) -> State:
    """Copies of tensors, detached from the graph that they were computed in."""
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def states_of(module: nn.Module) -> tuple[State, State]:
    """A module's trainable parameters, and everything else that it holds."""
    trainable = {name: part.detach() for name, part in module.named_parameters() if part.requires_grad}
    fixed = {name: part.detach() for name, part in module.named_parameters() if not part.requires_grad}
    return trainable, fixed | {name: part.detach() for name, part in module.named_buffers()}
