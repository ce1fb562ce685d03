"""What a cell of a setting costs, counted before it is computed: passes, their products, operations and bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ticketbench.plan.cell import Setting
from ticketbench.plan.count import (
    BACKWARD,
    Size,
    Watch,
    Work,
    check_chance,
    work_of,
)
from ticketbench.plan.fitting import fitting_size
from ticketbench.plan.resolve import Cast, Resolver
from ticketbench.plugin.calls import form_of
from ticketbench.plugin.contracts import Task
from ticketbench.plugin.options import canonical
from ticketbench.seeds import common
from ticketbench.suite.recipe import Recipe

COUNTED_STEPS = 6
"""Training steps whose forward is counted, where it is drawn anew each step."""
COPIES = 5
"""Weights, gradients, two optimizer slots, the best validation."""
PLAIN_UPDATE = 13
"""Bytes that an update moves for a weight: weight and gradient read, weight written, a byte of the mask."""
SLOT_UPDATE = 8
"""Bytes more for each of the optimizer's slots, read and written."""


@dataclass(frozen=True)
class Forwards:
    """Forward passes of one member over a split, added up."""

    flops: float = 0.0
    operations: float = 0.0
    """Launched, over all batches."""
    activations: float = 0.0
    """Bytes of all results, over all batches."""

    def plus(self, other: Forwards) -> Forwards:
        """Both."""
        return Forwards(
            self.flops + other.flops, self.operations + other.operations, self.activations + other.activations
        )


@dataclass(frozen=True)
class Cost:
    """What one cell of a setting costs."""

    training: Work
    """One forward pass of one example in training; the mean, where passes differ from step to step."""
    size: Size
    steps: int
    """Of one training."""
    batch: int
    judging: Forwards = Forwards()
    """One judgement."""
    validating: Forwards = Forwards()
    """All validations of one training."""
    slots: int = 0
    """Numbers that the optimizer keeps for each weight."""
    backward: float = BACKWARD
    """FLOPs of a training step as a multiple of its forward pass's."""
    varied: bool = False
    """Whether steps differ in the operations that they compute."""
    looks: int = 0
    """Passes that probes take of a network once in a cell's life."""
    looks_each_training: int = 0
    """Passes of probes while a network is trained, and at its judgement."""
    looks_at_masks: int = 0
    """Passes of probes at each change of the mask."""
    elsewhere: bool = False
    """Whether a ticket is trained elsewhere than it is drawn, and with it the tickets of the levels before."""

    def step_flops(self) -> float:
        """FLOPs of one training step of one member."""
        return self.backward * self.training.flops() * self.batch

    def flops(self) -> float:
        """FLOPs of one full training with its validations, and one judgement."""
        return self.step_flops() * self.steps + self.validating.flops + self.judging.flops

    def update_bytes(self) -> float:
        """Bytes that the update of one member moves."""
        return (PLAIN_UPDATE + SLOT_UPDATE * self.slots) * self.size.parameters

    def memory(self, members: int) -> float:
        """Bytes of a fleet of this size while it trains."""
        return members * (COPIES * 4 * self.size.parameters + self.training.activations * self.batch)


def cost_of(setting: Setting, resolver: Resolver) -> Cost:
    """What a cell of a setting costs; settings that differ in their method alone are counted once."""
    known: dict[str, Cost] = resolver.costs
    chosen = [setting.recipe, setting.chooses]
    text = canonical([*setting.model, *setting.task, *setting.protocol, *setting.probes, *chosen])
    if text not in known:
        known[text] = count(resolver.cast(setting), setting.chooses)
    return known[text]


