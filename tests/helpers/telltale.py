"""A plugin whose tasks tell on whoever reads the test split too early, and whose test split can be swapped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ticketbench import Shapes, Sizes, Split, Task, generator, hookimpl, option

STEPS = 6
"""How many losses a training takes at least."""


@dataclass(frozen=True)
class TellTale(Task):
    """Points of four kinds. The test split is refused until a whole training has followed the last loading."""

    name = "telltale"
    summary = "a task that tells"

    journal: ClassVar[list[tuple[str, str]]] = []
    """(task, "training", "loss" or "test"), in the order in which things were asked for."""
    variant: ClassVar[int] = 0
    """Which test split there is."""

    features: int = option(6, "dimensions of a point", at_least=1)
    classes: int = option(4, "how many kinds", at_least=1)
    examples: int = option(80, "training points", at_least=1)

    def shapes(self) -> Shapes:
        return Shapes((self.features,), self.classes)

    def sizes(self) -> Sizes:
        return Sizes(self.examples, 20, 40)

    def training(self) -> tuple[Split, Split]:
        self.journal.append((self.name, "training"))
        return self.draw("train", self.examples), self.draw("validation", 20)

    def test(self) -> Split:
        own = [event for name, event in self.journal if name == self.name]
        self.journal.append((self.name, "test"))
        loaded = max((at for at, event in enumerate(own) if event == "training"), default=len(own))
        if own[loaded:].count("loss") < STEPS:
            raise RuntimeError(f"the test split of '{self.name}' was read before a training had ended")
        return self.draw(f"test {self.variant}", 40)

    def draw(self, split: str, count: int) -> Split:
        """`count` points of the same kinds."""
        centres = 2 * torch.randn(self.classes, self.features, generator=generator(self.name, "centres"))
        source = generator(self.name, split)
        targets = torch.randint(0, self.classes, (count,), generator=source)
        return Split(centres[targets] + torch.randn(count, self.features, generator=source), targets)

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        self.journal.append((self.name, "loss"))
        return functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        return {"accuracy": (outputs.argmax(dim=1) == targets).float()}


@dataclass(frozen=True)
class Second(TellTale):
    """Other points of four kinds."""

    name = "telltale_second"


@dataclass(frozen=True)
class ThreeKinds(TellTale):
    """Points of three kinds."""

    name = "telltale_three"

    classes: int = option(3, "how many kinds", at_least=1)


@hookimpl
def ticketbench_tasks() -> Sequence[Task]:
    return [TellTale(), Second(), ThreeKinds()]
