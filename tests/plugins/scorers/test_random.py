"""Random scores."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from ticketbench import Trial
from ticketbench.plan.cell import Cell
from ticketbench_scorers.random import Random


@pytest.fixture
def cells(tiny_suite, cells_of) -> Sequence[Cell]:
    """Two seeds of a network with 6,100 weights."""
    return cells_of(tiny_suite(("hidden = [8]", "hidden = [100, 50]"), ('["dense", "magnitude"]', '["dense"]')))[1]


@pytest.fixture
def trials(cells, trial_of) -> list[Trial]:
    """Their trials."""
    return [trial_of(cell) for cell in cells]


def test_scores_are_uniform_between_zero_and_one(trials):
    """Of 5,000 draws: all within [0, 1), mean ½ and variance 1/12 within four standard errors."""
    scores = Random().score(trials[0])
    assert {name: score.shape for name, score in scores.items()} == {
        "1.weight": (100, 6),
        "3.weight": (50, 100),
        "5.weight": (3, 50),
    }
    draws = scores["3.weight"]
    assert 0 <= float(draws.min()) < 0.01
    assert 0.99 < float(draws.max()) < 1
    assert abs(float(draws.mean()) - 0.5) < 4 * (1 / 12 / 5000) ** 0.5
    assert abs(float(draws.var()) - 1 / 12) < 4 * (1 / 180 / 5000) ** 0.5  # the variance of (x - ½)² is 1/180


def test_scores_have_the_grain_of_float64(trials):
    """Float32 draws would be multiples of 2^-24; hardly any of these is."""
    draws = Random().score(trials[0])["3.weight"] * 2**24
    assert draws.dtype == torch.float64
    assert float((draws == draws.round()).double().mean()) < 0.01


def test_scores_belong_to_the_seed(trials, cells, trial_of):
    """The same cell draws the same scores again; another seed draws others; layers differ from each other."""
    first, other = (Random().score(trial)["3.weight"] for trial in trials)
    again = Random().score(trial_of(cells[0]))["3.weight"]
    assert first.equal(again)
    assert not first.equal(other)
    assert abs(float(torch.corrcoef(torch.stack([first.flatten(), other.flatten()]))[0, 1])) < 0.06


def test_a_second_call_goes_on_drawing(trials):
    """Scores of a second round are not those of the first."""
    first, second = Random().score(trials[0]), Random().score(trials[0])
    assert not first["1.weight"].equal(second["1.weight"])


def test_the_scores_know_nothing_of_weights_and_mask(trials, cells, trial_of):
    """A pruned network with other weights gets the scores of the untouched one."""
    changed = trial_of(cells[0])
    changed.prune(0.5, scores={name: weight.abs() for name, weight in changed.weights.items()})
    changed.set_weights({"1.weight": changed.parameters["1.weight"] * 3})
    assert Random().score(changed)["1.weight"].equal(Random().score(trials[0])["1.weight"])
