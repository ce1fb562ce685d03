"""Training steps of a stack: gradients of all members, and what is done with them.

A step is a function of tensors alone. On a CPU it is called once a step, on batches that the host prepares; on CUDA it
reads what it needs from tables on the device, and is captured once and replayed. Gradients are masked before they are
clipped and used; weights and slots outside the masks start at zero and therefore stay exactly zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ticketbench.engine.accelerate import Compiled
from ticketbench.engine.by_class import ByClass
from ticketbench.engine.by_seat import BySeat
from ticketbench.engine.course import Course
from ticketbench.engine.data import TaskData
from ticketbench.engine.feed import HostFeed
from ticketbench.engine.network import Network
from ticketbench.engine.parts import moving_parts
from ticketbench.engine.regimes import StackedRegime
from ticketbench.engine.replay import Recorder, Replays
from ticketbench.engine.seats import by_seat
from ticketbench.engine.stack import Stack
from ticketbench.engine.state import State
from ticketbench.engine.tables import TableFeed, stored
from ticketbench.engine.withheld import Factors, Withholding
from ticketbench.kernels.presence import runs_kernels
from ticketbench.plugin.regime import Regime
from ticketbench.suite.recipe import Recipe

updates_take_products = runs_kernels
"""Where the update of a weight can take the product that is its gradient: where its kernel runs."""
CHANCE = "chance"
"""What the members' forwards draw at random, among what differs from step to step."""


LAUNCHED, REPLAYED = 16, 64
"""Steps after which somebody may want a pause; those that are replayed take little of the host's time each."""


