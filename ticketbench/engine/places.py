"""What the next step needs to know of the member at every place, in tensors of the device that stay where they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ticketbench.engine.course import Course
from ticketbench.engine.stack import Stack


class Places:
    """A row a place. The host writes them between steps; a step reads them, and moves `step` and `age` on."""

    def __init__(self, count: int, device: torch.device) -> None:
        self.live = torch.ones(count, dtype=torch.bool, device=device)
        """Whether the place's member is trained; nothing of another one changes."""
        self.step = torch.zeros(count, dtype=torch.int64, device=device)
        self.age = torch.zeros(count, dtype=torch.int64, device=device)
        """Optimizer updates since the optimizer was fresh."""
        self.rate = torch.zeros(count, dtype=torch.float64, device=device)
        """The learning rate, factors of parameters left out."""
        self.decay = torch.zeros(count, dtype=torch.float64, device=device)
        self.memory = torch.zeros(count, dtype=torch.float32, device=device)
        """What the running average of the gradient takes of each new one; 0 where none is kept."""

    def set(self, stack: Stack, courses: Sequence[Course | None]) -> None:
        """Take up where the members of a stack stand, and which of them have a course."""
        write(self.live, [course is not None for course in courses])
        write(self.step, stack.steps)
        write(self.age, stack.updates)
        write(self.decay, [0.0 if course is None else course.recipe.weight_decay for course in courses])
        averages = [None if course is None else course.average for course in courses]
        write(self.memory, [0.0 if decay is None else 1 - decay for decay in averages])

    def turn(self) -> None:
        """A step was taken."""
        self.step += self.live
        self.age += self.live


def write(tensor: Tensor, values: Sequence[float | int | bool]) -> None:
    """Other values for a tensor, in its place on its device."""
    tensor.copy_(torch.tensor(values, dtype=tensor.dtype))


def by_place(values_f: Tensor, like: Tensor) -> Tensor:
    """A number a place, shaped to go with a stacked tensor and in its precision."""
    return values_f.to(like.dtype).view(-1, *[1] * (like.ndim - 1))
