"""A task for ticketbench."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ticketbench import Shapes, Sizes, Split, Task, generator, hookimpl, option


@dataclass(frozen=True)
class Sample(Task):
    """Two spirals: a point at angle φ is r·(cos φ, sin φ) with r = φ / 2π·turns, turned by π for the second class.

    φ is uniform in [0, 2π·turns], and N(0, noise²) is added to both coordinates. Every split is drawn for itself, so
    that no test point is trained on.
    Deviations: the benchmark has 97 points of each spiral on a grid of angles and none to test on.
    """

    name = "sample"
    summary = "tell two spirals apart"
    reference = "Lang and Witbrock 1988, Learning to tell two spirals apart"

    examples: int = option(2000, "training points", at_least=2)
    turns: float = option(1.5, "how often a spiral goes round", at_least=0.1)
    noise: float = option(0.02, "standard deviation of what is added to each coordinate", at_least=0.0)
    data_seed: int = option(0, "which points are drawn", at_least=0)

    def shapes(self) -> Shapes:
        """Two coordinates in, two classes out."""
        return Shapes((2,), 2)

    def sizes(self) -> Sizes:
        """As many to test as to train; a fifth of that to validate."""
        return Sizes(self.examples, self.examples // 5, self.examples)

    def training(self) -> tuple[Split, Split]:
        """Everything that a ticket may be drawn from."""
        return self.points("training", self.examples), self.points("validation", self.examples // 5)

    def test(self) -> Split:
        """Asked for when a result is judged, and at no other time."""
        return self.points("test", self.examples)

    def points(self, split: str, count: int) -> Split:
        """Points of a split, the same ones every time."""
        source = generator("two spirals", self.data_seed, split)
        targets = torch.randint(0, 2, (count,), generator=source)
        angles = 2 * math.pi * self.turns * torch.rand(count, generator=source)
        radius, turned = angles / (2 * math.pi * self.turns), angles + math.pi * targets
        clean = torch.stack([radius * turned.cos(), radius * turned.sin()], dim=1)
        return Split(clean + self.noise * torch.randn(count, 2, generator=source), targets)

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """Cross-entropy, the mean of the batch."""
        return functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        """One number an example: right or wrong."""
        return {"accuracy": (outputs.argmax(dim=1) == targets).float()}


@hookimpl
def ticketbench_tasks() -> Sequence[Task]:
    """What this plugin offers; nothing may be read or fetched here."""
    return [Sample()]
