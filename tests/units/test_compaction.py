"""A compacted network computes the same with fewer units."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ticketbench import compact, unit_chain

Mask = dict[str, Tensor]


def perceptron(bias: bool = True) -> nn.Module:
    """Two hidden layers and two activations, one of which does not keep zero."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(36, 30, bias=bias),
        nn.ReLU(),
        nn.Linear(30, 20, bias=bias),
        nn.Sigmoid(),
        nn.Linear(20, 5, bias=bias),
    )


def lenet(padding: int, activation: type[nn.Module] = nn.ReLU, norm: bool = False, average: bool = False) -> nn.Module:
    """Two convolutions with pooling, two linear layers."""
    pool: Callable[[], nn.Module] = (lambda: nn.AvgPool2d(2, padding=1)) if average else (lambda: nn.MaxPool2d(2))
    layers: list[nn.Module] = [nn.Conv2d(1, 6, 3, padding=padding), activation(), pool()]
    layers += [nn.Conv2d(6, 8, 3, padding=padding, bias=not norm)]
    layers += [nn.BatchNorm2d(8)] if norm else []
    layers += [activation(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 12)]
    layers += [nn.BatchNorm1d(12)] if norm else []
    return nn.Sequential(*layers, activation(), nn.Dropout(), nn.Linear(12, 4))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "perceptron": (perceptron, (36,)),
    "perceptron without bias": (lambda: perceptron(bias=False), (36,)),
    "lenet": (lambda: lenet(0), (1, 12, 12)),
    "lenet, padded": (lambda: lenet(1), (1, 12, 12)),
    "lenet, padded, tanh, averages over padding": (lambda: lenet(1, nn.Tanh, average=True), (1, 12, 12)),
    "lenet, batch norm": (lambda: lenet(0, norm=True), (1, 12, 12)),
    "lenet, padded, sigmoid, batch norm": (lambda: lenet(1, nn.Sigmoid, norm=True), (1, 12, 12)),
}
DENSITIES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)


def ticket_of(build: Callable[[], nn.Module], density: float, seed: int, dtype: torch.dtype) -> tuple[nn.Module, Mask]:
    """A network with random statistics and biases, and a random mask."""
    torch.manual_seed(seed)
    module = build().to(dtype).eval()
    for part in module.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.normal_(part.weight)
            nn.init.normal_(part.bias)
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    weights = {name: part for name, part in module.named_parameters() if part.ndim >= 2}
    return module, {name: torch.rand(part.shape) < density for name, part in weights.items()}


def masked(module: nn.Module, mask: Mask) -> nn.Module:
    """The network that a mask means."""
    copied = copy.deepcopy(module)
    with torch.no_grad():
        for name, part in copied.named_parameters():
            part.mul_(mask.get(name, torch.ones_like(part, dtype=torch.bool)))
    return copied


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize(("build", "shape"), NETWORKS.values(), ids=NETWORKS.keys())
def test_outputs_are_those_of_the_masked_network(build, shape, fold: bool, dtype: torch.dtype, tolerance: float):
    """At every density, on random inputs; the original network and mask are left alone."""
    for seed, density in enumerate(DENSITIES):
        module, mask = ticket_of(build, density, seed, dtype)
        state, before = copy.deepcopy(module.state_dict()), copy.deepcopy(mask)
        small = compact(module, mask, fold=fold)
        inputs = torch.randn(7, *shape, dtype=dtype)
        expected = masked(module, mask)(inputs).detach()
        worst = (small.module(inputs).detach() - expected).abs().max().item()
        assert worst <= tolerance * max(1.0, expected.abs().max().item())
        assert all(part.equal(state[name]) for name, part in module.state_dict().items())
        assert all(part.equal(before[name]) for name, part in mask.items())


@pytest.mark.parametrize(("build", "shape"), NETWORKS.values(), ids=NETWORKS.keys())
def test_nothing_dead_is_left_that_the_rules_could_remove(build, shape):
    """By brute force over all units of the result: each has weights out, or is the one left of its layer."""
    removed = 0
    for seed, density in enumerate(DENSITIES):
        module, mask = ticket_of(build, density, seed, torch.float64)
        small = compact(module, mask)
        parts = dict(small.module.named_modules())
        for link in unit_chain(small.module):
            outgoing, incoming = small.mask[link.consumer], small.mask[link.producer]
            units = len(incoming)
            producer, consumer = parts[link.producer.split(".")[0]], parts[link.consumer.split(".")[0]]
            removed += len(mask[link.producer]) - units
            columns = outgoing.transpose(0, 1).reshape(units, link.positions, -1)
            for unit in range(units):
                if columns[unit].any():
                    convolves = isinstance(consumer, nn.Conv2d) and consumer.padding != (0, 0)
                    uneven = any(not step.uniform for step in link.between)
                    foldable = consumer.bias is not None and not convolves and not uneven
                    assert incoming[unit].any() or not foldable
                else:
                    assert units == 1
                    assert not incoming.any()
            assert len(producer.weight) == units == len(small.kept[link.producer])
    assert removed > 0


