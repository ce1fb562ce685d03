"""Early-Bird tickets."""

from __future__ import annotations

import pytest
import torch
from rewinding import kept, pass_by

from ticketbench import OptionError, Trial
from ticketbench.testing import check_method, run_method, trial_for
from ticketbench_methods.early_bird import EarlyBird, channel_mask, distance, weight_mask
from ticketbench_scorers.magnitude import Magnitude

ROW = [8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.9, 0.8]


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """A 5-2 network of 10 weights without biases at density ½; 8 epochs of 6 steps, and 2 steps more."""
    path = tiny_suite(
        ('"blobs"', '{ name = "blobs", features = 5, classes = 2 }'),
        ("hidden = [8]", "hidden = [], bias = false"),
        ("steps = 20", "steps = 50"),
        ('["dense", "magnitude"]', '["magnitude"]'),
    )
    _, cells = cells_of(path)
    return trial_of(cells[0])


def epochs(trial: Trial, method: EarlyBird, *swaps: tuple[int, int] | None) -> list[int | None]:
    """Drive the method; after epoch e the weights are ROW with the places of `swaps[e]` exchanged (or as before)."""
    asked = []
    weights = torch.tensor(ROW)
    for number, request in enumerate(method.draw(trial)):
        asked.append(request.until)
        if number < len(swaps) and swaps[number] is not None:
            weights = torch.tensor(ROW)
            one, other = swaps[number]
            weights[[one, other]] = weights[[other, one]]
        trial.set_weights({next(iter(trial.weights)): weights.view(2, 5)})
        pass_by(trial, request)
    return asked


def notes(trial: Trial) -> list[tuple[str, float]]:
    """What the method noted; the bench belongs to a row of another name."""
    return [(name, value) for _, _, name, value in trial.findings]


def test_the_distance_by_hand():
    """Two of eight places differ."""
    mask = torch.tensor([True, True, False, False, True, False, True, False])
    other = torch.tensor([True, False, False, True, True, False, True, False])
    assert distance(mask, other) == 0.25
    assert distance(mask, mask) == 0.0
    assert distance(mask, ~mask) == 1.0


def test_the_first_window_that_agrees_is_found(trial):
    """The first 5 of 10 weights are kept; after epoch 3 alone the 5th and the 6th trade places: 2 of 10 differ.

    The masks of epochs 4 to 8 agree, and before that the one of epoch 3 is always among the last five.
    """
    asked = epochs(trial, EarlyBird(), (0, 1), (1, 2), (4, 5), (0, 4), None)
    assert asked == [6, 12, 18, 24, 30, 36, 42, 48]
    assert notes(trial) == [
        ("mask distance after epoch 2", 0.0),
        ("mask distance after epoch 3", 0.2),
        ("mask distance after epoch 4", 0.2),
        ("mask distance after epoch 5", 0.2),
        ("mask distance after epoch 6", 0.2),
        ("mask distance after epoch 7", 0.2),
        ("mask distance after epoch 8", 0.0),
        ("epoch found", 8),
    ]
    assert trial.mask["1.weight"].flatten().tolist() == [True] * 5 + [False] * 5


def test_masks_that_never_change_are_found_after_as_many_epochs_as_the_window(trial):
    """Five epochs; with a window of 2, two."""
    assert epochs(trial, EarlyBird(window=5)) == [6, 12, 18, 24, 30]
    assert notes(trial)[-1] == ("epoch found", 5)


def test_a_window_of_two_compares_neighbours(trial):
    """Epochs 1 and 2 differ, 2 and 3 differ, 3 and 4 do not."""
    asked = epochs(trial, EarlyBird(window=2), (0, 9), (0, 1), (1, 8), None)
    assert asked == [6, 12, 18, 24]
    assert notes(trial)[-1] == ("epoch found", 4)


