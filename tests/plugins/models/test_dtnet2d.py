"""The deep thinking network for images, against a straightforward implementation."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ticketbench import Shapes
from ticketbench.testing import check_model
from ticketbench_models.dtnet import DTNet2D

Weights = dict[str, Tensor]


def net(model: DTNet2D, dtype: torch.dtype = torch.float64) -> nn.Module:
    """The network with PyTorch's initial weights of seed 0, half as large again so that thoughts stay alive."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = model.build(Shapes((3, 10, 10), 2)).to(dtype)
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(1.5)
    return module


def pictures(dtype: torch.dtype = torch.float64, side: int = 10) -> Tensor:
    """Pixels that are 0 or 1 in each channel."""
    return torch.randint(0, 2, (4, 3, side, side), generator=torch.Generator().manual_seed(1)).to(dtype)


def conv(weight: Tensor, image: Tensor) -> Tensor:
    """3×3, the size is kept."""
    return functional.conv2d(image, weight, padding=1)


def think(weights: Weights, thought: Tensor, picture: Tensor, iterations: int, norm: nn.Module | None = None) -> Tensor:
    """Recall by concatenation and without a ReLU (where there is a recall), then two residual blocks, and again."""
    norm = norm or nn.Identity()
    for _ in range(iterations):
        if "recall.weight" in weights:
            thought = conv(weights["recall.weight"], torch.cat([thought, picture], dim=1))
        for block in ("blocks.0", "blocks.1"):
            inner = torch.relu(norm(conv(weights[f"{block}.conv1.weight"], thought)))
            thought = torch.relu(norm(conv(weights[f"{block}.conv2.weight"], inner)) + thought)
    return thought


def read(weights: Weights, thought: Tensor) -> Tensor:
    """Three convolutions with ReLU between them."""
    thought = torch.relu(conv(weights["head2.weight"], torch.relu(conv(weights["head1.weight"], thought))))
    return conv(weights["head3.weight"], thought)


def answer(weights: Weights, picture: Tensor, iterations: int, norm: nn.Module | None = None) -> Tensor:
    """Projection, iterations, head."""
    thought = torch.relu(conv(weights["projection.weight"], picture))
    return read(weights, think(weights, thought, picture, iterations, norm))


def weights_of(module: nn.Module) -> Weights:
    """The parameters by name."""
    return dict(module.named_parameters())


def test_the_papers_parameters():
    """3·128 + 131·128 + 4·128² + 128·32 + 32·8 + 8·2 kernels of nine; projection and last two of the head are kept."""
    model = DTNet2D()
    weights = weights_of(net(model))
    kernels = {name: weight.shape[0] * weight.shape[1] for name, weight in weights.items()}
    assert all(weight.shape[2:] == (3, 3) for weight in weights.values())
    assert kernels == {
        "projection.weight": 3 * 128,
        "recall.weight": 131 * 128,
        "blocks.0.conv1.weight": 128**2,
        "blocks.0.conv2.weight": 128**2,
        "blocks.1.conv1.weight": 128**2,
        "blocks.1.conv2.weight": 128**2,
        "head1.weight": 128 * 32,
        "head2.weight": 32 * 8,
        "head3.weight": 8 * 2,
    }
    assert sum(weight.numel() for weight in weights.values()) == 783_504
    prunable = list(model.prunable(net(model)))
    assert prunable == [name for name in kernels if name not in ("projection.weight", "head2.weight", "head3.weight")]
    # 9·(131·128 + 4·128² + 128·32); the paper's 777,600 is this number
    assert sum(weights[name].numel() for name in prunable) == 777_600


def test_without_recall_there_is_one_weight_less():
    """The recall convolution is neither there nor prunable."""
    plain = DTNet2D(width=4, recall=False)
    assert set(weights_of(net(DTNet2D(width=4)))) - set(weights_of(net(plain))) == {"recall.weight"}
    assert len(plain.prunable(net(plain))) == 5


