"""Relevance of units: by hand, with its sign, and in whole runs."""

from __future__ import annotations

import pytest
import torch
from curved import trial_with
from torch import nn

from ticketbench import Split, Trial
from ticketbench.testing import GivenExamples, check_method
from ticketbench_methods.filters import shrinkable
from ticketbench_methods.skeletonization import Skeletonization, linear_error


def hand(targets: torch.Tensor, outputs: int) -> Trial:
    """x = 1, hidden units (1, 2, 3) without activation, and outputs that read them by (1, 0, −1) and, if two, zeros."""
    first, second = nn.Linear(1, 3, bias=False), nn.Linear(3, outputs, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0], [2.0], [3.0]]))
        second.weight.zero_()
        second.weight[0] = torch.tensor([1.0, 0.0, -1.0])
    examples = GivenExamples(torch.ones(len(targets), 1, dtype=torch.float64), targets, outputs=outputs)
    return trial_with(nn.Sequential(first, second), examples, 0.5)


def test_relevance_of_classes_by_hand():
    """The output is −2 beside 0: E = 2(1 − p) for class 0, and its slope −2p(1 − p); ρ = 2p(1 − p)·(1, 0, −3)."""
    trial = hand(torch.tensor([0]), 2)
    p = 1 / (1 + torch.tensor(2.0).exp())
    expected = 2 * p * (1 - p) * torch.tensor([1.0, 0.0, -3.0])
    scores = Skeletonization().unit_scores(trial, shrinkable(trial))["0.weight"]
    assert scores.tolist() == pytest.approx(expected.tolist(), rel=1e-6)


def test_relevance_by_the_criterion_by_hand():
    """−log p has the slope −(1 − p)."""
    trial = hand(torch.tensor([0]), 2)
    p = float(1 / (1 + torch.tensor(2.0).exp()))
    scores = Skeletonization(error="criterion").unit_scores(trial, shrinkable(trial))["0.weight"]
    assert scores.tolist() == pytest.approx([1 - p, 0, -3 * (1 - p)], rel=1e-6)


def test_the_linear_error():
    """|t − o| of numbers; of classes at each of several places, softmax by softmax."""
    numbers = Split(torch.zeros(1, 1), torch.tensor([[1.0, -2.0]]))
    trial = hand(torch.tensor([0]), 2)
    assert float(linear_error(trial, torch.tensor([[3.0, -1.0]]), numbers)) == 3.0
    places = Split(torch.zeros(1, 1), torch.tensor([[0, 1]]))
    outputs = torch.tensor([[[0.0, 1.0], [0.0, 3.0]]])  # two classes at two places
    wrong = 0.5 + 1 / (1 + torch.tensor(2.0).exp())
    assert float(linear_error(trial, outputs, places)) == pytest.approx(2 * float(wrong))


def test_the_unit_that_does_harm_goes_first():
    """Before the one that does nothing, though its slope is the largest; the mask loses its row and its column."""
    trial = hand(torch.tensor([0]), 2)
    found = Skeletonization().strongest_of(
        trial, shrinkable(trial), {"0.weight": torch.ones(3, dtype=torch.bool)}, trial.weights, 6
    )
    assert found["0.weight"].tolist() == [True, True, False]


@pytest.mark.parametrize("error", ["linear", "criterion"])
def test_the_contract(error: str):
    """At most the density, nothing leaks, and the same alone and in a fleet."""
    check_method(Skeletonization(error=error, rounds=2))
