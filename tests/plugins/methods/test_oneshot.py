"""One-shot pruning."""

from __future__ import annotations

import pytest
import torch

from ticketbench import Trial
from ticketbench_methods.oneshot import OneShot
from ticketbench_scorers.magnitude import Magnitude


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """A 6-8-3 network, magnitude scores and density ½; the second layer's weights are ten times as large."""
    _, cells = cells_of(tiny_suite(('["dense", "magnitude"]', '["magnitude"]')))
    made = trial_of(cells[0])
    made.set_weights({"3.weight": made.parameters["3.weight"] * 10})
    return made


@pytest.mark.parametrize(
    ("scope", "kept"),
    [
        ("layerwise", (24, 12)),
        ("erk", (20, 16)),  # 36 in the ratio 14 : 11 of the sums of the dimensions is 20.16 and 15.84
        ("uniform", (24, 12)),  # the first layer alone has 48 of the 36 wanted
    ],
)
def test_each_layer_keeps_its_share_of_the_largest(trial, scope: str, kept: tuple[int, int]):
    """The counts by hand, and within a layer the largest weights by sorting."""
    weights = {name: weight.clone() for name, weight in trial.weights.items()}
    OneShot(scope=scope).draw(trial)
    for (name, weight), count in zip(weights.items(), kept, strict=True):
        order = weight.abs().flatten().sort(descending=True).indices[:count]
        expected = torch.zeros(weight.numel(), dtype=torch.bool)
        expected[order] = True
        assert trial.mask[name].flatten().equal(expected)


def test_the_global_scope_ranks_all_layers_together(trial):
    """All 36 kept weights are at least as large as all 36 dropped ones."""
    weights = torch.cat([weight.abs().flatten() for weight in trial.weights.values()])
    OneShot().draw(trial)
    mask = torch.cat([mask.flatten() for mask in trial.mask.values()])
    assert int(mask.sum()) == 36
    assert float(weights[mask].min()) > float(weights[~mask].max())


def test_kept_weights_and_biases_stay_as_they_were(trial):
    """Pruning at initialization changes nothing but what it prunes, and takes no step."""
    before = {name: weight.clone() for name, weight in trial.parameters.items()}
    assert OneShot().draw(trial) is None
    for name, weight in trial.parameters.items():
        expected = before[name].where(trial.mask[name], 0) if name in trial.mask else before[name]
        assert weight.equal(expected)
    assert trial.step == 0


def test_the_scorer_is_the_rows(tiny_suite, cells_of, trial_of):
    """A row that ranks by another scorer draws another ticket; without one the method cannot be planned."""
    assert OneShot.ranks_by == ""
    _, cells = cells_of(tiny_suite(('["dense", "magnitude"]', '["magnitude", "random"]')))
    trials = {cell.setting.row: trial_of(cell) for cell in cells if cell.seed == 0}
    assert isinstance(trials["magnitude"].scorer, Magnitude)
    for trial in trials.values():
        OneShot().draw(trial)
    assert not trials["magnitude"].mask["1.weight"].equal(trials["random"].mask["1.weight"])
