"""Random numbers in the place of data that is not there: what training costs does not depend on them.

A task has no data where its files are missing, or a package that reads it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ticketbench import DataError, Sizes, Split, Task, generator
from ticketbench.plan.cell import Choice
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import Plugins

EXAMPLES = 60_000
"""Random training examples at most."""
TESTS = 1_000
NOT_THERE = (DataError, ImportError)


class StandInResolver(Resolver):
    """A resolver whose tasks draw random examples of their shapes where there is no data."""

    def __init__(self, plugins: Plugins, examples: int = EXAMPLES) -> None:
        super().__init__(plugins)
        self.examples = examples
        self.stood_in: set[str] = set()
        """The tasks whose data was not there when it was asked for."""

    def chosen(self, kind: str, choice: Choice) -> Any:
        """The object that a choice stands for, a task as one that always has data."""
        at = (f"stand-in {kind}", choice.name, choice.options)
        if kind == "task" and at not in self._cache:
            self._cache[at] = self.with_data(super().chosen(kind, choice))
        return self._cache[at] if kind == "task" else super().chosen(kind, choice)

    def find_task(self, name: str, **options: Any) -> Task:
        """The second task of a protocol, likewise."""
        return self.with_data(super().find_task(name, **options))

    def with_data(self, task: Task) -> Task:
        """The same task; its splits are random if it has none."""
        known, resolver = type(task), self

        def training(self: Task) -> tuple[Split, Split]:
            try:
                return known.training(self)
            except NOT_THERE:
                resolver.stood_in.add(self.name)
                sizes = self.sizes()
                train = min(sizes.train, resolver.examples)
                kept = Sizes(train, round(sizes.validation * train / sizes.train), 0)
                return random_split(self, "train", kept.train), random_split(self, "validation", kept.validation)

        def test(self: Task) -> Split:
            try:
                return known.test(self)
            except NOT_THERE:
                resolver.stood_in.add(self.name)
                return random_split(self, "test", min(self.sizes().test, TESTS))

        made: Any = type(known.__name__, (known,), {"training": training, "test": test, "__module__": known.__module__})
        other = object.__new__(made)
        other.__dict__.update(task.__dict__)
        stand_in: Task = other
        return stand_in


def random_split(task: Task, split: str, count: int) -> Split:
    """So many random examples of a task's shapes: windows of tokens where it is contiguous, else one class each."""
    shapes, source = task.shapes(), generator("stand-in", task.name, split)
    if task.contiguous:
        tokens = torch.randint(0, shapes.outputs, (count + 1, *shapes.inputs), generator=source)
        return Split(tokens[:-1], tokens[1:])
    inputs: Tensor = torch.rand(count, *shapes.inputs, generator=source)
    return Split(inputs, torch.randint(0, shapes.outputs, (count,), generator=source))
