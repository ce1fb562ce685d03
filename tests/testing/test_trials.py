"""Trials and finished cells for a plugin's own tests."""

from __future__ import annotations

import torch
from torch import nn

from ticketbench import Initializer, Shapes
from ticketbench.testing import Blobs, Tiny, run_cells, run_method, train, trial_for, trial_of_cell


def test_a_trial_is_small_unless_parts_are_given(plugins):
    """90 weights on three blobs; or another model on another task."""
    trial = trial_for()
    assert (trial.total_weights, trial.density, trial.seed, trial.step) == (90, 0.5, 0, 0)
    other = trial_for(model=plugins.find("model", "lstm"), task=Blobs(Shapes((5, 4), 2)), density=0.25, seed=3)
    assert (other.shapes, other.density, other.seed) == (Shapes((5, 4), 2), 0.25, 3)
    assert len(next(other.batches()).inputs) == 16


def test_a_method_is_run_to_its_end(plugins):
    """A cell for every density and seed, in that order, with mask, weights, headline and curves."""
    method, scorer = plugins.find("method", "oneshot"), plugins.find("scorer", "magnitude")
    outcomes = run_method(method, scorer, densities=(0.5, 0.3), seeds=(0, 1))
    assert [(one.density, one.seed, one.status, one.steps) for one in outcomes] == [
        (0.5, 0, "ok", 40),
        (0.5, 1, "ok", 40),
        (0.3, 0, "ok", 40),
        (0.3, 1, "ok", 40),
    ]
    assert [sum(int(part.sum()) for part in one.mask.values()) for one in outcomes] == [45, 45, 27, 27]
    first = outcomes[0]
    assert set(first.weights) >= {"0.weight", "0.bias", "1.running_mean", "3.weight"}
    assert int(torch.count_nonzero(first.weights["0.weight"][~first.mask["0.weight"]])) == 0
    assert 0.4 < first.headline <= 1
    assert [point[5] for point in first.curves if point[0] == "train"] == [10, 20, 30, 40]


def test_a_probe_looks_on(plugins):
    """Its numbers are findings."""
    (outcome,) = run_method(
        plugins.find("method", "dense"), probes=[plugins.find("probe", "layer_density")], densities=(1.0,)
    )
    assert ("layer_density", "trained", "0.weight", 1.0) in outcome.findings


class Zeros(Initializer):
    """All zeros."""

    name = "zeros"
    summary = "for tests"

    def initialize(self, module: nn.Module, mask, generator) -> None:
        for parameter in module.parameters():
            parameter.zero_()


def test_a_model_is_trained_from_its_initializer():
    """Weights that start at zero behind a ReLU of zeros never move; the last bias does."""
    (outcome,) = train(Tiny(), initializer=Zeros())
    assert outcome.ticket is not None
    assert all(int(torch.count_nonzero(outcome.ticket.weights[name])) == 0 for name in ("0.weight", "3.bias"))
    assert int(torch.count_nonzero(outcome.weights["0.weight"])) == 0
    assert int(torch.count_nonzero(outcome.weights["3.bias"])) == 3


def test_the_cells_of_a_suite(plugins, tiny_suite, cells_of):
    """Their trials, with parts replaced where a test wants others, and their outcomes."""
    _, cells = cells_of(tiny_suite())
    assert trial_of_cell(cells[0], plugins).total_weights == 72
    assert trial_of_cell(cells[0], plugins, model=Tiny()).total_weights == 90
    outcomes = run_cells(cells, plugins)
    assert [(one.cell.key, one.status) for one in outcomes] == [(cell.key, "ok") for cell in cells]
