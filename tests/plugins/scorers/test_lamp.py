"""LAMP scores."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ticketbench import Trial
from ticketbench.testing import check_scorer
from ticketbench_scorers.lamp import Lamp


@pytest.fixture
def trial_with(tiny_suite, cells_of, trial_of):
    """A trial of two layers without biases and with chosen weights."""

    def make(first: Tensor, second: Tensor) -> Trial:
        path = tiny_suite(
            ('"blobs"', f'{{ name = "blobs", features = {first.shape[1]}, classes = {second.shape[0]} }}'),
            ("hidden = [8]", f"hidden = [{first.shape[0]}], bias = false"),
        )
        _, cells = cells_of(path)
        made = trial_of(cells[0])
        made.set_weights({"1.weight": first, "3.weight": second})
        return made

    return make


def brute_force(weight: Tensor) -> Tensor:
    """The definition, pair by pair: v counts for u if it is larger, or as large and not behind it."""
    flat = [float(value) for value in weight.flatten().double()]
    scores = []
    for u, mine in enumerate(flat):
        at_least = [v for v, other in enumerate(flat) if abs(other) > abs(mine) or (abs(other) == abs(mine) and v <= u)]
        scores.append(mine**2 / sum(flat[v] ** 2 for v in at_least) if mine else 0.0)
    return torch.tensor(scores, dtype=torch.float64).view(weight.shape)


def test_scores_by_hand(trial_with):
    """Squares 1, 4, 0, 9: 9/9, 4/13, 1/14, and 0. Squares 4, 4, 1, 1: the first of equals is the larger."""
    scores = Lamp().score(trial_with(torch.tensor([[1.0, -2.0], [0.0, 3.0]]), torch.tensor([[2.0, 1.0], [-2.0, -1.0]])))
    expected = torch.tensor([[1 / 14, 4 / 13], [0.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(scores["1.weight"], expected)
    expected = torch.tensor([[1.0, 1 / 9], [4 / 8, 1 / 10]], dtype=torch.float64)
    torch.testing.assert_close(scores["3.weight"], expected)


def test_scores_equal_the_definition_pair_by_pair(trial_with):
    """Random weights with many ties and zeros."""
    source = torch.Generator().manual_seed(2)
    first, second = torch.randn(9, 7, generator=source), torch.randint(-3, 4, (5, 9), generator=source).float()
    scores = Lamp().score(trial_with(first, second))
    torch.testing.assert_close(scores["1.weight"], brute_force(first), rtol=1e-12, atol=0)
    torch.testing.assert_close(scores["3.weight"], brute_force(second), rtol=1e-12, atol=0)


def test_the_order_within_a_layer_is_that_of_magnitude_and_one_weight_scores_one(trial_with):
    """Sorted by score the magnitudes fall, also over 30 orders of magnitude; the largest weight scores 1."""
    source = torch.Generator().manual_seed(3)
    first = torch.randn(40, 30, generator=source) * 10 ** torch.empty(40, 30).uniform_(-15, 15, generator=source)
    second = torch.full((3, 40), -0.5)
    trial = trial_with(first, second)
    scores = Lamp().score(trial)
    for name, weight in (("1.weight", first), ("3.weight", second)):
        flat = scores[name].flatten()
        order = flat.argsort(descending=True, stable=True)
        assert order.equal(weight.abs().flatten().argsort(descending=True, stable=True))
        assert flat[order[0]] == 1.0
        assert int((flat == 1.0).sum()) == 1
        assert bool(((flat > 0) & (flat <= 1)).all())


def test_one_threshold_takes_from_the_layer_of_many_equal_weights(trial_with):
    """(8, 1) scores 1 and 1/65, (.2, .1, .1, .1) scores 1, 1/5, 1/6, 1/7: half is one and two, a third one each."""
    trial = trial_with(torch.tensor([[8.0], [1.0]]), torch.tensor([[0.2, 0.1], [0.1, 0.1]]))
    trial.prune(0.5, scores=Lamp().score(trial))
    assert trial.mask["1.weight"].tolist() == [[True], [False]]
    assert trial.mask["3.weight"].tolist() == [[True, True], [False, False]]
    trial.prune(2 / 6, scores=Lamp().score(trial))
    assert [int(mask.sum()) for mask in trial.mask.values()] == [1, 1]


def test_scores_do_not_depend_on_the_scale_of_a_layer(trial_with):
    """A layer times 1024 scores the same, to the bit."""
    source = torch.Generator().manual_seed(4)
    first, second = torch.randn(5, 4, generator=source), torch.randn(3, 5, generator=source)
    scores, scaled = Lamp().score(trial_with(first, second)), Lamp().score(trial_with(first * 1024, second))
    assert all(score.equal(scaled[name]) for name, score in scores.items())


def test_pruned_weights_score_zero_and_count_for_nothing(trial_with):
    """Without the 3 the sums are those of 1 and 2; a layer of zeros is finite."""
    trial = trial_with(torch.tensor([[1.0, -2.0], [0.0, 3.0]]), torch.zeros(2, 2))
    mask = trial.mask
    mask["1.weight"][1, 1] = False
    trial.set_mask(mask)
    scores = Lamp().score(trial)
    expected = torch.tensor([[1 / 5, 1.0], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(scores["1.weight"], expected)
    assert scores["3.weight"].tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_lamp_keeps_the_contract():
    """Finite, right shapes, deterministic, leaves the network alone."""
    check_scorer(Lamp())
