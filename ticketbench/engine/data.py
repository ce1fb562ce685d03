"""A task's splits, ready for the device, and the order in which each member sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch
from torch import Tensor

from ticketbench.errors import TicketbenchError
from ticketbench.plugin.contracts import Split, Task
from ticketbench.seeds import generator


class Stored:
    """A tensor as a task stores it: what is taken by index is moved to the device and prepared, and nothing else is.

    It stands for the tensor of all prepared examples wherever examples are taken by index.
    """

    def __init__(self, stored: Tensor, device: torch.device, prepare: Callable[[Tensor], Tensor]) -> None:
        self.stored = stored
        self.device = device
        self.prepare = prepare

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, index: slice | Tensor) -> Tensor:
        where = index.to(self.stored.device) if isinstance(index, Tensor) else index
        # a slice would be a view of what is stored
        return self.prepare(self.stored[where].to(self.device, copy=isinstance(index, slice)))

    def split(self, size: int) -> Iterator[Tensor]:
        """All examples, so many at a time, as a tensor's method has it."""
        return (self[at : at + size] for at in range(0, len(self), size))

    def index_select(self, axis: int, index: Tensor) -> Tensor:
        """The examples of these numbers; the axis is the first one, as a tensor's method has it."""
        taken = self.stored.index_select(axis, index.to(self.stored.device))
        return self.prepare(taken.to(self.device))


def placed(task: Task, split: Split, device: torch.device) -> Split:
    """A task's split for use on a device: as tensors there, unless it is to stay on the host or to be prepared."""
    here = split.to(device) if task.resident else split
    inputs, targets = here.inputs, here.targets
    if not task.resident or type(task).prepare is not Task.prepare:
        inputs = cast("Tensor", Stored(inputs, device, task.prepare))
    if not task.resident:
        targets = cast("Tensor", Stored(targets, device, lambda taken: taken))
    return Split(inputs, targets)


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
    """The order of the training examples: a permutation a seed and epoch, whatever the fleet.

    Where they are contiguous it is the same for all seeds and epochs: of `batch` streams of examples // batch each,
    one after the other in the sequence, a step takes an example of every stream. What is left at the end is not used.
    """

    def __init__(
        self, seeds: Sequence[int], examples: int, batch: int, device: torch.device, contiguous: bool = False
    ) -> None:
        self.seeds = seeds
        self.examples = examples
        self.batch = min(batch, examples)
        self.per_epoch = max(1, examples // self.batch)
        self.device = device
        self.contiguous = contiguous
        self._epochs = [-1] * len(seeds)
        self._order = torch.empty(0)

    def batch_at(self, steps: int | Sequence[int]) -> Tensor:
        """The examples of a step, (fleet, batch): of one for all members, or of one for each."""
        steps = [steps] * len(self.seeds) if isinstance(steps, int) else steps
        places = [step % self.per_epoch for step in steps]
        together = len(set(places)) == 1
        if self.contiguous:
            starts = torch.arange(0, self.batch * self.per_epoch, self.per_epoch, device=self.device)
            if together:
                return (starts + places[0]).expand(len(self.seeds), -1)
            return starts + torch.tensor(places, device=self.device).unsqueeze(1)
        self._draw([step // self.per_epoch for step in steps])
        if together:
            return self._order[:, places[0] * self.batch : (places[0] + 1) * self.batch]
        rows = zip(self._order, places, strict=True)
        return torch.stack([row[place * self.batch : (place + 1) * self.batch] for row, place in rows])

    def _draw(self, epochs: list[int]) -> None:
        """Have every member's order of its epoch at hand."""
        if epochs == self._epochs:
            return
        rows = list(self._order) if len(self._order) else [torch.empty(0)] * len(self.seeds)
        for at, (seed, epoch) in enumerate(zip(self.seeds, epochs, strict=True)):
            if epoch != self._epochs[at]:
                rows[at] = permutation(self.examples, seed, epoch).to(self.device)
        self._order, self._epochs = torch.stack(rows), epochs


def permutation(examples: int, seed: int, epoch: int) -> Tensor:
    """The order of the examples in an epoch, of whoever has this seed."""
    return torch.randperm(examples, generator=generator(seed, "order", epoch))


def in_streams(examples: int, batch: int, device: torch.device) -> Iterator[Tensor]:
    """All of a sequence's examples, a batch at a time: one of each of `batch` streams, which follow one another.

    Where they do not come out even, the first streams are longer by one: the last batch has these alone.
    """
    length, longer = divmod(examples, min(batch, max(1, examples)))
    numbers = torch.arange(min(batch, examples), device=device)
    starts = numbers * length + numbers.clamp(max=longer)
    for at in range(length):
        yield starts + at
    if longer:
        yield starts[:longer] + length


def gather(split: Split, index_fb: Tensor) -> tuple[Tensor, Tensor]:
    """Each member's batch of inputs and targets."""
    flat = index_fb.reshape(-1)
    inputs, targets = split.inputs.index_select(0, flat), split.targets.index_select(0, flat)
    return inputs.view(*index_fb.shape, *inputs.shape[1:]), targets.view(*index_fb.shape, *targets.shape[1:])


def augmented(task: Task, inputs_fb: Tensor, seeds: Sequence[int], steps: Sequence[int]) -> Tensor:
    """The batches augmented, each member with its own uniform numbers."""
    if not task.augment_draws:
        return inputs_fb
    draws = augment_draws(task, seeds, steps, inputs_fb.shape[1]).to(inputs_fb.device)
    return augmented_by(task, inputs_fb, draws)


def augment_draws(task: Task, seeds: Sequence[int], steps: Sequence[int], batch: int) -> Tensor:
    """Each member's uniform numbers for the augmentation of a step, (fleet, batch, draws)."""
    size = (batch, task.augment_draws)
    each = zip(seeds, steps, strict=True)
    return torch.stack([torch.rand(size, generator=generator(seed, "augment", step)) for seed, step in each])


def augmented_by(task: Task, inputs_fb: Tensor, draws_fb: Tensor) -> Tensor:
    """The batches augmented by given numbers, all members' examples as one batch."""
    flat = task.augment(inputs_fb.flatten(0, 1), draws_fb.flatten(0, 1))
    return flat.view(*inputs_fb.shape[:2], *flat.shape[1:])


def scoring_batches(split: Split, seed: int, call: int, count: int, size: int) -> Iterator[Split]:
    """`count` batches drawn for scoring (0: the whole split, in order), from the cell's own seed.

    Further calls draw further batches; an epoch is reshuffled when it runs out. All are copies.
    """
    size = min(size, len(split))
    if count == 0:
        for at in range(0, len(split), size):
            yield Split(split.inputs[at : at + size].clone(), split.targets[at : at + size].clone())
        return
    for numbers in scoring_order(len(split), seed, call, count, size):
        index = numbers.to(split.targets.device)
        yield Split(split.inputs[index], split.targets[index])


def scoring_order(examples: int, seed: int, call: int, count: int, size: int) -> Iterator[Tensor]:
    """Which of the examples each of `count` scoring batches has, on the host."""
    source, size = generator(seed, "scoring", call), min(size, examples)
    waiting = torch.empty(0, dtype=torch.int64)
    for _ in range(count):
        if len(waiting) < size:
            waiting = torch.cat([waiting, torch.randperm(examples, generator=source)])
        numbers, waiting = waiting[:size], waiting[size:]
        yield numbers
