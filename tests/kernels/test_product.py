"""Linear layers whose weights' gradients are computed where they are used, against torch's product and the update."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fleet_updates import Drawn, drawn, pace_of
from torch import Tensor

from ticketbench.kernels.pace import Pace
from ticketbench.kernels.product import MOST_EXAMPLES, adam_linear_, sgd_linear_, weight_gradient
from ticketbench.kernels.update import adam_twin_, sgd_twin_

ADAM: dict[str, Any] = {"betas": (0.9, 0.999), "epsilon": 1e-8}
SHAPES = ((1, 1, 1), (7, 13, 5), (65, 67, 60), (3, 130, 33), (129, 9, 60))
"""Outputs, inputs, examples: within a tile, over its edges both ways, over a step of the sum."""


def layer(fleet: int, outs: int, ins: int, batch: int, seed: int = 0) -> tuple[Drawn, Tensor, Tensor]:
    """Stacked weights with their slots, inputs, and gradients of outputs."""
    source = torch.Generator().manual_seed(seed)
    inputs = torch.randn(fleet, batch, ins, generator=source)
    return drawn(fleet, outs, ins, seed=seed), inputs, torch.randn(fleet, batch, outs, generator=source)


def nearly(found: Tensor, expected: Tensor) -> None:
    """Equal but for the order of a sum over examples."""
    torch.testing.assert_close(found, expected, rtol=2e-5, atol=2e-5)


def test_the_gradient_is_that_of_autograd():
    """Of each member's own linear layer."""
    given, inputs, upstream = layer(3, 4, 5, 6)
    weight = given.weight.clone().requires_grad_()
    outputs = torch.stack([torch.nn.functional.linear(x, w) for x, w in zip(inputs, weight, strict=True)])
    (expected,) = torch.autograd.grad(outputs, weight, upstream)
    nearly(weight_gradient(inputs, upstream), expected)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("fleet", [1, 3])
def test_the_kernel_equals_the_product_and_the_twin(interpreted, fleet: int, shape: tuple[int, int, int]):
    """Adam and SGD with Nesterov's momentum, coupled and decoupled decay.

    ε is large here: where it is not, Adam turns a gradient that is nearly zero into a whole step of either sign.
    """
    for decay in ({"decay": True}, {"shrink": True}):
        given, inputs, upstream = layer(fleet, *shape)
        pace, gradient = pace_of(fleet, **decay), weight_gradient(inputs, upstream)
        mask, keywords = given.mask, {**ADAM, "epsilon": 0.1}
        state = (given.first, given.second, pace)
        _, found = interpreted(adam_linear_, given.weight, inputs, upstream, mask, *state, **keywords)
        expected = [tensor.clone() for tensor in (given.weight, given.first, given.second)]
        adam_twin_(expected[0], gradient, mask, *expected[1:], pace, **keywords)
        for one, other in zip((found[0], found[4], found[5]), expected, strict=True):
            nearly(one, other)
            assert not one[~mask].any()
        _, found = interpreted(
            sgd_linear_, given.weight, inputs, upstream, mask, given.first, pace, momentum=0.9, nesterov=True
        )
        sgd_twin_(given.weight, gradient, mask, given.first, pace, momentum=0.9, nesterov=True)
        for one, other in ((found[0], given.weight), (found[4], given.first)):
            nearly(one, other)
            assert not one[~mask].any()


def test_without_mask_and_momentum(interpreted):
    """The plain update; in TF32 it differs by no more, as the interpreter multiplies exactly."""
    given, inputs, upstream = layer(2, 5, 9, 17)
    pace = pace_of(2)
    _, found = interpreted(sgd_linear_, given.weight, inputs, upstream, None, None, pace, precision="tf32")
    gradient = torch.einsum("fbo,fbi->foi", upstream.double(), inputs.double())
    nearly(found[0], (given.weight - pace.rate.view(-1, 1, 1) * gradient).float())
    _, found = interpreted(adam_linear_, given.weight, inputs, upstream, None, given.first, given.second, pace, **ADAM)
    nearly(found[4], (0.9 * given.first + 0.1 * gradient).float())


