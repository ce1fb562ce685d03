"""The contract tried on its hardest users: recurrent cells with shared weights under dynamic sparse training."""

from __future__ import annotations

import pytest
import torch
from places import HELPERS, STRANGER

from ticketbench import Shapes
from ticketbench.engine.bench import Bench
from ticketbench.engine.execute import execute
from ticketbench.engine.fleet_run import lead
from ticketbench.plan.count import work_of
from ticketbench.plan.plan import make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import load_plugins
from ticketbench.suite.suite import read_suite
from ticketbench.testing import check_model

PLUGIN = HELPERS / "peephole.py"
CHANGES = (
    ('models = [{ name = "mlp", hidden = [8] }]', 'models = ["own_peephole"]'),
    ('methods = ["dense", "magnitude"]', 'methods = ["rigl", "imp"]'),
    ("densities = [0.5]", "densities = [0.3]"),
)


@pytest.fixture(scope="module")
def world():
    return load_plugins([STRANGER, PLUGIN])


def test_a_peephole_lstm_stacks(world):
    """Three stacked members compute what three single ones do."""
    check_model(world.find("model", "own_peephole"), Shapes((6,), 3))


def test_shared_weights_count_once_in_size_and_every_time_in_flops(world):
    """Six time steps of a 4·5 × 5 product: 2 · 100 · 6 FLOPs for one weight of 100 numbers."""
    work = work_of(world.find("model", "own_peephole"), Shapes((6,), 3), {})
    assert {name: work.by_weight[name] for name in ("from_input", "from_hidden", "peephole", "read.weight")} == {
        "from_input": 2 * 20 * 6,
        "from_hidden": 2 * 100 * 6,
        "peephole": 2 * 100 * 6,
        "read.weight": 2 * 15,
    }


def test_rigl_and_imp_train_it_as_a_fleet_as_they_do_alone(world, tiny_suite):
    """Fleets of two seeds and single cells leave the same training curves, at the exact density."""
    suite = read_suite(tiny_suite(*CHANGES))
    plan = make_plan(suite, "smoke", world)
    found = {}
    for size in (8, 1):
        records = [
            record.as_dict()
            for fleet in plan.fleets(plan.cells, "cpu", 1, size)
            for record in execute(fleet.cells, Resolver(world), suite.headline)
        ]
        assert {record["status"] for record in records} == {"ok"}
        assert {(record["kept"], record["prunable"]) for record in records} == {(66, 220)}
        found[size] = {record["key"]: [point[6] for point in record["curves"]] for record in records}
    for key, values in found[8].items():
        torch.testing.assert_close(torch.tensor(values), torch.tensor(found[1][key]), rtol=1e-4, atol=1e-5)


def test_nothing_leaks_through_the_masks_of_shared_weights(world, tiny_suite):
    """After RigL with Adam, masked weights and slots are exactly zero, and as many as the density says."""
    suite = read_suite(tiny_suite(*CHANGES))
    cells = [cell for cell in make_plan(suite, "smoke", world).cells if cell.setting.row == "rigl"]
    bench = Bench(cells, [Resolver(world).cast(cell.setting) for cell in cells], torch.device("cpu"))
    lead(bench, suite.headline, lambda phase, steps: None, keep=False)
    assert set(bench.stack.slots) == {"exp_avg", "exp_avg_sq"}
    for name, mask in bench.stack.masks.items():
        for tensor in (bench.stack.parameters[name], *(slot[name] for slot in bench.stack.slots.values())):
            assert int(torch.count_nonzero(tensor[~mask])) == 0
            assert int(torch.count_nonzero(tensor[mask])) > 0
