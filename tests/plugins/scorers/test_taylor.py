"""Taylor scores of weights against a loop over examples."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ticketbench import Trial
from ticketbench.testing import GivenExamples, GivenNetwork, check_scorer, trial_for
from ticketbench_models.recurrent import GRU
from ticketbench_scorers.taylor import Taylor


def trial_on(inputs: torch.Tensor, *layers: nn.Module, targets: int = 3) -> Trial:
    """A trial on seven examples, in float64."""
    classes = torch.arange(len(inputs)) % targets
    network = GivenNetwork(nn.Sequential(*layers).double())
    return trial_for(model=network, task=GivenExamples(inputs.double(), classes, outputs=targets))


@pytest.fixture(params=["linear", "convolution"])
def trial(request) -> Trial:
    """A perceptron of two layers, or a convolution and a linear layer behind it."""
    draws = torch.Generator().manual_seed(0)
    torch.manual_seed(1)
    if request.param == "linear":
        layers = nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)
        return trial_on(torch.randn(7, 5, generator=draws), *layers)
    layers = nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)
    return trial_on(torch.randn(7, 1, 3, 3, generator=draws), *layers)


@pytest.mark.parametrize("power", [1, 2])
def test_the_mean_over_examples_of_the_size_of_each_change(trial: Trial, power: int):
    """One example after the other, by plain autograd."""
    (examples,) = trial.batches(0)
    module, criterion = trial.module, nn.CrossEntropyLoss()
    own = dict(module.named_parameters())
    expected = {name: torch.zeros_like(weight) for name, weight in trial.weights.items()}
    for at in range(7):
        loss = criterion(module(examples.inputs[at : at + 1]), examples.targets[at : at + 1])
        for name, slope in zip(expected, torch.autograd.grad(loss, [own[name] for name in expected]), strict=True):
            expected[name] += (own[name].detach() * slope).abs() ** power / 7
    scores = Taylor(batches=0, power=power).score(trial)
    assert all(torch.allclose(scores[name], part, rtol=1e-10) for name, part in expected.items())


def test_changes_of_opposite_signs_do_not_cancel():
    """One input with both classes and outputs alike: the mean gradient is zero, every example's is ±½."""
    layer = nn.Linear(1, 2, bias=False)
    nn.init.ones_(layer.weight)
    trial = trial_on(torch.ones(2, 1), layer, targets=2)
    scores = Taylor(batches=0).score(trial)["0.weight"]
    assert scores.tolist() == [[0.5], [0.5]]
    (examples,) = trial.batches(0)
    assert not trial.gradient(examples)["0.weight"].any()


def test_the_contract_and_a_recurrent_network():
    """On a linear and a convolutional network, a plain recurrent one, and a GRU."""
    check_scorer(Taylor())
    inputs = torch.randn(6, 4, 2, generator=torch.Generator().manual_seed(2))
    examples = GivenExamples(inputs, torch.arange(6) % 3, outputs=3)
    check_scorer(Taylor(), model=GRU(hidden=3), task=examples)
