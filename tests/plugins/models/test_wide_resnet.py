"""Wide residual networks."""

from __future__ import annotations

import pytest
import torch
from lively_networks import lively
from torch import Tensor, nn
from torch.nn import functional

from ticketbench import OptionError, Shapes
from ticketbench.plugin.loading import Plugins
from ticketbench.plugin.options import configure
from ticketbench.testing import Blobs, check_model, stacked_pass
from ticketbench_models.wide_resnet import WideResNet

CIFAR = Shapes((3, 32, 32), 10)


def by_hand(module: nn.Module, image: Tensor, blocks: int, width: int) -> Tensor:
    """Everything in the order of the authors' code, with norms by the running statistics."""
    weights = iter(module.parameters())
    buffers = iter([part for part in module.buffers() if part.ndim])

    def active(image: Tensor) -> Tensor:
        """Norm and ReLU."""
        scale, shift = (next(weights).view(-1, 1, 1) for _ in range(2))
        mean, variance = (next(buffers).view(-1, 1, 1) for _ in range(2))
        return torch.relu((image - mean) / (variance + 1e-5).sqrt() * scale + shift)

    image = functional.conv2d(image, next(weights), padding=1)
    for channels, stride in ((16 * width, 1), (32 * width, 2), (64 * width, 2)):
        for block in range(blocks):
            step = stride if block == 0 else 1
            before = active(image)
            inner = functional.conv2d(before, next(weights), stride=step, padding=1)
            inner = functional.conv2d(active(inner), next(weights), padding=1)
            if channels != len(image[0]):
                image = functional.conv2d(before, next(weights), stride=step)
            image = inner + image
    found = active(image).mean(dim=(2, 3)) @ next(weights).T + next(weights)
    assert next(weights, None) is None
    return found


def images(inputs: tuple[int, ...], count: int = 3, seed: int = 0) -> Tensor:
    """Noise, in float64."""
    return torch.randn(count, *inputs, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("depth", "width", "total"), [(22, 2, 1_079_642), (16, 1, 175_066), (28, 10, 36_479_194), (40, 4, 8_949_210)]
)
def test_the_sizes(depth: int, width: int, total: int):
    """Group by group; 0.2 M, 36.5 M and 8.9 M in the paper's tables."""
    model = WideResNet(depth, width)
    with torch.device("meta"):
        module = model.build(CIFAR)
    own = dict(module.named_parameters())
    blocks, convolved, maps, inputs = (depth - 4) // 6, 9 * 3 * 16, 0, 16
    for channels in (16 * width, 32 * width, 64 * width):
        convolved += 9 * inputs * channels + 9 * (2 * blocks - 1) * channels**2
        convolved += inputs * channels if inputs != channels else 0
        maps += inputs + (2 * blocks - 1) * channels
        inputs = channels
    maps += inputs
    weights = convolved + inputs * 10
    assert sum(own[name].numel() for name in model.prunable(module)) == weights
    assert sum(weight.numel() for weight in own.values()) == weights + 2 * maps + 10 == total


def test_wrn_22_2_layer_by_layer():
    """1,076,912 weights: 432, then 51,200, 204,800 and 819,200 in the groups, then 1,280."""
    module = WideResNet().build(CIFAR)
    groups = [module[:1], module[1:4], module[4:7], module[7:10], module[10:]]
    counts = [sum(part.numel() for part in group.parameters() if part.ndim > 1) for group in groups]
    first = 9 * 16 * 32 + 5 * 9 * 32 * 32 + 16 * 32
    assert counts == [432, first, 204_800, 819_200, 1_280] == [432, 51_200, 204_800, 819_200, 1_280]
    assert sum(counts) == 1_076_912


def test_it_is_registered(plugins: Plugins):
    """As WRN-22-2."""
    assert plugins.items["model"]["wide_resnet"].item == WideResNet(depth=22, width=2)


@pytest.mark.parametrize(("depth", "width", "inputs"), [(22, 2, (3, 32, 32)), (10, 1, (1, 9, 14)), (16, 3, (2, 4, 4))])
def test_the_forward_equals_a_straightforward_implementation(depth: int, width: int, inputs: tuple[int, ...]):
    """In float64 and in evaluation; of width 1 the first group has no convolution beside it."""
    torch.manual_seed(0)
    module = lively(WideResNet(depth, width).build(Shapes(inputs, 5))).eval()
    with torch.no_grad():
        expected = by_hand(module, images(inputs), (depth - 4) // 6, width)
        found = module(images(inputs))
    assert float((expected[0] - expected[1]).norm()) > 1e-2
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_stacked_members_compute_what_single_ones_do():
    """In evaluation."""
    check_model(WideResNet(10, 1), CIFAR, batch=2)


def test_stacked_members_keep_statistics_of_their_own():
    """Two members on batches of their own, in training: outputs, running statistics and counts."""
    model, shapes = WideResNet(10, 1), Shapes((3, 8, 8), 4)
    modules = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        modules.append(lively(model.build(shapes)))
    assert (model.stackable, model.stacked(modules[0])) == (True, None)  # what is stacked is the module itself
    batches = torch.stack([images((3, 8, 8), seed=3), images((3, 8, 8), seed=4)])
    targets = torch.zeros(batches.shape[:2], dtype=torch.int64)
    found = stacked_pass(model, modules, Blobs(shapes=shapes), batches, targets, {}, training=True)
    with torch.no_grad():
        for member, module in enumerate(modules):
            torch.testing.assert_close(found.outputs[0][member], module.train()(batches[member]), rtol=1e-9, atol=1e-11)
            for name, buffer in module.named_buffers():
                torch.testing.assert_close(found.buffers[name][member], buffer, rtol=1e-9, atol=1e-11)
    assert not torch.allclose(*found.buffers["4.running_mean"])


@pytest.mark.parametrize(("depth", "near"), [(23, "22 and 28"), (27, "22 and 28"), (12, "10 and 16")])
def test_other_depths_are_refused(depth: int, near: str):
    """6n + 4 and nothing else; the error names the neighbours."""
    with pytest.raises(OptionError, match=rf"'wide_resnet' in a test: depth {depth} is not 6n \+ 4; {near} are"):
        configure(WideResNet(), {"depth": depth}, "a test")
    with pytest.raises(OptionError, match="at least 10"):
        configure(WideResNet(), {"depth": 4}, "a test")


def test_images_that_are_too_small():
    """The error names their size and the smallest one, which works."""
    with pytest.raises(OptionError, match=r"'wide_resnet' cannot take images of 3×9 pixels.* at least 4 pixels a side"):
        WideResNet().build(Shapes((3, 3, 9), 10))
    with pytest.raises(OptionError, match=r"'wide_resnet' takes images .* not inputs of shape \(784,\)"):
        WideResNet().build(Shapes((784,), 10))