@pytest.mark.parametrize("recall", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_thirty_iterations_equal_a_straightforward_implementation(recall: bool, dtype: torch.dtype):
    """To 1e-5 of the largest output in float32, to 1e-12 in float64."""
    module, picture = net(DTNet2D(width=12, recall=recall), dtype), pictures(dtype)
    with torch.no_grad():
        expected = answer(weights_of(module), picture, 30)
        found = module(picture)
    assert expected.shape == (4, 2, 10, 10)
    assert float(expected.abs().max()) > 1e-3
    tolerance = (1e-5 if dtype == torch.float32 else 1e-12) * float(expected.abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("recall", [True, False])
def test_the_norm_is_torchs_group_norm_of_four_groups(recall: bool):
    """After every convolution of a block, nn.GroupNorm(4, width, affine=False); no parameter more."""
    model = DTNet2D(width=12, iterations=6, recall=recall, norm=True)
    module, picture = net(model), pictures()
    norm = nn.GroupNorm(4, 12, affine=False)
    weights = weights_of(module)
    assert list(weights) == list(weights_of(net(DTNet2D(width=12, recall=recall))))
    expected = answer(weights, picture, 6, norm)
    torch.testing.assert_close(module(picture), expected, rtol=1e-10, atol=1e-12)
    assert not torch.allclose(expected, answer(weights, picture, 6))


def test_widths_that_do_not_divide_into_groups_are_refused():
    """Ten channels have no four groups, and without the norm need none."""
    with pytest.raises(ValueError, match="width 10 does not divide into the 4 groups"):
        DTNet2D(width=10, norm=True)
    assert DTNet2D(width=10).width == 10


@pytest.mark.parametrize("points", [(5, 2), (1, 4, 11), (3,), (2, 7, 2)])
def test_a_sweep_equals_separate_runs_in_the_order_asked_for(points: tuple[int, ...]):
    """Outputs of one pass at any budgets, below and beyond the 6 of training."""
    model = DTNet2D(width=8, iterations=6)
    module, picture = net(model), pictures()
    swept = module(picture, **model.sweep_call(points))
    expected = torch.stack([answer(weights_of(module), picture, iterations) for iterations in points])
    torch.testing.assert_close(swept, expected, rtol=1e-10, atol=1e-12)
    assert len({float(output.detach().sum()) for output in expected}) == len(set(points))


def test_pictures_of_any_size_are_read():
    """The weights know no size."""
    module, picture = net(DTNet2D(width=8, iterations=5)), pictures(side=17)
    torch.testing.assert_close(module(picture), answer(weights_of(module), picture, 5), rtol=1e-10, atol=1e-12)


def test_the_loss_mixes_the_full_and_the_progressive_one():
    """0.99·CE after all iterations + 0.01·CE of n iterations without gradient and k with, value and gradient."""
    model = DTNet2D(width=6, iterations=6)
    module, picture = net(model), pictures()
    targets = torch.randint(0, 2, (4, 10, 10), generator=torch.Generator().manual_seed(2))
    call = model.training_call(random.Random(3))
    assert call["start"] > 0
    loss = model.loss(
        module(picture, **call), targets, picture, lambda out, right, _: functional.cross_entropy(out, right)
    )
    weights = weights_of(module)
    with torch.no_grad():
        early = think(weights, torch.relu(conv(weights["projection.weight"], picture)), picture, call["start"])
    part = read(weights, think(weights, early, picture, call["steps"]))
    expected = 0.99 * functional.cross_entropy(answer(weights, picture, 6), targets)
    expected = expected + 0.01 * functional.cross_entropy(part, targets)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)
    mine, theirs = (torch.autograd.grad(value, list(weights.values())) for value in (loss, expected))
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-13)


def test_stacked_members_compute_what_single_ones_do():
    """With the progressive call of training, with and without the norm."""
    check_model(DTNet2D(width=4, iterations=3), Shapes((3, 10, 10), 2))
    check_model(DTNet2D(width=4, iterations=3, norm=True, recall=False), Shapes((3, 10, 10), 2))


def test_the_papers_sizes_are_the_defaults():
    """Width 128, 30 iterations, recall, no norm, α = 0.01."""
    assert DTNet2D() == DTNet2D(width=128, iterations=30, recall=True, alpha=0.01, norm=False)
