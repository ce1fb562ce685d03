"""The written pass over a sequence: against the cells' own steps, finite differences, and hand-computed numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from ticketbench_models.cells import Cell, GRUCell, LSTMCell, PeepholeCell, RNNCell
from ticketbench_models.sequence import written_sequence
from ticketbench_models.sequence_buffers import Lender
from ticketbench_models.stacked_layer import stepwise

CELLS = (RNNCell(), LSTMCell(), PeepholeCell(), GRUCell())
BATCH, FEATURES, HIDDEN = 3, 2, 5
by_cell = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: type(cell).__name__)


class Fleet:
    """Inputs, biases, weights and states at first, in float64; half of the last member's weights are zero."""

    def __init__(self, cell: Cell, members: int, steps: int, seed: int = 0) -> None:
        source = torch.Generator().manual_seed(seed)

        def drawn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=source, dtype=torch.float64)

        self.cell, count = cell, len(cell.gates) * HIDDEN
        self.inputs, self.bias = drawn(members, steps, BATCH, FEATURES), drawn(members, count)
        self.weights = {role: drawn(members, count, FEATURES if role == "input" else HIDDEN) for role in cell.roles}
        for weight in self.weights.values():
            weight[-1] *= torch.rand(weight[-1].shape, generator=source) < 0.5
        self.initial = [drawn(members, BATCH, HIDDEN) for _ in range(cell.carries)]
        for leaf in self.leaves(carried=True):
            leaf.requires_grad_()

    def leaves(self, carried: bool = False) -> list[Tensor]:
        """What there are gradients for."""
        return [self.inputs, self.bias, *self.weights.values(), *(self.initial if carried else [])]

    def written(
        self, lender: Lender | None = None, carried: bool = False, every: bool = False, together: bool = False
    ) -> tuple[Tensor, ...]:
        """By the written pass."""
        start = self.initial if carried else ()
        return written_sequence(self.cell, self.inputs, self.weights, self.bias, start, every, lender, together)

    def stepwise(self, carried: bool = False, every: bool = False) -> tuple[Tensor, ...]:
        """By the cell's own steps, and autograd."""
        return stepwise(self.cell, self.inputs, self.weights, self.bias, self.initial if carried else (), every)


