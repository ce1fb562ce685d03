"""Conv-2, Conv-4 and Conv-6."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from ticketbench import OptionError, Shapes
from ticketbench.plugin.loading import Plugins
from ticketbench.testing import check_model
from ticketbench_models.conv import BlocksOfTwo, Conv2, Conv4, Conv6

CIFAR = Shapes((3, 32, 32), 10)
SMALL = Shapes((2, 9, 8), 3)
ALL = (Conv2(), Conv4(), Conv6())
SIX = [(64, 3), (64, 64), (128, 64), (128, 128), (256, 128), (256, 256)]


@pytest.fixture(autouse=True)
def same_weights():
    """Of networks that are built in a test, every time."""
    torch.manual_seed(0)


def name_of(model: BlocksOfTwo) -> str:
    """For the names of tests."""
    return model.name


def by_hand(module: nn.Module, images: Tensor, blocks: int) -> Tensor:
    """Every convolution as a product with its windows, every pooling as the largest of a 2×2 block."""
    weights = list(module.parameters())
    thought = images
    for at in range(2 * blocks):
        kernel, bias = weights[2 * at : 2 * at + 2]
        windows = functional.pad(thought, (1, 1, 1, 1)).unfold(2, 3, 1).unfold(3, 3, 1)
        thought = torch.einsum("bihwkl,oikl->bohw", windows, kernel) + bias.view(-1, 1, 1)
        thought = torch.clamp(thought, min=0)
        if at % 2:
            thought = thought.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4).amax(dim=4)
    thought = thought.flatten(1)
    for at in range(4 * blocks, 4 * blocks + 6, 2):
        thought = torch.clamp(thought, min=0) @ weights[at].T + weights[at + 1]
    return thought


@pytest.mark.parametrize(
    ("model", "features", "weights", "convolved", "biases"),
    [
        (Conv2(), 64 * 256, 4_300_992, 38_592, 650),
        (Conv4(), 128 * 64, 2_425_024, 259_776, 906),
        (Conv6(), 256 * 16, 2_261_184, 1_144_512, 1_418),
    ],
)
def test_the_sizes_on_cifar(model: BlocksOfTwo, features: int, weights: int, convolved: int, biases: int):
    """Weights in all, weights of the convolutions (38 K, 260 K and 1.1 M in the paper), and biases."""
    module = model.build(CIFAR)
    own = dict(module.named_parameters())
    kernels = SIX[: 2 * len(model.widths)]
    expected = [*[(*kernel, 3, 3) for kernel in kernels], (256, features), (256, 256), (10, 256)]
    assert [tuple(own[name].shape) for name in model.prunable(module)] == expected
    assert sum(own[name].numel() for name in model.prunable(module)) == weights
    assert sum(weight.numel() for weight in own.values() if weight.ndim == 4) == convolved
    assert sum(weight.numel() for weight in own.values() if weight.ndim == 1) == biases
    assert sum(9 * one * other for one, other in kernels) == convolved


def test_they_are_registered(plugins: Plugins):
    """Under the paper's names, without the dash."""
    assert [plugins.items["model"][name].item for name in ("conv2", "conv4", "conv6")] == list(ALL)


@pytest.mark.parametrize("model", ALL, ids=name_of)
def test_the_forward_equals_products_by_hand(model: BlocksOfTwo):
    """In float64, on images of an odd height."""
    module = model.build(SMALL).double()
    images = torch.randn(2, *SMALL.inputs, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = by_hand(module, images, len(model.widths))
    torch.testing.assert_close(module(images), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("model", ALL, ids=name_of)
def test_stacked_members_learn_what_single_ones_do(model: BlocksOfTwo):
    """Outputs and every gradient of two members."""
    modules = [model.build(SMALL) for _ in range(2)]
    images = torch.rand(2, 3, *SMALL.inputs, generator=torch.Generator().manual_seed(0))
    weights = [dict(module.named_parameters()) for module in modules]
    together = {name: torch.stack([one[name].detach() for one in weights]).requires_grad_() for name in weights[0]}
    outputs = model.stacked(modules[0])(together, {}, images)
    found = torch.autograd.grad(outputs.square().sum(), list(together.values()))
    for member, module in enumerate(modules):
        single = module(images[member])
        torch.testing.assert_close(outputs[member], single, rtol=1e-5, atol=1e-6)
        for mine, theirs in zip(found, torch.autograd.grad(single.square().sum(), module.parameters()), strict=True):
            torch.testing.assert_close(mine[member], theirs, rtol=1e-4, atol=1e-6)


def test_the_contract_of_stacked_members():
    """On images of one channel, too."""
    check_model(Conv2(), Shapes((1, 12, 12), 10), batch=2)
    check_model(Conv6(), SMALL, batch=2)


def test_off_the_cpu_members_share_grouped_convolutions():
    """Shapes alone, without a device that would compute them."""
    model = Conv4()
    with torch.device("meta"):
        module = model.build(SMALL)
        together = {name: weight.expand(5, *weight.shape) for name, weight in module.named_parameters()}
        outputs = model.stacked(module)(together, {}, torch.empty(5, 7, *SMALL.inputs))
    assert outputs.shape == (5, 7, 3)


def test_a_network_made_smaller_still_runs():
    """Units that were removed are gone from the parameters; the forward asks them for all widths."""
    model = Conv2()
    smaller = nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(5, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 4 * 4, 6),
        nn.ReLU(),
        nn.Linear(6, 7),
        nn.ReLU(),
        nn.Linear(7, 3),
    )
    weights = {name: weight.unsqueeze(0) for name, weight in smaller.named_parameters()}
    images = torch.rand(1, 3, *SMALL.inputs, generator=torch.Generator().manual_seed(0))
    found = model.stacked(model.build(SMALL))(weights, {}, images)
    torch.testing.assert_close(found[0], smaller(images[0]), rtol=1e-5, atol=1e-6)


def test_the_layers_can_be_traced():
    """Nothing but layers in a row."""
    kinds = {node.op for node in fx.symbolic_trace(Conv6().build(CIFAR)).graph.nodes}
    assert kinds == {"placeholder", "call_module", "output"}


@pytest.mark.parametrize(("model", "smallest"), [(Conv2(), 2), (Conv4(), 4), (Conv6(), 8)])
def test_images_that_are_too_small(model: BlocksOfTwo, smallest: int):
    """The error names their size and the smallest one, which works."""
    with pytest.raises(OptionError, match=rf"'{model.name}' .* 16×{smallest - 1} pixels.* at least {smallest} pixels"):
        model.build(Shapes((3, 16, smallest - 1), 10))
    images = torch.rand(1, 3, smallest, smallest, generator=torch.Generator().manual_seed(0))
    assert model.build(Shapes((3, smallest, smallest), 10))(images).shape == (1, 10)


def test_inputs_that_are_no_images():
    """A vector has no rows and columns."""
    with pytest.raises(OptionError, match=r"'conv4' takes images .* not inputs of shape \(784,\)"):
        Conv4().build(Shapes((784,), 10))
