"""SET against an implementation of its own in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from stepwise import Bits, draws_of, dropped_and_grown, exact_trial, explored, walk

from ticketbench import MaskView
from ticketbench.testing import check_method
from ticketbench_methods.set import Set
from ticketbench_scorers.random import Random


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_equals_a_step_by_step_reference(tiny_suite, cells_of, trial_of, optimizer: str):
    """Updates at 5, 10, … 35 with a constant fraction, grown by the uniform numbers of the cell's seed."""
    trial = exact_trial(tiny_suite, cells_of, trial_of, "rigl", optimizer)
    draws = draws_of(trial)
    masks = walk(
        trial,
        Set(every=5, stop=1.0, schedule="constant", fraction=0.4),
        lambda now: dropped_and_grown(now.masks, now.weights, draws(now), 0.4),
        optimizer,
    )
    assert len(masks) == 8
    assert [int(mask.sum()) for mask in masks[-1]] == [20, 16]
    assert [finding[2:] for finding in trial.findings] == [("explored", explored(masks))]
    assert explored(masks) > 0.7


def test_every_place_that_is_not_kept_is_as_likely_to_grow():
    """Two of eight free places, 4,000 times: each is drawn 1,000 times but for chance, and the kept ones always."""
    mask = torch.tensor([True] * 4 + [False] * 6)
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0] + [0.0] * 6)
    half, rule = torch.tensor(0.5, dtype=torch.float64), Set().rule()
    source = torch.Generator().manual_seed(0)

    def found() -> Bits:
        """The next mask."""
        ((name, noise),) = rule.noise({"a": weight}).items()
        drawn = torch.rand(noise.shape, generator=source, dtype=torch.float64)
        return rule.masks(MaskView({"a": weight}, {"a": mask}, {"fraction": half}, noise={name: drawn}))["a"].numpy()

    counts = np.sum([found() for _ in range(4000)], axis=0)
    assert counts[[2, 3]].tolist() == [4000, 4000]
    free = counts[[0, 1, 4, 5, 6, 7, 8, 9]]
    assert free.sum() == 8000
    assert np.abs(free - 1000).max() < 5 * np.sqrt(1000 * 0.75)


def test_the_contract():
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(Set(every=4), Random())


def test_a_fleet_equals_its_members_alone(tiny_suite, records_of):
    """Four cells of 40 steps: what is kept, the accuracy and what was explored."""
    path = tiny_suite(
        ('name = "rigl", every = 5', 'name = "set", every = 5'),
        ('["dense", "magnitude"]', '["rigl"]'),
        ("densities = [0.5]", "densities = [0.5, 0.2]"),
        ("steps = 20", "steps = 40"),
    )
    together, alone = records_of(path), records_of(path, fleet=1)
    assert [record["fleet_size"] for record in together] == [4] * 4
    for one, other in zip(together, alone, strict=True):
        assert (one["status"], one["kept"]) == ("ok", other["kept"])
        assert one["headline"] == pytest.approx(other["headline"], abs=1e-6)
        assert one["probes"] == other["probes"]
        assert [finding[2] for finding in one["probes"]] == ["explored"]
