"""The iterations of many deep thinkers: their way back by hand against autograd, from any first thought."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ticketbench import FleetConv, fleet_conv
from ticketbench_models.thinking import TOGETHER, Iteration, Pass, Tape, think_through, together_on

SHAPE = (2, 3, 5, 4)
"""Members, batch, positions, channels."""


def drawn(*shape: int, seed: int, scale: float = 1.0) -> Tensor:
    """Normal numbers of which a gradient can be asked for."""
    numbers = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (scale * numbers).requires_grad_()


def plainly(
    thought: Tensor, seen: Tensor | None, recall: Tensor | None, blocks: list[Tensor], iterations: int
) -> Tensor:
    """One convolution after another, as differentiable calls."""
    thought = thought.movedim(-1, 2)
    for _ in range(iterations):
        if recall is not None:
            thought = fleet_conv(thought, recall, seen.movedim(-1, 2)).relu()
        for first, second in (blocks[:2], blocks[2:]):
            thought = fleet_conv(fleet_conv(thought, first).relu(), second, thought).relu()
    return thought.movedim(2, -1)


@pytest.mark.parametrize("with_recall", [True, False])
@pytest.mark.parametrize(
    "wanted", [Pass(0, 3), Pass(2, 1), Pass(0, 4, 3, 1), Pass(0, 3, 3, 2), Pass(0, 3, 2, 0)], ids=str
)
def test_a_pass_from_any_thought_is_what_autograd_has(wanted: Pass, with_recall: bool):
    """The first thought has numbers below zero, too, and a gradient there."""
    thought, seen = drawn(*SHAPE, seed=1), drawn(*SHAPE, seed=2) if with_recall else None
    recall, *blocks = (drawn(2, 4, 4, 3, seed=seed, scale=0.4) for seed in range(3, 8))
    recall = recall if with_recall else None
    found = think_through(thought, seen, recall, blocks, True, wanted)
    with torch.no_grad():
        start = plainly(thought, seen, recall, blocks, wanted.unkept)
    expected = [plainly(start if wanted.unkept else thought, seen, recall, blocks, wanted.kept)]
    if wanted.early:
        with torch.no_grad():
            middle = plainly(thought, seen, recall, blocks, wanted.cut)
        early = middle if wanted.cut else thought
        expected.append(plainly(early, seen, recall, blocks, wanted.early - wanted.cut))
    leaves = [leaf for leaf in (thought, seen, recall, *blocks) if leaf is not None]
    upstream = [drawn(*SHAPE, seed=9 + at).detach() for at in range(len(expected))]
    mine, theirs = (
        torch.autograd.grad(outputs, leaves, upstream, allow_unused=True, materialize_grads=True)
        for outputs in (found, expected)
    )
    for one, other in zip((*found, *mine), (*expected, *theirs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
    assert bool(mine[0].any()) == (wanted.unkept == 0)


def test_thoughts_lie_in_two_places():
    """Whatever the number of iterations."""
    weights = [drawn(2, 4, 4, 3, seed=seed).detach() for seed in range(5)]
    layers = Iteration.of(weights[0], weights[1:], True, torch.float64)
    thoughts = layers.thoughts(drawn(*SHAPE, seed=6).detach(), drawn(*SHAPE, seed=7).detach())
    assert len({next(thoughts).data_ptr() for _ in range(9)}) == 2


def test_a_tape_has_one_iterations_batch_behind_the_others():
    """Neighbours do not touch."""
    tape = Tape.like(FleetConv.moved_in(torch.zeros(2, 3, 5, 4)), {"a": 3})
    for number in range(3):
        tape.at("a", number).fill_(number)
    assert tape.span("a", 1, 3)[0, :, 0, 0].tolist() == [1, 1, 1, 2, 2, 2]


def test_weight_gradients_are_added_up_out_of_the_caches_of_a_cpu():
    """One iteration by itself there, and many in one product elsewhere."""
    assert together_on(torch.device("cpu"), 30) == 1
    assert together_on(torch.device("cuda"), 30) == TOGETHER
    assert together_on(torch.device("cuda"), 3) == 3
