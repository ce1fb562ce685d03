"""Links are found where one layer alone reads another's units, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ticketbench import Shapes, unit_chain
from ticketbench_models.mlp import MLP
from ticketbench_models.recurrent_resnet import RecurrentResNet


class Forward(nn.Module):
    """Any layers under any forward."""

    def __init__(self, forward: Callable[..., Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.written = forward
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, inputs: Tensor) -> Tensor:
        """As given."""
        return self.written(self, inputs)


def ends(module: nn.Module) -> list[tuple[str, str, int]]:
    """Each link as producer, consumer, positions."""
    return [(link.producer, link.consumer, link.positions) for link in unit_chain(module)]


def test_a_perceptron_is_a_chain_of_all_its_layers():
    """300 and 100 hidden units: two links, the last layer's outputs are nobody's units."""
    module = MLP().build(Shapes((1, 28, 28), 10))
    assert ends(module) == [("1.weight", "3.weight", 1), ("3.weight", "5.weight", 1)]


FLATTENING: dict[str, Callable[[Tensor], Tensor]] = {
    "flatten": lambda maps: maps.flatten(1),
    "torch.flatten": lambda maps: torch.flatten(maps, 1),
    "start_dim": lambda maps: torch.flatten(maps, start_dim=1),
    "view": lambda maps: maps.view(maps.size(0), -1),
    "reshape": lambda maps: maps.reshape(maps.shape[0], -1),
}


@pytest.mark.parametrize("flatten", FLATTENING.values(), ids=FLATTENING.keys())
def test_a_flattened_map_occupies_all_its_positions(flatten: Callable[[Tensor], Tensor]):
    """However it is written: 3 channels of 2x2 become 12 inputs, 4 neighbouring ones a channel."""

    def forward(self: Forward, inputs: Tensor) -> Tensor:
        return self.full(flatten(functional.max_pool2d(torch.relu(self.conv(inputs)), 2)))

    module = Forward(forward, conv=nn.Conv2d(1, 3, 3), full=nn.Linear(12, 2))
    assert module(torch.zeros(1, 1, 6, 6)).shape == (1, 2)
    assert ends(module) == [("conv.weight", "full.weight", 4)]


def test_what_lies_between_is_named_in_order():
    """Batch norm, ReLU, pooling, dropout, flattening; an average that counts its padding is not uniform."""
    module = nn.Sequential(
        nn.Conv2d(1, 3, 3, bias=False),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.AvgPool2d(2, padding=1),
        nn.Dropout(),
        nn.Flatten(),
        nn.Linear(12, 2),
    )
    (link,) = unit_chain(module)
    assert link.norms == ("1",)
    assert [(step.kind, step.module, step.uniform) for step in link.between] == [
        ("norm", "1", True),
        ("pointwise", "2", True),
        ("pool", "3", False),
        ("dropout", "4", True),
        ("flatten", "5", True),
    ]


def added(self: Forward, inputs: Tensor) -> Tensor:
    """A residual sum."""
    return self.last(self.second(units := self.first(inputs)) + units)


def joined(self: Forward, inputs: Tensor) -> Tensor:
    """Units laid beside others."""
    return self.last(torch.cat([self.first(inputs), self.second(inputs)], 1))


def branched(self: Forward, inputs: Tensor) -> Tensor:
    """Two layers read the first."""
    units = self.first(inputs)
    return self.second(units), self.last(units)


def returned(self: Forward, inputs: Tensor) -> Tensor:
    """The units are an output, too."""
    units = self.first(inputs)
    return self.second(units), units


def repeated(self: Forward, inputs: Tensor) -> Tensor:
    """One layer at two places."""
    return self.first(self.first(inputs))


def mixed(self: Forward, inputs: Tensor) -> Tensor:
    """Softmax looks at all units at once."""
    return self.second(self.first(inputs).softmax(1))


def written_out(self: Forward, inputs: Tensor) -> Tensor:
    """The width is a number of the forward."""
    return self.second(self.first(inputs).view(-1, 4))


def read_apart(self: Forward, inputs: Tensor) -> Tensor:
    """A weight is read outside its layer."""
    return self.second(self.first(inputs)) + self.first.weight.sum()


def branching(self: Forward, inputs: Tensor) -> Tensor:
    """Python looks at the data: nothing can be followed."""
    return self.second(self.first(inputs)) if inputs.sum() > 0 else inputs


@pytest.mark.parametrize(
    "forward", [added, joined, branched, returned, repeated, mixed, written_out, read_apart, branching]
)
def test_what_is_not_certain_is_no_link(forward: Callable[..., Tensor]):
    """Whatever else looks at a layer's units keeps it from being shrunk."""
    module = Forward(forward, first=nn.Linear(4, 4), second=nn.Linear(4, 4), last=nn.Linear(8, 4))
    assert [link for link in unit_chain(module) if link.producer == "first.weight"] == []


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Conv2d(2, 4, 3, groups=2), nn.Conv2d(4, 2, 3)),
        (nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3, groups=2)),
        (nn.Conv2d(2, 4, 3), nn.Linear(4, 2)),
        (nn.Linear(4, 4), nn.MaxPool1d(2), nn.Linear(2, 2)),
        (nn.Linear(4, 4), nn.Flatten(), nn.Linear(12, 2)),
        (nn.Conv1d(2, 4, 3), nn.GroupNorm(2, 4), nn.Conv1d(4, 2, 3)),
        (nn.Conv2d(2, 4, 3), nn.Flatten(2), nn.Conv1d(4, 2, 3)),
        (nn.ConvTranspose1d(2, 4, 3), nn.Conv1d(4, 2, 3)),
    ],
    ids=lambda layers: "-".join(type(layer).__name__ for layer in layers),
)
def test_operations_that_mix_units_are_no_link(layers: tuple[nn.Module, ...]):
    """Groups, features read along another axis, pooling across units, and layers of other kinds."""
    assert unit_chain(nn.Sequential(*layers)) == ()


def test_shared_parameters_are_no_link():
    """A weight of two layers cannot shrink in one."""
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    assert unit_chain(nn.Sequential(first, second, nn.Linear(4, 2))) == ()


def test_the_inside_of_a_residual_block_is_a_link():
    """Its sum is not, nor are blocks that are applied five times; keywords of the forward have their defaults."""
    blocks = ["layer1.0", "layer1.1", "layer2"]
    module = RecurrentResNet().build(Shapes((3, 32, 32), 10))
    assert ends(module) == [(f"{block}.conv1.weight", f"{block}.conv2.weight", 1) for block in blocks]
    assert [link.norms for link in unit_chain(module)] == [(f"{block}.norm1",) for block in blocks]
