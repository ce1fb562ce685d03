"""Recurrent networks of 400 units on 28 rows of 28 pixels: fleets against torch's own layers, on one thread.

    make bench

Units are member-steps: forward and backward of one network on its own batch of 64. All ways get the same weights and
inputs, and must find the same gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional

from ticketbench import Shapes
from ticketbench_models.recurrent import GRU, LSTM, RNN, Peephole, SequenceModel

BATCH, STEPS, FEATURES, HIDDEN, CLASSES = 64, 28, 28, 400, 10
TORCHS = {"from_input": "weight_ih_l0", "from_hidden": "weight_hh_l0", "bias": "bias_ih_l0"}
Gradient = list[Tensor]


class Fleet:
    """Members with weights, sequences and labels of their own."""

    def __init__(self, model: SequenceModel, layer: type[nn.RNNBase] | None, members: int) -> None:
        torch.manual_seed(0)
        self.modules = [model.build(Shapes((STEPS, FEATURES), CLASSES)) for _ in range(members)]
        each = [dict(module.named_parameters()) for module in self.modules]
        self.parameters = {name: torch.stack([own[name].detach() for own in each]).requires_grad_() for name in each[0]}
        self.inputs = torch.rand(members, BATCH, STEPS, FEATURES)
        self.targets = torch.randint(0, CLASSES, (members, BATCH))
        self.forward = model.stacked(self.modules[0])
        self.layers = [self.torchs(layer, module) for module in self.modules] if layer else []

    def torchs(self, layer: type[nn.RNNBase], module: nn.Module) -> nn.RNNBase:
        """torch's layer with the weights of a member."""
        theirs = layer(FEATURES, HIDDEN, batch_first=True)
        with torch.no_grad():
            theirs.bias_hh_l0.zero_()
            for name, other in TORCHS.items():
                getattr(theirs, other).copy_(module.get_parameter(name))
        return theirs

    def ours(self) -> Gradient:
        """The stacked forward."""
        losses = vmap(functional.cross_entropy)(self.forward(self.parameters, {}, self.inputs), self.targets)
        return list(torch.autograd.grad(losses.sum(), list(self.parameters.values())))

    def theirs(self) -> Gradient:
        """torch's layer and the read-out, member after member."""
        found = []
        for layer, module, inputs, targets in zip(self.layers, self.modules, self.inputs, self.targets, strict=True):
            loss = functional.cross_entropy(module.read_out(layer(inputs)[0][:, -1]), targets)
            weights = [getattr(layer, name) for name in TORCHS.values()] + [layer.bias_hh_l0]
            own = torch.autograd.grad(loss, [*weights, *module.read_out.parameters()])
            found.append([part for at, part in enumerate(own) if at != 3])
        return [torch.stack(parts) for parts in zip(*found, strict=True)]

    def singles(self) -> Gradient:
        """The single form, member after member."""
        found = []
        for module, inputs, targets in zip(self.modules, self.inputs, self.targets, strict=True):
            loss = functional.cross_entropy(module(inputs), targets)
            found.append(torch.autograd.grad(loss, list(module.parameters())))
        return [torch.stack(parts) for parts in zip(*found, strict=True)]

    def vmapped(self) -> Gradient:
        """The single form under vmap."""
        outputs = vmap(lambda own, inputs: functional_call(self.modules[0], own, (inputs,)))
        losses = vmap(functional.cross_entropy)(outputs(self.parameters, self.inputs), self.targets)
        return list(torch.autograd.grad(losses.sum(), list(self.parameters.values())))

    def work(self, way: Callable[[], Gradient], count: int) -> Callable[[], float]:
        """Work for the clock: `count` gradients of all members."""

        def work() -> float:
            for _ in range(count):
                way()
            return count * len(self.inputs)

        return work


def compare(title: str, fleet: Fleet, ways: Mapping[str, Callable[[], Gradient]], benchmark, side_by_side) -> None:
    """Ratios to the first way; all find one gradient."""
    torch.set_num_threads(1)
    expected = fleet.singles()
    for way in ways.values():
        for mine, other in zip(way(), expected, strict=True):
            torch.testing.assert_close(mine, other, rtol=0, atol=1e-5 * float(other.abs().max()) + 1e-7)
    count = max(1, 5 // len(fleet.inputs))
    rates = side_by_side(title, {name: fleet.work(way, count) for name, way in ways.items()}, rounds=5)
    benchmark.extra_info.update(rates)
    benchmark.pedantic(fleet.ours, rounds=1)


@pytest.mark.benchmark(group="recurrent")
@pytest.mark.parametrize("members", [1, 5, 10])
def test_gru(members: int, benchmark, side_by_side):
    """513,600 weights a member."""
    fleet = Fleet(GRU(hidden=HIDDEN), nn.GRU, members)
    ways = {"torch.nn.GRU": fleet.theirs, "vmap": fleet.vmapped, "ticketbench": fleet.ours}
    compare(f"GRU-400, batch 64, 28 steps, fleet of {members}; member-steps", fleet, ways, benchmark, side_by_side)


@pytest.mark.benchmark(group="recurrent")
@pytest.mark.parametrize(("model", "layer"), [(RNN, nn.RNN), (LSTM, nn.LSTM), (Peephole, None)])
def test_other_cells(model: type[SequenceModel], layer: type[nn.RNNBase] | None, benchmark, side_by_side):
    """A fleet of 5; torch has no peepholes."""
    fleet = Fleet(model(hidden=HIDDEN), layer, 5)
    ways = {f"torch.nn.{layer.__name__}": fleet.theirs} if layer else {}
    ways |= {"networks one by one": fleet.singles, "vmap": fleet.vmapped, "ticketbench": fleet.ours}
    title = f"{model.name}-400, batch 64, 28 steps, fleet of 5; member-steps"
    compare(title, fleet, ways, benchmark, side_by_side)
