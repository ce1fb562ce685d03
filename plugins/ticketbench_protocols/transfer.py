"""Transfer: a ticket drawn on other data, other labels or with another optimizer than it is trained with.

Every protocol here has two tickets to train on its target. `ticket = "transferred"` is drawn on the source and moves:
its mask, the weights it starts from and its statistics. `ticket = "own"` is drawn on the target itself. A random
ticket or the dense network on the target are rows of their own under the same protocol. Only the target is judged,
and nothing of its test split is read before a training on the target has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ticketbench import OptionError, Protocol, Stages, Task, option
from ticketbench_protocols.views import Half, Labels

WHICH = "the ticket that is trained: drawn on the source, or the target's own"


@dataclass(frozen=True)
class Halves(Protocol):
    """Drawn on the first half of the training split, trained on the second, judged on the whole test split.

    Each half has all labels, balanced to one example, the same ones for every cell (see `Half`).
    """

    name = "halves"
    summary = "draw on one half of the training data, train on the other"
    reference = "Lottery Ticket Hypothesis, IE643 report, 2020, Task 1; Morcos et al. 2019 (arXiv 1906.02773)"

    ticket: Literal["transferred", "own"] = option("transferred", WHICH)

    def stages(self, task: Task, find: Callable[..., Task]) -> Stages:
        """Draw on the first half, or on the second for the own ticket; train on the second."""
        source, target = Half(task, "first"), Half(task, "second")
        return Stages(source if self.ticket == "transferred" else target, target, {task.name: task})


@dataclass(frozen=True)
class OtherLabels(Protocol):
    """Drawn on the examples of some labels, trained and judged on those of others.

    Without `relabel` every network keeps the task's outputs: while the ticket is drawn, those of the target's labels
    learn only that they are wrong. With it the i-th label of either list is output i; lists of different lengths
    then have different heads, and the target's starts fresh and dense.

    The paper prints 21.1479 % for the transferred ticket on MNIST's 5 to 9. That is 1028/4861, the share of sevens
    among the test images of these labels: a collapsed network that says seven to everything, and no accuracy of a
    ticket. Its outputs are unstated; `relabel = false` keeps all ten.
    """

    name = "labels"
    summary = "draw on some labels, train and judge on others"
    reference = "Lottery Ticket Hypothesis, IE643 report, 2020, Task 2"

    ticket: Literal["transferred", "own"] = option("transferred", WHICH)
    draw_labels: tuple[int, ...] = option((0, 1, 2, 3, 4), "the source's labels")
    train_labels: tuple[int, ...] = option((5, 6, 7, 8, 9), "the target's labels, trained and judged")
    relabel: bool = option(False, "number the labels of each list from 0, with as many outputs")

    def stages(self, task: Task, find: Callable[..., Task]) -> Stages:
        """Draw on the source's labels, or on the target's for the own ticket; train and judge on the target's."""
        source, target = (Labels(task, keep, self.relabel) for keep in (self.draw_labels, self.train_labels))
        return Stages(source if self.ticket == "transferred" else target, target, {target.name: target})


@dataclass(frozen=True)
class Optimizers(Protocol):
    """Drawn with the recipe's optimizer, trained with another, on one task.

    The target's optimizer replaces the recipe's optimizer, momentum and, unless it is 0, learning rate; Nesterov's
    momentum is switched off. Schedule, weight decay, clipping, Adam's betas and all else stay the recipe's. The own
    ticket is drawn with the target's optimizer too. The paper has the same learning rate for both optimizers and does
    not state a momentum. For a method that draws without training (SNIP), both tickets are the same.
    """

    name = "optimizers"
    summary = "draw with one optimizer, train with another"
    reference = "Lottery Ticket Hypothesis, IE643 report, 2020, Task 3; Morcos et al. 2019 (arXiv 1906.02773)"

    ticket: Literal["transferred", "own"] = option("transferred", WHICH)
    optimizer: Literal["sgd", "adam"] = option("sgd", "the target's optimizer")
    learning_rate: float = option(0.0, "its learning rate; 0 for the recipe's", at_least=0.0)
    momentum: float = option(0.0, "its momentum, with optimizer = 'sgd'", at_least=0.0)

    def __post_init__(self) -> None:
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f"momentum {self.momentum:g} belongs to optimizer = 'sgd'; Adam has betas")

    def stages(self, task: Task, find: Callable[..., Task]) -> Stages:
        """Train with the target's optimizer; draw with the recipe's, or with the target's for the own ticket."""
        target = {"optimizer": self.optimizer, "momentum": self.momentum, "nesterov": False}
        target |= {"learning_rate": self.learning_rate} if self.learning_rate else {}
        if self.ticket == "own":
            return Stages(task, task, {task.name: task}, recipe=target, draw_recipe=target)
        return Stages(task, task, {task.name: task}, recipe=target)


@dataclass(frozen=True)
class OtherDataset(Protocol):
    """Drawn on the task, trained and judged on another one with a new head.

    The parameters that `head` matches start from the cell's own initialization for the other task. A head of the same
    shape keeps the ticket's mask over them; one of another shape, as other classes bring, is dense, so that the
    network then keeps a little more than its density. Everything else moves, and must fit: both tasks need inputs of
    the same shape.
    """

    name = "other_dataset"
    summary = "draw on one data set, train and judge on another with a new head"
    reference = "Morcos et al. 2019 (arXiv 1906.02773), section 4"

    ticket: Literal["transferred", "own"] = option("transferred", WHICH)
    other: str = option("svhn", "the target: the task to train and judge on")
    head: tuple[str, ...] = option(("linear.*",), "patterns of the parameters that form the head")

    def stages(self, task: Task, find: Callable[..., Task]) -> Stages:
        """Draw on the task, or on the other one for the own ticket; train and judge on the other one."""
        target = find(self.other)
        if self.ticket == "own":
            return Stages(target, target, {target.name: target})
        here, there = task.shapes().inputs, target.shapes().inputs
        if here != there:
            raise OptionError(
                f"protocol 'other_dataset' cannot move a ticket from task '{task.name}' with inputs of shape {here} to "
                f"'{target.name}' with {there}: the weights would not fit; name an `other` of the same shape"
            )
        return Stages(task, target, {target.name: target}, fresh=self.head)
