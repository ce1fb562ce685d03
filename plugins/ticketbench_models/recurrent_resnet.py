"""A residual network for images whose middle block is repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ticketbench import Model, Shapes, option


class NormedBlock(nn.Module):
    """conv, norm, ReLU, conv, norm, + shortcut, ReLU; the shortcut is a normed 1×1 convolution where shapes change."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, image: Tensor) -> Tensor:
        """Two convolutions with a shortcut around them."""
        inner = self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(image)))))
        return functional.relu(inner + self.shortcut(image))


class RepeatingNet(nn.Module):
    """Stem, two stages, a block that is repeated, two more stages, pool and read out."""

    def __init__(self, channels: int, classes: int, width: int, iterations: int, every: bool) -> None:
        super().__init__()
        self.iterations = iterations
        self.every = every
        self.stem = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(NormedBlock(64, 64), NormedBlock(64, 64))
        self.layer2 = NormedBlock(64, width, stride=2)
        self.repeated = NormedBlock(width, width)
        self.layer3 = NormedBlock(width, width, stride=2)
        self.layer4 = NormedBlock(width, width, stride=2)
        self.linear = nn.Linear(width, classes)

    def forward(self, image: Tensor, at: Sequence[int] = ()) -> Tensor:
        """The output after `iterations`, or stacked after each of `at`."""
        thought = self.layer2(self.layer1(functional.relu(self.norm(self.stem(image)))))
        found, answer = {}, thought
        last = max(at, default=self.iterations)
        for number in range(1, last + 1):
            thought = self.repeated(thought)
            read = number in at or number == last or (self.training and self.every)
            answer = self.read(thought) if read else answer
            if number in at:
                found[number] = answer
        return torch.stack([found[number] for number in at]) if at else answer

    def read(self, thought: Tensor) -> Tensor:
        """The stages after the repeated block."""
        pooled = functional.avg_pool2d(self.layer4(self.layer3(thought)), 4)
        answer: Tensor = self.linear(pooled.flatten(1))
        return answer


@dataclass(frozen=True)
class RecurrentResNet(Model):
    """Stem 3→64; two blocks of 64; a block to `width` at stride 2; the repeated block; two blocks at stride 2; linear.

    Training minimises the loss after the last iteration only. Batch-norm statistics are shared by all iterations.
    statistics = "every": while training, the later stages also run after every earlier iteration, as in the paper's
    code, so that their running statistics are an average over iterations; "last" runs them once.
    """

    name = "recurrent_resnet"
    summary = "a ResNet for 32×32 images with a block that is repeated"
    reference = "You and Yu, lottery initialization of deep recurrent networks, section 4.3"
    sweeps = "iterations"

    width: int = option(128, "channels from the second stage on", at_least=1)
    iterations: int = option(5, "iterations in training", at_least=1)
    statistics: Literal["every", "last"] = option("every", "which iterations feed the later stages' statistics")

    def build(self, shapes: Shapes) -> nn.Module:
        """The stem and the stages, with the block that is repeated among them, and the linear read-out."""
        return RepeatingNet(shapes.inputs[0], shapes.outputs, self.width, self.iterations, self.statistics == "every")

    def sweep_call(self, points: Sequence[int]) -> Mapping[str, Any]:
        """The keywords that give outputs after each of these iterations in one pass."""
        return {"at": tuple(points)}
