"""Magnitude scores."""

from __future__ import annotations

import pytest
import torch

from ticketbench import Trial
from ticketbench_scorers.magnitude import Magnitude


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """A 2-2-2 network without biases and with chosen weights."""
    path = tiny_suite(
        ('"blobs"', '{ name = "blobs", features = 2, classes = 2 }'), ("hidden = [8]", "hidden = [2], bias = false")
    )
    _, cells = cells_of(path)
    made = trial_of(cells[0])
    made.set_weights({"1.weight": torch.tensor([[1.0, -2.0], [0.0, -0.5]])})
    made.set_weights({"3.weight": torch.tensor([[-3.0, 0.25], [2.0, -0.125]])})
    return made


def test_the_score_is_the_absolute_value(trial):
    """By hand, sign for sign."""
    scores = Magnitude().score(trial)
    assert scores["1.weight"].tolist() == [[1.0, 2.0], [0.0, 0.5]]
    assert scores["3.weight"].tolist() == [[3.0, 0.25], [2.0, 0.125]]


def test_half_of_all_weights_are_the_four_largest_and_the_first_of_equals(trial):
    """3, 2, 2 and 1 stay, wherever they are; at three the earlier 2 wins over the later one."""
    trial.prune(0.5, scores=Magnitude().score(trial))
    assert trial.mask["1.weight"].tolist() == [[True, True], [False, False]]
    assert trial.mask["3.weight"].tolist() == [[True, False], [True, False]]
    trial.prune(0.25, scores=Magnitude().score(trial))
    assert trial.mask["1.weight"].tolist() == [[False, True], [False, False]]
    assert trial.mask["3.weight"].tolist() == [[True, False], [False, False]]


def test_biases_are_not_scored(tiny_suite, cells_of, trial_of):
    """Only what may be pruned is ranked."""
    _, cells = cells_of(tiny_suite())
    assert list(Magnitude().score(trial_of(cells[0]))) == ["1.weight", "3.weight"]
