"""A plugin for the benchmarks: a task of random vectors with ten classes, of MNIST's shape by default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ticketbench import Shapes, Sizes, Split, Task, generator, hookimpl, option


@dataclass(frozen=True)
class Vectors(Task):
    """Uniform random inputs and random labels: speed without learning."""

    name = "vectors"
    summary = "random vectors with random labels"
    reference = "none"
    cross_entropy = "mean"

    features: int = option(784, "numbers in an input", at_least=1)
    examples: int = option(60_000, "training examples", at_least=1)
    tests: int = option(1_000, "test examples", at_least=1)

    def shapes(self) -> Shapes:
        """A vector in, ten logits out."""
        return Shapes((self.features,), 10)

    def sizes(self) -> Sizes:
        """No validation."""
        return Sizes(self.examples, 0, self.tests)

    def training(self) -> tuple[Split, Split]:
        """All in one."""
        return self.draw("train", self.examples), self.draw("validation", 0)

    def test(self) -> Split:
        """A draw of its own."""
        return self.draw("test", self.tests)

    def draw(self, split: str, count: int) -> Split:
        """`count` examples."""
        source = generator("vectors", split)
        inputs = torch.rand(count, self.features, generator=source)
        return Split(inputs, torch.randint(0, 10, (count,), generator=source))

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """Cross-entropy."""
        return functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        """Right or wrong."""
        return {"accuracy": (outputs.argmax(dim=1) == targets).float()}


@hookimpl
def ticketbench_tasks() -> Sequence[Task]:
    """One task."""
    return [Vectors()]
