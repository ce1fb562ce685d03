"""Parameters and FLOPs by hand."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from ticketbench import Model, Shapes
from ticketbench.plan.count import model_size, work_of
from ticketbench_models.dtnet import DTNet1D
from ticketbench_models.mlp import MLP


class Repeated(nn.Module):
    """A square layer applied any number of times, and a head."""

    def __init__(self, width: int, outputs: int, times: int) -> None:
        super().__init__()
        self.times = times
        self.again = nn.Linear(width, width, bias=False)
        self.head = nn.Linear(width, outputs)

    def forward(self, values: Tensor, times: int = 0) -> Tensor:
        """The same weight at every iteration."""
        for _ in range(times or self.times):
            values = self.again(values)
        return self.head(values)


@dataclass(frozen=True)
class Recurrent(Model):
    """Five iterations of one weight."""

    name = "recurrent"
    summary = "one weight, many times"

    def build(self, shapes: Shapes) -> nn.Module:
        """A square layer and a head."""
        return Repeated(shapes.inputs[0], shapes.outputs, 5)


@dataclass(frozen=True)
class Convolutions(Model):
    """A strided convolution with a bias, one by groups, and a linear layer."""

    name = "convolutions"
    summary = "two kinds of convolution"

    def build(self, shapes: Shapes) -> nn.Module:
        """(2, 9, 9) -> (4, 4, 4) -> (4, 4, 4) -> outputs."""
        return nn.Sequential(
            nn.Conv2d(2, 4, kernel_size=3, stride=2),
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 4, kernel_size=3, padding=1, groups=2, bias=False),
            nn.Flatten(),
            nn.Linear(64, shapes.outputs),
        )


class TiedLayers(nn.Module):
    """Two layers that are one parameter, and a product of activations."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width, bias=False)
        self.second = nn.Linear(width, width, bias=False)
        self.second.weight = self.first.weight

    def forward(self, values: Tensor) -> Tensor:
        """W(Wx), then the outer product with itself times the vector."""
        hidden = self.second(self.first(values))
        return (hidden.transpose(0, 1) @ hidden) @ hidden.transpose(0, 1)


@dataclass(frozen=True)
class Tied(Model):
    """One parameter under two names."""

    name = "tied"
    summary = "one parameter, two layers"

    def build(self, shapes: Shapes) -> nn.Module:
        """Two tied layers."""
        return TiedLayers(shapes.inputs[0])


def test_a_multi_layer_perceptron_by_hand():
    """6-8-3: 48 + 8 + 24 + 3 parameters, 72 prunable, and two FLOPs for each weight."""
    model, shapes = MLP(hidden=(8,)), Shapes((6,), 3)
    size, work = model_size(model, shapes), work_of(model, shapes, {})
    assert (size.parameters, size.prunable_total) == (83, 72)
    assert size.prunable == {"1.weight": (8, 6), "3.weight": (3, 8)}
    assert work.by_weight == {"1.weight": 96, "3.weight": 48}
    assert (work.other, work.flops()) == (0, 144)


def test_a_pruned_layer_costs_its_density():
    """Half of the first layer and a quarter of the second: 48 + 12; what has no density is dense."""
    work = work_of(MLP(hidden=(8,)), Shapes((6,), 3), {})
    assert work.flops({"1.weight": 0.5, "3.weight": 0.25}) == 60
    assert work.flops({"1.weight": 0.5}) == 96


def test_convolutions_by_hand():
    """2·16·(4·2·9) = 2304 FLOPs, in two groups 2·16·(4·2·9) = 2304, linear 2·64·10 = 1280."""
    model, shapes = Convolutions(), Shapes((2, 9, 9), 10)
    size, work = model_size(model, shapes), work_of(model, shapes, {})
    assert size.parameters == (72 + 4) + (4 + 4) + 72 + (640 + 10)
    assert size.prunable_total == 72 + 72 + 640  # neither biases nor batch norm
    assert work.by_weight == {"0.weight": 2304, "2.weight": 2304, "4.weight": 1280}
    assert work.flops({"0.weight": 0.5}) == 1152 + 2304 + 1280


def test_a_weight_shared_over_iterations_counts_once_in_size_and_every_time_in_flops():
    """7x7 five times: 49 weights but 5·98 FLOPs; eight times when the forward is told so."""
    model, shapes = Recurrent(), Shapes((7,), 2)
    assert model_size(model, shapes).parameters == 49 + 14 + 2
    assert model_size(model, shapes).prunable_total == 49 + 14
    assert work_of(model, shapes, {}).by_weight == {"again.weight": 490, "head.weight": 28}
    assert work_of(model, shapes, {"times": 8}).by_weight == {"again.weight": 784, "head.weight": 28}


def test_a_parameter_under_two_names_is_one_and_products_of_activations_are_never_discounted():
    """A tied 5x5 weight counts 25 parameters and 100 FLOPs; (5x1·1x5) and (5x5·5x1) cost 50 each at any density."""
    model, shapes = Tied(), Shapes((5,), 5)
    assert model_size(model, shapes).parameters == 25
    work = work_of(model, shapes, {})
    assert work.by_weight == {"first.weight": 100}
    assert work.other == 100
    assert work.flops({"first.weight": 0.1}) == pytest.approx(110)


class Factors(nn.Module):
    """A weight that is a product of two."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Parameter(torch.empty(4, 2))
        self.right = nn.Parameter(torch.empty(2, 3))

    def forward(self, values: Tensor) -> Tensor:
        """x(LR)ᵀ."""
        return values @ (self.left @ self.right).T


@dataclass(frozen=True)
class LowRank(Model):
    """Two factors."""

    name = "low_rank"
    summary = "a product of two weights"

    def build(self, shapes: Shapes) -> nn.Module:
        """4x2 times 2x3."""
        return Factors()


def test_a_product_of_two_weights_is_charged_to_both_by_halves():
    """(4x2)(2x3) costs 48, 24 to each; what it makes is no weight, and its product with the input costs 24."""
    work = work_of(LowRank(), Shapes((3,), 4), {})
    assert work.by_weight == {"left": 24, "right": 24}
    assert (work.other, work.flops()) == (24, 72)


def test_the_deep_thinker_of_the_paper_has_its_size():
    """Width 400: 1,200 + 481,200 + 4·480,000 + 480,000 + 240,000 + 1,200; all but the two 1,200s prunable."""
    size = model_size(DTNet1D(), Shapes((1, 32), 2))
    assert (size.parameters, size.prunable_total) == (3_123_600, 3_121_200)


def test_the_deep_thinker_by_hand():
    """Width 4, length 10, 3 iterations; 2·3·10 = 60 FLOPs for each pair of an input and an output channel.

    Projection 4 pairs. Recall: 4 pairs of the problem once, 16 pairs of the thought three times. Block
    convolutions 16 three times each. Head 16, 8 and 4 once.
    """
    work = work_of(DTNet1D(width=4, iterations=3), Shapes((1, 10), 2), {})
    assert work.by_weight == {
        "projection.weight": 60 * 4,
        "recall.weight": 60 * (4 + 3 * 16),
        "blocks.0.conv1.weight": 60 * 3 * 16,
        "blocks.0.conv2.weight": 60 * 3 * 16,
        "blocks.1.conv1.weight": 60 * 3 * 16,
        "blocks.1.conv2.weight": 60 * 3 * 16,
        "head1.weight": 60 * 16,
        "head2.weight": 60 * 8,
        "head3.weight": 60 * 4,
    }
    assert work.other == 0
