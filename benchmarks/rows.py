"""A plugin for the benchmarks: random sequences of MNIST's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vectors import Vectors

from ticketbench import Shapes, Split, Task, hookimpl


@dataclass(frozen=True)
class Rows(Vectors):
    """The random vectors as 28 steps of 28 numbers."""

    name = "rows"
    summary = "random sequences with random labels"

    examples: int = 6000
    tests: int = 10

    def shapes(self) -> Shapes:
        """A sequence in, ten logits out."""
        return Shapes((28, 28), 10)

    def draw(self, split: str, count: int) -> Split:
        """`count` examples."""
        drawn = super().draw(split, count)
        return replace(drawn, inputs=drawn.inputs.view(-1, 28, 28))


@hookimpl
def ticketbench_tasks() -> Sequence[Task]:
    """One task."""
    return [Rows()]
