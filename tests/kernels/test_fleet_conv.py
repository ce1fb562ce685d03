"""A convolution of a fleet against torch's own, member by member."""

from __future__ import annotations

import pytest
import torch
from correlations import draw
from torch.nn import functional

from ticketbench import FleetConv, fleet_conv

SPACES = ((5,), (3, 4))


@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("space", SPACES, ids=str)
def test_outputs_and_gradients_are_those_of_single_convolutions(space: tuple[int, ...], relu: bool, added: bool):
    """In fp64, of inputs, weights and what is added."""
    parts = [draw(2, 3, 4, *space, seed=1, dtype=torch.float64), draw(2, 6, 4, *[3] * len(space), dtype=torch.float64)]
    parts += [draw(2, 3, 6, *space, seed=2, dtype=torch.float64)] if added else []
    parts = [part.requires_grad_() for part in parts]
    conv = functional.conv1d if len(space) == 1 else functional.conv2d
    expected = torch.stack([conv(x, w, padding=1) for x, w in zip(*parts[:2], strict=True)])
    expected = expected + parts[2] if added else expected
    expected = expected.relu() if relu else expected
    found = fleet_conv(*parts, relu=relu)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    upstream = draw(*found.shape, seed=3, dtype=torch.float64)
    mine, theirs = (torch.autograd.grad(outputs, parts, upstream) for outputs in (found, expected))
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
    assert mine[1].is_contiguous()


def test_inputs_that_members_share_need_no_copies_of_their_own():
    """As where they are judged: expanded along the fleet."""
    shared, weight = draw(3, 4, 5), draw(2, 6, 4, 3)
    found = fleet_conv(shared.expand(2, 3, 4, 5), weight)
    torch.testing.assert_close(found[1], functional.conv1d(shared, weight[1], padding=1), rtol=1e-5, atol=1e-5)


def test_under_autocast_products_are_bf16_and_gradients_of_weights_fp32():
    """As torch's own convolution has it."""
    inputs, weight = draw(2, 3, 4, 5), draw(2, 6, 4, 3).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = fleet_conv(inputs, weight, relu=True)
    assert found.dtype == torch.bfloat16
    (gradient,) = torch.autograd.grad(found.float().sum(), weight)
    assert gradient.dtype == torch.float32
    (expected,) = torch.autograd.grad(fleet_conv(inputs, weight, relu=True).sum(), weight)
    assert float((gradient - expected).abs().max()) < 0.05 * float(expected.abs().max())


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_the_halves_of_a_way_back_by_hand_are_those_of_autograd(space: tuple[int, ...]):
    """`to_inputs` with a gate and a sum, and totals over two calls."""
    inputs, weight = draw(2, 3, *space, 4, dtype=torch.float64), draw(2, 6, 4, *[3] * len(space), dtype=torch.float64)
    upstream, beside = draw(2, 3, *space, 6, seed=4, dtype=torch.float64), draw(2, 3, *space, 4, seed=5).double()
    layer, total = FleetConv(weight), None
    leaves = [inputs.relu().requires_grad_(), weight.clone().requires_grad_()]
    outputs = fleet_conv(leaves[0].movedim(-1, 2), leaves[1]).movedim(2, -1)
    to_inputs, to_weight = torch.autograd.grad(outputs, leaves, upstream)
    own = [FleetConv.moved_in(part) for part in (inputs.relu(), upstream, beside)]
    found = layer.to_inputs(own[1], own[2], gate=own[0])
    torch.testing.assert_close(found, (to_inputs + beside) * (inputs > 0), rtol=1e-12, atol=1e-12)
    total = layer.new_total()
    for _ in range(2):
        layer.add_to_weight(own[0], own[1], total)
    torch.testing.assert_close(layer.to_weight(total), 2 * to_weight, rtol=1e-12, atol=1e-12)
