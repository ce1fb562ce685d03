"""A course: what one member's training does, step by step, until something else is due."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import torch
from torch import Tensor

from ticketbench.suite.recipe import Recipe


@dataclass(frozen=True)
class Course:
    """One member's way through a training: its examples, its learning rates, and where it stops for something."""

    recipe: Recipe
    examples: int
    """How many examples an epoch draws from."""
    seed: int
    """What the order of the examples, and all that a step draws at random, is drawn from."""
    until: int
    """The step at which the member has arrived."""
    average: float | None = None
    """The decay of a running average of the dense gradient; None keeps none."""
    stops: frozenset[int] = frozenset()
    """Steps before which somebody looks on; at the last step of the schedule, after it."""
    validates: bool = True
    """Whether there is anything to validate on."""

    @cached_property
    def total(self) -> int:
        """How many steps the whole schedule takes."""
        return self.recipe.total_steps(self.examples)

    @cached_property
    def per_epoch(self) -> int:
        """How many steps pass over the examples once."""
        return self.recipe.steps_per_epoch(self.examples)

    @cached_property
    def rates(self) -> tuple[float, ...]:
        """The learning rate of every step of the schedule."""
        return schedule(self.recipe.learning_rates_text(), self.examples)

    @property
    def rate_table(self) -> Tensor:
        """The same as a tensor."""
        return schedule_table(self.recipe.learning_rates_text(), self.examples)

    def is_logged(self, step: int) -> bool:
        """Whether the training curve has a point after this many steps."""
        return step % self.recipe.log_every == 0 or step == self.until

    def is_validated(self, step: int) -> bool:
        """Whether a validation comes after this many steps."""
        every = self.recipe.validate_every * self.per_epoch
        return self.validates and bool(every) and step % every == 0

    def next_event(self, step: int) -> int:
        """The first step after this one at which something other than training is due."""
        due = [self.until, after(step, self.recipe.log_every)]
        if self.validates and self.recipe.validate_every:
            due.append(after(step, self.recipe.validate_every * self.per_epoch))
        due += [stop for stop in self.stops if stop > step]
        return min(due)


def after(step: int, every: int) -> int:
    """The first multiple of `every` after a step.

    >>> after(7, 5), after(10, 5)
    (10, 15)
    """
    return (step // every + 1) * every


@cache
def schedule(recipe_text: str, examples: int) -> tuple[float, ...]:
    """Every learning rate of a schedule; a fleet's members mostly share one."""
    recipe = Recipe.model_validate_json(recipe_text)
    return tuple(recipe.learning_rate_at(step, examples) for step in range(recipe.total_steps(examples)))


@cache
def schedule_table(recipe_text: str, examples: int) -> Tensor:
    """A schedule as a tensor in float64."""
    return torch.tensor(schedule(recipe_text, examples), dtype=torch.float64)
