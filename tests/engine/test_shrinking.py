"""A fleet whose method removes units trains smaller networks, and nothing else about them is different."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from ticketbench.engine.bench import Bench
from ticketbench.engine.execute import execute
from ticketbench.engine.fleet_run import lead
from ticketbench.plan.plan import make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.suite.suite import read_suite
from ticketbench_methods.filters import Filters


@dataclass(frozen=True)
class Unfinished(Filters):
    """Leaves its optimizers as they are."""

    def draw(self, trial):
        yield trial.train(until=5)
        mask = trial.mask
        mask["1.weight"][:5] = False
        mask["3.weight"][:, :5] = False
        trial.set_mask(mask)


@pytest.fixture
def cells(tiny_suite, cells_of, plugins):
    """Filter pruning of a 6-8-5-3 network to a half and to a quarter, two seeds each."""
    path = tiny_suite(
        ("hidden = [8]", "hidden = [8, 5]"),
        ('["dense", "magnitude"]', '["small"]'),
        ("[0.5]", "[0.5, 0.25]"),
        ("random = {", 'small = { method = "filters" }\nrandom = {'),
        ("log_every = 5", "log_every = 5\nweight_decay = 1e-2"),
    )
    return read_suite(path), make_plan(read_suite(path), "smoke", plugins).cells


@pytest.fixture
def led(cells, plugins):
    """The bench and the members after their lives, with another method in place of the row's."""

    def lives(method=None, count: int = 4):
        suite, chosen = cells
        casts = [Resolver(plugins).cast(cell.setting) for cell in chosen[:count]]
        bench = Bench(
            chosen[:count], [replace(cast, method=method or cast.method) for cast in casts], torch.device("cpu")
        )
        return bench, lead(bench, suite.headline, lambda phase, steps: None, keep=True)

    return lives


def test_the_networks_are_smaller(led):
    """Alone at a quarter, 24 of 103 weights: 2 of 8 and 1 or 2 of 5 units; the layers have these widths."""
    bench, members = led(count=2)
    assert [member.status for member in members] == ["ok", "ok"]
    widths = [bench.stack.parameters[name].shape[1] for name in ("1.weight", "3.weight")]
    kept = {name: bench.stack.masks[name] for name in ("1.weight", "3.weight", "5.weight")}
    assert widths < [8, 5]
    assert all(bool(mask.all()) for mask in kept.values())
    assert sum(mask[0].numel() for mask in kept.values()) <= 51  # ⌊103/2 + ½⌋


def test_training_smaller_is_training_under_masks(led, monkeypatch):
    """Same curves and the same accuracies as with the dropped units masked, weight decay and Adam included."""
    bench, smaller = led()
    monkeypatch.setattr("ticketbench.engine.fleet_run.shrink", lambda bench, living: None)
    large, masked = led()
    assert bench.stack.parameters["1.weight"].numel() < large.stack.parameters["1.weight"].numel()
    for mine, theirs in zip(smaller, masked, strict=True):
        assert mine.status == theirs.status == "ok"
        assert [point[:6] for point in mine.curves] == [point[:6] for point in theirs.curves]
        assert [point[6] for point in mine.curves] == pytest.approx([point[6] for point in theirs.curves], rel=1e-4)


def test_members_of_different_sizes_share_the_larger_shape(led):
    """A half and a quarter in one fleet: the quarter's members keep dead units, masked, and results are their own."""
    together, members = led()
    alone, single = led(count=2)
    assert together.stack.parameters["1.weight"].shape[1:] == alone.stack.parameters["1.weight"].shape[1:]
    quarters = [index for index, member in enumerate(members) if member.cell.density == 0.25]
    assert all(not bool(together.stack.masks["1.weight"][index].all()) for index in quarters)
    together.stack.check()
    for mine, theirs in zip(single, [member for member in members if member.cell.density == 0.5], strict=True):
        assert mine.headline == pytest.approx(theirs.headline, abs=1e-6)


