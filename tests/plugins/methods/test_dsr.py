"""DSR against an implementation of its own in NumPy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stepwise import Bits, Reference, draws_of, exact_trial, explored, top, walk
from torch import Tensor

from ticketbench import MaskView, OptionError
from ticketbench.testing import check_method
from ticketbench_methods.dsr import Dsr
from ticketbench_scorers.random import Random


@pytest.mark.parametrize(("target", "number"), [(0.1, 3.6), (4.0, 4)])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_equals_a_step_by_step_reference(
    tiny_suite, cells_of, trial_of, optimizer: str, target: float, number: float
):
    """Updates at 2, 4, … 38: one threshold for both layers, halved and doubled, shares by what is left."""
    trial = exact_trial(tiny_suite, cells_of, trial_of, "rigl", optimizer)
    draws, thresholds, moved = draws_of(trial), [0.1], []

    def update(now: Reference) -> list[Bits]:
        stays = [mask & (np.abs(weight) >= thresholds[-1]) for mask, weight in zip(now.masks, now.weights, strict=True)]
        left = [int(part.sum()) for part in stays]
        dropped = 36 - sum(left)
        exact = dropped * left[0] / sum(left)
        first = math.floor(exact) + (exact % 1 >= 0.5)
        first = max(min(first, 48 - left[0]), dropped - (24 - left[1]))
        factor = 0.5 if dropped > 1.1 * number else 2 if dropped < 0.9 * number else 1
        thresholds.append(thresholds[-1] * factor)
        moved.append(dropped)
        return [
            part | top(score, count, ~part)
            for part, score, count in zip(stays, draws(now), (first, dropped - first), strict=True)
        ]

    masks = walk(trial, Dsr(every=2, threshold=0.1, target=target), update, optimizer)
    assert len(masks) == 20
    assert len(set(thresholds)) > 2
    assert len(set(moved)) > 2
    assert len({tuple(int(mask.sum()) for mask in now) for now in masks}) > 2
    assert [finding[2:] for finding in trial.findings] == [("explored", explored(masks))]


def network(weights: dict[str, list[float]], size: int = 20) -> MaskView:
    """Layers of `size` places, of which the first are active."""
    padded = {name: torch.tensor(values + [0.0] * (size - len(values))) for name, values in weights.items()}
    return MaskView(padded, {name: torch.arange(size) < len(values) for name, values in weights.items()})


def updates(view: MaskView, method: Dsr) -> Iterator[dict[str, Tensor]]:
    """Update after update of a network that does not change, with the memory that each leaves."""
    rule, source = method.rule(), torch.Generator().manual_seed(0)
    memory = rule.memory(view)
    while True:
        drawn = {
            name: torch.rand(noise.shape, generator=source, dtype=torch.float64)
            for name, noise in rule.noise(view.weights).items()
        }
        now = replace(view, noise=drawn, memory=memory)
        masks = rule.masks(now)
        memory = rule.remember(now, masks)
        yield masks


def test_the_threshold_by_hand():
    """With N = 10: 12 dropped halves it, 11, 10 and 9 leave it, 8 double it; the number may be a share of 50."""
    for target in (10.0, 0.2):
        rule, found = Dsr(threshold=0.5, target=target).rule(), []
        for dropped in (12, 11, 10, 9, 8, 0):
            view = network({"a": [0.1] * dropped + [9.0] * (50 - dropped)}, size=100)
            found.append(float(rule.remember(replace(view, memory=rule.memory(view)), view.mask)["threshold"]))
        assert found == [0.25, 0.5, 0.5, 0.5, 1.0, 1.0]


@pytest.mark.parametrize(("threshold", "dropped"), [(0.25, [0, 0, 1, 2, 2]), (8.0, [8, 4, 2, 2])])
def test_the_threshold_goes_on_from_update_to_update(threshold: float, dropped: list[int]):
    """Of 0.5, 1.5 … 9.5 and with N = 2: from ¼ by ½ and 1 up to 2, or from 8 by 4 down to 2, where it stays."""
    still = network({"a": [number + 0.5 for number in range(10)]}, size=10_000)
    masks = updates(still, Dsr(threshold=threshold, target=2.0))
    assert [10 - int(next(masks)["a"][:10].sum()) for _ in dropped] == dropped


def test_a_weight_as_large_as_the_threshold_stays():
    """|θ| < H alone is dropped, whatever the sign."""
    still = network({"a": [1.0, -1.0, 0.5, -0.5, 3.0]}, size=1000)
    found = next(updates(still, Dsr(threshold=1.0, target=2.0)))["a"]
    assert found[[0, 1, 4]].all()
    assert not found[[2, 3]].any()
    assert int(found.sum()) == 5


def test_growth_is_shared_by_what_is_left():
    """4 and 2 weights survive, 6 are dropped: 4 : 2 of 6 is 4 and 2, as many as before in neither layer."""
    still = network({"a": [5.0] * 4 + [0.1] * 3, "b": [5.0] * 2 + [0.1] * 3})
    found = next(updates(still, Dsr(threshold=1.0)))
    assert {name: int(part.sum()) for name, part in found.items()} == {"a": 8, "b": 4}


def test_a_full_layer_passes_on_what_does_not_fit():
    """8 and 1 survive, 10 are dropped: the first layer has places for 2 of its 8.9, and the other gets 8."""
    still = network({"a": [5.0] * 8 + [0.1], "b": [5.0] + [0.1] * 9}, size=10)
    found = next(updates(still, Dsr(threshold=1.0)))
    assert {name: int(part.sum()) for name, part in found.items()} == {"a": 10, "b": 9}


def test_a_layer_without_survivors_gets_nothing_unless_the_others_are_full():
    """It has no part: 3 go to the other layer; where that has one place, two come back."""
    weights = {"a": [5.0] * 4, "b": [0.1] * 3}
    for size, expected in ((20, {"a": 7, "b": 0}), (5, {"a": 5, "b": 2})):
        found = next(updates(network(weights, size), Dsr(threshold=1.0)))
        assert {name: int(part.sum()) for name, part in found.items()} == expected


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(-3, 3), max_size=12), min_size=1, max_size=4), st.floats(0.01, 4))
def test_the_density_is_exact_whatever_is_dropped(layers: list[list[float]], threshold: float):
    """Over several updates, all of the weights below the threshold or none; survivors stay."""
    still = network({str(at): values for at, values in enumerate(layers)}, size=12)
    masks = updates(still, Dsr(threshold=threshold))
    for number in range(3):
        found = next(masks)
        assert sum(int(part.sum()) for part in found.values()) == sum(map(len, layers))
        if number == 0:
            for name, part in still.mask.items():
                assert bool(found[name][part & (still.weights[name].abs() >= threshold)].all())


@pytest.mark.parametrize(
    ("option", "message"),
    [("threshold = 0.0", "threshold = 0 drops nothing"), ("target = 1.5", "target = 1.5 is neither a share")],
)
def test_options_that_cannot_be_meant_are_refused(tiny_suite, cells_of, option: str, message: str):
    """The suite's reader says what would do."""
    path = tiny_suite(('name = "rigl", every = 5', f'name = "dsr", {option}'), ('["dense", "magnitude"]', '["rigl"]'))
    with pytest.raises(OptionError, match=message):
        cells_of(path)


def test_the_contract():
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(Dsr(every=4, threshold=0.05), Random())


def test_a_fleet_equals_its_members_alone(tiny_suite, records_of):
    """Four cells of 40 steps: what is kept, the accuracy and what was explored."""
    path = tiny_suite(
        ('name = "rigl", every = 5', 'name = "dsr", threshold = 0.05, every = 5'),
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
