"""Tensors by name: the parameters or the buffers of a network, of one member or stacked."""

from __future__ import annotations

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


def cloned(state: State) -> State:
    """Copies of tensors, detached from the graph that they were computed in."""
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def states_of(module: nn.Module) -> tuple[State, State]:
    """A module's trainable parameters, and everything else that it holds."""
    trainable = {name: part.detach() for name, part in module.named_parameters() if part.requires_grad}
    fixed = {name: part.detach() for name, part in module.named_parameters() if not part.requires_grad}
    return trainable, fixed | {name: part.detach() for name, part in module.named_buffers()}