def test_the_newest_mask_is_compared_with_all_of_the_window_and_not_only_with_the_last(trial):
    """Each mask is one swap from the last but two swaps from the one before: with 0.2 allowed, 0.4 is too far."""
    swaps = [(4, 5), (0, 1), (3, 6), (3, 6), (3, 6)]
    assert epochs(trial, EarlyBird(window=3, threshold=0.2), *swaps) == [6, 12, 18, 24]
    assert [value for name, value in notes(trial) if "distance" in name] == [0.2, 0.4, 0.2]


def test_a_distance_at_the_threshold_will_do(trial):
    """Epochs 1 and 2 differ by 0.2."""
    assert epochs(trial, EarlyBird(window=2, threshold=0.2), (0, 1), (4, 5)) == [6, 12]


def test_a_distance_above_the_threshold_will_not_do(trial):
    """The same, with 0.19 allowed: epochs 2 and 3 agree."""
    assert epochs(trial, EarlyBird(window=2, threshold=0.19), (0, 1), (4, 5)) == [6, 12, 18]


def test_a_search_without_an_end_prunes_at_the_end_of_the_schedule(trial):
    """Masks that swap every epoch: all 8 epochs and the 2 steps after them, and a note."""
    swaps = [(0, 1) if epoch % 2 else (4, 5) for epoch in range(9)]
    assert epochs(trial, EarlyBird(), *swaps) == [6, 12, 18, 24, 30, 36, 42, 48, None]
    assert notes(trial)[-1] == ("no epoch found", 1)
    assert not any(name == "epoch found" for name, _ in notes(trial))
    assert (kept(trial), trial.step) == (5, 50)
    # the ticket is that of the end, after epoch 8's weights have moved on once more
    assert trial.mask["1.weight"].flatten().tolist() == [True] * 4 + [False, True] + [False] * 4


@pytest.mark.parametrize(("then", "step"), [("continue", 30), ("restart", 0)])
def test_the_ticket_goes_on_from_the_present_weights(trial, then: str, step: int):
    """At the step that was reached, or at step 0."""
    epochs(trial, EarlyBird(then=then))
    assert trial.step == step
    assert trial.weights["1.weight"].flatten().tolist() == ROW[:5] + [0.0] * 5


def test_the_mask_of_weights_is_the_one_that_pruning_gives(tiny_suite, cells_of, trial_of):
    """For every scope, against the trial's own pruning."""
    _, cells = cells_of(tiny_suite(('["dense", "magnitude"]', '["magnitude"]')))
    for scope in ("global", "layerwise", "erk", "uniform"):
        made = trial_of(cells[0])
        made.density = 0.3
        found = weight_mask(made, scope)
        made.prune(scope=scope)
        assert found.equal(torch.cat([mask.flatten() for mask in made.mask.values()]))


def normed() -> Trial:
    """A network with 10 batch-norm scales at density 0.3."""
    return trial_for(Magnitude(), method=EarlyBird(by="batch_norm"), density=0.3)


def test_the_channel_mask_has_the_largest_scales():
    """Three of ten by |γ|; the bias of the norm has no say, and of equals the first is kept."""
    trial = normed()
    trial.set_weights({"1.weight": torch.tensor([0.5, -2.0, 0.1, 0.5, 0.2, 0.0, 1.0, 0.3, -0.5, 0.4])})
    trial.set_weights({"1.bias": torch.full_like(trial.parameters["1.bias"], 9.0)})
    assert channel_mask(trial, ["1.weight"]).nonzero().flatten().tolist() == [0, 1, 6]


def test_by_batch_norm_the_scales_decide_when():
    """Weights that change every epoch do not matter; the scales do, whose three largest are others after epoch 2."""
    trial = normed()
    scales = torch.linspace(1, 0.1, 10)
    for number, request in enumerate(EarlyBird(by="batch_norm", window=3).draw(trial)):
        for name, weight in trial.weights.items():
            source = torch.Generator().manual_seed(number)
            trial.set_weights({name: torch.randn(weight.shape, generator=source)})
        now = scales.flip(0) if number == 1 else scales
        trial.set_weights({"1.weight": now})
        pass_by(trial, request)
    assert [value for _, value in notes(trial)] == [0.6, 0.6, 0.6, 0.0, 5]
    assert kept(trial) == 27  # of 90 weights: channels decide when, not what


