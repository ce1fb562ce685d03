"""Convolution, ReLU and pooling of many members as one product, against torch's layers and by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ticketbench_models.pooled import pooled_convolution


def torchs_layers(inputs_fbihw: Tensor, weight_foikk: Tensor, bias_fo: Tensor, padding: int) -> Tensor:
    """conv2d, ReLU and max_pool2d, a member at a time."""
    members = zip(inputs_fbihw, weight_foikk, bias_fo, strict=True)
    return torch.stack(
        [functional.max_pool2d(functional.relu(functional.conv2d(x, w, b, padding=padding)), 2) for x, w, b in members]
    )


def ours(inputs_fbihw: Tensor, weight_foikk: Tensor, bias_fo: Tensor, padding: int) -> Tensor:
    """The same from and to torch's layout."""
    inputs = inputs_fbihw.permute(0, 2, 3, 4, 1).contiguous()
    return pooled_convolution(inputs, weight_foikk, bias_fo, padding).permute(0, 4, 1, 2, 3)


def test_a_window_by_hand():
    """2·max(1, 3, 2, 3) − 1 = 5; the first 3 gets the gradient: ∂W = 3, ∂b = 1, ∂x = 2 there."""
    inputs = torch.tensor([1.0, 3.0, 2.0, 3.0]).view(1, 1, 2, 2, 1).requires_grad_()
    weight, bias = torch.full((1, 1, 1, 1, 1), 2.0, requires_grad=True), torch.tensor([[-1.0]], requires_grad=True)
    output = pooled_convolution(inputs, weight, bias, 0)
    assert output.item() == 5
    to_inputs, to_weight, to_bias = torch.autograd.grad(output, (inputs, weight, bias))
    assert to_inputs.flatten().tolist() == [0, 2, 0, 0]
    assert (to_weight.item(), to_bias.item()) == (3, 1)


def test_nothing_flows_where_the_relu_is_shut():
    """At an output of exactly 0 as below it, as in torch's ReLU."""
    inputs = torch.tensor([1.0, 3.0, 2.0, 3.0]).view(1, 1, 2, 2, 1).requires_grad_()
    for shift in (-6.0, -7.0):
        weight, bias = torch.full((1, 1, 1, 1, 1), 2.0, requires_grad=True), torch.tensor([[shift]], requires_grad=True)
        output = pooled_convolution(inputs, weight, bias, 0)
        assert output.item() == 0
        assert [float(part.abs().sum()) for part in torch.autograd.grad(output, (inputs, weight, bias))] == [0, 0, 0]


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("size", [(8, 8), (9, 8), (7, 10), (9, 11)])
def test_values_and_gradients_equal_torchs_layers_to_the_last_tie(kernel: int, padding: int, size: tuple[int, int]):
    """Small integers, so that sums are exact and most windows hold equal values; an odd last row belongs to none."""
    source = torch.Generator().manual_seed(kernel + 10 * padding)
    inputs = torch.randint(0, 3, (2, 4, 3, *size), generator=source).double().requires_grad_()
    weight = torch.randint(-1, 2, (2, 5, 3, kernel, kernel), generator=source).double().requires_grad_()
    bias = torch.randint(-1, 3, (2, 5), generator=source).double().requires_grad_()
    mine, theirs = ours(inputs, weight, bias, padding), torchs_layers(inputs, weight, bias, padding)
    assert torch.equal(mine, theirs)
    assert bool((theirs > 0).any())
    upstream = torch.randint(-3, 4, mine.shape, generator=source).double()
    for one, other in zip(
        torch.autograd.grad(mine, (inputs, weight, bias), upstream),
        torch.autograd.grad(theirs, (inputs, weight, bias), upstream),
        strict=True,
    ):
        assert torch.equal(one, other)
        assert bool(other.any())


def test_gradients_equal_finite_differences():
    """In float64, for inputs, kernels and biases."""
    source = torch.Generator().manual_seed(3)
    inputs = torch.randn(2, 2, 7, 6, 2, generator=source, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 3, 2, 3, 3, generator=source, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, 3, generator=source, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *parts: pooled_convolution(*parts, 1), (inputs, weight, bias))


def test_a_precision_of_its_own_inside():
    """Under autocast products are computed in bfloat16, and gradients come back in the weights' precision."""
    source = torch.Generator().manual_seed(4)
    inputs = torch.randn(2, 3, 8, 8, 4, generator=source)
    weight = torch.randn(2, 5, 3, 3, 3, generator=source, requires_grad=True)
    bias = torch.randn(2, 5, generator=source, requires_grad=True)
    exact = torch.autograd.grad(pooled_convolution(inputs, weight, bias, 1).sum(), (weight, bias))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = pooled_convolution(inputs, weight, bias, 1)
    assert output.dtype == torch.bfloat16
    for one, other in zip(torch.autograd.grad(output.float().sum(), (weight, bias)), exact, strict=True):
        assert one.dtype == torch.float32
        assert float((one - other).norm() / other.norm()) < 0.05
