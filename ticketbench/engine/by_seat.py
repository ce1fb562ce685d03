"""The arithmetic of a step on the device's clock: every member at its own rate, decay and age, read from tensors.

Nothing here asks for a value or looks at who is trained, so that it can be captured once and replayed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ticketbench.engine.by_class import clip_by_member
from ticketbench.engine.parts import MovingPart, adopt_slots, slot_names
from ticketbench.engine.seats import Seats, by_seat
from ticketbench.engine.stack import Stack
from ticketbench.engine.withheld import Factors
from ticketbench.kernels.pace import Corrections, Pace
from ticketbench.kernels.product import Precision, adam_linear_, sgd_linear_
from ticketbench.kernels.update import adam_, sgd_
from ticketbench.suite.recipe import Recipe

Way = tuple[float, bool, str]
"""What parts share that move at one pace: factor, whether they decay, and the name if they are younger than weights."""


class BySeat:
    """Averages, masks, clips and applies gradients for all seats at once."""

    def __init__(self, recipe: Recipe, stack: Stack, parts: list[MovingPart]) -> None:
        self.recipe = recipe
        self.stack = stack
        self.parts = parts
        younger = [part.key for part in parts if part.key in stack.born]
        self.seats = Seats(len(stack), parts[0].tensor.device, recipe, younger)

    def refresh(self) -> None:
        """Take up slots that are new. Masks and courses are read where they lie."""
        adopt_slots(self.recipe, self.stack, self.parts)

    def ages(self) -> list[list[int]]:
        """Each member's optimizer updates, of weights and of every part that may be younger."""
        updates = self.stack.updates
        born = [self.stack.born[name] for name in self.seats.names[1:]]
        return [updates, *([now - then for now, then in zip(updates, since, strict=True)] for since in born)]

    def set_rates(self, rates: Sequence[float]) -> None:
        """The learning rates of one step, where the host launches it."""
        table = torch.tensor([rates], dtype=torch.float64)
        self.seats.numbers.copy_(self.seats.numbers_at(table, self.ages())[0])

    @torch.no_grad()
    def apply(
        self, found: dict[str, Tensor], guarded: bool = False, factors: Mapping[str, Factors] | None = None
    ) -> None:
        """Move everything along its gradient, or along the product of what a layer has withheld."""
        factors = factors or {}
        self._average(found)
        masks = {part.name: self.stack.masks[part.name] for part in self.parts if part.masked}
        if guarded or self.recipe.clip is not None:
            found |= {name: found[name].where(mask, 0) for name, mask in masks.items()}
        if self.recipe.clip is not None:
            clip_by_member(list(found.values()), self.recipe.clip)
        paces: dict[Way, Pace] = {}
        for part in self.parts:
            name = part.key if part.key in self.seats.names else ""
            way = (part.factor, part.decays, name)
            if way not in paces:
                paces[way] = self._pace(part.factor, part.decays)
            along = factors[part.name] if part.name in factors else found[part.name]
            self._move(part, along, masks.get(part.name), paces[way], self.seats.corrections(name))

    def _move(
        self,
        part: MovingPart,
        along: Tensor | Factors,
        mask: Tensor | None,
        pace: Pace,
        corrections: Corrections | None,
    ) -> None:
        weight, recipe = part.tensor.detach(), self.recipe
        slots = [self.stack.slots[slot][part.key] for slot in slot_names(recipe)]
        if corrections is not None:
            first, second = slots
            words: Any = {"betas": recipe.betas, "epsilon": recipe.epsilon, "corrections": corrections}
            if isinstance(along, Tensor):
                adam_(weight, along, mask, first, second, pace, **words)
            else:
                inputs, outputs = along
                adam_linear_(weight, inputs, outputs, mask, first, second, pace, **words, precision=rounding())
            return
        words = {"momentum": recipe.momentum, "nesterov": recipe.nesterov}
        momentum = slots[0] if slots else None
        if isinstance(along, Tensor):
            sgd_(weight, along, mask, momentum, pace, **words)
        else:
            inputs, outputs = along
            sgd_linear_(weight, inputs, outputs, mask, momentum, pace, **words, precision=rounding())

    def _average(self, found: dict[str, Tensor]) -> None:
        for name, average in self.stack.averages.items():
            if name in found:
                memory = by_seat(self.seats.memory, average)
                on = (memory > 0) & by_seat(self.seats.live, average).bool()
                average.copy_(average.lerp(found[name], memory).where(on, average))

    def _pace(self, factor: float, decays: bool) -> Pace:
        seats = self.seats
        rate = seats.rate if factor == 1 else seats.rate * factor
        decay = seats.decay if decays else seats.none
        if not self.recipe.decoupled:
            return Pace(seats.live, rate, decay, seats.whole)
        return Pace(seats.live, rate, seats.none, 1 - rate * decay)


def rounding() -> Precision:
    """How factors of products are rounded at the moment, for a kernel that takes the place of torch's product."""
    return "ieee" if torch.get_float32_matmul_precision() == "highest" else "tf32"
