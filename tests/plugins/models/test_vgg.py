"""VGG-16 with batch norm."""

from __future__ import annotations

import pytest
import torch
from lively_networks import lively
from torch import Tensor, fx, nn
from torch.nn import functional

from ticketbench import OptionError, Shapes, unit_chain
from ticketbench.plugin.loading import Plugins
from ticketbench.plugin.options import configure
from ticketbench.testing import check_model
from ticketbench_models import vgg
from ticketbench_models.vgg import VGG16

CIFAR = Shapes((3, 32, 32), 10)
IMAGENET = Shapes((3, 224, 224), 1000)
KERNELS = [
    (64, 3),
    (64, 64),
    (128, 64),
    (128, 128),
    (256, 128),
    (256, 256),
    (256, 256),
    (512, 256),
    (512, 512),
    (512, 512),
    (512, 512),
    (512, 512),
    (512, 512),
]
POOLED_AFTER = (1, 3, 6, 9, 12)


def by_hand(module: nn.Module, images: Tensor) -> Tensor:
    """Kernels, statistics and matrices in the order in which the module holds them."""
    weights, buffers = list(module.parameters()), [part for part in module.buffers() if part.ndim]
    for at in range(13):
        kernel, bias, scale, shift = weights[4 * at : 4 * at + 4]
        mean, variance = buffers[2 * at : 2 * at + 2]
        images = functional.conv2d(images, kernel, bias, padding=1)
        images = (images - mean.view(-1, 1, 1)) / (variance + 1e-5).sqrt().view(-1, 1, 1)
        images = torch.clamp(images * scale.view(-1, 1, 1) + shift.view(-1, 1, 1), min=0)
        if at in POOLED_AFTER:
            images = images.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4).amax(dim=4)
    head = weights[52:]
    outputs = images.mean(dim=(2, 3)) if len(head) == 2 else images.flatten(1)
    for at in range(0, len(head), 2):
        outputs = (torch.clamp(outputs, min=0) if at else outputs) @ head[at].T + head[at + 1]
    return outputs


@pytest.mark.parametrize(
    ("head", "shapes", "matrices", "total"),
    [
        ("linear", CIFAR, [(10, 512)], 14_728_266),
        ("linear", IMAGENET, [(1000, 512)], 15_236_136),
        ("classic", IMAGENET, [(4096, 512 * 7 * 7), (4096, 4096), (1000, 4096)], 138_365_992),
    ],
)
def test_the_sizes(head, shapes: Shapes, matrices: list[tuple[int, int]], total: int):
    """4,224 maps with a bias, a scale and a shift each, layer by layer; the classic one as published."""
    model = VGG16(head)
    with torch.device("meta"):
        module = model.build(shapes)
    own = dict(module.named_parameters())
    assert [tuple(own[name].shape) for name in model.prunable(module)] == [
        (*kernel, 3, 3) for kernel in KERNELS
    ] + matrices
    maps = 2 * 64 + 2 * 128 + 3 * 256 + 6 * 512
    convolved = 9 * (3 * 64 + 64**2 + 64 * 128 + 128**2 + 128 * 256 + 2 * 256**2 + 256 * 512 + 5 * 512**2)
    assert (maps, convolved) == (4_224, 14_710_464)
    expected = convolved + 3 * maps + sum(rows * columns + rows for rows, columns in matrices)
    assert sum(weight.numel() for weight in own.values()) == expected == total


def test_it_is_registered(plugins: Plugins):
    """With the linear head."""
    assert plugins.items["model"]["vgg16"].item == VGG16("linear")
    assert configure(VGG16(), {"head": "classic"}, "a test") == VGG16("classic")


@pytest.mark.parametrize(
    ("head", "inputs"), [("linear", (3, 32, 32)), ("linear", (1, 64, 70)), ("classic", (2, 32, 65))]
)
def test_the_forward_equals_a_straightforward_implementation(monkeypatch, head, inputs: tuple[int, ...]):
    """In float64, in evaluation, also where the poolings leave several pixels."""
    monkeypatch.setattr(vgg, "HIDDEN", 20)
    torch.manual_seed(0)
    module = lively(VGG16(head).build(Shapes(inputs, 4))).eval()
    images = torch.randn(2, *inputs, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        expected = by_hand(module, images)
        found = module(images)
    assert float((expected[0] - expected[1]).norm()) > 1e-2
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_stacked_members_compute_what_single_ones_do():
    """In evaluation."""
    check_model(VGG16(), CIFAR, batch=2)


def test_every_layer_reads_the_one_before():
    """So that whole filters can be taken out: twelve links between convolutions, one to the head, one norm in each."""
    with torch.device("meta"):
        module = VGG16().build(CIFAR)
    links = unit_chain(module)
    assert [len(link.norms) for link in links] == [1] * 13
    assert {node.op for node in fx.symbolic_trace(module).graph.nodes} == {"placeholder", "call_module", "output"}


def test_images_that_are_too_small():
    """The error names their size and the smallest one, which works."""
    with pytest.raises(OptionError, match=r"'vgg16' cannot take images of 40×31 pixels.* at least 32 pixels a side"):
        VGG16().build(Shapes((3, 40, 31), 10))
    with pytest.raises(OptionError, match=r"'vgg16' takes images .* not inputs of shape \(784,\)"):
        VGG16().build(Shapes((784,), 10))