def test_a_model_without_batch_norm_says_so(tiny_suite, records_of):
    """Before anything is trained."""
    path = tiny_suite(
        ('{ method = "dense" }', '{ method = { name = "early_bird", by = "batch_norm" } }'),
        ('["dense", "magnitude"]', '["dense"]'),
    )
    for record in records_of(path):
        assert (record["status"], record["train_steps"]) == ("failed", 0)
        assert "this model has none; by = 'magnitude'" in record["reason"]
        assert OptionError.__name__ in record["reason"]


def test_at_density_one_there_is_nothing_to_search(trial):
    """No request, no note."""
    trial.density = 1.0
    assert (epochs(trial, EarlyBird(by="batch_norm")), notes(trial), kept(trial)) == ([], [], 10)


def test_the_estimate():
    """At most two trainings, and one where the schedule goes on."""
    assert [EarlyBird().trainings(0.5), EarlyBird(then="restart").trainings(0.5)] == [1, 2]
    assert EarlyBird(then="restart").trainings(1.0) == 1


@pytest.mark.parametrize("by", ["magnitude", "batch_norm"])
@pytest.mark.parametrize("then", ["continue", "restart"])
def test_the_contract(by: str, then: str):
    """Exact density, nothing leaks, and the same alone and in a fleet whose members stop at their own epochs."""
    check_method(EarlyBird(by=by, then=then, window=2), Magnitude())


def test_a_whole_run(tiny_suite, records_of):
    """6 steps an epoch: the steps to the epoch found and a whole schedule, with the notes in the record."""
    method = '{ method = { name = "early_bird", window = 3, then = "restart" } }'
    path = tiny_suite(
        ('{ method = "dense" }', method),
        ("steps = 20", "steps = 120"),
        ('["dense", "magnitude"]', '["dense"]'),
        ("learning_rate = 1e-2", "learning_rate = 1e-3"),
    )
    for record in records_of(path):
        assert (record["status"], record["kept"]) == ("ok", 36)
        found = {name: value for probe, _, name, value in record["probes"] if probe == "early_bird"}
        assert record["train_steps"] == 6 * found["epoch found"] + 120
        assert found[f"mask distance after epoch {found['epoch found']:g}"] <= 0.1


def test_members_of_a_fleet_stop_at_their_own_epochs():
    """Each asks for epochs until its own masks agree: what it notes in a fleet is what it notes alone."""
    method, seeds = EarlyBird(window=2, threshold=0.07), (0, 1, 2, 3)
    together = [notes(one.trial) for one in run_method(method, Magnitude(), densities=(0.3,), seeds=seeds)]
    alone = [run_method(method, Magnitude(), densities=(0.3,), seeds=(seed,))[0] for seed in seeds]
    assert together == [notes(one.trial) for one in alone]
    assert len({found[-1] for found in together}) > 1


def test_unrelated_masks_do_not_agree_at_a_low_density(tiny_suite, cells_of, trial_of):
    """At 2 % any two masks differ in less than a twentieth of the places; the distance is of what can differ."""
    _, cells = cells_of(tiny_suite(("hidden = [8]", "hidden = [20, 26]"), ("steps = 20", "steps = 50")))
    trial = trial_of(cells[-1])
    trial.density = 0.02  # 14 of 718 weights
    for number, request in enumerate(EarlyBird().draw(trial)):
        pass_by(trial, request)
        source = torch.Generator().manual_seed(number)
        trial.set_weights({name: torch.randn(part.shape, generator=source) for name, part in trial.parameters.items()})
    assert [name for name, _ in notes(trial)][-1] == "no epoch found"
    assert min(value for name, value in notes(trial) if "distance" in name) > 0.5
