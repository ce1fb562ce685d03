"""SNFS against an implementation of its own in NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stepwise import NAMES, Reference, dropped_and_grown, exact_trial, explored, top, walk
from trainings import trainings

from ticketbench import MaskView, OptionError
from ticketbench.testing import carry_out, check_method
from ticketbench_methods.snfs import Snfs
from ticketbench_scorers.random import Random


def fraction_at(step: int) -> float:
    """A cosine from 0.5 to step 30."""
    return 0.25 * (1 + math.cos(math.pi * step / 30))


@pytest.mark.parametrize("momentum", [0.9, 0.6])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_equals_a_step_by_step_reference(tiny_suite, cells_of, trial_of, optimizer: str, momentum: float):
    """Updates at 5, 10, … 25, grown by an average of dense gradients that the reference keeps for itself."""
    trial = exact_trial(tiny_suite, cells_of, trial_of, "rigl", optimizer)

    def update(now: Reference):
        scores = [np.abs(average) for average in now.averages]
        return dropped_and_grown(now.masks, now.weights, scores, fraction_at(now.step))

    masks = walk(trial, Snfs(every=5, fraction=0.5, momentum=momentum), update, optimizer, momentum)
    assert len(masks) == 6
    assert [finding[2:] for finding in trial.findings] == [("explored", explored(masks))]


def test_the_average_is_of_the_dense_gradient_from_zero(tiny_suite, cells_of, trial_of):
    """a₁₀ = Σ 0.1·0.9^(10−t)·g_t, over the update at step 5, pruned places included."""
    trial = exact_trial(tiny_suite, cells_of, trial_of, "rigl")
    requests = trainings(Snfs(every=5), trial)
    request = next(requests)
    reference, slopes = Reference.of(trial), []
    for until in (5, 10):
        for step in range(until - 5, until):
            slopes.append(reference.slopes())
            reference.train(step + 1)
        carry_out(trial, request)
        if until == 5:
            request = next(requests)
            reference.put([trial.mask[name].numpy() for name in NAMES])
    for at, name in enumerate(NAMES):
        expected = sum(0.1 * 0.9 ** (9 - step) * slope[at] for step, slope in enumerate(slopes))
        np.testing.assert_allclose(trial.average_gradient[name].numpy(), expected, rtol=1e-9, atol=1e-13)
        assert np.count_nonzero(expected[~trial.mask[name].numpy()]) > 0


def redistributed(now: Reference, fraction: float):
    """The layers share what is grown by their mean |average|; two layers, so that one gives way to the other."""
    numbers = [int(mask.sum() * fraction) for mask in now.masks]
    stays = [
        top(np.abs(weight), int(mask.sum()) - number, mask)
        for mask, weight, number in zip(now.masks, now.weights, numbers, strict=True)
    ]
    sizes = [np.abs(average) for average in now.averages]
    means = [size[mask].mean() for size, mask in zip(sizes, now.masks, strict=True)]
    most = [math.floor(0.99 * (~part).sum()) for part in stays]
    total = sum(numbers)
    exact = total * means[0] / sum(means)
    first = math.floor(exact) + (exact % 1 >= 0.5)
    first = max(min(first, most[0], total), total - most[1])
    return [
        part | top(size, number, ~part) for part, size, number in zip(stays, sizes, (first, total - first), strict=True)
    ]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_redistribution_equals_a_step_by_step_reference(tiny_suite, cells_of, trial_of, optimizer: str):
    """The layers' counts move, the total does not."""
    trial = exact_trial(tiny_suite, cells_of, trial_of, "rigl", optimizer)
    method = Snfs(every=5, fraction=0.5, redistribution="momentum")
    masks = walk(trial, method, lambda now: redistributed(now, fraction_at(now.step)), optimizer)
    assert len({tuple(int(mask.sum()) for mask in now) for now in masks}) > 1


