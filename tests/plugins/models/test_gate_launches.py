"""The kernels of gates, interpreted: each computes what its twin in torch does, and a pass with them learns alike."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from gate_calls import CELLS, at_step, learned_by_kernels

from ticketbench_models.stacked_layer import stepwise

BLOCKS = {
    "state_forward": (1, 1),
    "state_backward": (1, 1, 1),
    "gated_forward": (3, 1, 1, 1),
    "gated_backward": (3, 1, 1, 1),
    "enter_forward": (4, 1, 1),
    "enter_backward": (4, 1, 1),
    "leave_forward": (4, 1, 1),
    "leave_backward": (4, 1, 1, 1),
    "memory_forward": (4, 1, 1, 1),
    "memory_backward": (4, 1, 1, 1, 1),
}
"""Function -> the blocks of units that each of its tensors has."""
SIZES = {"fleet": (3, 2, 2, 7), "member": (2, 3, 5), "one unit": (2, 2, 1, 1), "many units": (1, 2, 1, 515)}
"""(fleet, steps, batch, units) or (steps, batch, units)."""


def drawn(*shape: int, scale: float = 1.0) -> torch.Tensor:
    """Uniform numbers around zero, as gates and sums may be."""
    return (2 * torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape))) - 1) * scale


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", BLOCKS)
def test_a_kernel_computes_what_its_twin_does(name: str, size: str, interpreted):
    """To the rounding of fp32, in views of one step of many; all other steps keep every bit."""
    *lead, units = SIZES[size]
    buffers = [drawn(*lead, blocks * units, scale=2.0) + 0.1 * place for place, blocks in enumerate(BLOCKS[name])]
    twins = [buffer.clone() for buffer in buffers]
    at_step(name, False, 1, *twins)
    _, (_, _, _, *found) = interpreted(at_step, name, True, 1, *buffers)
    changed = 0
    for before, one, other in zip(buffers, found, twins, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-6, atol=1e-5)
        assert one.select(-3, 0).equal(before.select(-3, 0))
        changed += not one.equal(before)
    assert changed >= 1


@pytest.mark.parametrize("name", ["state_forward", "gated_forward", "memory_forward"])
def test_sums_far_from_zero_close_or_open_gates(name: str, interpreted):
    """±1,000, ±88 and 0 give what torch gives, and no NaN."""
    sums = torch.tensor([-1000.0, -88.0, 0.0, 88.0, 1000.0])
    buffers = [sums.repeat(blocks).expand(1, 1, 1, -1).clone() for blocks in BLOCKS[name]]
    twins = [buffer.clone() for buffer in buffers]
    at_step(name, False, 0, *twins)
    _, (_, _, _, *found) = interpreted(at_step, name, True, 0, *buffers)
    for one, other in zip(found, twins, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-6, atol=0 if name == "state_forward" else 1e-30)


def test_tanh_keeps_its_digits_near_zero(interpreted):
    """Within 2·10⁻⁷ of each value from 10⁻⁶ to 20, relatively, against float64."""
    sums = torch.cat([torch.logspace(-6, 1.3, 301), -torch.logspace(-6, 1.3, 300)]).view(1, 1, 1, -1)
    _, (_, _, _, _, hidden) = interpreted(at_step, "state_forward", True, 0, sums, torch.zeros_like(sums))
    exact = sums.double().tanh()
    assert float(((hidden.double() - exact) / exact).abs().max()) < 2e-7


@pytest.mark.parametrize("cell", CELLS)
def test_a_pass_with_kernels_learns_what_the_cell_s_own_step_does(cell: str, interpreted):
    """States and gradients of a fleet of two over three steps, from states that were carried."""
    own, units = CELLS[cell], 3
    rows = len(own.gates) * units
    inputs, bias = drawn(2, 3, 2, 4), drawn(2, rows)
    weights = [drawn(2, rows, 4 if role == "input" else units) for role in own.roles]
    initial = [drawn(2, 2, units) for _ in range(own.carries)]
    found, _ = interpreted(learned_by_kernels, cell, inputs, bias, weights, initial)
    leaves = [part.double().requires_grad_() for part in (inputs, bias, *weights, *initial)]
    named = dict(zip(own.roles, leaves[2:], strict=False))
    states = stepwise(own, leaves[0], named, leaves[1], leaves[2 + len(named) :], every=True)
    expected = torch.autograd.grad([part.square().sum() for part in states], leaves)
    for one, other in zip(found, (*states, *expected), strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed: pip install triton")
def test_what_a_kernel_would_misread_is_refused():
    """Another type, and values that do not lie side by side."""
    from ticketbench_models.gate_launches import state_forward

    with pytest.raises(ValueError, match=r"takes fp32 values that lie side by side, not torch\.float64"):
        state_forward(torch.zeros(2, 3).double(), torch.zeros(2, 3).double())
    with pytest.raises(ValueError, match=r"in strides of \(1, 2\): take the functions of gates\.py"):
        state_forward(torch.zeros(3, 2).mT, torch.zeros(2, 3))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available() or find_spec("triton") is None, reason="no GPU, or no Triton")
@pytest.mark.parametrize("size", [*SIZES.values(), (5, 2, 64, 400)], ids=str)
@pytest.mark.parametrize("name", BLOCKS)
def test_on_a_gpu_a_kernel_computes_what_its_twin_does(name: str, size: tuple[int, ...]):
    """Compiled; all other steps keep every bit."""
    *lead, units = size
    buffers = [drawn(*lead, blocks * units, scale=2.0).cuda() + 0.1 * at for at, blocks in enumerate(BLOCKS[name])]
    found, twins = ([buffer.clone() for buffer in buffers] for _ in range(2))
    at_step(name, True, 1, *found)
    at_step(name, False, 1, *twins)
    for before, one, other in zip(buffers, found, twins, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-5)
        assert one.select(-3, 0).equal(before.select(-3, 0))
