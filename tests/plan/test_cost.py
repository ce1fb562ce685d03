"""Costs: counted by hand for a 6-8-3 perceptron, with probes, validations and sweeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ticketbench.plan.cost import Cost, Forwards, cost_of, swept
from ticketbench.plan.count import Size, Work, work_of
from ticketbench.plan.plan import make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import Plugins
from ticketbench.suite.suite import read_suite

FORWARD = 2 * (6 * 8 + 8 * 3)
"""FLOPs of one example: a multiplication and an addition for each of 72 weights."""
PARAMETERS = 72 + 8 + 3


@pytest.fixture
def cost_in(plugins: Plugins, cells_of) -> Callable[..., Cost]:
    """The cost of the first cell of a suite file."""

    def cost(path: Path, **selection) -> Cost:
        _, cells = cells_of(path, **selection)
        return cost_of(cells[0].setting, Resolver(plugins))

    return cost


def test_a_cell_by_hand(tiny_suite, cost_in):
    """20 steps of 20 examples, a judgement of 30, Adam's two slots; forward and backward cost three forwards."""
    cost = cost_in(tiny_suite())
    assert (cost.steps, cost.batch, cost.slots, cost.varied, cost.backward) == (20, 20, 2, False, 3.0)
    assert cost.step_flops() == 3 * FORWARD * 20
    assert cost.judging.flops == FORWARD * 30
    assert cost.flops() == 3 * FORWARD * 20 * 20 + FORWARD * 30
    assert cost.update_bytes() == 29 * PARAMETERS


def test_validations_and_batches_of_judging(tiny_suite, cost_in):
    """Four epochs of 96 examples, validated every other on 24 in three batches of 10, as the 30 for judging are."""
    path = tiny_suite(
        ("steps = 20\n", "epochs = 4\nvalidate_every = 2\njudge_batch = 10\n"),
        ("batch = 20", "batch = 24"),
        ('tasks = ["blobs"]', 'tasks = [{ name = "prefix_sums", length = 12, examples = 120, test_examples = 30 }]'),
    )
    cost = cost_in(path)
    one = cost.training  # a plain network's forward is the same in training and judging
    assert cost.steps == 4 * (96 // 24)
    assert cost.validating == Forwards(2 * 24 * one.flops(), 2 * 3 * one.operations, 2 * 24 * one.activations)
    assert cost.judging == Forwards(30 * one.flops(), 3 * one.operations, 30 * one.activations)


def test_looks_of_probes(tiny_suite, cost_in):
    """Drawn, trained, before and after a mask; and steps 0, 10 and 20 of every training."""
    path = tiny_suite(
        ('recipe = "plain"\n', 'recipe = "plain"\nprobes = [{ name = "gradient_flow", every = 10 }, "dead_units"]\n')
    )
    cost = cost_in(path)
    assert (cost.looks, cost.looks_each_training, cost.looks_at_masks) == (2 + 2, 3 + 1, 2)


@pytest.mark.parametrize(
    ("optimizer", "slots"), [('"adam"', 2), ('"sgd"', 0), ('"sgd"\nmomentum = 0.9', 1)], ids=["adam", "sgd", "momentum"]
)
def test_slots_of_the_optimizer(tiny_suite, cost_in, optimizer: str, slots: int):
    """What it keeps for each weight makes an update dearer."""
    cost = cost_in(tiny_suite(('optimizer = "adam"', f"optimizer = {optimizer}")))
    assert cost.slots == slots
    assert cost.update_bytes() == (13 + 8 * slots) * PARAMETERS


def test_a_network_that_thinks_in_part_without_gradients(plugins: Plugins):
    """A progressive loss alone: its steps differ, and cost between one forward and three."""
    suite = read_suite(plugins.find("suite", "drn"))
    cost = cost_of(make_plan(suite, "smoke", plugins).cells[0].setting, Resolver(plugins))
    assert cost.varied
    assert 1.2 < cost.backward < 2.8


def test_a_budget_sweep_is_extrapolated_to_what_it_costs(plugins: Plugins):
    """Judging a recurrent network at 6, 8, 10 and 12 iterations costs what the counted pass does."""
    suite = read_suite(plugins.find("suite", "drn"))
    cell = make_plan(suite, "smoke", plugins).cells[0]
    cast = Resolver(plugins).cast(cell.setting)
    assert cast.stages.sweep == (6, 8, 10, 12)
    (judged,) = cast.stages.judge_on.values()
    counted = work_of(cast.model, judged.shapes(), cast.model.sweep_call(cast.stages.sweep))
    assert swept(cast, judged).flops() == counted.flops()
    assert swept(cast, judged).operations == pytest.approx(counted.operations, rel=0.05)


def test_memory_is_that_of_a_fleet():
    """Five float32 copies of 1000 parameters, and what ten examples leave behind, for each of three members."""
    cost = Cost(Work(activations=400.0), Size(1000, {}), steps=1, batch=10)
    assert cost.memory(3) == 3 * (5 * 4 * 1000 + 4000)


def test_settings_that_differ_in_their_method_are_counted_once(plugins: Plugins, cells_of, tiny_suite):
    """One count for both rows of the tiny suite."""
    resolver = Resolver(plugins)
    _, cells = cells_of(tiny_suite())
    found = {id(cost_of(cell.setting, resolver)) for cell in cells}
    assert (len(found), len(resolver.costs), len({cell.setting.row for cell in cells})) == (1, 1, 2)
