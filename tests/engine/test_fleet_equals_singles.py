"""A cell's result does not depend on the fleet it is trained in, beyond rounding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from stepping import train_members
from torch import Tensor, nn

from ticketbench import Model, Shapes, Train
from ticketbench.engine.bench import Bench
from ticketbench.plan.resolve import Resolver

MEMBERS = 8
OPTIMIZERS = {
    "sgd": 'optimizer = "sgd"\nlearning_rate = 5e-2',
    "momentum": 'optimizer = "sgd"\nmomentum = 0.9\nweight_decay = 1e-3\nlearning_rate = 2e-2',
    "adam": 'optimizer = "adam"\nlearning_rate = 1e-2',
}
PLAIN = 'optimizer = "adam"\nlearning_rate = 1e-2'
STEPS = ("steps = 20\nlog_every = 5", "steps = 50\nlog_every = 1")
SEEDS = "seeds = [0, 1]"


def curves(records: list[dict[str, Any]]) -> dict[str, Tensor]:
    """Each cell's training losses in order: (round, step, loss)."""
    found = {}
    for record in records:
        assert record["status"] == "ok", record["reason"]
        points = [
            (number, step, value)
            for split, _, name, number, _, step, value in record["curves"]
            if (split, name) == ("train", "loss")
        ]
        found[record["key"]] = torch.tensor(points, dtype=torch.float64)
    return found


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """The same points for the same cells, losses to 1e-4."""
    assert one.keys() == other.keys()
    for key, points in one.items():
        assert other[key][:, :2].equal(points[:, :2])
        torch.testing.assert_close(other[key][:, 2], points[:, 2], rtol=1e-4, atol=0)


