"""The density of every layer."""

from __future__ import annotations

import pytest
import torch

from ticketbench_probes.layer_density import LayerDensity


def test_densities_by_hand(tiny_suite, cells_of, trial_of):
    """12 of 48 and 24 of 24; then 0 of 24, which is the smallest."""
    _, cells = cells_of(tiny_suite())
    trial = trial_of(cells[0])
    assert LayerDensity().measure(trial) == {"1.weight": 1.0, "3.weight": 1.0, "smallest": 1.0}
    mask = trial.mask
    mask["1.weight"].view(-1)[12:] = False
    trial.set_mask(mask)
    assert LayerDensity().measure(trial) == {"1.weight": 0.25, "3.weight": 1.0, "smallest": 0.25}
    mask["3.weight"].zero_()
    trial.set_mask(mask)
    assert LayerDensity().measure(trial) == {"1.weight": 0.25, "3.weight": 0.0, "smallest": 0.0}


def test_a_mask_counts_and_not_zero_weights(tiny_suite, cells_of, trial_of):
    """A kept weight that happens to be zero is kept."""
    _, cells = cells_of(tiny_suite())
    trial = trial_of(cells[0])
    trial.set_weights({"3.weight": torch.zeros_like(trial.parameters["3.weight"])})
    assert LayerDensity().measure(trial)["3.weight"] == 1.0


def test_a_run_notes_every_round_and_the_weighted_mean_is_the_density(tiny_suite, records_of):
    """IMP at ½ a round to ¼: rounds of densities 1, ½ and ¼, and ¼ when drawn and when trained."""
    path = tiny_suite(
        ('recipe = "plain"', 'recipe = "plain"\nprobes = ["layer_density"]'),
        ('["dense", "magnitude"]', '["imp"]'),
        ("densities = [0.5]", "densities = [0.25]"),
    )
    for record in records_of(path):
        assert record["status"] == "ok", record["reason"]
        found: dict[str, dict[str, float]] = {}
        for probe, moment, name, value in record["probes"]:
            if probe == "layer_density":
                found.setdefault(moment, {})[name] = value
        expected = {"round 0": 1.0, "round 1": 0.5, "drawn": 0.25, "trained": 0.25, "round 2": 0.25}
        assert found.keys() == expected.keys()
        for moment, density in expected.items():
            one, two = found[moment]["1.weight"], found[moment]["3.weight"]
            assert (48 * one + 24 * two) / 72 == pytest.approx(density)
            assert found[moment]["smallest"] == min(one, two)
        assert torch.isfinite(torch.tensor(record["headline"]))
