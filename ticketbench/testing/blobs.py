"""The task of the checks: points around corners, in any shape of inputs and of outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ticketbench.plugin.contracts import Shapes, Sizes, Split, Task
from ticketbench.seeds import generator

TRAINING, TEST = 96, 60


class Blobs(Task):
    """Gaussian blobs around the corners 2·e_c of as many classes as there are outputs; nothing is read from disk."""

    name = "blobs"
    summary = "points to classify"
    cross_entropy = "mean"

    def __init__(self, shapes: Shapes | None = None) -> None:
        self._shapes = shapes or Shapes((6,), 3)

    def shapes(self) -> Shapes:
        """Six numbers in and three logits out, unless others are wanted."""
        return self._shapes

    def sizes(self) -> Sizes:
        """96 examples to train on, none to validate, 60 to test."""
        return Sizes(TRAINING, 0, TEST)

    def training(self) -> tuple[Split, Split]:
        """The training split, and a validation split without examples."""
        return self.draw("train", TRAINING), self.draw("validation", 0)

    def test(self) -> Split:
        """The test split: points that are in no other."""
        return self.draw("test", TEST)

    def draw(self, split: str, count: int) -> Split:
        """So many points of a split: each its class's corner plus N(0, 1) in every coordinate."""
        source, shapes = generator("check blobs", split), self.shapes()
        features = math.prod(shapes.inputs)
        targets = torch.randint(0, shapes.outputs, (count,), generator=source)
        points = 2 * torch.eye(shapes.outputs, features)[targets] + torch.randn(count, features, generator=source)
        return Split(points.view(count, *shapes.inputs), targets)

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """The mean cross-entropy of the logits."""
        return functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        """The accuracy: 1 for each example whose largest logit is its class, else 0."""
        return {"accuracy": (outputs.argmax(dim=1) == targets).float()}


@dataclass(frozen=True)
class Classes(Blobs):
    """Ten blobs, as a task with options: two of the same options are the same task."""

    name = "classes"

    inputs: tuple[int, ...] = (6,)
    outputs: int = 10

    def shapes(self) -> Shapes:
        """The shapes that its options `inputs` and `outputs` say."""
        return Shapes(self.inputs, self.outputs)


class Anything(Blobs):
    """Blobs for a model of which nothing is known but its shapes: a target for every position of its outputs.

    The loss is a cross-entropy where outputs are one position longer than targets, (batch, classes, …), and otherwise
    the mean square of what the model returns.
    """

    def __init__(self, shapes: Shapes, positions: Sequence[int] = (), whole: bool = False) -> None:
        super().__init__(shapes)
        self._positions, self.whole = tuple(positions), whole

    def sizes(self) -> Sizes:
        """16 examples to train on, none to validate, 4 to test."""
        return Sizes(16, 0, 4)

    def training(self) -> tuple[Split, Split]:
        """The training split, and a validation split without examples."""
        return self.draw("train", 16), self.draw("validation", 0)

    def test(self) -> Split:
        """A test split of one batch."""
        return self.draw("test", 4)

    def draw(self, split: str, count: int) -> Split:
        """Uniform numbers in [0, 1), or whole ones below the number of outputs; targets at random."""
        source, size = generator("check anything", split), (count, *self._shapes.inputs)
        inputs = torch.rand(size, generator=source)
        if self.whole:
            inputs = torch.randint(0, self._shapes.outputs, size, generator=source)
        targets = torch.randint(0, self._shapes.outputs, (count, *self._positions), generator=source)
        return Split(inputs, targets)

    def loss(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Tensor:
        """A cross-entropy where outputs have an axis of classes, else the mean square of the outputs."""
        if outputs.ndim == targets.ndim + 1:
            return functional.cross_entropy(outputs, targets)
        return outputs.square().mean()

    def metrics(self, outputs: Tensor, targets: Tensor, inputs: Tensor) -> Mapping[str, Tensor]:
        """The mean output of each example, whatever it means."""
        return {"output": outputs.flatten(1).float().mean(dim=1)}
