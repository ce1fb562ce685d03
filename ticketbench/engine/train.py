"""The only training loop: run to the nearest event of any member, attend to it, and on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from ticketbench.engine.carry import take_up
from ticketbench.engine.course import Course, after
from ticketbench.engine.data import TaskData
from ticketbench.engine.judge import evaluate
from ticketbench.engine.sparse_stepper import SparseStepper
from ticketbench.engine.stack import Stack
from ticketbench.engine.stepper import Stepper
from ticketbench.engine.supermask import MaskStepper
from ticketbench.plugin.chance import unmoved

StepProgress = Callable[[int], None]
"""Told of steps, added up over members."""
Look = Callable[[Sequence[int]], None]
"""Told of the members (by their place in the stack) at whom somebody looks at the step where they are."""

Pause = Callable[[], bool]
"""Asked every few steps whether to stop here for something else."""


def never() -> bool:
    """Nobody wants a pause."""
    return False


@dataclass
class Log:
    """What training leaves: points of curves, and the members that arrived or diverged."""

    points: list[tuple[int, str, int, float]] = field(default_factory=list)
    """(member of the stack, metric, step, value)."""
    diverged: dict[int, int] = field(default_factory=dict)
    """Member -> the step at which its loss was found not to be finite."""
    arrived: list[int] = field(default_factory=list)
    """The members whose courses are at their end."""


@dataclass(frozen=True)
class Goal:
    """The metric that selects the best validation."""

    metric: str
    higher_is_better: bool


class Training:
    """Members of one stack on their courses; those without a course stay as they are."""

    def __init__(
        self,
        stepper: Stepper | MaskStepper | SparseStepper,
        data: TaskData,
        courses: Sequence[Course | None],
        goal: Goal,
        progress: StepProgress = lambda steps: None,
        look: Look = lambda members: None,
    ) -> None:
        self.stepper = stepper
        self.stack: Stack = stepper.stack
        self.data = data
        self.courses = {member: course for member, course in enumerate(courses) if course is not None}
        self.goal = goal
        self.progress = progress
        self.look = look
        self.log = Log()
        self._told = 0
        """Steps of each member that progress has heard of."""
        self._taken = 0
        batch = min(stepper.recipe.batch, len(data.train))
        take_up(self.stack.carried, stepper.network.carried, self.stack.buffers, batch)
        stepper.enter(data, courses)

    def go(self, pause: Pause = never) -> Log:
        """Train until a member arrives or diverges, or until there is to be a pause.

        Whoever goes on after it, with the same members, comes to the same: all that there is stands in the stack.
        """
        network, recipe = self.stepper.network, self.stepper.recipe
        self.log.arrived = self._at_their_end()
        with unmoved(f"model '{network.model.name}' or its task"), network.mode(training=not recipe.train_only):
            while not self.log.arrived and not self.log.diverged:
                if not self._to_the_next_event(pause):
                    break
        self.stepper.settle()
        self._tell()
        return self.log

    def step(self, member: int) -> int:
        """The step that a member has reached."""
        return self.stack.steps[member]

    def _to_the_next_event(self, pause: Pause) -> bool:
        """Whether to go on; a pause may come before the event, where nothing is due."""
        self._look(list(self.courses))
        self._begin_epochs()
        gap = min(self._next_event(member) - self.step(member) for member in self.courses)
        paused = False
        while gap and not paused:
            steps = min(gap, self.stepper.stride if self._taken else 1)
            self.stepper.run(steps)
            if not self._taken:
                self.progress(0)  # whoever waits for the first step hears of it
            self._taken += steps
            gap -= steps
            paused = pause()
        self._note_losses([member for member, course in self.courses.items() if course.is_logged(self.step(member))])
        sound = [member for member in self.courses if member not in self.log.diverged]
        self._validate([member for member in sound if self.courses[member].is_validated(self.step(member))])
        self.log.arrived = self._at_their_end()
        self._look([member for member in sound if self.step(member) == self.courses[member].total])
        return not paused

    def _at_their_end(self) -> list[int]:
        return [member for member, course in self.courses.items() if self.step(member) >= course.until]

    def _next_event(self, member: int) -> int:
        course, step = self.courses[member], self.step(member)
        due = course.next_event(step)
        return min(due, after(step, course.per_epoch)) if self.stack.carried else due

    def _begin_epochs(self) -> None:
        """At the start of an epoch every stream of a sequence begins anew: nothing is carried over."""
        for member, course in self.courses.items():
            if self.step(member) % course.per_epoch == 0:
                for state in self.stack.carried.values():
                    state[member] = 0

    def _note_losses(self, members: Sequence[int]) -> None:
        """A point of the training curve of these members; a loss that is not finite ends a curve."""
        if not members:
            return
        moved = self.stepper.moved
        totals = moved.totals.tolist()
        for member in members:
            step, count = self.step(member), self.step(member) - moved.noted[member]
            if math.isfinite(totals[member]):
                self.log.points.append((member, "train/loss", step, totals[member] / count))
            else:
                self.log.diverged[member] = step
            moved.noted[member] = step
        moved.totals[torch.tensor(members, device=moved.totals.device)] = 0
        self._tell()

    def _validate(self, members: Sequence[int]) -> None:
        """Validate these members, and keep the best where their recipes say so."""
        if not members:
            return
        self.stepper.settle()
        network, recipe, seen, buffers = (
            self.stepper.network,
            self.stepper.recipe,
            self.stepper.seen(),
            self.stack.buffers,
        )
        if len(members) < len(self.stack):
            index = torch.tensor(members, device=self.stack.totals.device)
            parameters, statistics = (
                {name: tensor.detach().index_select(0, index) for name, tensor in state.items()}
                for state in (seen, buffers)
            )
        else:
            parameters, statistics = seen, buffers
        found = evaluate(network, parameters, statistics, self.data.validation, recipe.judge_batch)
        for member, scores in zip(members, found, strict=True):
            for name, values in scores.items():
                self.log.points.append((member, f"validation/{name}", self.step(member), values[-1]))
        best = {
            member: scores[self.goal.metric][-1]
            for member, scores in zip(members, found, strict=True)
            if self.courses[member].recipe.select == "best"
        }
        if best:
            self.stack.keep_best(best, self.goal.higher_is_better, seen)

    def _look(self, members: Sequence[int]) -> None:
        """Let those look on who wanted to at the steps where these members are."""
        watched = [member for member in members if self.step(member) in self.courses[member].stops]
        if watched:
            self.stepper.settle()
            self.look(watched)

    def _tell(self) -> None:
        if self._taken > self._told:
            self.progress((self._taken - self._told) * len(self.courses))
            self._told = self._taken


def train_to_the_end(
    stepper: Stepper | MaskStepper | SparseStepper,
    data: TaskData,
    courses: Sequence[Course | None],
    goal: Goal,
    progress: StepProgress = lambda steps: None,
) -> Log:
    """Train all members of a stack until each has arrived or diverged."""
    log, left = Log(), list(courses)
    while any(course is not None for course in left):
        part = Training(stepper, data, left, goal, progress).go()
        log.points += part.points
        log.diverged |= part.diverged
        log.arrived += part.arrived
        left = [None if at in (*part.arrived, *part.diverged) else course for at, course in enumerate(left)]
    return log