class Stepper:
    """Moves a stack along its gradient, step by step.

    With a `recorder` steps are replayed. Whoever has no course stays as it is.
    """

    def __init__(
        self,
        network: Network,
        stack: Stack,
        recipe: Recipe,
        regime: Regime | None = None,
        losses: Callable[..., Tensor] | None = None,
        recorder: Recorder | None = None,
        on_device: bool | None = None,
        held_beside: Callable[[], Sequence[Tensor]] = tuple,
    ) -> None:
        self.network = network
        self.stack = stack
        self.recipe = recipe
        """What the members' recipes share; rates, decay and lengths are their courses' own."""
        self.regime = None if regime is None else StackedRegime(regime, stack)
        self.parts = moving_parts(recipe, stack, self.regime)
        self.moving = [part.tensor for part in self.parts]
        self.moved = stack
        """The stack whose tensors move: its totals and counters are those of the training."""
        self.losses: Callable[..., Tensor] = losses or network.losses
        first = self.moving[0]
        self.courses: list[Course | None] = []
        self.by_seat: BySeat | None = None
        self.by_class: ByClass | None = None
        if first.is_cuda or recorder is not None if on_device is None else on_device:
            self.by_seat = BySeat(recipe, stack, self.parts)
        else:
            self.by_class = ByClass(recipe, stack, self.parts)
        self.held_beside = held_beside
        """What `losses` reads beside the stack, where steps are recorded."""
        self.recorder = recorder
        self.replays: Replays | None = None
        self.tables: TableFeed | None = None
        self.host: HostFeed | None = None
        self._averaging = False
        self.withholding: Withholding | None = None
        self.refresh()

    @property
    def live(self) -> Tensor:
        """Whether the member at each seat is trained."""
        if self.by_seat is not None:
            return self.by_seat.seats.live
        return torch.tensor([course is not None for course in self.courses], device=self.moving[0].device)

    @property
    def everyone(self) -> bool:
        """Whether it is settled that all members are trained: what is recorded must do for any."""
        return self.recorder is None and all(course is not None for course in self.courses)

    @property
    def stride(self) -> int:
        """How many steps there are between two seats for a pause, at most."""
        return LAUNCHED if self.recorder is None else REPLAYED

    @property
    def how(self) -> str:
        """How steps are computed, for the record."""
        ways = [self.losses.how] if isinstance(self.losses, Compiled) else []
        return "+".join(ways + ([self.replays.how] if self.replays is not None else []))

    # -- between steps -----------------------------------------------------------------------------------------

    def enter(self, data: TaskData, courses: Sequence[Course | None]) -> None:
        """Take up the members' courses, from where they stand; a seat without a course is left alone."""
        self.courses = list(courses)
        self._keep_averages()
        self.refresh()
        if self.recorder is None:
            self.host = HostFeed(data, self.network, courses, self.drawn)
            return
        if self.tables is None:
            assert self.by_seat is not None
            self.tables = TableFeed(data, self.network, courses, self.drawn, self.by_seat)
        self.tables.enter(courses, self.stack.steps)
        if self.replays is None:
            self.replays = Replays(self.advance, self.recorder, self.held)

    def _keep_averages(self) -> None:
        """There are averages of the dense gradient if anybody wants one; who wants none forgets his."""
        stack = self.stack
        if any(course is not None and course.average is not None for course in self.courses) and not stack.averages:
            stack.averages = {name: torch.zeros_like(stack.parameters[name]).detach() for name in stack.masks}
        for member, course in enumerate(self.courses):
            if course is not None and course.average is None:
                for part in stack.averages.values():
                    part[member] = 0
        if bool(stack.averages) != self._averaging:
            self.withholding = None
            if self.replays is not None:
                self.replays.close()  # what was captured knows of one way only
                self.replays = None
        self._averaging = bool(stack.averages)

    def refresh(self) -> None:
        """Take up masks, slots and courses that changed since the last step."""
        if self.by_seat is not None:
            self.by_seat.refresh()
            if self.courses:
                self.by_seat.seats.set(self.courses)
        else:
            assert self.by_class is not None
            self.by_class.refresh(self.courses)

    def held(self) -> list[Tensor]:
        """Everything that a replayed step reads or writes: tensors that stay where they are."""
        stack, feed = self.stack, self.tables
        assert feed is not None
        states: list[Mapping[str, Tensor]] = [stack.parameters, stack.buffers, stack.masks, *stack.slots.values()]
        states += [stack.averages, stack.carried, stack.extras, feed.chunk]
        found = [tensor.detach() for state in states for tensor in state.values()]
        found += [stack.totals, feed.cursor, feed.ring, feed.along, *feed.moves.seats.held()]
        found += [stored(feed.data.train.inputs), stored(feed.data.train.targets)]
        module = self.network.module
        found += [part.detach() for part in (*module.parameters(), *module.buffers())]
        return [*found, *self.held_beside()]

    def settle(self) -> None:
        """Somebody looks at the stack: it is as the steps have left it."""

    def close(self) -> None:
        """Let go of graphs and threads."""
        if self.replays is not None:
            self.replays.close()
        if self.tables is not None:
            self.tables.close()

    # -- steps -------------------------------------------------------------------------------------------------

    def run(self, count: int) -> None:
        """So many steps of everyone who has a course."""
        while count > 0:
            taken = self._replayed(count) if self.recorder is not None else self._launched()
            count -= taken
            self.took(taken)
            if self.recorder is not None and self.recorder.spoils and self.tables is not None:
                self.tables.spoil(self.stack.steps)

    def took(self, steps: int) -> None:
        """Note steps of everyone who has a course, or of all where nobody has one."""
        for member in range(len(self.stack)):
            if not self.courses or self.courses[member] is not None:
                self.stack.steps[member] += steps
                self.stack.updates[member] += steps

    def _replayed(self, count: int) -> int:
        assert self.tables is not None
        assert self.replays is not None
        count = min(count, self.tables.prepare(self.stack.steps))
        self.replays.run(count)
        self.tables.took(count)
        return count

    def _launched(self) -> int:
        assert self.host is not None
        steps = self.stack.steps
        given = self.host.at(steps)
        if self.by_class is not None:
            firsts = [one.members[0] for one in self.by_class.classes]
        else:
            firsts = list(range(len(self.stack)))
        rates = [0.0 if (course := self.courses[at]) is None else course.rates[steps[at]] for at in firsts]
        losses = self.step(given.inputs, given.targets, rates, given.call, given.drawn)
        self.stack.totals += losses if self.everyone else losses.where(self.live, 0)
        return 1

    def advance(self) -> None:
        """One step as a function of what lies on the device, for whoever has a course."""
        assert self.tables is not None
        given = self.tables.at()
        losses = self.compute(given.inputs, given.targets, given.call, given.drawn)
        self.stack.totals += losses.where(self.live, 0)
        self.tables.turn()

    def drawn(
        self,
        inputs: Tensor,
        call: Mapping[str, Any],
        seeds: Sequence[int],
        steps: Sequence[int],
        totals: Sequence[int],
    ) -> State:
        """What differs from step to step beside batch and keywords: what models and regimes draw at random."""
        drawn = {} if self.regime is None else self.regime.drawn(seeds, steps, totals, inputs.device)
        chance = self.network.chance(inputs, call, seeds, steps)
        return drawn if chance is None else {**drawn, CHANCE: chance}

    def step(
        self,
        inputs: Tensor,
        targets: Tensor,
        learning_rate: float | Sequence[float],
        call: Mapping[str, Any],
        drawn: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """One step of every member on its own batch; returns the losses before it, penalties left out.

        The learning rate is that of all, or one of each class or seat.
        """
        if self.by_seat is None:
            return self.compute(inputs, targets, call, drawn or {}, learning_rate)
        rates = [learning_rate] * len(self.stack) if isinstance(learning_rate, float) else learning_rate
        self.by_seat.set_rates(rates)
        return self.compute(inputs, targets, call, drawn or {})

    def compute(
        self,
        inputs: Tensor,
        targets: Tensor,
        call: Mapping[str, Any],
        drawn: Mapping[str, Tensor],
        rates: float | Sequence[float] = 0.0,
    ) -> Tensor:
        """The step itself; `rates` where the arithmetic does not read them from the device."""
        statistics = {} if self.everyone else {**self.stack.buffers, **self.stack.carried}
        before = {name: tensor.clone() for name, tensor in statistics.items()}
        guarded = self.regime is not None
        if self.by_seat is not None:
            losses, found, factors = self._moves(inputs, targets, call, drawn)
            self.by_seat.apply(found, guarded, factors)
        else:
            assert self.by_class is not None
            losses, gradients = self.gradients(inputs, targets, call, drawn)
            self.by_class.apply(gradients, rates, guarded)
        for name, tensor in statistics.items():  # who is not trained does not remember this batch
            tensor.copy_(tensor.where(by_seat(self.live, tensor).bool(), before[name]))
        return losses

    def _moves(
        self, inputs: Tensor, targets: Tensor, call: Mapping[str, Any], drawn: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Factors]]:
        """Each member's loss, the gradients by name, and for the others the factors of which they are products."""
        if self.withholding is None:
            self.withholding = Withholding({part.name: part.tensor for part in self.parts}, self.may_withhold())
        return self.withholding.gradients(lambda asked: self.gradients(inputs, targets, call, drawn, asked))

    def may_withhold(self) -> bool:
        """Whether products of linear layers may be left to the update: nobody else wants the gradients, in float32."""
        plain = self.regime is None and self.recipe.clip is None and not self.stack.averages
        return plain and self.network.precision != "bf16" and updates_take_products(self.moving[0].device)

    def gradients(
        self,
        inputs: Tensor,
        targets: Tensor,
        call: Mapping[str, Any],
        drawn: Mapping[str, Tensor],
        asked: Sequence[Tensor] = (),
    ) -> tuple[Tensor, list[Tensor]]:
        """Each member's loss and its gradient at everything that moves, or at what is asked for; not masked yet."""
        buffers = {**self.stack.buffers, **self.stack.carried}
        parameters, chance = self.stack.parameters, [drawn[CHANCE]] if CHANCE in drawn else []
        if self.regime is None:
            losses = total = self.losses(parameters, buffers, inputs, targets, call, *chance)
        else:
            seen = {**parameters, **self.regime.computed(parameters, drawn)}
            losses = self.losses(seen, buffers, inputs, targets, call, *chance)
            penalties = self.regime.penalties(parameters, drawn)
            total = losses if penalties is None else losses + penalties
        wanted = list(asked) or self.moving
        found = torch.autograd.grad(total.sum(), wanted, allow_unused=True, materialize_grads=True)
        gradients = [gradient.contiguous() for gradient in found]  # the fused optimizers read memory in order
        if self.regime is not None:
            self.steer(gradients, drawn)
        return losses.detach(), gradients

    @torch.no_grad()
    def steer(self, gradients: list[Tensor], drawn: Mapping[str, Tensor]) -> None:
        """Let the regime put other gradients in the place of those that were found."""
        assert self.regime is not None
        at = {part.name: number for number, part in enumerate(self.parts)}
        found = {name: gradients[number] for name, number in at.items()}
        for name, other in self.regime.steered(found, self.stack.parameters, drawn).items():
            if name in at:  # what the recipe does not train stays as it is
                gradients[at[name]] = other.contiguous()

    def seen(self) -> State:
        """The stacked parameters as the forward sees them when they are judged."""
        if self.regime is None:
            return self.stack.parameters
        with torch.no_grad():
            return {**self.stack.parameters, **self.regime.computed(self.stack.parameters, None)}
