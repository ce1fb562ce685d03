"""Gradient norms by hand and by NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ticketbench import Split, Trial
from ticketbench_probes.gradient_norm import GradientNorm


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """x = (1, 2), hidden (1, 1), both logits 0: the error of target 0 is (−½, ½)."""
    path = tiny_suite(
        ('"blobs"', '{ name = "blobs", features = 2, classes = 2 }'), ("hidden = [8]", "hidden = [2], bias = false")
    )
    _, cells = cells_of(path)
    made = trial_of(cells[0])
    made.parameters["1.weight"].copy_(torch.tensor([[1.0, 0.0], [0.5, 0.25]]))
    made.parameters["3.weight"].copy_(torch.tensor([[1.0, -1.0], [2.0, -2.0]]))
    made._bench.data.train = Split(torch.tensor([[1.0, 2.0]]), torch.tensor([0]))
    return made


def test_without_a_mask_both_norms_are_one(trial):
    """∂L/∂W₂ = (−½, ½)ᵀ(1, 1) and ∂L/∂W₁ = (½, −½)ᵀ(1, 2): 4·¼ + ¼ + 1 + ¼ + 1 = 3.5."""
    assert GradientNorm().measure(trial) == pytest.approx({"dense": math.sqrt(3.5), "masked": math.sqrt(3.5)})


def test_the_masked_norm_leaves_out_what_is_pruned(trial):
    """The pruned weight was zero, so the function is the same; its gradient of 1 counts for the dense norm only."""
    mask = trial.mask
    mask["1.weight"][0, 1] = False
    trial.set_mask(mask)
    assert GradientNorm().measure(trial) == pytest.approx({"dense": math.sqrt(3.5), "masked": math.sqrt(2.5)})


def test_the_gradient_is_that_of_the_mean_over_the_examples(trial):
    """Both targets for the same input cancel; three of one and one of the other leave half of the error."""
    inputs = torch.tensor([[1.0, 2.0]])
    trial._bench.data.train = Split(inputs.repeat(2, 1), torch.tensor([0, 1]))
    assert GradientNorm().measure(trial) == pytest.approx({"dense": 0.0, "masked": 0.0})
    trial._bench.data.train = Split(inputs.repeat(4, 1), torch.tensor([0, 0, 1, 0]))
    assert GradientNorm().measure(trial)["dense"] == pytest.approx(math.sqrt(3.5) / 2)


def test_as_many_examples_as_asked(trial, monkeypatch):
    """Three of ten; all of them when more are asked for than there are."""
    trial._bench.data.train = Split(torch.ones(10, 2), torch.zeros(10, dtype=torch.int64))
    seen: list[int] = []
    gradient = trial.gradient
    monkeypatch.setattr(trial, "gradient", lambda batch: (seen.append(len(batch)), gradient(batch))[1])
    GradientNorm(examples=3).measure(trial)
    GradientNorm().measure(trial)
    assert seen == [3, 10]


def test_a_run_notes_it_when_the_ticket_is_drawn_and_when_it_is_trained(tiny_suite, records_of):
    """Two moments, two numbers each; for the dense network they agree, for a ticket they do not."""
    path = tiny_suite(('recipe = "plain"', 'recipe = "plain"\nprobes = ["gradient_norm"]'))
    for record in records_of(path):
        found = {(moment, name): value for _, moment, name, value in record["probes"]}
        assert set(found) == {(moment, name) for moment in ("drawn", "trained") for name in ("dense", "masked")}
        for moment in ("drawn", "trained"):
            if record["row"] == "dense":
                assert found[moment, "dense"] == found[moment, "masked"]
            else:
                assert 0 < found[moment, "masked"] < found[moment, "dense"]
        assert all(np.isfinite(value) for value in found.values())


def test_probing_does_not_change_the_training(tiny_suite, records_of):
    """With and without the probe: the same curves to the last bit."""
    plain = records_of(tiny_suite())
    probed = records_of(tiny_suite(('recipe = "plain"', 'recipe = "plain"\nprobes = ["gradient_norm"]')))
    assert [record["curves"] for record in plain] == [record["curves"] for record in probed]
