"""Iterative pruning at initialization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import torch
from trainings import trainings

from ticketbench import Scorer, Trial
from ticketbench_methods.iterative import Iterative
from ticketbench_methods.oneshot import OneShot
from ticketbench_scorers.magnitude import Magnitude


@dataclass(frozen=True)
class Watched(Scorer):
    """Magnitude scores that note the mask they saw, and that want every pruned weight back."""

    name = "watched"
    summary = "notes what it sees"

    seen: list[dict[str, torch.Tensor]] = field(default_factory=list)
    leaks: list[int] = field(default_factory=list)

    def score(self, trial: Trial) -> Mapping[str, torch.Tensor]:
        """|θ|, and 100 for what is pruned."""
        self.seen.append(trial.mask)
        self.leaks.append(sum(int((weight != 0)[~trial.mask[name]].sum()) for name, weight in trial.weights.items()))
        return {name: weight.abs() + 100 * ~trial.mask[name] for name, weight in trial.weights.items()}


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """A 6-100-3 network of 900 weights."""
    _, cells = cells_of(tiny_suite(("hidden = [8]", "hidden = [100]")))
    made = trial_of(cells[0])
    made.scorer = Watched()
    return made


def counts(trial: Trial) -> list[int]:
    """How many weights each round saw, and how many are left at the end."""
    return [sum(int(part.sum()) for part in mask.values()) for mask in [*trial.scorer.seen, trial.mask]]


def test_the_exponential_schedule_by_hand(trial):
    """900 weights to 1/81 in 4 rounds: a third each, 300, 100, 33.3 and 11.1."""
    trial.density = 1 / 81
    list(trainings(Iterative(rounds=4), trial))
    assert counts(trial) == [900, 300, 100, 33, 11]


def test_the_linear_schedule_by_hand(trial):
    """900 weights to a fifth in 4 rounds: 80 %, 60 %, 40 % and 20 %."""
    trial.density = 0.2
    list(trainings(Iterative(rounds=4, schedule="linear"), trial))
    assert counts(trial) == [900, 720, 540, 360, 180]


def test_every_round_scores_anew_with_the_pruned_weights_at_zero(trial):
    """Six rounds are six calls, and no call sees a weight that is pruned already."""
    trial.density = 0.05
    list(trainings(Iterative(rounds=6), trial))
    assert len(trial.scorer.seen) == 6
    assert trial.scorer.leaks == [0] * 6


def test_a_pruned_weight_does_not_come_back(trial):
    """However high it scores: each round's mask lies within the one before."""
    trial.density = 0.05
    list(trainings(Iterative(rounds=6), trial))
    masks = [*trial.scorer.seen, trial.mask]
    for before, after in pairwise(masks):
        assert all(not bool((after[name] & ~before[name]).any()) for name in after)


def test_the_last_round_is_exact_for_a_density_that_roundings_would_miss(trial):
    """0.3 of 900 over 100 rounds ends at 270."""
    trial.density = 0.3
    list(trainings(Iterative(rounds=100), trial))
    assert counts(trial)[-1] == 270


def test_one_round_is_one_shot(tiny_suite, cells_of, trial_of):
    """With one round the schedule does not matter."""
    _, cells = cells_of(tiny_suite())
    masks = []
    for method in (OneShot(), Iterative(rounds=1), Iterative(rounds=1, schedule="linear")):
        trial = trial_of(cells[0])
        trial.scorer, trial.density = Magnitude(), 0.3
        list(trainings(method, trial))
        masks.append(trial.mask)
    assert all(masks[0][name].equal(other[name]) for other in masks[1:] for name in other)


def test_the_estimate():
    """A scoring a round; no training beside the cell's own."""
    assert (Iterative(rounds=7).scorings(0.1), Iterative(rounds=7).trainings(0.1)) == (7.0, 1.0)