@pytest.mark.parametrize("method", ["dense", "snip", "imp", "rigl"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_fleet_of_eight_gives_the_curves_of_eight_single_runs(tiny_suite, records_of, optimizer: str, method: str):
    """50 steps, each with its own loss, for eight seeds: as one stack, and each alone."""
    path = tiny_suite(
        (SEEDS, f"seeds = {list(range(MEMBERS))}"),
        STEPS,
        (PLAIN, OPTIMIZERS[optimizer]),
        ('methods = ["dense", "magnitude"]', f'methods = ["{method}"]'),
    )
    together, alone = records_of(path), records_of(path, fleet=1)
    assert {record["fleet_size"] for record in together} == {8}
    assert {record["fleet_size"] for record in alone} == {1}
    trainings = 2 if method == "imp" else 1
    assert all(len(points) == 50 * trainings for points in curves(alone).values())
    assert_same(curves(together), curves(alone))
    assert [record["kept"] for record in together] == [record["kept"] for record in alone]


@pytest.mark.parametrize("method", ["dense", "snip", "imp", "rigl"])
def test_a_cell_does_not_notice_its_companions(tiny_suite, records_of, method: str):
    """Seed 5 among eight seeds at two densities, and in fleets with others at one: the same cell, the same curve."""
    changes = (STEPS, ('methods = ["dense", "magnitude"]', f'methods = ["{method}"]'))
    crowd = tiny_suite(
        (SEEDS, f"seeds = {list(range(MEMBERS))}"), ("densities = [0.5]", "densities = [0.5, 0.25]"), *changes
    )
    strangers = tiny_suite((SEEDS, "seeds = [11, 5, 12]"), *changes, name="strangers.toml")
    first, second = curves(records_of(crowd)), curves(records_of(strangers))
    shared = first.keys() & second.keys()
    assert len(shared) == 1
    assert_same({key: first[key] for key in shared}, {key: second[key] for key in shared})


def test_scorers_and_methods_of_one_kind_share_a_fleet(tiny_suite, records_of):
    """Random, magnitude and SNIP masks trained as one stack are those of single runs."""
    path = tiny_suite(STEPS, ('methods = ["dense", "magnitude"]', 'methods = ["random", "magnitude", "snip"]'))
    together, alone = records_of(path), records_of(path, fleet=1)
    assert {record["fleet_size"] for record in together} == {6}
    assert_same(curves(together), curves(alone))


def test_a_recurrent_model_in_a_fleet_equals_single_runs(tiny_suite, records_of):
    """A deep thinker with both losses on 8-bit strings: four seeds, dense and SNIP, 50 steps."""
    path = tiny_suite(
        (SEEDS, "seeds = [0, 1, 2, 3]"),
        STEPS,
        (PLAIN, 'optimizer = "adam"\nlearning_rate = 2e-3\nclip = 1.0'),
        ('"blobs"', '{ name = "prefix_sums", length = 8, examples = 75, test_examples = 20 }'),
        ('{ name = "mlp", hidden = [8] }', '{ name = "dtnet1d", width = 6, iterations = 4, alpha = 0.5 }'),
        ('methods = ["dense", "magnitude"]', 'methods = ["dense", "snip"]'),
    )
    together, alone = records_of(path), records_of(path, fleet=1)
    assert {record["fleet_size"] for record in together} == {4}
    assert_same(curves(together), curves(alone))
    for one, other in zip(together, alone, strict=True):
        assert other["headline"] == pytest.approx(one["headline"], abs=0.05)


@dataclass(frozen=True)
class Normed(Model):
    """A perceptron with batch norm."""

    name = "normed"
    summary = "linear, batch norm, ReLU, linear"

    def build(self, shapes: Shapes) -> nn.Module:
        """The width is 9."""
        return nn.Sequential(
            nn.Linear(shapes.inputs[0], 9, bias=False), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, shapes.outputs)
        )


def normed_bench(plugins, cells) -> Bench:
    """A bench of the cells with the normed model in place of theirs."""
    casts = [replace(Resolver(plugins).cast(cell.setting), model=Normed()) for cell in cells]
    return Bench(cells, casts, torch.device("cpu"))


def trained(bench: Bench, until: int) -> list[list[float]]:
    """The losses of every member over some steps."""
    log = train_members(bench, range(len(bench.cells)), until)
    losses: list[list[float]] = [[] for _ in bench.cells]
    for member, metric, _, value in log.points:
        assert metric == "train/loss"
        losses[member].append(value)
    return losses


def test_batch_norm_keeps_its_statistics_member_by_member(plugins, tiny_suite, cells_of):
    """Losses, running means, variances and counts of eight stacked members are those of eight single networks."""
    path = tiny_suite(
        (SEEDS, f"seeds = {list(range(MEMBERS))}"), STEPS, ('methods = ["dense", "magnitude"]', 'methods = ["dense"]')
    )
    _, cells = cells_of(path)
    fleet = normed_bench(plugins, cells)
    assert (fleet.stage.network.engine(8), fleet.stage.network.engine(1)) == ("vmap", "loop")
    together = trained(fleet, 50)
    for member, cell in enumerate(cells):
        single = normed_bench(plugins, [cell])
        alone = trained(single, 50)[0]
        assert len(alone) == 50
        torch.testing.assert_close(together[member], alone, rtol=1e-4, atol=0)
        assert fleet.stack.buffers["1.num_batches_tracked"][member].item() == 50
        for name in ("1.running_mean", "1.running_var"):
            mine, theirs = fleet.stack.buffers[name][member], single.stack.buffers[name][0]
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_batch_norm_statistics_are_those_of_torch(plugins, tiny_suite, cells_of):
    """One step: 0.9·0 + 0.1·mean and 0.9·1 + 0.1·variance of the batch, as computed from the batch itself."""
    path = tiny_suite(STEPS, ('methods = ["dense", "magnitude"]', 'methods = ["dense"]'))
    _, cells = cells_of(path)
    bench = normed_bench(plugins, cells)
    weights = bench.stack.parameters["0.weight"].detach().clone()
    stepper, *_ = bench.steppers.for_members(range(2), [Train()] * 2, [bench.course(0), bench.course(1)])
    inputs = torch.randn(2, 20, 6, generator=torch.Generator().manual_seed(0))
    with bench.stage.network.mode(training=True):
        stepper.step(inputs, torch.zeros(2, 20, dtype=torch.int64), 0.0, {})
    for member in range(2):
        hidden = inputs[member] @ weights[member].T
        expected = {"1.running_mean": 0.1 * hidden.mean(0), "1.running_var": 0.9 + 0.1 * hidden.var(0)}
        for name, values in expected.items():
            torch.testing.assert_close(bench.stack.buffers[name][member], values)
