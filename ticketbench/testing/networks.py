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
        """Six inputs, ten hidden units and three outputs on the blobs; other sizes as the task says."""
        width = math.prod(shapes.inputs)
        flat = [nn.Flatten()] if len(shapes.inputs) > 1 else []
        return nn.Sequential(*flat, nn.Linear(width, 10), nn.BatchNorm1d(10), nn.ReLU(), nn.Linear(10, shapes.outputs))


@dataclass(frozen=True)
class TinyConvolution(Model):
    """A 3×3 convolution, ReLU, pooling and a linear layer."""

    name = "tiny_convolution"
    summary = "a convolutional network for checks"

    def build(self, shapes: Shapes) -> nn.Module:
        """Four filters, whose maps are half as high and wide after pooling, and a read-out of them."""
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
        """The sequence as it came, as the layer reads its features."""
        return inputs

    def start(self, examples: int) -> tuple[Tensor, ...]:
        """A hidden state of zeros for each example."""
        return (self.kept.new_zeros(examples, self.hidden),)

    def transition(self, features: Tensor, carried: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """h_t = tanh(W x_t + U h_{t−1} + b)."""
        return (torch.tanh(features @ self.taken.T + carried[0] @ self.kept.T + self.bias),)

    def read(self, hidden: Tensor) -> Tensor:
        """The logits of hidden states."""
        outputs: Tensor = self.read_out(hidden)
        return outputs

    def forward(self, inputs: Tensor) -> Tensor:
        """The logits of the hidden state after the last step of sequences (batch, steps, features)."""
        carried = self.start(len(inputs))
        for features in self.embed(inputs).unbind(1):
            carried = self.transition(features, carried)
        return self.read(carried[0])


@dataclass(frozen=True)
class TinyRecurrence(Model):
    """An Elman network of six units, read out after the last step."""

    name = "tiny_recurrence"
    summary = "a recurrent network for checks"

    def build(self, shapes: Shapes) -> nn.Module:
        """A network for inputs of the shape (steps, features)."""
        return Elman(shapes.inputs[1], 6, shapes.outputs)

    def prunable(self, module: nn.Module) -> Sequence[str]:
        """The weights of the layer, and not the read-out."""
        return ["taken", "kept"]
