"""LeNet-5 in both sizes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from ticketbench import OptionError, Shapes
from ticketbench.testing import Blobs, check_model, outputs_on_shared
from ticketbench_models.lenet import LeNet5

MNIST = Shapes((1, 28, 28), 10)


@pytest.fixture(autouse=True)
def same_weights():
    """Of networks that are built in a test, every time."""
    torch.manual_seed(0)


def sizes(model: LeNet5, shapes: Shapes = MNIST) -> list[tuple[int, ...]]:
    """The shapes of the weights, in order."""
    return [tuple(part.shape) for part in model.build(shapes).parameters() if part.ndim > 1]


def state(modules: list[nn.Module]) -> dict[str, Tensor]:
    """The stacked parameters of several networks."""
    weights = [dict(module.named_parameters()) for module in modules]
    return {name: torch.stack([one[name].detach() for one in weights]).requires_grad_() for name in weights[0]}


def by_hand(weights: dict[str, Tensor], images: Tensor, padding: int) -> Tensor:
    """Every convolution as a product with its windows, every pooling as the largest of a 2×2 block."""
    thought = functional.pad(images, [padding] * 4)
    for name in ("0", "3"):
        windows = thought.unfold(2, 5, 1).unfold(3, 5, 1)
        thought = torch.einsum("bihwkl,oikl->bohw", windows, weights[f"{name}.weight"])
        thought = torch.clamp(thought + weights[f"{name}.bias"].view(-1, 1, 1), min=0)
        blocks = thought.unfold(2, 2, 2).unfold(3, 2, 2)
        thought = blocks.flatten(4).amax(dim=4)
    thought = thought.flatten(1)
    for name in ("7", "9", "11"):
        thought = torch.clamp(thought, min=0) @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
    return thought


def test_the_classic_size():
    """61,470 weights and 236 biases: 61,706 parameters."""
    parameters = list(LeNet5().build(MNIST).parameters())
    assert sizes(LeNet5()) == [(6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (10, 84)]
    assert sum(part.numel() for part in parameters if part.ndim > 1) == 61_470
    assert sum(part.numel() for part in parameters) == 61_706


def test_the_size_of_evci_et_al():
    """Without padding 44,190 weights, for 16 maps of 4×4 pixels."""
    model = LeNet5(padding=0)
    assert sizes(model) == [(6, 1, 5, 5), (16, 6, 5, 5), (120, 256), (84, 120), (10, 84)]
    module = model.build(MNIST)
    assert sum(dict(module.named_parameters())[name].numel() for name in model.prunable(module)) == 44_190


def test_the_weights_are_prunable_and_the_biases_are_not():
    """In the order of the layers."""
    model = LeNet5()
    assert list(model.prunable(model.build(MNIST))) == [f"{at}.weight" for at in (0, 3, 7, 9, 11)]


@pytest.mark.parametrize("padding", [0, 2, 3])
@pytest.mark.parametrize("inputs", [(1, 28, 28), (3, 32, 32), (2, 19, 17)])
def test_the_forward_equals_products_by_hand(padding: int, inputs: tuple[int, ...]):
    """In float64."""
    module = LeNet5(padding=padding).build(Shapes(inputs, 4)).double()
    images = torch.randn(3, *inputs, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = by_hand(dict(module.named_parameters()), images, padding)
    torch.testing.assert_close(module(images), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("inputs", [(1, 28, 28), (2, 19, 17)])
def test_stacked_members_learn_what_single_ones_do(padding: int, inputs: tuple[int, ...]):
    """Outputs and every gradient of three members, in float64 and as close as 1e-5 in float32."""
    model = LeNet5(padding=padding)
    for precision, tolerance in ((torch.float64, 1e-11), (torch.float32, 1e-5)):
        modules = [model.build(Shapes(inputs, 4)).to(precision) for _ in range(3)]
        images = torch.rand(3, 9, *inputs, generator=torch.Generator().manual_seed(0)).to(precision)
        together = state(modules)
        outputs = model.stacked(modules[0])(together, {}, images)
        found = torch.autograd.grad(outputs.square().sum(), list(together.values()))
        for member, module in enumerate(modules):
            single = module(images[member])
            torch.testing.assert_close(outputs[member], single, rtol=tolerance, atol=tolerance)
            for mine, theirs in zip(
                found, torch.autograd.grad(single.square().sum(), module.parameters()), strict=True
            ):
                torch.testing.assert_close(
                    mine[member], theirs, rtol=tolerance, atol=tolerance * float(theirs.abs().max())
                )


def test_a_sparse_member_on_a_blank_background_learns_the_same():
    """Maps without weights and blank images fill whole windows with equal values: torch's pooling takes the first."""
    model, source = LeNet5(), torch.Generator().manual_seed(0)
    module = model.build(MNIST).double()
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.randint(-2, 3, weight.shape, generator=source))
            weight.mul_(torch.rand(weight.shape, generator=source) < (0.1 if weight.ndim > 1 else 1))
        module[0].weight[2:] = 0
    images = torch.zeros(1, 5, 1, 28, 28, dtype=torch.float64)
    images[..., 8:20, 8:20] = torch.randint(0, 2, (1, 5, 1, 12, 12), generator=source).double()
    together = state([module])
    outputs, single = model.stacked(module)(together, {}, images), module(images[0])
    assert torch.equal(outputs[0], single)
    found = torch.autograd.grad(outputs.sum(), list(together.values()))
    for mine, theirs in zip(found, torch.autograd.grad(single.sum(), module.parameters()), strict=True):
        assert torch.equal(mine[0], theirs)
        assert bool(theirs.any())


