"""What the next step needs to know of the member at every seat, in tensors of the device that stay where they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ticketbench.engine.course import Course
from ticketbench.kernels.pace import Corrections
from ticketbench.suite.recipe import Recipe


class Seats:
    """A column a seat. The host writes it, between steps or ahead of them; a step only reads.

    `names` are those of parts that may be younger than the weights: each has corrections of its own.
    """

    def __init__(self, count: int, device: torch.device, recipe: Recipe, names: Sequence[str] = ()) -> None:
        self.corrected = recipe.optimizer == "adam"
        self.betas = recipe.betas
        self.names = ("", *names)
        self.live = torch.ones(count, dtype=torch.bool, device=device)
        """Whether the seat's member is trained; nothing of another one changes."""
        rows = 1 + 2 * len(self.names) * self.corrected
        self.numbers = torch.zeros(rows, count, device=device)
        """The learning rate, and for each name both of Adam's corrections."""
        self.decay = torch.full((count,), recipe.weight_decay, device=device)
        self.none = torch.zeros(count, device=device)
        self.whole = torch.ones(count, device=device)
        self.memory = torch.zeros(count, device=device)
        """What the running average of the gradient takes of each new one; 0 where none is kept."""

    @property
    def rate(self) -> Tensor:
        """The learning rate, factors of parameters left out."""
        return self.numbers[0]

    def corrections(self, name: str = "") -> Corrections | None:
        """What Adam's averages are divided by, of weights or of a younger part; None where the optimizer is another."""
        if not self.corrected:
            return None
        at = 1 + 2 * self.names.index(name)
        return Corrections(self.numbers[at], self.numbers[at + 1])

    def held(self) -> list[Tensor]:
        """All tensors."""
        return [self.live, self.numbers, self.decay, self.none, self.whole, self.memory]

    def set(self, courses: Sequence[Course | None]) -> None:
        """Take up who has a course, and what does not change along it."""
        write(self.live, [course is not None for course in courses])
        write(self.decay, [0.0 if course is None else course.recipe.weight_decay for course in courses])
        averages = [None if course is None else course.average for course in courses]
        write(self.memory, [0.0 if decay is None else 1 - decay for decay in averages])

    def numbers_at(self, rates: Tensor, ages: Sequence[Sequence[int]]) -> Tensor:
        """The numbers of steps that follow one another, (steps, rows, seats), on the host.

        `rates` has a row a step, in float64; `ages` the updates of each name's optimizer before the first of them.
        """
        rows = [rates]
        ahead = torch.arange(1, len(rates) + 1, dtype=torch.float64).unsqueeze(1)
        for updates in ages if self.corrected else ():
            exact = (ahead + torch.tensor(updates, dtype=torch.float64)).clamp(min=1)
            rows += [1 - self.betas[0] ** exact, (1 - self.betas[1] ** exact).sqrt()]
        return torch.stack(rows, dim=1).float()


def write(tensor: Tensor, values: Sequence[float | int | bool]) -> None:
    """Other values for a tensor, in its place on its device."""
    tensor.copy_(torch.tensor(values, dtype=tensor.dtype))


def by_seat(values_f: Tensor, like: Tensor) -> Tensor:
    """A number a seat, shaped to go with a stacked tensor and in its precision."""
    return values_f.to(like.dtype).view(-1, *[1] * (like.ndim - 1))
