"""The only training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ticketbench.engine.carry import forget, take_up
from ticketbench.engine.data import Order, TaskData, augmented, gather
from ticketbench.engine.judge import evaluate
from ticketbench.engine.network import Network
from ticketbench.engine.stack import Stack
from ticketbench.engine.state import State
from ticketbench.engine.stepper import Stepper
from ticketbench.engine.supermask import MaskStepper
from ticketbench.plugin.calls import placed_on
from ticketbench.plugin.chance import unmoved
from ticketbench.seeds import common
from ticketbench.suite.recipe import Recipe

StepProgress = Callable[[int], None]


@dataclass
class Log:
    """What training leaves: points of curves, and the members that diverged."""

    points: list[tuple[int, str, int, float]] = field(default_factory=list)
    """(member of the stack, metric, step, value)."""
    diverged: dict[int, int] = field(default_factory=dict)
    """Member -> the step at which its loss was found not to be finite."""


@dataclass(frozen=True)
class Goal:
    """The metric that selects the best validation."""

    metric: str
    higher_is_better: bool


def train_stack(
    stepper: Stepper | MaskStepper,
    data: TaskData,
    seeds: Sequence[int],
    until: int,
    goal: Goal,
    progress: StepProgress = lambda steps: None,
    stops: Collection[int] = (),
    look: StepProgress = lambda step: None,
) -> Log:
    """Train all members of the stepper's stack from their common step to step `until`.

    `look` is called at each of the steps `stops`, before it is taken, and after the last one of the schedule.
    """
    stack, recipe, network = stepper.stack, stepper.recipe, stepper.network
    log, examples, start = Log(), len(data.train), stack.steps[0]
    total = recipe.total_steps(examples)
    order = Order(seeds, examples, recipe.batch, data.device, data.task.contiguous)
    take_up(stack.carried, network.carried, stack.buffers, order.batch)
    losses = torch.zeros(len(stack), device=data.device)
    noted = start
    stepper.refresh()
    with unmoved(f"model '{network.model.name}' or its task"), network.mode(training=not recipe.train_only):
        for step in range(start, until):
            if step in stops:
                stepper.moved(step - stack.steps[0])
                look(step)
            if step % order.per_epoch == 0:
                forget(stack.carried)
            inputs, targets = gather(data.train, order.batch_at(step))
            inputs = augmented(data.task, inputs, seeds, step)
            call = placed_on(data.device, network.model.training_call(common("training call", step)))
            drawn = stepper.drawn(inputs, call, seeds, step, total)
            losses += stepper.step(inputs, targets, recipe.learning_rate_at(step, examples), call, drawn)
            if step == start:
                progress(0)  # whoever waits for the first step hears of it
            done = step + 1
            if done % recipe.log_every == 0 or done == until:
                note_losses(log, losses, done, done - noted)
                progress(done - noted)
                noted = done
                if len(log.diverged) == len(stack):
                    break
            if validation_is_due(recipe, done, order.per_epoch) and len(data.validation):
                stepper.moved(done - stack.steps[0])
                validate(stack, stepper.seen(), network, recipe, data, goal, log)
    stepper.moved(noted - stack.steps[0])
    if until > start and until == total and until in stops:
        look(until)
    return log


def note_losses(log: Log, losses: Tensor, step: int, count: int) -> None:
    """A point of the training curve for each member; a loss that is not finite ends its curve."""
    for member, total in enumerate(losses.tolist()):
        if math.isfinite(total):
            log.points.append((member, "train/loss", step, total / count))
        else:
            log.diverged.setdefault(member, step)
    losses.zero_()


def validation_is_due(recipe: Recipe, done: int, per_epoch: int) -> bool:
    """Whether a validation comes after this many steps."""
    return bool(recipe.validate_every) and done % (recipe.validate_every * per_epoch) == 0


def validate(stack: Stack, seen: State, network: Network, recipe: Recipe, data: TaskData, goal: Goal, log: Log) -> None:
    """Validate every member, and keep the best if the recipe says so."""
    found = evaluate(network, seen, stack.buffers, data.validation, recipe.judge_batch)
    for member, scores in enumerate(found):
        for name, values in scores.items():
            log.points.append((member, f"validation/{name}", stack.steps[member], values[-1]))
    if recipe.select == "best":
        stack.keep_best([scores[goal.metric][-1] for scores in found], goal.higher_is_better, seen)