def test_stacked_members_compute_what_single_ones_do():
    """On images of colour as well."""
    check_model(LeNet5(), MNIST)
    check_model(LeNet5(padding=0), Shapes((3, 32, 32), 10))


def test_a_network_made_smaller_still_runs():
    """Units that were removed are gone from the parameters; the stacked form asks them for all widths."""
    model = LeNet5()
    module = model.build(MNIST).double()
    smaller = nn.Sequential(
        nn.Conv2d(1, 4, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 7, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(7 * 25, 11),
        nn.ReLU(),
        nn.Linear(11, 5),
        nn.ReLU(),
        nn.Linear(5, 10),
    ).double()
    images = torch.rand(1, 3, 1, 28, 28, generator=torch.Generator().manual_seed(0)).double()
    found = model.stacked(module)(state([smaller]), {}, images)
    torch.testing.assert_close(found[0], smaller(images[0]), rtol=1e-12, atol=1e-14)


def test_inputs_that_all_members_share():
    """As in judging: one batch without a fleet axis."""
    model = LeNet5()
    modules = [model.build(MNIST) for _ in range(2)]
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    (outputs,) = outputs_on_shared(model, modules, Blobs(MNIST), images)
    for member, module in enumerate(modules):
        torch.testing.assert_close(outputs[member], module(images), rtol=1e-4, atol=1e-6)


def test_the_layers_can_be_traced():
    """Nothing but layers in a row."""
    kinds = [node.op for node in fx.symbolic_trace(LeNet5().build(MNIST)).graph.nodes]
    assert kinds == ["placeholder", *["call_module"] * 12, "output"]


def test_images_that_are_too_small():
    """The error names their size, the smallest one, and the padding that would do."""
    with pytest.raises(OptionError, match=r"padding = 2 cannot take images of 28×11 .* 12 pixels .* at least 3\."):
        LeNet5().build(Shapes((1, 28, 11), 10))
    with pytest.raises(OptionError, match=r"padding = 0 cannot take images of 12×12 .* 16 pixels .* at least 2\."):
        LeNet5(padding=0).build(Shapes((1, 12, 12), 10))
    assert sizes(LeNet5(), Shapes((1, 12, 12), 10))[2] == (120, 16)
    assert sizes(LeNet5(padding=0), Shapes((1, 16, 16), 10))[2] == (120, 16)
    assert sizes(LeNet5(padding=3), Shapes((1, 28, 11), 10))[2] == (120, 16 * 5)


def test_inputs_that_are_no_images():
    """A vector has no rows and columns."""
    with pytest.raises(OptionError, match=r"'lenet5' takes images .* not inputs of shape \(784,\)"):
        LeNet5().build(Shapes((784,), 10))