@pytest.mark.parametrize(("build", "shape"), NETWORKS.values(), ids=NETWORKS.keys())
def test_gradients_of_what_remains_are_the_same_without_folding(build, shape):
    """In training mode, batch statistics included; the weights that went had none."""
    for seed, density in enumerate(DENSITIES):
        module, mask = ticket_of(build, density, seed, torch.float64)
        small = compact(module, mask, fold=False)
        inputs = torch.randn(7, *shape, dtype=torch.float64)
        large = masked(module, mask)
        for network in (large, small.module):
            network.train()
            for part in network.modules():
                if isinstance(part, nn.Dropout):
                    part.p = 0.0
            network(inputs).square().sum().backward()
        rows = dict.fromkeys(small.kept)
        columns = {link.consumer: link for link in unit_chain(module)}
        theirs = dict(large.named_parameters())
        for name, weight in small.module.named_parameters():
            if name not in mask:
                continue
            expected, kept = theirs[name].grad * mask[name], small.mask[name]
            if name in columns:
                link = columns[name]
                apart = expected.reshape(len(expected), -1, link.positions, *expected.shape[2:])
                apart = apart.index_select(1, small.kept[link.producer])
                expected = apart.reshape(len(expected), -1, *expected.shape[2:])
            if name in rows:
                expected = expected.index_select(0, small.kept[name])
            torch.testing.assert_close(weight.grad * kept, expected * kept, rtol=1e-9, atol=1e-12)
            lost = (theirs[name].grad * mask[name]).abs().sum() - (weight.grad * kept).abs().sum()
            assert abs(lost.item()) < 1e-9


def filled(shape: tuple[int, ...], *places: tuple[int, ...]) -> Tensor:
    """A mask that keeps these places."""
    mask = torch.zeros(shape, dtype=torch.bool)
    for place in places:
        mask[place] = True
    return mask


def by_hand() -> tuple[nn.Module, Mask]:
    """2-3-2-1 with weights of one: unit 0 lives, unit 1 has no input (bias 2), unit 2 no output."""
    module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    for part in module.parameters():
        nn.init.ones_(part)
    with torch.no_grad():
        module[0].bias.copy_(torch.tensor([0.5, 2.0, 1.0]))
        module[2].weight.mul_(3)
    mask = {
        "0.weight": filled((3, 2), (0, 0), (2, 0), (2, 1)),
        "2.weight": filled((2, 3), (0, 0), (0, 1)),
        "4.weight": filled((1, 2), (0, 0), (0, 1)),
    }
    return module, mask


def test_a_constant_moves_into_the_bias_by_hand():
    """Unit 1 gives 3·2 to the next bias, 1 + 6 = 7; that layer's second unit is constant 1: the last bias is 2."""
    small = compact(*by_hand())
    assert {name: kept.tolist() for name, kept in small.kept.items()} == {"0.weight": [0], "2.weight": [0]}
    assert {name: part.tolist() for name, part in small.module.state_dict().items()} == {
        "0.weight": [[1.0, 0.0]],
        "0.bias": [0.5],
        "2.weight": [[3.0]],
        "2.bias": [7.0],
        "4.weight": [[1.0]],
        "4.bias": [2.0],
    }
    assert (small.module[0].out_features, small.module[2].in_features) == (1, 1)
    assert (small.module[0].in_features, small.module[4].out_features) == (2, 1)


def test_without_folding_a_constant_stays():
    """Only the unit that nothing reads goes: a bias may still be trained."""
    small = compact(*by_hand(), fold=False)
    assert {name: kept.tolist() for name, kept in small.kept.items()} == {"0.weight": [0, 1], "2.weight": [0, 1]}


def test_a_layer_that_would_become_empty_keeps_one_unit():
    """A collapsed layer leaves one unit a layer before it, without weights in or out, and outputs the same."""
    module, mask = ticket_of(perceptron, 0.5, 0, torch.float64)
    mask["3.weight"][:] = False
    small = compact(module, mask)
    assert {name: kept.tolist() for name, kept in small.kept.items()} == {"1.weight": [0], "3.weight": [0]}
    assert sum(int(part.sum()) for part in small.mask.values()) == 0
    inputs = torch.randn(3, 36, dtype=torch.float64)
    torch.testing.assert_close(small.module(inputs), masked(module, mask)(inputs), rtol=0, atol=1e-12)


def test_a_constant_map_is_not_folded_into_a_convolution_that_pads_it():
    """A map of ones ends at the border, where the padding is zero; padded by copies of itself it does not end."""
    for padding, kept in (("zeros", [0, 1]), ("replicate", [0])):
        module = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 1, 3, padding=1, padding_mode=padding))
        nn.init.ones_(module[0].bias)
        mask = {"0.weight": filled((2, 1, 1, 1), (0, 0, 0, 0)), "1.weight": torch.ones(1, 2, 3, 3, dtype=torch.bool)}
        assert compact(module, mask).kept["0.weight"].tolist() == kept


def test_a_network_without_links_is_copied():
    """One layer has inputs and outputs alone."""
    module = nn.Linear(3, 2)
    small = compact(module, {"weight": filled((2, 3), (0, 1))})
    assert small.kept == {}
    assert small.module.weight.count_nonzero() == 1
    assert small.module is not module
