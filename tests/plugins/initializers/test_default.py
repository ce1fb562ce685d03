"""The model's own initialization."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import nn

from ticketbench import Trial
from ticketbench.plan.cell import Cell
from ticketbench_initializers.default import Default


@pytest.fixture
def cells(tiny_suite, cells_of) -> Sequence[Cell]:
    """Two seeds of a 6-500-400-3 network."""
    return cells_of(tiny_suite(("hidden = [8]", "hidden = [500, 400]"), ('["dense", "magnitude"]', '["dense"]')))[1]


@pytest.fixture
def trials(cells, trial_of) -> list[Trial]:
    """Their trials."""
    return [trial_of(cell) for cell in cells]


def test_a_module_stays_as_it_was_built():
    """Not a bit of any parameter or statistic changes, and no random number is drawn."""
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Conv1d(2, 2, 3))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    source = torch.Generator().manual_seed(0)
    state = source.get_state()
    Default().initialize(module, {}, source)
    assert all(tensor.equal(before[name]) for name, tensor in module.state_dict().items())
    assert source.get_state().equal(state)


def test_layers_are_uniform_within_one_over_the_root_of_their_inputs(trials):
    """200,000 weights of 500 inputs: bound 1/√500, variance a third of its square; biases share the bound."""
    weights, bound = trials[0].parameters["3.weight"], 1 / math.sqrt(500)
    assert float(weights.abs().max()) <= bound
    assert float(weights.abs().max()) > 0.999 * bound
    assert abs(float(weights.mean())) < 4 * bound / math.sqrt(3 * 200_000)
    assert float(weights.var()) == pytest.approx(bound**2 / 3, rel=0.01)
    biases = trials[0].parameters["3.bias"]
    assert bound * 0.9 < float(biases.abs().max()) <= bound


def test_the_weights_belong_to_the_seed(trials, cells, trial_of):
    """The same cell starts from the same weights, whatever was drawn before; another seed from others."""
    torch.rand(17)
    again = trial_of(cells[0])
    for name, weight in trials[0].parameters.items():
        assert weight.equal(again.parameters[name])
        assert not weight.equal(trials[1].parameters[name])


def test_building_a_network_does_not_disturb_the_global_generator(cells, trial_of):
    """The next global random number is the same with and without a network built in between."""
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    trial_of(cells[0])
    assert torch.rand(1).equal(expected)