def shares(averages: list[list[float]], masks: list[list[bool]], dropped: list[int], free: list[int]) -> list[int]:
    """What each layer grows."""
    kept, average = ({str(at): torch.tensor(part) for at, part in enumerate(parts)} for parts in (masks, averages))
    named = [{str(at): torch.tensor(number) for at, number in enumerate(numbers)} for numbers in (dropped, free)]
    view = MaskView(weights={}, mask=kept, average=average)
    return [int(count) for count in Snfs(redistribution="momentum").rule().shares(view, *named).values()]


def test_shares_by_hand():
    """Means of |a| over active weights of 3 and 1, whatever lies outside the masks: 6 of 8 and 2."""
    averages, masks = [[-2.0, 4.0, 99.0], [1.0, -1.0, 50.0]], [[True, True, False]] * 2
    assert shares(averages, masks, [4, 4], [100, 100]) == [6, 2]
    assert shares(averages, masks, [8, 0], [100, 100]) == [6, 2]


def test_at_most_99_hundredths_of_the_free_places_are_grown_and_the_excess_goes_on_in_proportion():
    """Parts 6 : 3 : 1 of 200: the first has room for 99 in 100 places, the other 101 go 3 : 1."""
    averages, masks = [[6.0], [3.0], [1.0]], [[True]] * 3
    assert shares(averages, masks, [200, 0, 0], [100, 1000, 1000]) == [99, 76, 25]
    assert shares(averages, masks, [200, 0, 0], [99, 1000, 1000]) == [98, 77, 25]


def test_a_part_that_is_nearly_nothing_takes_no_more_than_is_left():
    """Beside 1 it is lost in a sum: the layer with it takes the one place that the other has no room for."""
    assert shares([[1.0], [5.8e-42]], [[True]] * 2, [0, 2], [1, 2]) == [1, 1]


def test_where_99_hundredths_have_no_room_all_places_count():
    """Of 100 and 100 places 199 are grown; 99 and 99 would not do."""
    assert shares([[1.0], [1.0]], [[True]] * 2, [100, 99], [100, 100]) == [100, 99]


def test_a_layer_without_active_weights_or_momentum_gets_nothing():
    """Its mean is zero; where all are zero every layer has the same part."""
    assert shares([[5.0], [1.0]], [[False], [True]], [0, 7], [10, 10]) == [0, 7]
    assert shares([[0.0], [0.0]], [[True], [True]], [3, 3], [10, 10]) == [3, 3]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 10, width=32), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=5))
def test_shares_are_exact_in_total_and_within_the_free_places(layers: list[tuple[float, int, int]]):
    """A layer has at least as many free places as it dropped."""
    dropped = [number for _, number, _ in layers]
    free = [number + more for _, number, more in layers]
    found = shares([[mean] for mean, _, _ in layers], [[True]] * len(layers), dropped, free)
    assert sum(found) == sum(dropped)
    assert all(0 <= count <= places for count, places in zip(found, free, strict=True))
    if sum(dropped) <= sum(places * 99 // 100 for places in free):
        assert all(count <= places * 99 // 100 for count, places in zip(found, free, strict=True))


def test_without_redistribution_each_layer_grows_what_it_dropped():
    """Whatever the averages are."""
    dropped = {"a": torch.tensor(3), "b": torch.tensor(1)}
    assert Snfs().rule().shares(MaskView({}, {}), dropped, {"a": torch.tensor(9), "b": torch.tensor(9)}) == dropped


def test_a_momentum_of_one_is_refused(tiny_suite, cells_of):
    """It would keep the average at zero."""
    path = tiny_suite(
        ('name = "rigl", every = 5', 'name = "snfs", momentum = 1.0'), ('["dense", "magnitude"]', '["rigl"]')
    )
    with pytest.raises(OptionError, match="momentum = 1 would never take up a gradient"):
        cells_of(path)


@pytest.mark.parametrize("redistribution", ["none", "momentum"])
def test_the_contract(redistribution: str):
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(Snfs(every=4, redistribution=redistribution), Random())


def test_a_fleet_equals_its_members_alone(tiny_suite, records_of):
    """Four cells of 40 steps: what is kept, the accuracy and what was explored."""
    path = tiny_suite(
        ('name = "rigl", every = 5', 'name = "snfs", redistribution = "momentum", every = 5'),
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
