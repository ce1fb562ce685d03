"""The networks of the checks: linear, convolutional and recurrent, each as small as it can be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ticketbench.plugin.contracts import Model, Shapes


@dataclass(frozen=True)
class Tiny(Model):
    """A linear layer, batch norm, ReLU and another linear layer."""

    name = "tiny"
    summary = "a network for checks"

    def build(self, shapes: Shapes) -> nn.Module:
        """6-10-3 on the blobs."""
        width = math.prod(shapes.inputs)
        flat = [nn.Flatten()] if len(shapes.inputs) > 1 else []
        return nn.Sequential(*flat, nn.Linear(width, 10), nn.BatchNorm1d(10), nn.ReLU(), nn.Linear(10, shapes.outputs))


@dataclass(frozen=True)
class TinyConvolution(Model):
    """A 3×3 convolution, ReLU, pooling and a linear layer."""

    name = "tiny_convolution"
    summary = "a convolutional network for checks"

    def build(self, shapes: Shapes) -> nn.Module:
        """Four filters; half as high and wide after pooling."""
        channels, height, width = shapes.inputs
        return nn.Sequential(
            nn.Conv2d(channels, 4, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(4 * (height // 2) * (width // 2), shapes.outputs),
        )


class Elman(nn.Module):
    """h_t = tanh(W x_t + U h_{t−1} + b), and a read-out of the last one; it has the members of `Recurrent`."""

    gates = ("state",)

    def __init__(self, features: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.layer = {"input": "taken", "hidden": "kept"}
        self.taken = nn.Parameter(torch.empty(hidden, features).uniform_(-0.5, 0.5))
        self.kept = nn.Parameter(torch.empty(hidden, hidden).uniform_(-0.5, 0.5))
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.read_out = nn.Linear(hidden, outputs)

    def embed(self, inputs: Tensor) -> Tensor:
        """The sequence itself."""
        return inputs

    def start(self, examples: int) -> tuple[Tensor, ...]:
        """Zeros."""
        return (self.kept.new_zeros(examples, self.hidden),)

    def transition(self, features: Tensor, carried: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One step."""
        return (torch.tanh(features @ self.taken.T + carried[0] @ self.kept.T + self.bias),)

    def read(self, hidden: Tensor) -> Tensor:
        """The read-out."""
        outputs: Tensor = self.read_out(hidden)
        return outputs

    def forward(self, inputs: Tensor) -> Tensor:
        """The outputs after the last step."""
        carried = self.start(len(inputs))
        for features in self.embed(inputs).unbind(1):
            carried = self.transition(features, carried)
        return self.read(carried[0])


@dataclass(frozen=True)
class TinyRecurrence(Model):
    """An Elman network of six units."""

    name = "tiny_recurrence"
    summary = "a recurrent network for checks"

    def build(self, shapes: Shapes) -> nn.Module:
        """(steps, features) in."""
        return Elman(shapes.inputs[1], 6, shapes.outputs)

    def prunable(self, module: nn.Module) -> Sequence[str]:
        """The weights of the layer, and not the read-out."""
        return ["taken", "kept"]
