"""A group lasso on blocks and a rising threshold for whole ones, against loops over single blocks."""

from __future__ import annotations

import pytest
import torch
from plain_loop import PlainLoop, given_trial
from torch import Tensor

from ticketbench.testing import carry_out, check_method
from ticketbench_methods.block_lasso import BlockLasso
from ticketbench_methods.blocks import block_maxima, block_norms, side_of, spread_out

PRUNABLE = ("0.weight", "2.weight")


def blocks_of(weight: Tensor, side: int) -> list[tuple[slice, slice]]:
    """The blocks of a matrix, row by row; smaller at its ends."""
    rows, columns = weight.shape
    return [
        (slice(top, min(top + side, rows)), slice(left, min(left + side, columns)))
        for top in range(0, rows, side)
        for left in range(0, columns, side)
    ]


@pytest.mark.parametrize("shape", [(4, 6), (5, 3), (1, 1), (3, 2, 2, 2)])
@pytest.mark.parametrize("side", [1, 2, 4])
def test_norms_and_maxima_are_those_of_single_blocks(shape: tuple[int, ...], side: int):
    """Of matrices that blocks fit and that they do not, and of a convolution with a row a filter."""
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    flat = weight.flatten(1)
    each = blocks_of(flat, side)
    norms = [float(flat[place].norm()) for place in each]
    assert block_norms(weight, side).flatten().tolist() == pytest.approx(norms)
    largest = torch.zeros_like(flat)
    for place in each:
        largest[place] = flat[place].abs().max()
    assert spread_out(block_maxima(weight, side), weight, side).equal(largest.view(shape))


def test_a_narrow_layer_has_single_weights():
    """16 rows of 16 weights have blocks; 15 rows, or columns of a filter, have not."""
    shapes = [(16, 16), (15, 40), (40, 15), (16, 1, 3, 5), (16, 2, 3, 3)]
    assert [side_of(torch.zeros(shape), 4, 16) for shape in shapes] == [4, 1, 1, 1, 4]


def test_a_block_of_zeros_has_no_slope():
    """3, 4 and a block of zeros: the norm 5, the gradient θ/5 and 0."""
    weight = torch.tensor([[3.0, 4.0, 0.0, 0.0]], requires_grad=True)
    norms = block_norms(weight, 2)
    assert norms.tolist() == [[5.0, 0.0]]
    (slope,) = torch.autograd.grad(norms.sum(), weight)
    assert slope.tolist() == [pytest.approx([0.6, 0.8, 0, 0])]


def lasso(weights):
    """0.01·Σ‖block‖ over blocks of 2×2."""
    return 0.01 * sum(weights[name][place].norm() for name in PRUNABLE for place in blocks_of(weights[name], 2))


def sizes_of(weight: Tensor, limit: float) -> Tensor:
    """The largest |θ| of each weight's block, as a multiple of its layer's limit."""
    found = torch.zeros_like(weight)
    for place in blocks_of(weight, 2):
        found[place] = weight[place].abs().max() / limit
    return found


@pytest.mark.parametrize("q", ["trained", "initial"])
def test_training_equals_a_plain_loop(q: str):
    """Updates at 4, 6 and 8 of 12 steps, the last one to 36 of 72 weights: whole blocks, and a part of one at most."""
    trial = given_trial()
    loop, dense = PlainLoop(trial), PlainLoop(trial)
    method = BlockLasso(strength=0.01, block=2, narrow=1, begin=0.2, ramp=0.4, end=0.8, every=2, steeper=2.2, q=q)
    if q == "trained":
        dense.train(12, lasso)
    limits = {}
    for name in PRUNABLE:
        largest = [float(dense.weights[name][place].abs().max()) for place in blocks_of(dense.weights[name], 2)]
        limits[name] = sorted(largest)[len(largest) // 2]
    thresholds, asked = dict(method.updates(12)), []
    assert list(thresholds) == [4, 6, 8]
    for request in method.draw(trial):
        if hasattr(request, "rule"):
            step = trial.step
            sizes = {name: sizes_of(loop.weights[name], limits[name]) for name in PRUNABLE}
            above = sum(int((sizes[name] >= thresholds[step]).sum()) for name in PRUNABLE)
            count = 36 if step == 8 else max(36, min(above, sum(int(loop.mask[name].sum()) for name in PRUNABLE)))
            flat = torch.cat([sizes[name].where(loop.mask[name].bool(), -1).flatten() for name in PRUNABLE])
            kept = torch.zeros(72, dtype=torch.bool)
            kept[flat.argsort(descending=True, stable=True)[:count]] = True
            first, second = kept.split([48, 24])
            loop.put({"0.weight": first.view(8, 6), "2.weight": second.view(3, 8)})
            asked.append(count)
        elif not (q == "trained" and request.until is None and trial.step == 0):
            loop.train((12 if request.until is None else request.until) - trial.step, lasso)
        carry_out(trial, request)
        if trial.step not in (0, 12):
            loop.check(trial)
    loop.check(trial)
    assert trial.step == 12
    assert 72 >= asked[0] > asked[1] > asked[2] == 36
    whole = [int(trial.mask[name][place].all()) for name in PRUNABLE for place in blocks_of(trial.mask[name], 2)]
    some = [int(trial.mask[name][place].any()) for name in PRUNABLE for place in blocks_of(trial.mask[name], 2)]
    assert sum(some) - sum(whole) <= 1
    (name, value) = trial.findings[-1][2:]
    assert (name, value >= 0) == ("density by threshold", True)


def test_without_a_lasso_steps_are_plain_and_density_one_is_one_training():
    """No regime at strength 0; under it from the first step to the last otherwise."""
    for strength, plain in ((0.0, True), (0.1, False)):
        method = BlockLasso(strength=strength, begin=0.0, ramp=0.3, end=0.8, every=2, q="initial")
        trial, seen = given_trial(), []
        for request in method.draw(trial):
            seen += [] if hasattr(request, "rule") else [request.regime is None]
            carry_out(trial, request)
        assert set(seen) == {plain}
        assert [request.until for request in method.draw(given_trial(density=1.0))] == [None]


def test_the_contract():
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(BlockLasso(every=4, block=3, narrow=1, q="initial"))
