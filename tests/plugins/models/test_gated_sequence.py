"""The hand-written backward pass of a gated recurrent unit, and the buffers it works in."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ticketbench_models.gated_sequence import Lender, gated_sequence


def parts(members: int, steps: int, batch: int = 3, features: int = 2, hidden: int = 4, seed: int = 0) -> list[Tensor]:
    """Inputs, both weights and biases of a fleet, in float64."""
    source = torch.Generator().manual_seed(seed)
    shapes = [
        (members, steps, batch, features),
        (members, 3 * hidden, features),
        (members, 3 * hidden, hidden),
        (members, 3 * hidden),
    ]
    return [torch.randn(shape, generator=source, dtype=torch.float64).requires_grad_() for shape in shapes]


def test_two_steps_by_hand():
    """One unit that reads 1 and 1; weights 0 but those of the candidate: W = 1, U = 2, so that r = z = 1/2.

    h₁ = tanh(1)/2 and h₂ = tanh(1 + h₁)/2 + h₁/2, as r · 2 h₁ = h₁.
    ∂h₂/∂U_n = (1 − n₂²)/2 · r h₁ and ∂h₂/∂W_n = (1 − n₂²)/2 · (1 + h₁') + h₁'/2 with h₁' = (1 − tanh²1)/2.
    """
    inputs = torch.ones(1, 2, 1, 1, dtype=torch.float64)
    from_input = torch.tensor([[[0.0], [0.0], [1.0]]], dtype=torch.float64, requires_grad=True)
    from_hidden = torch.tensor([[[0.0], [0.0], [2.0]]], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    first = math.tanh(1) / 2
    candidate = math.tanh(1 + first)
    output = gated_sequence(inputs, from_input, from_hidden, bias, Lender())
    assert output.item() == pytest.approx(candidate / 2 + first / 2, rel=1e-14)
    to_input, to_hidden, _ = torch.autograd.grad(output, (from_input, from_hidden, bias))
    slope, first_slope = (1 - candidate**2) / 2, (1 - math.tanh(1) ** 2) / 2
    assert to_hidden[0, 2].item() == pytest.approx(slope * first / 2, rel=1e-13)
    assert to_input[0, 2].item() == pytest.approx(slope * (1 + first_slope) + first_slope / 2, rel=1e-13)


@pytest.mark.parametrize("steps", [1, 2, 6])
def test_gradients_equal_finite_differences(steps: int):
    """Central differences at every input, weight and bias of two members, in float64."""
    own, lender = parts(2, steps), Lender()
    upstream = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(7), dtype=torch.float64)

    def value() -> float:
        with torch.no_grad():
            return float((gated_sequence(*own, Lender()) * upstream).sum())

    for part, found in zip(own, torch.autograd.grad(gated_sequence(*own, lender), own, upstream), strict=True):
        flat, gradient = part.detach().flatten(), found.flatten()
        for at in range(len(flat)):
            keep, ends = float(flat[at]), []
            for shift in (1e-5, -1e-5):
                flat[at] = keep + shift
                ends.append(value())
            flat[at] = keep
            assert abs((ends[0] - ends[1]) / 2e-5 - float(gradient[at])) < 1e-8


def test_buffers_are_used_again_and_leave_no_trace():
    """A second pass with other weights takes the first one's memory, and finds what a fresh one finds."""
    lender, one, other = Lender(), parts(2, 5, seed=1), parts(2, 5, seed=2)
    torch.autograd.grad(gated_sequence(*one, lender).sum(), one)
    (kept,) = lender.free
    again = gated_sequence(*other, lender)
    assert lender.free == []
    found = torch.autograd.grad(again.sum(), other)
    assert [part.data_ptr() for part in lender.free[0]] == [part.data_ptr() for part in kept]
    for mine, fresh in zip(found, torch.autograd.grad(gated_sequence(*other, Lender()).sum(), other), strict=True):
        assert torch.equal(mine, fresh)


def test_passes_that_overlap_do_not_disturb_each_other():
    """Two forward passes, then their backward passes in the same order."""
    lender, one, other = Lender(), parts(2, 5, seed=1), parts(2, 5, seed=2)
    outputs = [gated_sequence(*own, lender) for own in (one, other)]
    for output, own in zip(outputs, (one, other), strict=True):
        found = torch.autograd.grad(output.sum(), own)
        for mine, alone in zip(found, torch.autograd.grad(gated_sequence(*own, Lender()).sum(), own), strict=True):
            assert torch.equal(mine, alone)
    assert len(lender.free) == 2


def test_other_shapes_get_other_buffers():
    """Those of a pass that was begun before are not kept."""
    lender, one, other = Lender(), parts(2, 5), parts(1, 3)
    first = gated_sequence(*one, lender)
    second = gated_sequence(*other, lender)
    torch.autograd.grad(first.sum(), one)
    assert lender.free == []
    torch.autograd.grad(second.sum(), other)
    assert [tuple(part.shape) for part in lender.free[0]] == [(1, 3, 3, 12), (1, 3, 3, 4), (1, 4, 3, 4)]


def test_a_second_backward_pass_is_refused():
    """What it needs is gone."""
    own = parts(1, 3)
    output = gated_sequence(*own, Lender()).sum()
    torch.autograd.grad(output, own, retain_graph=True)
    with pytest.raises(RuntimeError, match="has run already"):
        torch.autograd.grad(output, own)


def test_it_is_differentiable_once():
    """A gradient of a gradient is refused, and not silently zero."""
    own = parts(1, 3)
    gradient = torch.autograd.grad(gated_sequence(*own, Lender()).square().sum(), own, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient[2].sum().backward()