def count(cast: Cast, chooses: bool = False) -> Cost:
    """Count a forward pass in training for each form it has, and those of judging and of choosing a budget."""
    task, model, recipe = cast.stages.train_on, cast.model, cast.recipe
    shapes, sizes = task.shapes(), task.sizes()
    size = fitting_size(model, task)
    calls = {
        form_of(call): call
        for call in (model.training_call(common("training call", step)) for step in range(COUNTED_STEPS))
    }
    sweep = cast.stages.sweep if model.sweeps else ()
    check_chance(model, shapes, next(iter(calls.values())), model.sweep_call(sweep[:2]) if sweep else {})
    works = [work_of(model, shapes, call) for call in calls.values()]
    mean = Work(
        other=sum(work.flops() for work in works) / len(works),
        operations=round(sum(work.operations for work in works) / len(works)),
        activations=max(work.activations for work in works),
    )
    judging = Forwards()
    for part in cast.stages.judge_on.values():
        one, held = swept(cast, part), part.sizes()
        for examples in (held.test, held.to_choose_on if chooses else 0):
            judging = judging.plus(over(one, examples, recipe.judge_batch))
    total = recipe.total_steps(sizes.train)
    moments = [moment for probe in cast.probes for moment in probe.moments]
    return Cost(
        mean,
        size,
        total,
        recipe.batch,
        judging,
        validations(cast, total),
        slots_of(recipe),
        backward_of(cast, calls, works),
        len(calls) > 1,
        len(moments) - moments.count("reported") - moments.count("masked"),
        moments.count("reported") + sum(len(probe.steps(total)) for probe in cast.probes),
        2 * moments.count("masked"),
        cast.stages.trains_elsewhere,
    )


def over(one: Work, examples: int, batch: int) -> Forwards:
    """Forward passes over so many examples, from what one example costs."""
    return Forwards(one.flops() * examples, one.operations * math.ceil(examples / batch), one.activations * examples)


def validations(cast: Cast, total: int) -> Forwards:
    """What validating costs over one training, where the recipe does."""
    task, recipe = cast.stages.train_on, cast.recipe
    sizes = task.sizes()
    if not (recipe.validate_every and sizes.validation):
        return Forwards()
    often = total // (recipe.validate_every * recipe.steps_per_epoch(sizes.train))
    one = over(work_of(cast.model, task.shapes(), {}), sizes.validation, recipe.judge_batch)
    return Forwards(one.flops * often, one.operations * often, one.activations * often)


def swept(cast: Cast, task: Task) -> Work:
    """Judging one example, at every budget of the sweep.

    A long sweep is extrapolated from its first two budgets: every further iteration costs the same, and so
    does every further output.
    """
    model, sweep, shapes = cast.model, cast.stages.sweep, task.shapes()
    if not (model.sweeps and sweep):
        return work_of(model, shapes, {})
    first, longer, both = (work_of(model, shapes, model.sweep_call(points)) for points in ((1,), (2,), (1, 2)))

    def whole(one: float, two: float, pair: float) -> float:
        return one + (two - one) * (max(sweep) - 1) + (pair - two) * (len(sweep) - 1)

    return Work(
        other=whole(first.flops(), longer.flops(), both.flops()),
        operations=round(whole(first.operations, longer.operations, both.operations)),
        activations=whole(first.activations, longer.activations, both.activations),
    )


def slots_of(recipe: Recipe) -> int:
    """Numbers that the recipe's optimizer keeps for each weight."""
    return 2 if recipe.optimizer == "adam" else int(recipe.momentum > 0)


def backward_of(cast: Cast, calls: Mapping[str, Mapping[str, Any]], works: Sequence[Work]) -> float:
    """FLOPs of forward and backward passes as a multiple of the forward's: about three.

    Where the forward differs from step to step, part of it may be without gradients; then both passes are counted.
    """
    if len(calls) == 1:
        return BACKWARD
    shapes = cast.stages.train_on.shapes()
    with torch.device("meta"):
        module = cast.model.build(shapes)
    try:
        both = sum(both_ways(module, shapes.inputs, call) for call in calls.values())
        return both / sum(work.flops() for work in works)
    except (RuntimeError, NotImplementedError, ZeroDivisionError):  # what has no backward pass without data
        return BACKWARD


def both_ways(module: nn.Module, inputs: tuple[int, ...], call: Mapping[str, Any]) -> float:
    """FLOPs of a forward and a backward pass of one example."""
    example = torch.zeros((1, *inputs), device="meta")
    watch = Watch({})
    with torch.enable_grad(), watch:
        found = module.float().eval()(example, **call)
        leaves = [part for part in tree_leaves(found) if isinstance(part, Tensor) and part.requires_grad]
        total = torch.stack([part.sum() for part in leaves]).sum()
        torch.autograd.grad(total, list(module.parameters()), allow_unused=True)
    return watch.work.flops()
