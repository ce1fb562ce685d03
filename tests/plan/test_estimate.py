"""Estimates: fleets by hand, workers side by side, and what was measured before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ticketbench.plan.cell import Cell
from ticketbench.plan.cost import cost_of
from ticketbench.plan.estimate import (
    Estimate,
    Share,
    estimate,
    guessed_seconds,
    learn,
    model_key,
    room_in,
    training_steps,
    wall_clock,
)
from ticketbench.plan.measured import Measured
from ticketbench.plan.plan import Fleet
from ticketbench.plan.resolve import Resolver
from ticketbench.plan.speed import Seconds, Speed, cpu_speed
from ticketbench.plugin.loading import Plugins

FORWARD = 2 * (6 * 8 + 8 * 3)
"""FLOPs of one example of a 6-8-3 perceptron."""
CELL = 3 * FORWARD * 20 * 20 + FORWARD * 30
"""20 steps of 20 examples at three forwards each, and a judgement of 30."""


@pytest.fixture
def speed() -> Speed:
    """A machine of fixed numbers."""
    return replace(cpu_speed(), rates={"fp32": 1e9}, start=5.0, first=1.0, fleet=0.1, cell=0.01)


@pytest.fixture
def fleet_of(cells_of, tiny_suite) -> Callable[..., Fleet]:
    """Cells of the tiny suite as one fleet."""

    def fleet(*rows: str, path: Path | None = None, **selection) -> Fleet:
        _, cells = cells_of(path or tiny_suite(), methods=rows, **selection)
        return Fleet(tuple(cells), 60.0)

    return fleet


def test_cells_steps_and_flops_add_up(fleet_of, plugins: Plugins, speed: Speed):
    """Two fleets of five seeds of a row are ten cells; memory is the larger fleet's alone."""
    resolver = Resolver(plugins)
    one, few = fleet_of("dense", seeds=5), fleet_of("magnitude", seeds=2)
    found = estimate([one, few], resolver, speed, ["cpu"])
    assert (found.cells, found.steps, found.flops) == (7, 7 * 20, 7 * CELL)
    assert found.memory == cost_of(one.cells[0].setting, resolver).memory(5)


def test_iterative_magnitude_pruning_counts_its_levels(fleet_of, plugins: Plugins):
    """Halving down to 1/8 takes three levels, each trained and judged before it is pruned, and a last training."""
    fleet = fleet_of("imp", seeds=1, densities=(0.125,))
    assert training_steps(fleet.cells, Resolver(plugins)) == 4 * 20


def test_tickets_of_all_levels_are_trained_where_the_protocol_trains(cells_of, tiny_suite, plugins: Plugins):
    """IMP by halves to an eighth under a transfer: 3 trainings to draw, and 4 elsewhere; the own ticket takes 4."""
    path = tiny_suite(('protocols = ["same"]', 'protocols = ["halves", { name = "halves", ticket = "own" }]'))
    _, cells = cells_of(path, methods=("imp",), seeds=1, densities=(0.125,))
    assert training_steps(cells, Resolver(plugins)) == (7 + 4) * 20


def test_what_a_cell_does_that_costs_time(cells_of, tiny_suite, plugins: Plugins):
    """Five rounds of scoring before one training, and a probe that looks before and after each change of the mask."""
    path = tiny_suite(
        ('snip = { method = "oneshot"', 'snip = { method = { name = "iterative", rounds = 5 }'),
        ('recipe = "plain"\n', 'recipe = "plain"\nprobes = ["gradient_flow"]\n'),
    )
    _, cells = cells_of(path, methods=("snip",), seeds=1)
    resolver = Resolver(plugins)
    share = Share.of(cells[0], cost_of(cells[0].setting, resolver), resolver)
    assert share == Share(trainings=1.0, scorings=5.0, looks=2 + 2 * 5, effort=1.0)


def test_a_fleets_time_by_hand(fleet_of, plugins: Plugins, speed: Speed):
    """The fleet, its cells, 20 steps of four together, one judgement of four, and no pass of a scorer or a probe."""
    fleet, resolver = fleet_of("dense", seeds=4), Resolver(plugins)
    cost = cost_of(fleet.cells[0].setting, resolver)
    steps = 20 * speed.training_step(cost, 4, "fp32").all
    judging = speed.judging(cost.judging, 4, "fp32").all
    assert guessed_seconds(fleet, resolver, speed).all == pytest.approx(0.1 + 4 * 0.01 + steps + judging)


def test_members_that_train_longer_train_among_fewer(fleet_of, plugins: Plugins, speed: Speed):
    """One cell of four trainings beside three of one: four stretches, on average of 7/4 members."""
    resolver = Resolver(plugins)
    imp, dense = fleet_of("imp", seeds=1, densities=(0.125,)), fleet_of("dense", seeds=3)
    both = Fleet((*imp.cells, *dense.cells), 60.0)
    cost = cost_of(imp.cells[0].setting, resolver)
    together = speed.training_step(cost, 7 / 4, "fp32").all * 4 * 20
    assert guessed_seconds(both, resolver, speed).all > together
    alone = guessed_seconds(imp, resolver, speed).all + guessed_seconds(dense, resolver, speed).all
    assert guessed_seconds(both, resolver, speed).all < alone


