"""Dynamic network surgery against steps written out in plain torch."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from plainly import Plainly
from stepwise import NAMES, exact_trial

from ticketbench import OptionError, Scope, Trial
from ticketbench.testing import carry_out, check_method
from ticketbench_methods.surgery import CONNECTED, DynamicSurgery, limits


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """A 6-8-3 network at density ½."""
    return exact_trial(tiny_suite, cells_of, trial_of, "magnitude")


def test_training_equals_steps_written_out(trial):
    """Updates at 8, 12, … 28 of 40 steps: all weights move by ∂L/∂(θ ⊙ M), some come back, 24 + 12 are left."""
    requests = DynamicSurgery(begin=0.2, end=0.8, every=4).draw(trial)
    masks = {name: torch.ones(trial.weights[name].shape, dtype=torch.bool) for name in NAMES}
    plain = Plainly.of(trial, {})

    def seen(now, drawn):
        return {name: part + (part.detach() * masks[name] - part.detach()) for name, part in now.weights.items()}, 0.0

    came_back = 0
    for step in (8, 12, 16, 20, 24, 28):
        carry_out(trial, request := next(requests))
        assert request.until == step
        plain.train(step, seen)
        plain.check(trial)
        if step > 8:
            for name in NAMES:
                assert trial.extras[f"{CONNECTED}{name}"].equal(masks[name])
                assert trial.computed[name].equal(trial.weights[name] * masks[name])
        for name, weight in plain.weights.items():
            size = weight.detach().abs()
            limit = size.flatten().sort(descending=True).values[size.numel() // 2 - 1]
            before = masks[name]
            masks[name] = (size >= 1.1 * limit) | (before & (size >= 0.9 * limit))
            came_back += int((masks[name] & ~before).sum())
    carry_out(trial, request := next(requests))
    assert request.until == 32
    plain.train(32, seen)
    plain.check(trial)
    assert next(requests, None) is None
    own = sum(int(part.sum()) for part in masks.values())
    found = {name: value for _, _, name, value in trial.findings}
    assert found == {"spliced": came_back / 72, "own density": own / 72}
    assert came_back > 0
    for name, count in zip(NAMES, (24, 12), strict=True):
        size = plain.weights[name].detach().abs()
        order = (size + 10 * masks[name]).flatten().argsort(descending=True)[:count]
        assert sorted(trial.mask[name].flatten().nonzero().flatten().tolist()) == sorted(order.tolist())


def test_between_the_thresholds_a_weight_stays_what_it_was(trial):
    """With τ = 1 at the 24th of 48: 1.2 on, 1.05 to 0.95 as before, 0.85 off."""
    sizes = torch.zeros(8, 6, dtype=torch.float64)
    sizes.view(-1)[:24] = torch.tensor([5.0] * 19 + [1.2, 1.2, 1.05, 1.05, 1.0])
    sizes.view(-1)[24:27] = torch.tensor([0.95, 0.95, 0.85])
    trial.set_weights({"1.weight": sizes})
    before = {name: torch.arange(mask.numel()).view(mask.shape) % 2 == 0 for name, mask in trial.mask.items()}
    found = DynamicSurgery().operated(trial, before)["1.weight"].view(-1)
    assert found[:28].tolist() == [True] * 21 + [False, True, False, True, False, False, False]
    assert not found[28:].any()


@pytest.mark.parametrize("scope", ["layerwise", "global", "erk"])
def test_as_many_reach_the_limits_as_the_density_says(scope: Scope):
    """Of 100 + 20 distinct sizes, 30 do; globally one limit is all layers'."""
    source = torch.Generator().manual_seed(0)
    sizes = {"a": torch.rand(10, 10, generator=source), "b": 3 * torch.rand(10, 2, generator=source)}
    found = limits(sizes, 0.25, scope)
    assert sum(int((size >= found[name]).sum()) for name, size in sizes.items()) == 30
    assert (found["a"] == found["b"]) == (scope == "global")


def test_updates_become_rare():
    """With γ = 0 every chance is taken; with γ = 0.1 the expected number of them, ever farther apart."""
    assert DynamicSurgery(gamma=0.0).updates(100) == [25, 35, 45, 55, 65]
    steps = DynamicSurgery(gamma=0.1, every=1, begin=0.0, end=1.0).updates(1000)
    chances = [1 / (1 + 0.1 * step) for step in range(1000)]
    assert len(steps) == math.ceil(sum(chances))
    gaps = [later - step for step, later in pairwise(steps)]
    assert gaps[-1] > 10 * gaps[0]


def test_what_cannot_be_meant_is_refused(tiny_suite, cells_of):
    """An end before the beginning; a schedule without a step between them."""
    with pytest.raises(OptionError, match=r"no step to update the mask at .* of 1"):
        DynamicSurgery(begin=0.3, end=0.4).updates(1)
    method = '{ method = { name = "surgery", begin = 0.8 } }'
    with pytest.raises(OptionError, match=r"begin = 0\.8 must be less than end = 0\.75"):
        cells_of(tiny_suite(('{ method = "dense" }', method)))


def test_the_contract():
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(DynamicSurgery(every=4))
