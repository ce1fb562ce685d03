"""Iterative magnitude pruning."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import pytest
import torch
from rewinding import copied, kept, pretend, under
from trainings import trainings

from ticketbench import Train, Trial
from ticketbench.testing import reported_by
from ticketbench_methods.imp import Imp

ROUNDS = 20
WEIGHTS = 6 * 20 + 20 * 26 + 26 * 3


def rounds(trial: Trial, method: Imp) -> Iterator[Train]:
    """The method's requests, each answered by training."""
    for number, request in enumerate(trainings(method, trial)):
        yield request
        pretend(trial, request, number)


@pytest.fixture
def trial(tiny_suite, cells_of, trial_of) -> Trial:
    """A 6-20-26-3 network of 718 weights under magnitude scores; its training takes 20 steps."""
    path = tiny_suite(("hidden = [8]", "hidden = [20, 26]"), ('["dense", "magnitude"]', '["imp"]'))
    _, cells = cells_of(path)
    return trial_of(cells[0])


@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_twenty_rounds_are_exact_to_one_weight(trial, scope: str):
    """Round k leaves ⌊0.8^k · 718 + ½⌋ weights: rounding what is left instead would keep 459 at k = 2."""
    trial.density = 0.8**ROUNDS
    seen = [kept(trial) for _ in rounds(trial, Imp(scope=scope))]
    expected = [math.floor(Fraction(4, 5) ** k * WEIGHTS + Fraction(1, 2)) for k in range(ROUNDS + 1)]
    assert expected[:4] == [718, 574, 460, 368]
    assert expected[-1] == 8  # 8.28
    assert [*seen, kept(trial)] == expected


def test_every_level_is_reported_with_its_density(trial):
    """The curve over densities has the dense network and every ticket but the last, which the engine judges."""
    trial.density = 0.512
    list(rounds(trial, Imp()))
    reports = reported_by(trial)
    assert [report.density for report in reports] == [1.0, 574 / 718, 460 / 718]
    assert [int(sum(torch.count_nonzero(report.weights[name]) for name in trial.mask)) for report in reports] == [
        718,
        574,
        460,
    ]


def test_the_last_level_ends_at_the_density_itself(trial):
    """Halving to 0.3: 0.5, then 0.3 and not 0.25; at density 1 nothing is pruned and nothing trained twice."""
    assert Imp(fraction=0.5).levels(0.3) == [0.5, 0.3]
    assert Imp(fraction=0.5).levels(0.25) == [0.5, 0.25]
    assert Imp().levels(1.0) == []
    assert [Imp(fraction=0.5).trainings(density) for density in (1.0, 0.5, 0.3)] == [1, 2, 3]


def test_each_round_drops_the_smallest_trained_weights_of_those_left(trial):
    """Against a sort over all live weights, layer after layer."""
    trial.density = 0.25
    requests = trainings(Imp(fraction=0.5), trial)
    request, alive = next(requests), torch.ones(WEIGHTS, dtype=torch.bool)
    for number, count in enumerate((359, 180)):
        pretend(trial, request, number)
        size = torch.cat([weight.abs().flatten() for weight in trial.weights.values()])
        order = size.where(alive, -1.0).sort(descending=True).indices[:count]
        request = next(requests, None)
        alive = torch.zeros(WEIGHTS, dtype=torch.bool)
        alive[order] = True
        assert torch.cat([mask.flatten() for mask in trial.mask.values()]).equal(alive)
    assert request is None


def test_rewind_to_the_start(trial):
    """Before every training the kept weights and all biases are the initial ones, bit for bit, at step 0."""
    trial.density, start = 0.25, copied(trial)
    for request in rounds(trial, Imp(fraction=0.5)):
        assert request == Train(None)
        assert trial.step == 0
        expected = under(trial, start)
        assert all(weight.equal(expected[name]) for name, weight in trial.parameters.items())
    expected = under(trial, start)
    assert kept(trial) == 180
    assert trial.step == 0
    assert all(weight.equal(expected[name]) for name, weight in trial.parameters.items())


def test_rewind_to_a_step(trial):
    """The first training stops at step 7; every ticket starts from the weights of that moment, at step 7."""
    trial.density = 0.25
    requests = trainings(Imp(fraction=0.5, rewind="step", rewind_step=7), trial)
    first = next(requests)
    assert first == Train(7)
    initial = copied(trial)
    pretend(trial, first, 100)
    start = copied(trial)
    assert not start["1.weight"].equal(initial["1.weight"])
    seen = []
    for number, request in enumerate(requests):
        seen.append((request, trial.step, kept(trial)))
        expected = under(trial, start)
        assert all(weight.equal(expected[name]) for name, weight in trial.parameters.items())
        pretend(trial, request, number)
    assert seen == [(Train(None), 7, 718), (Train(None), 7, 359)]
    expected = under(trial, start)
    assert (trial.step, kept(trial)) == (7, 180)
    assert all(weight.equal(expected[name]) for name, weight in trial.parameters.items())


def test_without_rewinding_the_trained_weights_stay_and_the_schedule_restarts(trial):
    """What a training leaves is what the next one starts from, less the pruned, at step 0."""
    trial.density = 0.25
    requests = trainings(Imp(fraction=0.5, rewind="none"), trial)
    request = next(requests)
    for number in range(2):
        pretend(trial, request, number)
        trained = copied(trial)
        request = next(requests, None)
        expected = under(trial, trained)
        assert trial.step == 0
        assert all(weight.equal(expected[name]) for name, weight in trial.parameters.items())
    assert (request, kept(trial)) == (None, 180)


def test_a_rewind_beyond_the_schedule_fails_with_the_step(tiny_suite, records_of):
    """Step 21 of 20 does not exist: the cell fails and says so."""
    rewind = 'fraction = 0.5, rewind = "step", rewind_step = 21'
    path = tiny_suite(("fraction = 0.5", rewind), ('["dense", "magnitude"]', '["imp"]'))
    for record in records_of(path):
        assert record["status"] == "failed"
        assert "cannot train until step 21: at step 0 of 20" in record["reason"]


@pytest.mark.parametrize(("rewind", "steps"), [("start", 60), ("step", 8 + 3 * 12), ("none", 60)])
def test_a_whole_run_judges_each_level_once(tiny_suite, records_of, rewind: str, steps: int):
    """72 weights halved twice: accuracies at densities 1, 0.5 and 0.25, and as many steps as the rewinding leaves."""
    path = tiny_suite(
        ("fraction = 0.5", f'fraction = 0.5, rewind = "{rewind}", rewind_step = 8'),
        ('["dense", "magnitude"]', '["imp"]'),
        ("densities = [0.5]", "densities = [0.25]"),
    )
    for record in records_of(path):
        assert (record["status"], record["kept"], record["train_steps"]) == ("ok", 18, steps)
        points = [point for point in record["curves"] if point[0] == "test" and point[4] == "density"]
        assert [(metric, number, x) for _, _, metric, number, _, x, _ in points] == [
            ("accuracy", 0, 1.0),
            ("accuracy", 1, 0.5),
            ("accuracy", 2, 0.25),
        ]
        assert points[-1][-1] == record["headline"]
