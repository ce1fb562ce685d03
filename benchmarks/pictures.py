"""A plugin for the benchmarks: random images of MNIST's shape with ten classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vectors import Vectors

from ticketbench import Shapes, Split, Task, hookimpl


@dataclass(frozen=True)
class Pictures(Vectors):
    """The random vectors as images of one channel."""

    name = "pictures"
    summary = "random images with random labels"

    def shapes(self) -> Shapes:
        """An image in, ten logits out."""
        return Shapes((1, 28, 28), 10)

    def draw(self, split: str, count: int) -> Split:
        """`count` examples."""
        drawn = super().draw(split, count)
        return replace(drawn, inputs=drawn.inputs.view(-1, 1, 28, 28))


@hookimpl
def ticketbench_tasks() -> Sequence[Task]:
    """One task."""
    return [Pictures()]
