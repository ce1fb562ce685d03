"""Pruning after training, in one shot."""

from __future__ import annotations

import pytest
import torch
from rewinding import copied, kept, pretend, under
from trainings import trainings

from ticketbench import Train, Trial
from ticketbench.testing import check_method, reported_by
from ticketbench_methods.after_training import AfterTraining
from ticketbench_scorers.magnitude import Magnitude


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """A 6-20-26-3 network of 718 weights under magnitude scores; its training takes 20 steps."""
    path = tiny_suite(("hidden = [8]", "hidden = [20, 26]"), ('["dense", "magnitude"]', '["imp"]'))
    _, cells = cells_of(path)
    return trial_of(cells[0])


def shot(trial: Trial, method: AfterTraining) -> dict[str, torch.Tensor]:
    """Draw the ticket, and give back the trained weights it was drawn from."""
    requests = trainings(method, trial)
    assert next(requests) == Train(None)
    pretend(trial, Train(None), 1)
    trained = copied(trial)
    assert next(requests, None) is None
    return trained


@pytest.mark.parametrize("then", ["rewind", "finetune", "stop"])
def test_the_largest_trained_weights_are_kept(trial, then: str):
    """180 of 718 by a sort over all layers, whatever comes after; the dense network is reported."""
    trial.density = 0.25
    trained = shot(trial, AfterTraining(then=then))
    size = torch.cat([trained[name].abs().flatten() for name in trial.mask])
    expected = torch.zeros(718, dtype=torch.bool)
    expected[size.sort(descending=True).indices[:180]] = True
    assert torch.cat([mask.flatten() for mask in trial.mask.values()]).equal(expected)
    assert [report.density for report in reported_by(trial)] == [1.0]


def test_layerwise_each_layer_keeps_its_share(trial):
    """A quarter of 120, 520 and 78 weights, 180 in all: 30, 130 and 19.5, the odd one left to the last layer."""
    trial.density = 0.25
    shot(trial, AfterTraining(scope="layerwise"))
    assert [int(mask.sum()) for mask in trial.mask.values()] == [30, 130, 20]


def test_rewind_brings_back_the_initial_weights(trial):
    """Under the mask, biases included, bit for bit, at step 0."""
    trial.density, start = 0.25, copied(trial)
    shot(trial, AfterTraining(then="rewind"))
    expected = under(trial, start)
    assert trial.step == 0
    assert all(weight.equal(expected[name]) for name, weight in trial.parameters.items())


@pytest.mark.parametrize(("then", "step"), [("finetune", 0), ("stop", 20)])
def test_otherwise_the_trained_weights_stay(trial, then: str, step: int):
    """With the whole schedule ahead, or none of it."""
    trial.density = 0.25
    expected = under(trial, shot(trial, AfterTraining(then=then)))
    assert (trial.step, kept(trial)) == (step, 180)
    assert all(weight.equal(expected[name]) for name, weight in trial.parameters.items())


def test_at_density_one_there_is_nothing_to_do(trial):
    """No training before the one training."""
    trial.density = 1.0
    assert list(AfterTraining().draw(trial)) == []
    assert (trial.step, kept(trial)) == (0, 718)


def test_the_estimate():
    """Two trainings, one where nothing follows the pruning or nothing is pruned."""
    assert [AfterTraining(then=then).trainings(0.5) for then in ("rewind", "finetune", "stop")] == [2, 2, 1]
    assert [AfterTraining(then=then).trainings(1.0) for then in ("rewind", "finetune", "stop")] == [1, 1, 1]


@pytest.mark.parametrize("then", ["rewind", "finetune", "stop"])
def test_the_contract(then: str):
    """Exact density, nothing leaks, and the same alone and in a fleet."""
    check_method(AfterTraining(then=then), Magnitude())


@pytest.mark.parametrize(("then", "steps"), [("rewind", 40), ("finetune", 40), ("stop", 20)])
def test_a_whole_run_trains_as_often_as_the_estimate_says(tiny_suite, records_of, then: str, steps: int):
    """Judged dense and at 18 of 72 weights."""
    path = tiny_suite(
        ('{ method = "dense" }', f'{{ method = {{ name = "after_training", then = "{then}" }} }}'),
        ('["dense", "magnitude"]', '["dense"]'),
        ("densities = [0.5]", "densities = [0.25]"),
    )
    for record in records_of(path):
        assert (record["status"], record["kept"], record["train_steps"]) == ("ok", 18, steps)
        assert steps == 20 * AfterTraining(then=then).trainings(0.25)
        points = [point for point in record["curves"] if point[0] == "test" and point[4] == "density"]
        assert [point[5] for point in points] == [1.0, 0.25]


@pytest.mark.parametrize(("then", "rewind"), [("rewind", "start"), ("finetune", "none")])
def test_it_is_iterative_pruning_with_one_level(tiny_suite, records_of, then: str, rewind: str):
    """The same curves to the last bit as the lottery ticket procedure that prunes three quarters at once."""
    path = tiny_suite(
        ('{ method = "dense" }', f'{{ method = {{ name = "after_training", then = "{then}" }} }}'),
        ("fraction = 0.5", f'fraction = 0.75, rewind = "{rewind}"'),
        ('["dense", "magnitude"]', '["dense", "imp"]'),
        ("densities = [0.5]", "densities = [0.25]"),
    )
    found = {(record["row"], record["seed"]): record for record in records_of(path)}
    assert len(found) == 4
    for seed in (0, 1):
        one, other = found["dense", seed], found["imp", seed]
        assert one["curves"] == other["curves"]
        assert one["headline"] == other["headline"]
        assert one["curves"] != found["dense", 1 - seed]["curves"]
