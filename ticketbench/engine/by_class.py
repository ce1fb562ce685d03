"""The arithmetic of a step on the host's clock: torch's own fused optimizers, called once for each class of members.

Members whose optimizers are of one age and whose learning rates are the same at every step form a class; a fleet in
lock-step is one. A class of all members is computed on the stacked tensors themselves, others on their rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from ticketbench.engine.course import Course
from ticketbench.engine.parts import MovingPart, adopt_slots, age_of, born_of, slot_names
from ticketbench.engine.stack import Stack
from ticketbench.suite.recipe import Recipe


@dataclass
class Group:
    """The tensors of a class that share a factor: one call of the optimizer."""

    parts: list[MovingPart]
    rows: list[Tensor]
    """What moves, part by part, member by member."""
    slots: list[list[Tensor]]
    ages: list[Tensor]


@dataclass
class Class:
    """Members that move alike."""

    members: list[int]
    whole: bool
    """Whether they are all there are."""
    decay: float
    average: float | None
    groups: list[Group]


class ByClass:
    """Averages, masks, clips and applies gradients, class by class."""

    def __init__(self, recipe: Recipe, stack: Stack, parts: list[MovingPart]) -> None:
        self.recipe = recipe
        self.stack = stack
        self.parts = parts
        self.gates = {part.name: torch.ones_like(part.tensor.detach()) for part in parts if part.masked}
        self.gating = True
        self.classes: list[Class] = []

    def refresh(self, courses: Sequence[Course | None] = ()) -> None:
        """Take up masks, slots, ages and courses that changed. Whoever has none does not move; without any all do."""
        self.gating = not self.stack.dense
        if self.gating:
            with torch.no_grad():
                for name, gate in self.gates.items():
                    gate.copy_(self.stack.masks[name])
        adopt_slots(self.recipe, self.stack, self.parts)
        alike: dict[object, list[int]] = {}
        for member in range(len(self.stack)):
            course = courses[member] if courses else None
            if courses and course is None:
                continue
            # equal schedules are one object
            way = course and (id(course.rates), self.stack.steps[member], course.recipe.weight_decay, course.average)
            born = tuple(born_of(self.stack, part)[member] for part in self.parts)
            alike.setdefault((way, self.stack.updates[member], born), []).append(member)
        self.classes = [self._class_of(members, courses[members[0]] if courses else None) for members in alike.values()]

    def _class_of(self, members: list[int], course: Course | None) -> Class:
        whole = len(members) == len(self.stack)
        decay = self.recipe.weight_decay if course is None else course.recipe.weight_decay
        by_factor: dict[tuple[float, bool], list[MovingPart]] = {}
        for part in self.parts:
            by_factor.setdefault((part.factor, part.decays), []).append(part)
        groups = []
        for parts in by_factor.values():
            tensors = [part.tensor for part in parts]
            slots = [[self.stack.slots[slot][part.key] for part in parts] for slot in slot_names(self.recipe)]
            rows = self._rows(tensors, members, whole)
            device = tensors[0].device
            each = 1 if whole else len(members)
            ages = [
                torch.tensor(float(age_of(self.stack, part, members[0])), device=device)
                for part in parts
                for _ in range(each)
            ]
            groups.append(Group(parts, rows, [self._rows(slot, members, whole) for slot in slots], ages))
        return Class(members, whole, decay, course.average if course else None, groups)

    def _rows(self, tensors: Sequence[Tensor], members: list[int], whole: bool) -> list[Tensor]:
        bare = [tensor.detach() for tensor in tensors]
        return bare if whole else [tensor[member] for tensor in bare for member in members]

    @torch.no_grad()
    def apply(self, gradients: Sequence[Tensor], rates: float | Sequence[float], guarded: bool = False) -> None:
        """Move everything along its gradient, at the learning rate of all, or of each class."""
        found = {part.name: gradient for part, gradient in zip(self.parts, gradients, strict=True)}
        self._average(found)
        if self.gating and guarded:
            for name in self.gates:
                # a product would keep what is not finite there, such as the slope of a penalty √|θ| at zero
                found[name] = found[name].where(self.stack.masks[name], 0)
        elif self.gating and self.gates:
            torch._foreach_mul_([found[name] for name in self.gates], list(self.gates.values()))
        if self.recipe.clip is not None:
            clip_by_member(list(found.values()), self.recipe.clip)
        for at, one in enumerate(self.classes):
            rate = rates if isinstance(rates, float) else rates[at]
            for group in one.groups:
                self._move(one, group, found, rate)

    def _average(self, found: dict[str, Tensor]) -> None:
        for one in self.classes:
            if one.average is None:
                continue
            for name in self.gates:
                mine, new = [self.stack.averages[name]], [found[name]]
                if not one.whole:
                    mine, new = self._rows(mine, one.members, False), self._rows(new, one.members, False)
                for average, gradient in zip(mine, new, strict=True):
                    average.lerp_(gradient, 1 - one.average)

    def _move(self, one: Class, group: Group, found: dict[str, Tensor], learning_rate: float) -> None:
        rate = learning_rate * group.parts[0].factor
        decays = group.parts[0].decays
        gradients = self._rows([found[part.name] for part in group.parts], one.members, one.whole)
        if self.recipe.decoupled and one.decay and decays:
            torch._foreach_mul_(group.rows, 1 - rate * one.decay)
        decay = one.decay if decays and not self.recipe.decoupled else 0.0
        if self.recipe.optimizer == "adam":
            first, second = group.slots
            adam(
                group.rows,
                gradients,
                first,
                second,
                [],
                group.ages,
                fused=True,
                amsgrad=False,
                beta1=self.recipe.betas[0],
                beta2=self.recipe.betas[1],
                lr=rate,
                weight_decay=decay,
                eps=self.recipe.epsilon,
                maximize=False,
            )
            return
        momenta = group.slots[0] if group.slots else [None] * len(group.rows)
        sgd(
            group.rows,
            gradients,
            list(momenta),
            fused=True,
            weight_decay=decay,
            momentum=self.recipe.momentum,
            lr=rate,
            dampening=0.0,
            nesterov=self.recipe.nesterov,
            maximize=False,
        )


def clip_by_member(gradients: list[Tensor], limit: float) -> None:
    """Scale each member's gradient to a norm of at most `limit`, as torch's clip_grad_norm_ does for one."""
    norms = [torch.linalg.vector_norm(gradient.reshape(len(gradient), -1), dim=1) for gradient in gradients]
    total = torch.linalg.vector_norm(torch.stack(norms), dim=0)
    factors = (limit / (total + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))