def gradients(outputs: Sequence[Tensor], leaves: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Of a fixed weighing of all outputs."""
    source = torch.Generator().manual_seed(7)
    upstream = [torch.randn(part.shape, generator=source, dtype=part.dtype) for part in outputs]
    return torch.autograd.grad(outputs, leaves, upstream, allow_unused=True, materialize_grads=True)


def assert_all_close(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    """To the rounding of float64."""
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12)


@by_cell
@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
@pytest.mark.parametrize("every", [False, True], ids=["last", "every"])
@pytest.mark.parametrize("carried", [False, True], ids=["zeros", "carried"])
def test_it_is_the_cell_s_own_step_over_and_over(cell: Cell, carried: bool, every: bool, together: bool):
    """States and all gradients, those of masked weights and of states at first included, are those of autograd."""
    for members, steps in ((1, 1), (3, 1), (1, 2), (3, 6)):
        fleet = Fleet(cell, members, steps)
        found, expected = fleet.written(Lender(), carried, every, together), fleet.stepwise(carried, every)
        assert len(found) == cell.carries + every
        assert_all_close(found, expected)
        leaves = fleet.leaves(carried)
        assert_all_close(gradients(found, leaves), gradients(expected, leaves))


@by_cell
@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
def test_gradients_of_one_output_alone(cell: Cell, together: bool):
    """The other outputs take no part: the last memory, every hidden state, or the last one only."""
    for place in range(cell.carries + 1):
        fleet = Fleet(cell, 2, 4)
        found = fleet.written(None, carried=True, every=True, together=together)[place : place + 1]
        expected = fleet.stepwise(carried=True, every=True)[place : place + 1]
        leaves = fleet.leaves(carried=True)
        assert_all_close(gradients(found, leaves), gradients(expected, leaves))


@by_cell
@pytest.mark.parametrize("steps", [1, 3])
def test_gradients_equal_finite_differences(cell: Cell, steps: int):
    """Central differences at every third input, weight, bias and state at first of two members, in float64."""
    fleet = Fleet(cell, 2, steps)
    leaves = fleet.leaves(carried=True)
    upstream = torch.randn(2, steps, BATCH, HIDDEN, generator=torch.Generator().manual_seed(7), dtype=torch.float64)

    def value() -> float:
        with torch.no_grad():
            return float((fleet.written(carried=True, every=True)[-1] * upstream).sum())

    found = torch.autograd.grad(fleet.written(carried=True, every=True)[-1], leaves, upstream)
    for leaf, gradient in zip(leaves, found, strict=True):
        flat = leaf.detach().flatten()
        for at in range(0, len(flat), 3):
            keep, ends = float(flat[at]), []
            for shift in (1e-5, -1e-5):
                flat[at] = keep + shift
                ends.append(value())
            flat[at] = keep
            assert abs((ends[0] - ends[1]) / 2e-5 - float(gradient.flatten()[at])) < 1e-8


def one_unit(*rows: float) -> Tensor:
    """A weight of one column, a row a gate."""
    return torch.tensor([[[row] for row in rows]], dtype=torch.float64, requires_grad=True)


def test_two_gated_steps_by_hand():
    """One unit that reads 1 and 1; weights 0 but those of the candidate: W = 1, U = 2, so that r = z = 1/2.

    h₁ = tanh(1)/2 and h₂ = tanh(1 + h₁)/2 + h₁/2, as r · 2 h₁ = h₁.
    ∂h₂/∂U_n = (1 − n₂²)/2 · r h₁ and ∂h₂/∂W_n = (1 − n₂²)/2 · (1 + h₁') + h₁'/2 with h₁' = (1 − tanh²1)/2.
    """
    inputs, bias = torch.ones(1, 2, 1, 1, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64)
    weights = {"input": one_unit(0, 0, 1), "hidden": one_unit(0, 0, 2)}
    first = math.tanh(1) / 2
    candidate = math.tanh(1 + first)
    (output,) = written_sequence(GRUCell(), inputs, weights, bias)
    assert output.item() == pytest.approx(candidate / 2 + first / 2, rel=1e-14)
    to_input, to_hidden = torch.autograd.grad(output, list(weights.values()))
    slope, first_slope = (1 - candidate**2) / 2, (1 - math.tanh(1) ** 2) / 2
    assert to_hidden[0, 2].item() == pytest.approx(slope * first / 2, rel=1e-13)
    assert to_input[0, 2].item() == pytest.approx(slope * (1 + first_slope) + first_slope / 2, rel=1e-13)


def test_two_peephole_steps_by_hand():
    """One unit that reads 1 and 1; weights 0 but W_g = 1, V_g = 2 and V_o = 3, so that i = f = 1/2.

    c₁ = tanh(1)/2; c₂ = c₁/2 + tanh(1 + 2 c₁)/2; h₂ = σ(3 c₂) tanh(c₂).
    ∂h₂/∂V_o = o (1 − o) c₂ tanh(c₂), and ∂h₂/∂V_g = h₂' (1 − g₂²) c₁/2
    with h₂' = 3 o (1 − o) tanh(c₂) + o (1 − tanh²c₂).
    """
    inputs, bias = torch.ones(1, 2, 1, 1, dtype=torch.float64), torch.zeros(1, 4, dtype=torch.float64)
    weights = {"input": one_unit(0, 0, 1, 0), "hidden": one_unit(0, 0, 0, 0), "peephole": one_unit(0, 0, 2, 3)}
    first = math.tanh(1) / 2
    candidate = math.tanh(1 + 2 * first)
    memory = first / 2 + candidate / 2
    leave, squashed = 1 / (1 + math.exp(-3 * memory)), math.tanh(memory)
    hidden, kept = written_sequence(PeepholeCell(), inputs, weights, bias)
    assert kept.item() == pytest.approx(memory, rel=1e-14)
    assert hidden.item() == pytest.approx(leave * squashed, rel=1e-14)
    (to_peephole,) = torch.autograd.grad(hidden, [weights["peephole"]])
    slope = 3 * leave * (1 - leave) * squashed + leave * (1 - squashed**2)
    assert to_peephole[0, 3].item() == pytest.approx(leave * (1 - leave) * memory * squashed, rel=1e-13)
    assert to_peephole[0, 2].item() == pytest.approx(slope * (1 - candidate**2) * first / 2, rel=1e-13)


@by_cell
def test_buffers_are_used_again_and_leave_no_trace(cell: Cell):
    """A second pass with other weights takes the first one's memory, whatever was carried, and finds the same."""
    lender, one, other = Lender(), Fleet(cell, 2, 5, seed=1), Fleet(cell, 2, 5, seed=2)
    gradients(one.written(lender, carried=True), one.leaves(carried=True))
    (kept,) = lender.free
    again = other.written(lender)
    assert lender.free == []
    found = gradients(again, other.leaves())
    assert lender.free[0].gates.data_ptr() == kept.gates.data_ptr()
    for mine, fresh in zip(found, gradients(other.written(), other.leaves()), strict=True):
        assert torch.equal(mine, fresh)


@by_cell
def test_passes_that_overlap_do_not_disturb_each_other(cell: Cell):
    """Two forward passes, then their backward passes in the same order."""
    lender, fleets = Lender(), [Fleet(cell, 2, 5, seed=seed) for seed in (1, 2)]
    outputs = [fleet.written(lender, every=True) for fleet in fleets]
    for found, fleet in zip(outputs, fleets, strict=True):
        alone = gradients(fleet.written(every=True), fleet.leaves())
        for mine, other in zip(gradients(found, fleet.leaves()), alone, strict=True):
            assert torch.equal(mine, other)
    assert len(lender.free) == 2


def test_other_forms_get_other_buffers():
    """Those of a pass that was begun before are not kept."""
    lender, one, other = Lender(), Fleet(GRUCell(), 2, 5), Fleet(GRUCell(), 1, 3)
    first, second = one.written(lender), other.written(lender)
    gradients(first, one.leaves())
    assert lender.free == []
    gradients(second, other.leaves())
    (kept,) = lender.free
    assert [tuple(part.shape) for part in (kept.gates, kept.loops, *kept.states)] == [
        (1, 3, BATCH, 3 * HIDDEN),
        (1, 3, BATCH, HIDDEN),
        (1, 4, BATCH, HIDDEN),
    ]


@by_cell
def test_a_second_backward_pass_is_refused(cell: Cell):
    """What it needs is gone."""
    fleet = Fleet(cell, 1, 3)
    output = fleet.written(Lender())[0].sum()
    torch.autograd.grad(output, fleet.leaves(), retain_graph=True)
    with pytest.raises(RuntimeError, match="has run already"):
        torch.autograd.grad(output, fleet.leaves())


@by_cell
def test_it_is_differentiable_once(cell: Cell):
    """A gradient of a gradient is refused, and not silently zero."""
    fleet = Fleet(cell, 1, 3)
    gradient = torch.autograd.grad(fleet.written()[0].square().sum(), fleet.leaves(), create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient[2].sum().backward()


def in_bf16(left: Tensor, right: Tensor) -> Tensor:
    """A product whose factors and results have eight bits."""
    return (left.bfloat16() @ right.bfloat16()).double()


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
def test_under_autocast_products_alone_are_rounded(together: bool):
    """States by hand: h' = tanh(bf16(W x) + b + bf16(U h)), with everything between in float64."""
    fleet = Fleet(RNNCell(), 2, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (found,) = fleet.written(Lender(), carried=True, together=together)
    assert found.dtype == torch.float64
    for member in range(2):
        weights = {role: weight[member].mT for role, weight in fleet.weights.items()}
        hidden = fleet.initial[0][member]
        for inputs in fleet.inputs[member]:
            total = in_bf16(inputs, weights["input"]) + fleet.bias[member] + in_bf16(hidden, weights["hidden"])
            hidden = torch.tanh(total)
        torch.testing.assert_close(found[member], hidden, rtol=1e-12, atol=1e-13)


@by_cell
@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
def test_gradients_under_autocast_point_the_same_way(cell: Cell, together: bool):
    """In the type of the weights, near those of exact products and not equal to them."""
    fleet = Fleet(cell, 2, 4)
    leaves = fleet.leaves(carried=True)
    exact = gradients(fleet.written(carried=True, every=True, together=together), leaves)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = fleet.written(carried=True, every=True, together=together)
    for one, other in zip(gradients(outputs, leaves), exact, strict=True):
        assert one.dtype == torch.float64
        assert 0 < float((one - other).norm()) < 0.05 * float(other.norm())
