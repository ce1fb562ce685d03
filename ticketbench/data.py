"""A task's splits, ready for the device, and the order in which each member sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor

from ticketbench.contracts import Split, Task
from ticketbench.errors import TicketbenchError
from ticketbench.seeds import generator


class Stored:
    """Inputs as a task stores them: what is taken by index is moved to the device and prepared, and nothing else is.

    It stands for the tensor of all prepared inputs wherever examples are taken by index.
    """

    def __init__(self, inputs: Tensor, task: Task, device: torch.device) -> None:
        self.inputs = inputs.to(device) if task.resident else inputs
        self.task = task
        self.device = device

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: slice | Tensor) -> Tensor:
        where = index.to(self.inputs.device) if isinstance(index, Tensor) else index
        return self.task.prepare(self.inputs[where].to(self.device))

    def index_select(self, axis: int, index: Tensor) -> Tensor:
        """The examples of these numbers; the axis is the first one, as a tensor's method has it."""
        taken = self.inputs.index_select(axis, index.to(self.inputs.device))
        return self.task.prepare(taken.to(self.device))


def placed(task: Task, split: Split, device: torch.device) -> Split:
    """A task's split for use on a device: as tensors there, unless it is to stay on the host or to be prepared."""
    if task.resident and type(task).prepare is Task.prepare:
        return split.to(device)
    inputs = cast("Tensor", Stored(split.inputs, task, device))
    return Split(inputs, split.targets.to(device))


class TaskData:
    """Training and validation examples, placed for the device. It holds nothing of the test split."""

    def __init__(self, task: Task, device: torch.device) -> None:
        self.task = task
        self.device = device
        train, validation = task.training()
        if not len(train):
            raise TicketbenchError(f"task '{task.name}' has an empty training split")
        self.train = placed(task, train, device)
        self.validation = placed(task, validation, device)


class Order:
    """The order of the training examples: a permutation a seed and epoch, whatever the fleet."""

    def __init__(self, seeds: Sequence[int], examples: int, batch: int, device: torch.device) -> None:
        self.seeds = seeds
        self.examples = examples
        self.batch = min(batch, examples)
        self.per_epoch = max(1, examples // self.batch)
        self.device = device
        self._epoch = -1
        self._order = torch.empty(0)

    def batch_at(self, step: int) -> Tensor:
        """The examples of a step, (fleet, batch)."""
        epoch, at = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            each = [torch.randperm(self.examples, generator=generator(seed, "order", epoch)) for seed in self.seeds]
            self._order, self._epoch = torch.stack(each).to(self.device), epoch
        return self._order[:, at * self.batch : (at + 1) * self.batch]


def gather(split: Split, index_fb: Tensor) -> tuple[Tensor, Tensor]:
    """Each member's batch of inputs and targets."""
    flat = index_fb.reshape(-1)
    inputs, targets = split.inputs.index_select(0, flat), split.targets.index_select(0, flat)
    return inputs.view(*index_fb.shape, *inputs.shape[1:]), targets.view(*index_fb.shape, *targets.shape[1:])


def augmented(task: Task, inputs_fb: Tensor, seeds: Sequence[int], step: int) -> Tensor:
    """The batches augmented, each member with its own uniform numbers."""
    if not task.augment_draws:
        return inputs_fb
    size = (inputs_fb.shape[1], task.augment_draws)
    each = [torch.rand(size, generator=generator(seed, "augment", step)) for seed in seeds]
    return torch.stack(
        [task.augment(inputs, draws.to(inputs.device)) for inputs, draws in zip(inputs_fb, each, strict=True)]
    )


def scoring_batches(split: Split, seed: int, call: int, count: int, size: int) -> Iterator[Split]:
    """`count` batches drawn for scoring (0: the whole split, in order), from the cell's own seed.

    Further calls draw further batches; an epoch is reshuffled when it runs out.
    """
    size = min(size, len(split))
    if count == 0:
        for at in range(0, len(split), size):
            yield Split(split.inputs[at : at + size], split.targets[at : at + size])
        return
    source = generator(seed, "scoring", call)
    waiting = torch.empty(0, dtype=torch.int64)
    for _ in range(count):
        if len(waiting) < size:
            waiting = torch.cat([waiting, torch.randperm(len(split), generator=source)])
        index, waiting = waiting[:size].to(split.targets.device), waiting[size:]
        yield Split(split.inputs[index], split.targets[index])
