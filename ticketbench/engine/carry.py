"""State that a model carries from batch to batch, where a task's examples are windows of one long sequence.

The buffers that a model names hold its last state, a row an example. As built they have no rows: there is no state,
and the forward starts from zero; so it does wherever someone scores or looks, and where examples are shuffled. Buffers
with rows exist in two places alone: beside a stack while it is trained, and within an evaluation. No snapshot, ticket
or record has any.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from ticketbench.engine.state import State
from ticketbench.errors import OptionError
from ticketbench.plugin.contracts import Model, Task


def carried_by(model: Model, module: nn.Module, task: Task) -> tuple[str, ...]:
    """The buffers that carry state: none where the task is shuffled."""
    buffers, names = dict(module.named_buffers()), tuple(model.carried(module))
    for name in names:
        if name not in buffers:
            raise OptionError(f"model '{model.name}' carries '{name}', which is no buffer: {', '.join(buffers) or '-'}")
        if not buffers[name].ndim or len(buffers[name]):
            shape = tuple(buffers[name].shape)
            raise OptionError(
                f"model '{model.name}' carries '{name}' of shape {shape}: it has to be built with no rows"
            )
    return names if names and task.contiguous else ()


def zeros(names: Sequence[str], buffers: State, batch: int) -> State:
    """The state of every member before the first of a batch's windows."""
    return {name: buffers[name].new_zeros(len(buffers[name]), batch, *buffers[name].shape[2:]) for name in names}


def take_up(carried: State, names: Sequence[str], buffers: State, batch: int) -> None:
    """Before a training: there is state for its batches; what is carried already stays."""
    for name, state in zeros(names, buffers, batch).items():
        carried.setdefault(name, state)


def forget(carried: State) -> None:
    """Before an epoch: every stream begins anew."""
    for state in carried.values():
        state.zero_()
