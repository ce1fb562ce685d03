"""Same: draw, train and judge on one task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ticketbench import Protocol, Stages, Task


@dataclass(frozen=True)
class Same(Protocol):
    """The ticket is drawn and trained on the task's training split and judged on its test split."""

    name = "same"
    summary = "draw, train and judge on the same task"
    reference = "the common case"

    def stages(self, task: Task, find: Callable[..., Task]) -> Stages:
        """The same task for drawing, training and judging."""
        return Stages(task, task, {task.name: task})
