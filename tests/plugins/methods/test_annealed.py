"""Magnitude pruning down a ladder, against an implementation of its own in NumPy."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from rewinding import pass_by
from stepwise import NAMES, Reference, exact_trial, top
from trainings import trainings

from ticketbench import OptionError, Trial
from ticketbench.testing import carry_out, check_method
from ticketbench_methods.annealed import Annealed
from ticketbench_scorers.magnitude import Magnitude


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """A 6-8-3 network at density ½ that is ranked by magnitude."""
    return exact_trial(tiny_suite, cells_of, trial_of, "magnitude")


def test_the_ladder_of_the_paper():
    """A level every 10,000 steps, down to the compared density: 95 % sparse after the sixth, at step 60,000."""
    expected = [(10_000, 0.8), (20_000, 0.6), (30_000, 0.4), (40_000, 0.2), (50_000, 0.1), (60_000, 0.05)]
    assert Annealed().updates(0.05, 75_000) == expected
    assert Annealed().updates(0.05, 200_000) == expected
    assert Annealed().updates(0.01, 200_000) == [*expected, (70_000, 0.02), (80_000, 0.01)]


@pytest.mark.parametrize(
    ("final", "levels"),
    [
        (0.9, [0.9]),
        (0.8, [0.8]),
        (0.5, [0.8, 0.6, 0.5]),
        (0.07, [0.8, 0.6, 0.4, 0.2, 0.1, 0.07]),
        (0.005, [0.8, 0.6, 0.4, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005]),
        (1.0, []),
    ],
)
def test_it_stops_at_the_cells_density(final: float, levels: list[float]):
    """Levels at or below it are left out, and it is the last one itself."""
    assert [density for _, density in Annealed().updates(final, 1_000_000)] == levels


@pytest.mark.parametrize(
    ("total", "steps"),
    [(46_900, [6253, 12_506, 18_759, 25_012, 31_265, 37_518]), (60, [8, 16, 24, 32, 40, 48]), (8, [1, 2, 3, 4, 5, 6])],
)
def test_a_short_schedule_has_levels_closer_together(total: int, steps: list[int]):
    """Six levels to five percent within 80 % of the steps: of 37,520, of 48 and of 6."""
    assert [step for step, _ in Annealed().updates(0.05, total)] == steps


def test_training_equals_a_step_by_step_reference(trial):
    """To 58, 43 and 36 of 72 weights, the largest left over both layers, at 5, 10 and 15 of 40 steps; no rewind."""
    requests = trainings(Annealed(every=5), trial)
    reference = Reference.of(trial)
    for until, count in ((5, 58), (10, 43), (15, 36), (40, None)):
        request = next(requests, None)
        assert (40 if request is None else request.until) == until
        reference.train(until)
        carry_out(trial, trial.train(until))
        reference.check(trial)
        if count is not None:
            sizes = np.concatenate([np.abs(weight).ravel() for weight in reference.weights])
            kept = top(sizes, count, np.concatenate([mask.ravel() for mask in reference.masks]))
            parts = np.split(kept, [reference.masks[0].size])
            reference.put([part.reshape(mask.shape) for part, mask in zip(parts, reference.masks, strict=True)])
    assert request is None
    assert [finding[2:] for finding in trial.findings] == [("steps between levels", 5.0)]


def test_layers_share_as_the_scope_says(trial):
    """Layerwise, 36 kept are 24 of 48 and 12 of 24, also where the first layer's are a thousand times larger."""
    trial.set_weights({"1.weight": trial.parameters["1.weight"] * 1000})
    for request in trainings(Annealed(every=5, scope="layerwise"), trial):
        pass_by(trial, request)
    assert [int(trial.mask[name].sum()) for name in NAMES] == [24, 12]


def test_no_room_is_said_with_what_it_takes():
    """Six levels do not fit into 4 of 5 steps."""
    with pytest.raises(OptionError, match=r"no room for 6 levels down to a density of 0.05 in 4 steps .*of 5\)"):
        Annealed().updates(0.05, 5)


@pytest.mark.parametrize("levels", ["[0.6, 0.8]", "[1.0, 0.5]", "[0.5, 0.5]", "[0.5, 0.0]"])
def test_a_ladder_that_does_not_fall_is_refused(tiny_suite, cells_of, levels: str):
    """The suite's reader says so."""
    method = f'{{ method = {{ name = "annealed", levels = {levels} }} }}'
    with pytest.raises(OptionError, match="must fall from below 1 and stay above 0"):
        cells_of(tiny_suite(('{ method = "dense" }', method)))


def test_the_contract():
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(Annealed(), Magnitude())


@pytest.mark.parametrize(("density", "kept"), [(0.42, 30), (1.0, 72)])
def test_a_whole_run_is_one_training(tiny_suite, records_of, density: float, kept: int):
    """As many steps as a dense network takes, judged once; nothing is noted where nothing is pruned."""
    path = tiny_suite(
        ('{ method = "dense" }', '{ method = { name = "annealed", every = 4, end = 1.0 } }'),
        ('["dense", "magnitude"]', '["dense"]'),
        ("densities = [0.5]", f"densities = [{density}]"),
    )
    for record in records_of(path):
        assert (record["status"], record["kept"], record["train_steps"]) == ("ok", kept, 20)
        noted = [finding[2:] for finding in record["probes"] if finding[0] == "annealed"]
        assert noted == ([("steps between levels", 4.0)] if density < 1 else [])


def test_counts_fall_from_level_to_level():
    """Every level keeps fewer of 684,800 weights than the one before, and the last as many as the density says."""
    for final in (0.9, 0.33, 0.05, 0.003):
        counts = [math.floor(density * 684_800 + 0.5) for _, density in Annealed().updates(final, 46_900)]
        assert all(before > after for before, after in pairwise([684_800, *counts]))
        assert counts[-1] == math.floor(final * 684_800 + 0.5)
