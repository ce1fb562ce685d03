"""A fleet of recurrent networks whose method removes units trains smaller networks, and nothing else is different."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from places import HELPERS, STRANGER

from ticketbench import Adaptation, Method
from ticketbench.cli import main
from ticketbench.engine.bench import Bench
from ticketbench.engine.execute import execute
from ticketbench.engine.fleet_run import lead
from ticketbench.plan.plan import make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import Plugins, load_plugins
from ticketbench.suite.suite import read_suite

WALK = HELPERS / "walk.py"
MODELS = {
    "rnn": ('{ name = "rnn", hidden = 8 }', "seq_digits"),
    "lstm": ('{ name = "lstm", hidden = 8 }', "seq_digits"),
    "peephole": ('{ name = "peephole", hidden = 8 }', "seq_digits"),
    "gru": ('{ name = "gru", hidden = 8 }', "seq_digits"),
    "language lstm": ('{ name = "language_model", hidden = 8, embedding = 4 }', "walk"),
    "language gru": ('{ name = "language_model", cell = "gru", hidden = 8, embedding = 4 }', "walk"),
}


@dataclass(frozen=True)
class Halving(Method):
    """Drops every second unit and starts anew on other weights, whose biases and read-out are not zero."""

    name = "halving"
    summary = "drops every second unit"
    removes_units = True

    def draw(self, trial):
        yield trial.train(until=3)
        mask, module = trial.mask, trial.module
        for role, name in module.layer.items():
            mask[name].view(len(module.gates), module.hidden, -1)[:, ::2] = False
            if role != "input":
                mask[name][:, ::2] = False
        trial.set_mask(mask)
        trial.reinitialize()
        trial.set_weights({"bias": torch.full_like(trial.parameters["bias"], 0.1)})


@pytest.fixture(scope="module")
def world() -> Plugins:
    """With the walk."""
    return load_plugins([STRANGER, WALK])


@pytest.fixture
def fleet(tiny_suite, world: Plugins) -> Callable[..., tuple[Any, Any]]:
    """The suite and the cells of a model, two seeds each, with a method from the suite."""

    def fleet(kind: str, method: str = '"filters"', densities: str = "[0.5]"):
        model, task = MODELS[kind]
        path = tiny_suite(
            ('{ name = "mlp", hidden = [8] }', model),
            ('"blobs"', f'"{task}"'),
            ("steps = 20", "steps = 8"),
            ('["dense", "magnitude"]', '["small"]'),
            ("[0.5]", densities),
            ("random = {", f"small = {{ method = {method} }}\nrandom = {{"),
            (
                'recipe = "plain"',
                'recipe = "plain"\nprobes = ["gate_balance", "connection_map", "jacobian_spectrum", '
                '"drawing_cost", "layer_density"]',
            ),
            ("log_every = 5", "log_every = 4\nweight_decay = 1e-2"),
        )
        suite = read_suite(path)
        return suite, make_plan(suite, "smoke", world).cells

    return fleet


@pytest.fixture
def led(fleet, world: Plugins) -> Callable[..., tuple[Bench, list]]:
    """The bench and the members after their lives, with another method if one is given."""

    def led(kind: str, method: Method | None = None, densities: str = "[0.5]", **stages: Any):
        suite, cells = fleet(kind, densities=densities)
        casts = [Resolver(world).cast(cell.setting) for cell in cells]
        casts = [replace(cast, method=method or cast.method, stages=replace(cast.stages, **stages)) for cast in casts]
        bench = Bench(cells, casts, torch.device("cpu"))
        return bench, lead(bench, suite.headline, lambda phase, steps: None, keep=True)

    return led


@pytest.mark.parametrize("kind", MODELS)
def test_training_smaller_is_training_under_masks(led, monkeypatch, kind: str):
    """Same curves, judgements and probes as with the dropped units masked, under Adam with weight decay."""
    bench, smaller = led(kind, Halving())
    monkeypatch.setattr("ticketbench.engine.fleet_run.shrink", lambda bench, living: None)
    large, masked = led(kind, Halving())
    assert bench.stack.parameters["from_hidden"].shape[2] == 4
    assert large.stack.parameters["from_hidden"].shape[2] == 8
    for mine, theirs in zip(smaller, masked, strict=True):
        assert mine.status == theirs.status == "ok", mine.error
        assert [point[:6] for point in mine.curves] == [point[:6] for point in theirs.curves]
        assert [point[6] for point in mine.curves] == pytest.approx([point[6] for point in theirs.curves], rel=1e-3)
    for name in ("bias", "read_out.weight"):
        own, whole = bench.stack.parameters[name], large.stack.parameters[name]
        units = whole.unflatten(1, (-1, 8))[:, :, 1::2].flatten(1, 2) if name == "bias" else whole[:, :, 1::2]
        torch.testing.assert_close(own, units, rtol=1e-3, atol=1e-5)
        assert whole.count_nonzero() == units.numel()


@pytest.mark.parametrize("kind", ["gru", "language lstm"])
def test_what_a_stage_starts_anew_leaves_dropped_units_silent(led, monkeypatch, kind: str):
    """A fresh read-out where the ticket is trained, and fresh biases after it: the networks still get smaller."""
    task = led(kind)[0].stage.data.task
    stages = {"fresh": ("read_out.*",), "adapt": Adaptation(task, {"steps": 4}, ("bias", "read_out.*"))}
    bench, smaller = led(kind, Halving(), **stages)
    assert bench.stack.parameters["from_hidden"].shape[2] == 4
    monkeypatch.setattr("ticketbench.engine.fleet_run.shrink", lambda bench, living: None)
    _, masked = led(kind, Halving(), **stages)
    for mine, theirs in zip(smaller, masked, strict=True):
        assert mine.status == theirs.status == "ok", mine.error
        assert mine.headline == pytest.approx(theirs.headline, rel=1e-3)


@pytest.mark.parametrize("kind", MODELS)
def test_the_networks_are_smaller_and_the_record_counts_them(fleet, world, kind: str):
    """Every probe looks; as many weights as fit the density; FLOPs and parameters are those of a network built so."""
    suite, cells = fleet(kind)
    (record, other) = (one.as_dict() for one in execute(cells, Resolver(world), suite.headline))
    assert record["status"] == other["status"] == "ok", record["error"] + other["error"]
    cast = Resolver(world).cast(cells[0].setting)
    model, shapes = cast.model, cast.stages.train_on.shapes()
    sizes = {name: size for name, _, size in record["layers"]}
    gates, features = len(model.build(shapes).gates), 4 if "language" in kind else 8
    loops = len(sizes) - 1
    assert sizes["from_input"] == gates * 8 * features
    each = [gates * units * (features + loops * units) for units in range(9)]
    target = each[8] // 2
    units = max(units for units in range(9) if each[units] <= target)
    assert (record["kept"], record["exact_density"]) == (each[units], each[units] / each[8])
    small = replace(model, hidden=units).build(shapes)
    fixed = small.embedding.weight.numel() if "language" in kind else 0
    assert record["parameters"] == sum(part.numel() for part in small.parameters())
    steps, reads = (5, 5) if "language" in kind else (8, 1)
    read_out = small.read_out.weight.numel()
    assert record["parameters"] == each[units] + gates * units + read_out + len(small.read_out.bias) + fixed
    assert record["flops"] == 2 * (steps * each[units] + reads * read_out)
    assert record["flops_dense"] == 2 * (steps * each[8] + reads * read_out // units * 8)
    assert {name for name, *_ in record["probes"]} >= {"gate_balance", "layer_density", "drawing_cost"}


def test_members_of_different_sizes_share_the_larger_shape(led):
    """At 0.6 and 0.2 in one fleet: the smaller members keep silent units beside their own, also after training."""
    bench, members = led("lstm", densities="[0.6, 0.2]")
    assert [member.status for member in members] == ["ok"] * 4
    alone, single = led("lstm", densities="[0.2]")
    assert bench.stack.parameters["bias"].shape[1] > alone.stack.parameters["bias"].shape[1]
    smaller = [index for index, member in enumerate(members) if member.cell.density == 0.2]
    for index, expected in zip(smaller, single, strict=True):
        assert members[index].headline == pytest.approx(expected.headline, abs=1e-6)
        rows = bench.stack.masks["from_input"][index].any(dim=1)
        assert bench.stack.parameters["bias"][index].ne(0).equal(rows)


@pytest.mark.parametrize("kind", ["gru", "language lstm"])
def test_ticket_and_solution_have_the_shapes_of_the_model(led, kind: str):
    """Removed units come back as zeros: the solution computes what the smaller network computes."""
    bench, members = led(kind)
    for index, member in enumerate(members):
        assert member.ticket.weights["from_hidden"].shape[1] == member.solution.weights["from_hidden"].shape[1] == 8
        member.solution.check()
        smaller = bench.module_of(index)
        assert smaller.hidden < 8
        whole = bench.stage.network.model.build(bench.stage.data.task.shapes())
        whole.load_state_dict(member.solution.weights)
        inputs = bench.stage.data.train.inputs[:20]
        torch.testing.assert_close(whole(inputs), smaller(inputs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kind", "units"), [("gru", 4), ("language lstm", 5)])
def test_from_the_command_line_to_a_smaller_file(
    ticketbench, tiny_suite, tmp_path: Path, monkeypatch, capsys, kind: str, units: int
):
    """Both methods run, and their files have fewer of 8 units when they are compact: 144 or 180 of 384 weights."""
    model, task = MODELS[kind]
    path = tiny_suite(
        ('{ name = "mlp", hidden = [8] }', model),
        ('"blobs"', f'"{task}"'),
        ("steps = 20", "steps = 4"),
        ('["dense", "magnitude"]', '["strong", "means"]'),
        ("seeds = [0, 1]", "seeds = [0]"),
        ("random = {", 'strong = { method = "filters" }\nmeans = { method = "mean_replacement" }\nrandom = {'),
    )
    run = ticketbench(
        "run", "--suite", path, "--device", "cpu", "--keep-tickets", "--plugin", STRANGER, "--plugin", WALK
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 ok" in run.stdout + run.stderr
    saved = list((tmp_path / "results" / "tickets").glob("*.safetensors"))
    assert len(saved) == 4
    for file in saved:
        words = ["ticket", "export", file, "--out", tmp_path / "small", "--compact", "--plugin", WALK]
        monkeypatch.setattr(sys, "argv", ["ticketbench", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code
        assert f"read_out: Linear(in_features={units}," in capsys.readouterr().out
