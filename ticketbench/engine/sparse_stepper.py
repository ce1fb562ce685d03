"""Training steps of members at their live weights, each by itself, in the machine.

A member's weights and slots are gathered when a training sets out, moved there, and put back into the stack when
somebody looks. While they are away the stack holds no slots for them: what an optimizer remembers takes as much memory
as there are live weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ticketbench.engine.course import Course
from ticketbench.engine.data import TaskData
from ticketbench.engine.network import Network
from ticketbench.engine.parts import slot_names
from ticketbench.engine.sparse_feed import SparseFeed
from ticketbench.engine.sparse_form import SparseForm
from ticketbench.engine.stack import Stack
from ticketbench.engine.state import State
from ticketbench.errors import SuiteError
from ticketbench.sparse.library import Rule
from ticketbench.sparse.live import Live
from ticketbench.suite.recipe import Recipe

STRIDE = 64
"""Steps after which somebody may want a pause."""


class SparseStepper:
    """Moves members of a stack along their gradients, at their live weights alone."""

    def __init__(self, form: SparseForm, network: Network, stack: Stack, recipe: Recipe) -> None:
        self.form = form
        self.network = network
        self.stack = self.moved = stack
        self.recipe = recipe
        if not any(recipe.trains(name) for name in form.tape.parameters):
            raise SuiteError(
                f"no parameter matches train_only = {list(recipe.train_only)}: {', '.join(stack.parameters)}"
            )
        self.slots = slot_names(recipe)
        self.lives: dict[int, Live] = {}
        """Each member's live weights and slots, by its seat."""
        self.courses: list[Course | None] = []
        self.feeds: dict[int, SparseFeed] = {}
        self._moved: set[int] = set()
        """The seats whose weights the stack does not have yet."""

    stride = STRIDE

    def enter(self, data: TaskData, courses: Sequence[Course | None]) -> None:
        """Take up the members' courses, their masks and their weights."""
        self.courses = list(courses)
        self.feeds = {}
        for seat, course in enumerate(courses):
            if course is not None:
                self.lives[seat] = self.gathered(seat)
                self.feeds[seat] = SparseFeed(data, self.network, self.form, course)
        self.stack.away = self

    def gathered(self, seat: int) -> Live:
        """A member's live weights as the stack has them, with the slots that are away already, or that it has."""
        stack, known = self.stack, self.lives.get(seat)
        here = known is None
        weights, masks = stack.weights(seat), {name: mask[seat] for name, mask in stack.masks.items()}
        if known is None or not known.fits(masks):
            live = Live(self.form.tape.parameters, weights, masks, self.slots, self.factor)
            if known is not None and stack.updates[seat]:
                known.hand_slots(live)
            known = live
        else:
            known.take(weights)
        if not stack.updates[seat]:
            known.forget()
        elif here:
            known.take(
                {}, {slot: {key: part[seat] for key, part in held.items()} for slot, held in stack.slots.items()}
            )
        return known

    def factor(self, name: str) -> float:
        """What the learning rate is multiplied by for a parameter; below zero if it is not trained."""
        return self.recipe.factor(name) if self.recipe.trains(name) else -1.0

    def run(self, count: int) -> None:
        """So many steps of everyone who has a course, one member after the other."""
        for seat, feed in self.feeds.items():
            course = self.courses[seat]
            assert course is not None
            total = np.zeros(1, np.float32)
            total[0] = float(self.stack.totals[seat])
            for part in feed.at(self.stack.steps[seat], count):
                part.runner.train(
                    self.lives[seat],
                    part.rows,
                    part.order.shape[1],
                    self.rule(course.recipe),
                    part.order,
                    np.array(course.rates[part.step : part.step + len(part.order)]),
                    self.stack.updates[seat],
                    total,
                    self.form.arena(part.runner),
                    self.outside(seat),
                )
                self.stack.steps[seat] += len(part.order)
                self.stack.updates[seat] += len(part.order)
            self.stack.totals[seat] = float(total[0])
            self._moved.add(seat)

    def outside(self, seat: int) -> State:
        """What a tape reads or leaves where it is: weights that are never trained, and state that is carried."""
        return {**self.stack.statistics(seat), **self.rows(self.stack.carried, seat)}

    def rule(self, recipe: Recipe) -> Rule:
        """How the optimizer moves a member's weights."""
        adam = recipe.optimizer == "adam"
        first, second = recipe.betas if adam else (recipe.momentum, 0.0)
        return Rule(
            int(adam),
            first,
            second,
            recipe.epsilon,
            int(recipe.nesterov),
            int(recipe.decoupled),
            recipe.weight_decay,
            recipe.clip or 0.0,
        )

    def settle(self) -> None:
        """Somebody looks at the stack: it has the weights as the steps have left them."""
        for seat in sorted(self._moved):
            self.lives[seat].put(self.stack.weights(seat))
        self._moved.clear()

    def seen(self) -> State:
        """The stacked parameters as the forward sees them when they are judged."""
        return self.stack.parameters

    def bring(self) -> None:
        """The stack is to have the slots, too: somebody else moves the members, or all is written down."""
        self.settle()
        for seat, live in self.lives.items():
            if self.stack.updates[seat]:
                for slot in self.slots:
                    mine = self.stack.slots.setdefault(slot, {})
                    for name in live.names:
                        weight = self.stack.parameters[name].detach()
                        mine.setdefault(name, torch.zeros_like(weight))
                live.put({}, {slot: self.rows(self.stack.slots[slot], seat) for slot in self.slots})
        self.lives.clear()

    def drop(self, member: int) -> None:
        """Slots of weights that a member's mask no longer keeps are zero."""
        if member in self.lives:
            self.lives[member].drop({name: mask[member] for name, mask in self.stack.masks.items()})

    def rows(self, state: Mapping[str, Tensor], seat: int) -> State:
        """A member's rows of stacked tensors."""
        return {name: tensor.detach()[seat] for name, tensor in state.items()}

    def close(self) -> None:
        """Let go of what is held."""
        self.settle()
        self.feeds = {}
