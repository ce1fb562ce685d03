"""The arithmetic of a step on the device's clock: every member at its own rate, decay and age, read from tensors.

Nothing here asks for a value or looks at who is trained, so that it can be captured once and replayed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ticketbench.engine.by_class import clip_by_member
from ticketbench.engine.parts import MovingPart, adopt_slots, born_of, slot_names
from ticketbench.engine.places import Places, by_place, write
from ticketbench.engine.stack import Stack
from ticketbench.kernels.pace import Corrections, Pace, corrections_at
from ticketbench.kernels.update import adam_, sgd_
from ticketbench.suite.recipe import Recipe

Way = tuple[float, bool, bool]
"""What parts share that move at one pace: factor, whether they decay, whether they are younger than the weights."""


class ByPlace:
    """Averages, masks, clips and applies gradients for all places at once."""

    def __init__(self, recipe: Recipe, stack: Stack, parts: list[MovingPart], places: Places) -> None:
        self.recipe = recipe
        self.stack = stack
        self.parts = parts
        self.places = places
        self.born = {part.key: torch.zeros_like(places.age) for part in parts if part.key in stack.born}
        """Extras -> each member's updates when they began."""

    def refresh(self) -> None:
        """Take up slots that are new, and the ages of extras. Masks and courses are read where they lie."""
        adopt_slots(self.recipe, self.stack, self.parts)
        for part in self.parts:
            if part.key in self.born:
                write(self.born[part.key], born_of(self.stack, part))

    @torch.no_grad()
    def apply(self, gradients: Sequence[Tensor], guarded: bool = False) -> None:
        """Move everything along its gradient."""
        found = {part.name: gradient for part, gradient in zip(self.parts, gradients, strict=True)}
        self._average(found)
        masks = {part.name: self.stack.masks[part.name] for part in self.parts if part.masked}
        if guarded or self.recipe.clip is not None:
            found |= {name: found[name].where(mask, 0) for name, mask in masks.items()}
        if self.recipe.clip is not None:
            clip_by_member(list(found.values()), self.recipe.clip)
        paces: dict[Way, tuple[Pace, Corrections | None]] = {}
        for part in self.parts:
            way = (part.factor, part.decays, part.key in self.born)
            if way not in paces:
                paces[way] = self._pace(part)
            pace, corrections = paces[way]
            weight, gradient, mask = part.tensor.detach(), found[part.name], masks.get(part.name)
            slots = [self.stack.slots[slot][part.key] for slot in slot_names(self.recipe)]
            if self.recipe.optimizer == "adam":
                first, second = slots
                betas, epsilon = self.recipe.betas, self.recipe.epsilon
                adam_(
                    weight, gradient, mask, first, second, pace, betas=betas, epsilon=epsilon, corrections=corrections
                )
            else:
                momentum, nesterov = self.recipe.momentum, self.recipe.nesterov
                sgd_(weight, gradient, mask, slots[0] if slots else None, pace, momentum=momentum, nesterov=nesterov)

    def _average(self, found: dict[str, Tensor]) -> None:
        for name, average in self.stack.averages.items():
            if name in found:
                memory = by_place(self.places.memory, average)
                on = (memory > 0) & by_place(self.places.live, average).bool()
                average.copy_(average.lerp(found[name], memory).where(on, average))

    def _pace(self, part: MovingPart) -> tuple[Pace, Corrections | None]:
        rate = self.places.rate * part.factor
        decay = self.places.decay if part.decays else torch.zeros_like(self.places.decay)
        coupled = torch.zeros_like(decay) if self.recipe.decoupled else decay
        shrink = 1 - rate * decay if self.recipe.decoupled else torch.ones_like(decay)
        age = self.places.age + 1
        age = age - self.born[part.key] if part.key in self.born else age
        pace = Pace(self.places.live, rate.float(), coupled.float(), shrink.float(), age)
        return pace, corrections_at(age, self.recipe.betas) if self.recipe.optimizer == "adam" else None
