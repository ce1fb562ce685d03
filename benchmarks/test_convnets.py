"""Ways to compute the gradient of many small convolutional networks at once, on one thread as a worker process does.

    make bench

Units are member-steps: forward and backward of one network on its own batch of 60. All ways get the same weights and
images, and must find the same gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn import functional

from ticketbench import Model, Shapes, stacked_linear
from ticketbench_models.conv import Conv2
from ticketbench_models.lenet import LeNet5

BATCH = 60
Way = Callable[[Mapping[str, Tensor], Tensor], Tensor]


class Fleet:
    """Members with weights, images and labels of their own."""

    def __init__(self, model: Model, shapes: Shapes, members: int) -> None:
        torch.manual_seed(0)
        modules = [model.build(shapes) for _ in range(members)]
        self.module = modules[0]
        each = [dict(module.named_parameters()) for module in modules]
        self.parameters = {name: torch.stack([own[name].detach() for own in each]).requires_grad_() for name in each[0]}
        self.inputs = torch.rand(members, BATCH, *shapes.inputs)
        self.targets = torch.randint(0, shapes.outputs, (members, BATCH))
        stacked = model.stacked(self.module)
        self.ours: Way = lambda parameters, inputs: stacked(parameters, {}, inputs)

    def gradient(self, way: Way) -> tuple[Tensor, ...]:
        """The gradient of every member's loss."""
        losses = vmap(functional.cross_entropy)(way(self.parameters, self.inputs), self.targets)
        return torch.autograd.grad(losses.sum(), list(self.parameters.values()))

    def steps(self, way: Way, count: int) -> Callable[[], float]:
        """Work for the clock: `count` gradients of all members."""

        def work() -> float:
            for _ in range(count):
                self.gradient(way)
            return count * len(self.inputs)

        return work

    def one(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """A single network out of torch's layers."""
        return functional_call(self.module, dict(parameters), (inputs,))

    def one_by_one(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Member after member."""
        apart = {name: weight.unbind(0) for name, weight in parameters.items()}
        members = range(len(inputs))
        return torch.stack([self.one({name: apart[name][at] for name in apart}, inputs[at]) for at in members])

    def channels_last(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Member after member, with channels as the last axis in memory."""
        apart = {name: [last(part) for part in weight.unbind(0)] for name, weight in parameters.items()}
        members = range(len(inputs))
        return torch.stack([self.one({name: apart[name][at] for name in apart}, last(inputs[at])) for at in members])

    def vmapped(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """vmap, which makes grouped convolutions of it."""
        return vmap(self.one)(dict(parameters), inputs)


def last(tensor: Tensor) -> Tensor:
    """Images and kernels with channels last."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def linear_layers(parameters: Mapping[str, Tensor], thought: Tensor) -> Tensor:
    """The end of LeNet-5, as ticketbench computes it."""
    for at, name in enumerate(("7", "9", "11")):
        thought = functional.relu(thought) if at else thought
        thought = stacked_linear(thought, parameters[f"{name}.weight"], parameters[f"{name}.bias"])
    return thought


def grouped(parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    """LeNet-5 with the members as groups of one convolution."""
    members, batch = inputs.shape[:2]
    thought = inputs.transpose(0, 1).flatten(1, 2)
    for name, padding in (("0", 2), ("3", 0)):
        weight, bias = parameters[f"{name}.weight"].flatten(0, 1), parameters[f"{name}.bias"].flatten()
        thought = functional.relu(functional.conv2d(thought, weight, bias, padding=padding, groups=members))
        thought = functional.max_pool2d(thought, 2)
    return linear_layers(parameters, thought.view(batch, members, -1).transpose(0, 1))


def unfolded(parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    """LeNet-5 with a product a convolution, of all its windows."""
    members, batch, *_ = inputs.shape
    thought = inputs.flatten(0, 1)
    for name, padding in (("0", 2), ("3", 0)):
        weight, bias = parameters[f"{name}.weight"].flatten(2), parameters[f"{name}.bias"]
        side = thought.shape[-1] + 2 * padding - 4
        windows = functional.unfold(thought, 5, padding=padding).view(members, batch, -1, side * side)
        made = weight.unsqueeze(1) @ windows + bias.view(members, 1, -1, 1)
        thought = functional.max_pool2d(functional.relu(made).view(members * batch, -1, side, side), 2)
    return linear_layers(parameters, thought.view(members, batch, -1))


def compare(fleet: Fleet, ways: Mapping[str, Way], title: str, count: int, benchmark, side_by_side, capsys) -> None:
    """Ratios to the first way; all find one gradient."""
    torch.set_num_threads(1)
    expected = fleet.gradient(fleet.one_by_one)
    for way in ways.values():
        for mine, other in zip(fleet.gradient(way), expected, strict=True):
            torch.testing.assert_close(mine, other, rtol=0, atol=1e-5 * float(other.abs().max()))
    rates = side_by_side(title, {name: fleet.steps(way, count) for name, way in ways.items()}, rounds=5)
    ours, best = rates["ticketbench"], max(rate for name, rate in rates.items() if name != "ticketbench")
    benchmark.extra_info.update(rates, over_best=ours / best)
    benchmark.pedantic(fleet.steps(fleet.ours, count), rounds=1)
    with capsys.disabled():
        print(f"  ticketbench: {ours / best:.2f}x the fastest other way")


@pytest.mark.benchmark(group="convnets")
@pytest.mark.parametrize("members", [1, 4])
def test_lenet5(members: int, benchmark, side_by_side, capsys):
    """61,706 parameters, batch 60 of 28×28."""
    fleet = Fleet(LeNet5(), Shapes((1, 28, 28), 10), members)
    ways = {
        "networks one by one": fleet.one_by_one,
        "networks one by one, channels last": fleet.channels_last,
        "vmap": fleet.vmapped,
        "one grouped convolution": grouped,
        "unfold and a batched product": unfolded,
        "ticketbench": fleet.ours,
    }
    title = f"LeNet-5, batch {BATCH}, fleet of {members}; member-steps"
    compare(fleet, ways, title, 20 // members, benchmark, side_by_side, capsys)


@pytest.mark.benchmark(group="convnets")
def test_conv2(benchmark, side_by_side, capsys):
    """4,301,642 parameters, batch 60 of 3×32×32: a member fills the machine, ours is one by one."""
    fleet = Fleet(Conv2(), Shapes((3, 32, 32), 10), 2)
    ways = {
        "vmap": fleet.vmapped,
        "networks one by one, channels last": fleet.channels_last,
        "ticketbench": fleet.ours,
    }
    compare(fleet, ways, f"Conv-2, batch {BATCH}, fleet of 2; member-steps", 1, benchmark, side_by_side, capsys)