def test_cells_that_wait_for_a_place(fleet_of, plugins: Plugins, speed: Speed):
    """Six cells of one training at two seats train three times, two at once."""
    resolver, fleet = Resolver(plugins), fleet_of("dense", seeds=6)
    cost = cost_of(fleet.cells[0].setting, resolver)
    three = speed.training_step(cost, 2, "fp32").times(20).plus(speed.judging(cost.judging, 2, "fp32")).times(3)
    found = guessed_seconds(replace(fleet, seats=2), resolver, speed).all
    assert found == pytest.approx(0.1 + 6 * 0.01 + three.all)
    whole, waiting = (estimate([one], resolver, speed, ["cpu"]) for one in (fleet, replace(fleet, seats=2)))
    assert waiting.memory == whole.memory / 3


def test_workers_take_fleets_as_they_become_free(speed: Speed):
    """5, 3 and 4 seconds on two workers after a start of 5: the first is done at 10, the second at 12."""
    times = [Seconds(5.0, 0.0), Seconds(3.0, 0.0), Seconds(4.0, 0.0)]
    assert wall_clock(times, speed, ["cpu", "cpu"]) == 12.0
    assert wall_clock(times, speed, ["cpu"]) == 17.0
    assert wall_clock([], speed, ["cpu"]) == 0.0


def test_workers_of_one_card_share_it(speed: Speed):
    """Four fleets whose card is busy 3 of 4 s: two workers on one card need 5 + 12, on two cards 5 + 8."""
    times = [Seconds(4.0, 3.0)] * 4
    assert wall_clock(times, speed, ["cuda:0", "cuda:0"]) == 17.0
    assert wall_clock(times, speed, ["cuda:0", "cuda:1"]) == 13.0


def test_what_was_measured_corrects_and_says_so(fleet_of, plugins: Plugins, speed: Speed, tmp_path: Path):
    """A model that took three times as long takes three times as long; the start is no part of it."""
    fleet, resolver = fleet_of("dense"), Resolver(plugins)
    guess = estimate([fleet], resolver, speed, ["cpu"], Measured("here", tmp_path / "rates.json"))
    assert (guess.basis, guess.known) == ("from a first guess", 0.0)
    known = Measured("here", tmp_path / "rates.json", {model_key(fleet.cells[0].setting): (3.0, 1)})
    found = estimate([fleet], resolver, speed, ["cpu"], known)
    assert found.basis == "measured here before"
    assert found.seconds - 5.0 == pytest.approx(3 * (guess.seconds - 5.0))
    assert replace(found, known=0.25).basis == "25% of it measured here before"


def test_fleets_that_ran_are_learnt_from(fleet_of, plugins: Plugins, speed: Speed, tmp_path: Path):
    """Two fleets that took twice their guess, the first with a second more for what torch does once."""
    resolver = Resolver(plugins)
    fleets = [fleet_of("dense"), fleet_of("magnitude")]
    slow = replace(speed, fleet=1e5)
    taken = [(fleet, 2 * guessed_seconds(fleet, resolver, slow).all) for fleet in fleets]
    taken[0] = (fleets[0], taken[0][1] + slow.first)
    measured = Measured("here", tmp_path / "rates.json")
    learn(taken, resolver, slow, 1, measured)
    assert measured.factor(model_key(fleets[0].cells[0].setting)) == pytest.approx(2.0, rel=1e-3)


def test_a_model_is_remembered_by_device_and_precision(fleet_of):
    """The same network in other arithmetic is another rate."""
    setting = fleet_of("dense").cells[0].setting
    assert model_key(setting).endswith(" on cpu, fp32")
    assert model_key(replace(setting, precision="tf32", device_class="cuda")).endswith(" on cuda, tf32")


def test_how_many_cells_fit(fleet_of, plugins: Plugins):
    """As many as the memory of one goes into it, one at least."""
    resolver = Resolver(plugins)
    setting = fleet_of("dense").cells[0].setting
    one = cost_of(setting, resolver).memory(1)
    assert [room_in(memory, resolver)(setting) for memory in (0.5 * one, 2.5 * one)] == [1, 2]


def test_nothing_costs_nothing(plugins: Plugins, speed: Speed):
    """A plan whose cells are all finished."""
    assert estimate([], Resolver(plugins), speed, ["cpu"]) == Estimate()


def test_steps_of_nothing(plugins: Plugins):
    """None."""
    cells: list[Cell] = []
    assert training_steps(cells, Resolver(plugins)) == 0
