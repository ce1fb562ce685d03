"""Networks and examples that a test has made, as parts of a trial."""

from __future__ import annotations

import torch
from torch import nn

from ticketbench import Shapes
from ticketbench.testing import GivenExamples, GivenNetwork, run_method, trial_for
from ticketbench.testing.parts import Untrained


def network() -> nn.Sequential:
    """A convolution and a linear layer in float64, and statistics that are not those at the start."""
    module = nn.Sequential(nn.Conv1d(1, 2, 2), nn.BatchNorm1d(2), nn.Flatten(), nn.Linear(4, 3)).double()
    module[1].running_mean.fill_(0.25)
    return module


def examples() -> GivenExamples:
    """Five examples of three classes."""
    inputs = torch.randn(5, 1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return GivenExamples(inputs, torch.tensor([0, 1, 2, 0, 1]))


def test_a_trial_has_the_networks_own_numbers():
    """Weights, statistics and outputs in float64, bit for bit; the module itself is left alone."""
    module, task = network(), examples()
    trial = trial_for(model=GivenNetwork(module), task=task)
    assert all(part.equal(dict(module.named_parameters())[name]) for name, part in trial.parameters.items())
    assert trial.snapshot().buffers["1.running_mean"].tolist() == [0.25, 0.25]
    outputs = trial.outputs(task.examples.inputs, training=False)
    assert outputs.equal(module.eval()(task.examples.inputs))
    trial.set_weights({"3.bias": torch.zeros(3)})
    assert bool(module[3].bias.any())


def test_a_networks_cost_is_that_of_its_float32_form():
    """A convolution in float64 is counted, too: outputs of 5 examples cost what they cost in float32."""
    costs = []
    for module, inputs in ((network(), examples().examples.inputs), (network().float(), torch.randn(5, 1, 3))):
        trial = trial_for(model=GivenNetwork(module), task=GivenExamples(inputs, torch.tensor([0, 1, 2, 0, 1])))
        trial.outputs(inputs)
        costs.append(trial.spent.flops)
    assert costs[0] == costs[1] > 0


def test_what_is_pruned_is_what_the_test_names():
    """Else every weight of two axes or more, as of any model."""
    assert list(trial_for(model=GivenNetwork(network()), task=examples()).mask) == ["0.weight", "3.weight"]
    assert list(trial_for(model=GivenNetwork(network(), ["3.weight"]), task=examples()).mask) == ["3.weight"]


def test_examples_are_trained_and_tested_on_and_none_validates():
    """In the order in which they were given; outputs are the classes, unless there are more."""
    task = examples()
    training, validation = task.training()
    assert training.inputs.equal(task.test().inputs)
    assert (task.sizes().train, task.sizes().validation, task.sizes().test) == (5, 0, 5)
    assert (len(training), len(validation), len(task.test())) == (5, 0, 5)
    assert task.shapes() == Shapes((1, 3), 3)
    assert GivenExamples(torch.ones(2, 4), torch.tensor([0, 1]), outputs=7).shapes() == Shapes((4,), 7)
    assert GivenExamples(torch.ones(2, 4), torch.ones(2, 3)).shapes() == Shapes((4,), 3)


def test_a_given_network_can_be_trained_to_its_end():
    """Two seeds start from the same weights, and end at others."""
    first, second = run_method(
        Untrained(), model=GivenNetwork(network()), task=examples(), densities=(1.0,), seeds=(0, 1)
    )
    assert (first.status, second.status) == ("ok", "ok")
    assert first.ticket.weights["3.weight"].equal(second.ticket.weights["3.weight"])
    assert not first.weights["3.weight"].equal(first.ticket.weights["3.weight"])
