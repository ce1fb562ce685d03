"""A plugin whose protocols move between stages: another number of classes, another optimizer, a probe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ticketbench import Adaptation, Protocol, Stages, Task, hookimpl


@dataclass(frozen=True)
class MoreClasses(Protocol):
    """Draw on three blobs, train and judge on four."""

    name = "more_classes"
    summary = "another head"

    def stages(self, task: Task, find: Callable[..., Task]) -> Stages:
        four = replace(task, classes=4)
        return Stages(task, four, {"four": four})


@dataclass(frozen=True)
class OtherOptimizer(Protocol):
    """Draw with the recipe's optimizer, train with SGD."""

    name = "other_optimizer"
    summary = "another recipe"

    def stages(self, task: Task, find: Callable[..., Task]) -> Stages:
        return Stages(task, task, {"same": task}, recipe={"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.05})


@dataclass(frozen=True)
class Frozen(Protocol):
    """Train on blobs, then a fresh last layer on blobs that lie elsewhere."""

    name = "frozen"
    summary = "a probe"

    def stages(self, task: Task, find: Callable[..., Task]) -> Stages:
        far = replace(task, spread=5.0)
        adapt = Adaptation(far, {"train_only": ("3.*",), "steps": 60}, fresh=("3.*",))
        return Stages(task, task, {"far": far}, adapt=adapt)


@dataclass(frozen=True)
class SameTaskNewHead(Protocol):
    """Train again with a fresh last layer."""

    name = "same_task_new_head"
    summary = "a new head"
    head: str = "3.*"

    def stages(self, task: Task, find: Callable[..., Task]) -> Stages:
        return Stages(task, task, {"same": task}, fresh=(self.head,))


@dataclass(frozen=True)
class Misspelt(SameTaskNewHead):
    """A head that the model does not have."""

    name = "misspelt"
    head: str = "linear.*"


@hookimpl
def ticketbench_protocols() -> Sequence[Protocol]:
    return [MoreClasses(), OtherOptimizer(), Frozen(), SameTaskNewHead(), Misspelt()]
