"""Which metrics a task computes, found without its data: they are asked of inputs and outputs that are made up."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ticketbench.plugin.contracts import Task
from ticketbench.seeds import generator

EXAMPLES_MADE_UP = 4
MOST_NUMBERS = 10_000_000
"""Outputs that are made up at most, where they have to be numbers; shapes alone cost nothing."""


def metrics_without_data(task: Task) -> set[str] | None:
    """The names of a task's metrics, or None where it takes none of what was made up."""
    for device in ("meta", "cpu"):
        for inputs, targets, outputs in made_up(task, device):
            try:
                task.loss(outputs, targets, inputs)
                names = list(task.metrics(outputs, targets, inputs))
                return set(task.summarize(dict.fromkeys(names, 0.5)))
            except Exception:  # of another shape than the task's
                continue
    return None


def made_up(task: Task, device: str) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Inputs, targets and outputs of the shapes that a task's may have: a class an example, or one at each place."""
    shapes = task.shapes()
    stored = random_numbers((EXAMPLES_MADE_UP, *shapes.inputs), device)
    try:
        inputs = task.prepare(stored)
    except Exception:  # which may take nothing but what is stored
        inputs = stored
    places = [(), *([shapes.inputs[1:], shapes.inputs[-1:]] if len(shapes.inputs) > 1 else []), shapes.inputs]
    for place in dict.fromkeys(tuple(one) for one in places):
        plain = (EXAMPLES_MADE_UP, shapes.outputs)
        for size in dict.fromkeys([(*plain, *place), plain, (EXAMPLES_MADE_UP, *place)]):
            if device == "meta" or math.prod(size) <= MOST_NUMBERS:
                targets = torch.zeros((EXAMPLES_MADE_UP, *place), dtype=torch.int64, device=device)
                yield inputs, targets, random_numbers(size, device)


def random_numbers(size: tuple[int, ...], device: str) -> Tensor:
    """Uniform numbers, or on the meta device their shape alone."""
    if device == "meta":
        return torch.empty(size, device=device)
    return torch.rand(size, generator=generator("check metrics"))
