"""Estimates: counted by hand for a 6-8-3 perceptron, and adding up over trainings and cells."""

from __future__ import annotations

from pathlib import Path

import pytest

from ticketbench.plan.count import Size, Work
from ticketbench.plan.estimate import Cost, Estimate, estimate, judging_flops, measured_rate
from ticketbench.plan.plan import make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import Plugins
from ticketbench.suite.suite import read_suite

RATE = 1e9
FORWARD = 2 * (6 * 8 + 8 * 3)
"""FLOPs of one example: a multiplication and an addition for each of 72 weights."""
TRAINING = 3 * FORWARD * 20 * 20
"""20 steps of 20 examples; forward and backward cost three forwards."""
JUDGING = FORWARD * 30
"""The test split holds a quarter of 120 examples."""


@pytest.fixture
def cost_of_rows(plugins: Plugins, cells_of):
    """The estimate of some rows of a suite file."""

    def cost(path: Path, *rows: str, members: int = 4, **selection) -> Estimate:
        _, cells = cells_of(path, methods=rows, **selection)
        return estimate(cells, Resolver(plugins), members, RATE)

    return cost


def test_flops_by_hand(tiny_suite, cost_of_rows):
    """One dense cell: 20 training steps and one judgement."""
    found = cost_of_rows(tiny_suite(), "dense", seeds=1)
    assert (found.cells, found.steps, found.flops) == (1, 20, TRAINING + JUDGING)


def test_cells_add_up(tiny_suite, cost_of_rows):
    """Five seeds of two rows cost ten times as much."""
    found = cost_of_rows(tiny_suite(), "dense", "magnitude", seeds=5)
    assert (found.cells, found.steps, found.flops) == (10, 200, 10 * (TRAINING + JUDGING))


def test_iterative_magnitude_pruning_counts_its_levels(tiny_suite, cost_of_rows):
    """Halving down to 1/8 takes three levels, each trained and judged before it is pruned, and a last training."""
    found = cost_of_rows(tiny_suite(), "imp", seeds=1, densities=(0.125,))
    assert (found.cells, found.steps, found.flops) == (1, 4 * 20, 4 * (TRAINING + JUDGING))


def test_tickets_of_all_levels_are_trained_where_the_protocol_trains(tiny_suite, cost_of_rows):
    """IMP by halves to an eighth under a transfer: 3 trainings to draw, and 4 elsewhere; the own ticket takes 4."""
    path = tiny_suite(('protocols = ["same"]', 'protocols = ["halves", { name = "halves", ticket = "own" }]'))
    found = cost_of_rows(path, "imp", seeds=1, densities=(0.125,))
    assert found.steps == (7 + 4) * 20


def test_epochs_count_whole_batches(tiny_suite, cost_of_rows):
    """Two epochs of 120 examples in batches of 50 are four steps."""
    path = tiny_suite(("steps = 20\n", "epochs = 2\n"), ("batch = 20", "batch = 50"))
    found = cost_of_rows(path, "dense", seeds=1)
    assert (found.steps, found.flops) == (4, 3 * FORWARD * 50 * 4 + JUDGING)


def test_seconds_are_flops_over_the_rate_and_launches_shared_by_a_fleet():
    """100 FLOPs × batch 10 × 20 steps × 3 over 10⁶ a second, and 3 × 7 launches of 10 µs a step among 5 members."""
    cost = Cost(Work(other=100.0, operations=7), judging=0.0, size=Size(1, {}), steps=20, batch=10)
    assert cost.flops() == 60_000
    assert cost.seconds(1e6, 5) == pytest.approx(0.06 + 3 * 7 * 20 * 1e-5 / 5)


def test_memory_is_that_of_a_fleet():
    """Five float32 copies of 1000 parameters, and what ten examples leave behind, for each of three members."""
    cost = Cost(Work(activations=400.0), judging=0.0, size=Size(1000, {}), steps=1, batch=10)
    assert cost.memory(3) == 3 * (5 * 4 * 1000 + 4000)


def test_memory_does_not_add_up_over_fleets(tiny_suite, cost_of_rows):
    """It is the largest fleet's, whatever the number of cells, and grows with the fleet."""
    one, five, wide = (
        cost_of_rows(tiny_suite(), "dense", seeds=seeds, members=members) for seeds, members in ((1, 4), (5, 4), (1, 8))
    )
    assert 0 < one.memory == five.memory
    assert wide.memory == 2 * one.memory


def test_workers_share_the_time():
    """Ten seconds for one are five for two; no worker is one worker."""
    assert [Estimate(seconds=10.0).over(workers) for workers in (0, 1, 2)] == [10.0, 10.0, 5.0]


def test_a_budget_sweep_is_extrapolated_to_what_it_costs(tiny_suite, plugins: Plugins):
    """Judging a recurrent network at 6, 8, 10 and 12 iterations costs what the counted pass does."""
    from ticketbench.plan.count import work_of

    suite = read_suite(plugins.find("suite", "drn"))
    cell = make_plan(suite, "smoke", plugins).cells[0]
    cast = Resolver(plugins).cast(cell.setting)
    assert cast.stages.sweep == (6, 8, 10, 12)
    (judged,) = cast.stages.judge_on.values()
    counted = work_of(cast.model, judged.shapes(), cast.model.sweep_call(cast.stages.sweep)).flops()
    assert judging_flops(cast, judged) == counted


def test_nothing_costs_nothing(plugins: Plugins):
    """A plan whose cells are all finished."""
    assert estimate([], Resolver(plugins), rate=RATE) == Estimate()


def test_this_machine_has_a_speed():
    """Measured when no rate is given: more than a pocket calculator's, less than a building's."""
    assert 1e6 < measured_rate() < 1e16
