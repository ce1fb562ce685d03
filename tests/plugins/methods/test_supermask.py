"""Supermasks: their criteria by hand, and what stands under them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from rewinding import pass_by, pretend
from trainings import trainings

from ticketbench.testing import check_method, run_method, trial_for
from ticketbench_methods.supermask import CRITERIA, Supermask

FIRST = torch.tensor([1.0, -2.0, 3.0, -4.0])
LAST = torch.tensor([2.0, -1.0, -5.0, -4.0])


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ("large_final", [2, 1, 5, 4]),
        ("small_final", [-2, -1, -5, -4]),
        ("large_init", [1, 2, 3, 4]),
        ("small_init", [-1, -2, -3, -4]),
        ("magnitude_increase", [1, -1, 2, 0]),
        ("movement", [1, 1, 8, 0]),
        ("large_final_same_sign", [2, 1, 0, 4]),
        ("large_final_diff_sign", [0, 0, 5, 0]),
        # |w_i| of variance 1.25 and |w_f| of 2.5: α = √½
        ("large_init_large_final", [1, 0.5**0.5, 3, 4 * 0.5**0.5]),
        ("small_init_small_final", [-2 * 0.5**0.5, -2, -5 * 0.5**0.5, -4]),
    ],
)
def test_criteria_by_hand(criterion: str, expected: list[float]):
    """From 1, −2, 3, −4 to 2, −1, −5, −4."""
    assert CRITERIA[criterion](FIRST, LAST).tolist() == pytest.approx(expected)


def test_a_layer_that_is_all_the_same_has_a_criterion():
    """No division by a deviation of zero."""
    assert CRITERIA["large_init_large_final"](FIRST, torch.zeros(4)).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("then", ["stop", "train"])
def test_signs_of_the_first_weights_stand_under_the_mask(then: Any):
    """± the layer's deviation where sign and size held; the step is the last one, or the first."""
    trial = trial_for(density=0.3)
    start = trial.parameters
    (request,) = [pretend(trial, one, 1) or one for one in trainings(Supermask(then=then), trial)]
    assert (request.until, trial.step) == (None, 40 if then == "stop" else 0)
    for name, kept in trial.mask.items():
        constant = start[name].sign() * start[name].std(correction=0)
        assert trial.weights[name].equal(constant.where(kept, 0))
    assert [int(kept.sum()) for kept in trial.mask.values()] == [18, 9]


def test_rounds_fall_by_the_same_factor_and_keep_to_what_was_left():
    """To √0.36 = 0.6 and to 0.36 of 90 weights, each training from the first weights."""
    trial = trial_for(density=0.36)
    start, seen = trial.parameters, []
    for request in trainings(Supermask("movement", "start", "train", 2), trial):
        assert trial.step == 0
        for name, kept in trial.mask.items():
            assert trial.weights[name].equal(start[name].where(kept, 0))
        seen.append(trial.mask)
        pretend(trial, request, len(seen))
    seen.append(trial.mask)
    assert [sum(int(kept.sum()) for kept in mask.values()) for mask in seen] == [90, 54, 32]
    assert not any((seen[2][name] & ~seen[1][name]).any() for name in trial.mask)
    assert all(trial.weights[name].equal(start[name].where(kept, 0)) for name, kept in trial.mask.items())


def test_a_supermask_is_judged_untrained():
    """After one training nothing moves any more; with "train" another schedule follows."""
    (found,) = run_method(Supermask())
    assert (found.status, found.steps) == ("ok", 40)
    sizes = {round(float(size), 6) for size in found.weights["0.weight"].abs().unique()}
    assert len(sizes) == 2
    assert run_method(Supermask(then="train", rounds=2))[0].steps == 120
    assert [Supermask(then="train", rounds=2).trainings(density) for density in (0.5, 1.0)] == [3, 1]
    trial = trial_for(density=1.0)
    pass_by(trial, trial.train())
    assert list(Supermask().draw(trial)) == []


@pytest.mark.parametrize("then", ["stop", "train"])
def test_the_contract(then: Any):
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(Supermask(then=then))
