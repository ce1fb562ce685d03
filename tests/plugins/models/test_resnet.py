"""ResNet-50."""

from __future__ import annotations

import pytest
import torch
from lively_networks import lively
from torch import Tensor, nn
from torch.nn import functional

from ticketbench import OptionError, Shapes
from ticketbench.plugin.loading import Plugins
from ticketbench.plugin.options import configure
from ticketbench.testing import check_model
from ticketbench_models import resnet
from ticketbench_models.resnet import ResNet50

CIFAR = Shapes((3, 32, 32), 10)
IMAGENET = Shapes((3, 224, 224), 1000)
SMALL = ((4, 2), (8, 1), (8, 2))


class ByHand:
    """The weights of a module, taken one after the other in the order of the layers."""

    def __init__(self, module: nn.Module) -> None:
        self.weights = iter(module.parameters())
        self.buffers = iter([part for part in module.buffers() if part.ndim])

    def conv(self, image: Tensor, stride: int = 1) -> Tensor:
        """A convolution padded to keep the size, and its norm with the running statistics."""
        kernel = next(self.weights)
        image = functional.conv2d(image, kernel, stride=stride, padding=(kernel.shape[2] - 1) // 2)
        scale, shift = (next(self.weights).view(-1, 1, 1) for _ in range(2))
        mean, variance = (next(self.buffers).view(-1, 1, 1) for _ in range(2))
        return (image - mean) / (variance + 1e-5).sqrt() * scale + shift

    def block(self, image: Tensor, stride: int, projected: bool) -> Tensor:
        """Three convolutions, the second with the stride, and the shortcut."""
        inner = torch.relu(self.conv(image))
        inner = torch.relu(self.conv(inner, stride))
        inner = self.conv(inner)
        return torch.relu(inner + (self.conv(image, stride) if projected else image))

    def outputs(self, image: Tensor, imagenet: bool, stages: tuple[tuple[int, int], ...]) -> Tensor:
        """The whole network."""
        image = torch.relu(self.conv(image, 2 if imagenet else 1))
        if imagenet:
            image = functional.pad(image, (1, 1, 1, 1), value=-torch.inf)
            image = image.unfold(2, 3, 2).unfold(3, 3, 2).flatten(4).amax(dim=4)
        for stage, (width, blocks) in enumerate(stages):
            for block in range(blocks):
                first = block == 0
                assert len(image[0]) == (4 * width if not first else (4 * stages[stage - 1][0] if stage else 64))
                image = self.block(image, 2 if first and stage > 0 else 1, projected=first)
        found = image.mean(dim=(2, 3)) @ next(self.weights).T + next(self.weights)
        assert next(self.weights, None) is None
        return found


@pytest.mark.parametrize(
    ("stem", "shapes", "kernel", "total"),
    [("imagenet", IMAGENET, 7, 25_557_032), ("cifar", CIFAR, 3, 23_520_842)],
)
def test_the_sizes(stem, shapes: Shapes, kernel: int, total: int):
    """Stage by stage; both as published."""
    model = ResNet50(stem)
    with torch.device("meta"):
        module = model.build(shapes)
    own = dict(module.named_parameters())
    convolved, maps, inputs = kernel**2 * 3 * 64, 64, 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        convolved += inputs * width + 4 * inputs * width  # the first block's first convolution, and its shortcut
        convolved += (blocks - 1) * 4 * width**2 + blocks * (9 * width**2 + 4 * width**2)
        maps += blocks * 6 * width + 4 * width
        inputs = 4 * width
    weights = convolved + 2048 * shapes.outputs
    assert maps == 26_560
    assert sum(own[name].numel() for name in model.prunable(module)) == weights
    assert len(model.prunable(module)) == 1 + 16 * 3 + 4 + 1
    assert sum(weight.numel() for weight in own.values()) == weights + 2 * maps + shapes.outputs == total


def test_it_is_registered(plugins: Plugins):
    """For ImageNet."""
    assert plugins.items["model"]["resnet50"].item == ResNet50("imagenet")
    assert configure(ResNet50(), {"stem": "cifar"}, "a test") == ResNet50("cifar")


@pytest.mark.parametrize(("stem", "inputs"), [("cifar", (3, 12, 9)), ("imagenet", (2, 45, 36))])
def test_the_forward_equals_a_straightforward_implementation(monkeypatch, stem, inputs: tuple[int, ...]):
    """In float64, with fewer blocks, in evaluation and on sides that are no power of two."""
    monkeypatch.setattr(resnet, "STAGES", SMALL)
    torch.manual_seed(0)
    module = lively(ResNet50(stem).build(Shapes(inputs, 5))).eval()
    images = torch.randn(3, *inputs, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        expected = ByHand(module).outputs(images, stem == "imagenet", SMALL)
        found = module(images)
    assert float((expected[0] - expected[1]).norm()) > 1e-2
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_the_full_depth_equals_a_straightforward_implementation():
    """All sixteen blocks, on a small image."""
    torch.manual_seed(0)
    module = ResNet50("cifar").build(CIFAR).eval()
    images = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = ByHand(module).outputs(images, False, ((64, 3), (128, 4), (256, 6), (512, 3)))
        torch.testing.assert_close(module(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stem", ["cifar", "imagenet"])
def test_stacked_members_compute_what_single_ones_do(monkeypatch, stem):
    """In evaluation."""
    monkeypatch.setattr(resnet, "STAGES", SMALL)
    check_model(ResNet50(stem), CIFAR, batch=2)


@pytest.mark.parametrize(("stem", "smallest"), [("cifar", 8), ("imagenet", 32)])
def test_images_that_are_too_small(stem, smallest: int):
    """The error names their size, the stem and the smallest one, which gives the last stage a pixel."""
    says = rf"'resnet50' with stem = '{stem}' .* 64×{smallest - 1} pixels.* at least {smallest} pixels a side"
    with pytest.raises(OptionError, match=says):
        ResNet50(stem).build(Shapes((3, 64, smallest - 1), 10))
    with torch.device("meta"):
        module = ResNet50(stem).build(Shapes((3, smallest, smallest), 10))
        assert module[:-3](torch.zeros(2, 3, smallest, smallest)).shape == (2, 2048, 1, 1)
    with pytest.raises(OptionError, match=r"takes images .* not inputs of shape \(784,\)"):
        ResNet50(stem).build(Shapes((784,), 10))
