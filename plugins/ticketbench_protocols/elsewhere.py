"""Judged elsewhere: out-of-distribution evaluation as a paper did it, and its honest variant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ticketbench import Adaptation, Protocol, Stages, Task, option

ITERATIONS = (5, 7, 9, 11, 13, 15, 20)


@dataclass(frozen=True)
class OutOfDistribution(Protocol):
    """Drawn and trained on the task, judged on it and, with the same head, on another data set.

    Class indices of one data set are compared with those of the other: where the classes have nothing to do with
    each other (CIFAR-10's animals and SVHN's digits), the accuracy is chance by construction. It reproduces the
    printed numbers; `linear_probe` asks the question that they seem to answer.
    """

    name = "out_of_distribution"
    summary = "judge on another data set with the head of the first (chance where classes differ)"
    reference = "You and Yu, lottery initialization of deep recurrent networks, section 4.3, Table 1"

    other: str = option("svhn", "the task to judge on besides the own one")
    sweep: tuple[int, ...] = option(ITERATIONS, "the budgets judged, for models that have a sweep")

    def stages(self, task: Task, find: Callable[..., Task]) -> Stages:
        """Draw and train on the task; judge its test split and that of the other one."""
        other = find(self.other)
        return Stages(task, task, {task.name: task, other.name: other}, sweep=self.sweep)


@dataclass(frozen=True)
class LinearProbe(Protocol):
    """Drawn and trained on the task; then all is frozen but a fresh head, which is trained on another data set.

    Judged on that data set's test split: how much the frozen features say about it. Statistics (batch norm) stay
    those of the first task.
    """

    name = "linear_probe"
    summary = "train a fresh linear head on another data set, on frozen features"
    reference = "Alain and Bengio 2016 (arXiv 1610.01644)"

    other: str = option("svhn", "the task of the probe")
    head: tuple[str, ...] = option(("linear.*",), "patterns of the parameters that form the head")
    epochs: int = option(10, "epochs of training the head", at_least=1)
    learning_rate: float = option(0.01, "its learning rate", at_least=0.0)
    sweep: tuple[int, ...] = option(ITERATIONS, "the budgets judged, for models that have a sweep")

    def __post_init__(self) -> None:
        if not self.head:
            raise ValueError("head is empty: name at least one pattern of parameters to train")
        if not self.learning_rate:
            raise ValueError("learning_rate is 0: the head would not learn")

    def stages(self, task: Task, find: Callable[..., Task]) -> Stages:
        """Draw and train on the task; train a fresh head on the other one, and judge that."""
        other = find(self.other)
        recipe = {
            "train_only": self.head,
            "learning_rate": self.learning_rate,
            "epochs": self.epochs,
            "steps": None,
            "schedule": "constant",
            "milestones": (),
            "warmup": "none",
            "warmup_epochs": 0.0,
        }
        return Stages(
            task, task, {other.name: other}, adapt=Adaptation(other, recipe, fresh=self.head), sweep=self.sweep
        )