def test_gradients_that_are_not_finite_stay_outside_the_mask(interpreted):
    """An output whose gradient is nan, and whose weights are all pruned; a member that is not live keeps its bits."""
    given, inputs, upstream = layer(3, 5, 7, 4)
    given.mask[0, 2] = False
    for tensor in (given.weight, given.first, given.second):
        tensor[0, 2] = 0
    upstream[0, :, 2] = torch.nan
    upstream[1] = torch.inf
    pace = pace_of(3, dead=(1,))
    state = (given.weight, inputs, upstream, given.mask, given.first, given.second)
    before = [tensor.clone() for tensor in state]
    _, after = interpreted(adam_linear_, *state, pace, **ADAM)
    adam_linear_(*state, pace, **ADAM)
    for at in (0, 4, 5):
        for found in (after[at], state[at]):
            assert bool(found.isfinite().all())
            assert not found[0, 2].any()
            assert torch.equal(found[1], before[at][1])
            assert not torch.equal(found[2], before[at][2])


def test_a_large_batch_goes_by_torchs_product(interpreted):
    """The result is the update's own, bit for bit in SGD."""
    given, inputs, upstream = layer(2, 3, 4, MOST_EXAMPLES + 1)
    pace = pace_of(2)
    _, found = interpreted(sgd_linear_, given.weight, inputs, upstream, given.mask, None, pace)
    sgd_twin_(given.weight, weight_gradient(inputs, upstream), given.mask, None, pace)
    assert torch.equal(found[0], given.weight)


def test_what_is_no_batch_of_these_layers_is_refused(interpreted):
    """Another batch for the outputs; a weight that is no matrix."""
    given, inputs, upstream = layer(2, 3, 4, 5)
    with pytest.raises(ValueError, match=r"needs 'output_gradients' .* of shape \(2, 5, 3\) on cpu, not "):
        interpreted(sgd_linear_, given.weight, inputs, upstream[:, 1:].contiguous(), given.mask, None, pace_of(2))
    with pytest.raises(ValueError, match=r"have weights \(fleet, out, in\) .*, not \(2, 12\) and \(2, 5, 4\)"):
        interpreted(sgd_linear_, given.weight.view(2, 12), inputs, upstream, None, None, pace_of(2))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("shape", [*SHAPES, (300, 784, 60)], ids=str)
def test_on_a_gpu_the_kernels_equal_product_and_twin(shape: tuple[int, int, int]):
    """Compiled, in fp32; in TF32 within what ten bits of a factor leave."""
    given, inputs, upstream = layer(3, *shape)
    weight, mask, first, second = (tensor.cuda() for tensor in (given.weight, given.mask, given.first, given.second))
    inputs, upstream = inputs.cuda(), upstream.cuda()
    pace = Pace(*(tensor.cuda() for tensor in vars(pace_of(3, dead=(1,))).values()))
    gradient = weight_gradient(inputs.double(), upstream.double()).float()
    for precision, tolerance in (("ieee", 2e-5), ("tf32", 0.02)):
        found, expected = ([tensor.clone() for tensor in (weight, first, second)] for _ in range(2))
        adam_linear_(
            found[0], inputs, upstream, mask, *found[1:], pace, betas=(0.9, 0.999), epsilon=1.0, precision=precision
        )
        adam_twin_(expected[0], gradient, mask, *expected[1:], pace, betas=(0.9, 0.999), epsilon=1.0)
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
        found, expected = ([tensor.clone() for tensor in (weight, first)] for _ in range(2))
        sgd_linear_(found[0], inputs, upstream, mask, found[1], pace, momentum=0.9, precision=precision)
        sgd_twin_(expected[0], gradient, mask, expected[1], pace, momentum=0.9)
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=5 * tolerance)