def test_the_record_counts_the_ticket_and_the_smaller_network(cells, plugins):
    """Kept weights at most the density's count, of all 103; parameters without removed biases; fewer FLOPs."""
    suite, chosen = cells
    records = [one.as_dict() for one in execute(chosen[:1], Resolver(plugins), suite.headline)]
    (record,) = records
    assert (record["status"], record["prunable"]) == ("ok", 103)
    assert record["kept"] <= 52
    assert record["exact_density"] == record["kept"] / 103
    widths = {name: size for name, _, size in record["layers"]}
    assert widths == {"1.weight": 48, "3.weight": 40, "5.weight": 15}
    assert record["kept"] < record["parameters"] < record["kept"] + 8 + 5 + 3
    assert record["flops"] == 2 * record["kept"]
    assert record["flops_dense"] == 2 * 103


def test_ticket_and_solution_have_the_shapes_of_the_model(led):
    """Removed units come back as zeros: the solution computes what the smaller network computes."""
    bench, members = led(count=2)
    assert members[0].ticket.weights["1.weight"].shape == (8, 6)
    assert bench.stack.parameters["1.weight"].shape[1] < 8
    whole = network(8, 5)
    for index, member in enumerate(members):
        member.solution.check()
        whole.load_state_dict(member.solution.weights)
        smaller = bench.module_of(index)
        inputs = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
        assert torch.allclose(whole(inputs), smaller(inputs), atol=1e-6)
        assert int(member.solution.weights["1.weight"].count_nonzero()) <= bench.stack.masks["1.weight"][index].sum()


def network(*hidden: int) -> nn.Module:
    """6 inputs, 3 outputs."""
    widths = [6, *hidden, 3]
    layers = [part for size in pairwise(widths) for part in (nn.Linear(*size), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers[:-1])


def test_a_smaller_network_moves_to_another_stage(tiny_suite, plugins):
    """Drawn on one half, trained smaller on the other; then a head is trained on top of it, smaller as well."""
    path = tiny_suite(
        ("hidden = [8]", "hidden = [8, 5]"),
        ('["dense", "magnitude"]', '["small"]'),
        ("[0.5]", "[0.25]"),
        ("random = {", 'small = { method = "filters" }\nrandom = {'),
        ('protocols = ["same"]', 'protocols = ["halves"]'),
    )
    suite = read_suite(path)
    cells = make_plan(suite, "smoke", plugins).cells
    bench = Bench(cells, [Resolver(plugins).cast(cell.setting) for cell in cells], torch.device("cpu"))
    members = lead(bench, suite.headline, lambda phase, steps: None, keep=True)
    assert [member.status for member in members] == ["ok", "ok"]
    assert bench.stack.parameters["1.weight"].shape[1] < 8
    for index, member in enumerate(members):
        kept = sum(int(part[index].sum()) for part in bench.stack.masks.values())
        assert kept == sum(int(part.sum()) for part in member.drawn.values()) <= 26
    record = execute(cells[:1], Resolver(plugins), suite.headline)[0].as_dict()
    assert record["flops"] == 2 * record["kept"] < record["flops_dense"]


def test_a_plan_keeps_densities_apart(tiny_suite, plugins):
    """Filters at two densities are two fleets; magnitude pruning at two is one."""
    path = tiny_suite(
        ('["dense", "magnitude"]', '["magnitude", "small"]'),
        ("[0.5]", "[0.5, 0.25]"),
        ("random = {", 'small = { method = "filters" }\nrandom = {'),
    )
    plan = make_plan(read_suite(path), "smoke", plugins)
    fleets = [{(cell.setting.row, cell.density) for cell in fleet.cells} for fleet in plan.fleets(plan.cells, "cpu", 1)]
    assert {("magnitude", 0.5), ("magnitude", 0.25)} in fleets
    assert [fleet for fleet in fleets if ("small", 0.5) in fleet] == [{("small", 0.5)}]


def test_a_method_that_leaves_its_optimizer_is_told(led):
    """What Adam remembers belongs to the larger network."""
    _, members = led(Unfinished())
    assert {member.status for member in members} == {"failed"}
    assert "removes units" in members[0].reason
