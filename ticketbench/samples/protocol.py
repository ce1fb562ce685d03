"""A protocol for ticketbench."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ticketbench import Protocol, Stages, Task, hookimpl, option


@dataclass(frozen=True)
class Sample(Protocol):
    """Drawn at the recipe's learning rate η, trained and judged at another one, η'.

    Both are on the cell's own task. A ticket that is a matter of the network alone trains as well at η' as one that
    was drawn there.
    Deviations: the paper moves tickets between optimizers and data sets; here nothing but the learning rate changes.
    """

    name = "sample"
    summary = "draw at one learning rate, train at another"
    reference = "after Morcos et al. 2019 (arXiv 1906.02773), section 4.3"

    learning_rate: float = option(0.01, "η', of the training that is judged", at_least=1e-9)

    def stages(self, task: Task, find: Callable[..., Task]) -> Stages:
        """Where to draw, train and judge; `find(name)` gives any other task."""
        return Stages(task, task, {task.name: task}, recipe={"learning_rate": self.learning_rate})


@hookimpl
def ticketbench_protocols() -> Sequence[Protocol]:
    """What this plugin offers."""
    return [Sample()]
