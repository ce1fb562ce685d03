"""Models with randomness inside: the same key has the same result, whatever the fleet, the workers or the engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command_line import command
from places import STRANGER

from ticketbench.engine.execute import execute
from ticketbench.plan.plan import make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import load_plugins
from ticketbench.store.schema import CellRecord
from ticketbench.store.store import Store
from ticketbench.suite.suite import read_suite

MODELS = '''
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional
from ticketbench import Model, hookimpl, option, stacked_linear


@dataclass(frozen=True)
class Dropping(Model):
    """A hidden layer with dropout behind it and drop-connect before it."""

    name = "dropping"
    summary = "dropout"
    reference = "a test"

    def build(self, shapes):
        return Net(shapes.inputs[0], shapes.outputs)


@dataclass(frozen=True)
class OneByOne(Dropping):
    """The same, never stacked."""

    name = "one_by_one"
    stackable = False


@dataclass(frozen=True)
class Stacked(Dropping):
    """The same, with a stacked form of its own."""

    name = "own_stacked"

    def stacked(self, module):
        def forward(parameters, buffers, inputs):
            first = functional.dropout(parameters["first.weight"], 0.2, module.training)
            hidden = functional.relu(stacked_linear(inputs, first, parameters["first.bias"]))
            hidden = functional.dropout(hidden, 0.5, module.training)
            return stacked_linear(hidden, parameters["last.weight"], parameters["last.bias"])

        return forward


@dataclass(frozen=True)
class Careless(Dropping):
    """Draws where nobody can answer."""

    name = "careless"
    summary = "torch.randperm in its forward"

    def build(self, shapes):
        net = Net(shapes.inputs[0], shapes.outputs)
        net.careless = True
        return net


class Net(nn.Module):
    careless = False

    def __init__(self, inputs, outputs):
        super().__init__()
        self.first, self.last = nn.Linear(inputs, 16), nn.Linear(16, outputs)
        self.dropout = nn.Dropout(0.5)

    def forward(self, inputs):
        if self.careless and self.training:
            inputs = inputs[:, torch.randperm(inputs.shape[1])]
        first = functional.dropout(self.first.weight, 0.2, self.training)
        hidden = functional.relu(functional.linear(inputs, first, self.first.bias))
        return self.last(self.dropout(hidden))


@hookimpl
def ticketbench_models():
    return [Dropping(), OneByOne(), Stacked(), Careless()]
'''
ENGINES = {"dropping": "vmap", "one_by_one": "loop", "own_stacked": "stacked"}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The plugin file."""
    path = tmp_path / "dropping_models.py"
    path.write_text(MODELS, encoding="utf-8")
    return path


@pytest.fixture
def suite(tiny_suite):
    """Eight seeds of a dense and a SNIP row on one of the models."""

    def write(model: str) -> Path:
        return tiny_suite(
            ('{ name = "mlp", hidden = [8] }', f'"{model}"'),
            ("seeds = [0, 1]", f"seeds = {list(range(8))}"),
            ('methods = ["dense", "magnitude"]', 'methods = ["dense", "snip"]'),
            name=f"{model}.toml",
        )

    return write


def numbers(record: CellRecord) -> dict[str, float | None]:
    """What a cell was judged to be, and its last training loss."""
    return {
        "headline": record.headline,
        "loss": [point.value for point in record.curves if point.metric == "loss"][-1],
    }


@pytest.mark.parametrize("model", ENGINES)
def test_a_fleet_changes_nothing(suite, models, model: str):
    """Fleets of 1, 4 and 8, in every engine: headline and loss to 1e-6, and the three engines agree as closely."""
    plugins = load_plugins([STRANGER, models])
    found: dict[int, dict[str, dict[str, float | None]]] = {}
    for fleet in (1, 4, 8):
        plan_of = read_suite(suite(model))
        plan = make_plan(plan_of, "smoke", plugins)
        records = [
            record
            for part in plan.fleets(plan.cells, "cpu", 1, fleet)
            for record in execute(part.cells, Resolver(plugins), plan_of.headline)
        ]
        assert {record.status for record in records} == {"ok"}, records[0].reason
        assert {record.engine for record in records} == {
            "loop" if fleet == 1 and model == "dropping" else ENGINES[model]
        }
        found[fleet] = {f"{record.row} {record.seed}": numbers(record) for record in records}
    for fleet in (4, 8):
        for cell, values in found[1].items():
            assert found[fleet][cell] == pytest.approx(values, abs=1e-6)
    REFERENCE.setdefault("losses", found[1])
    for cell, values in REFERENCE["losses"].items():
        assert found[1][cell] == pytest.approx(values, abs=1e-6)


REFERENCE: dict[str, dict[str, dict[str, float | None]]] = {}
"""What the first of the models gave: the others are the same network."""


def test_workers_and_a_kill_change_nothing(suite, models, tmp_path):
    """A run that is killed after its first cells and started again with two workers, and one worker: equal to 1e-6."""
    path = suite("dropping")
    words = ("run", "--suite", path, "--tier", "smoke", "--plugin", STRANGER, "--plugin", models, "--json")

    def run(store: str, workers: int, fleet: int) -> subprocess.Popen[str]:
        call = command(*words, "--store", tmp_path / store, "--workers", str(workers), "--fleet", str(fleet))
        return subprocess.Popen(call, stdout=subprocess.PIPE, text=True, start_new_session=True)

    killed = run("killed", 1, 2)
    end = time.monotonic() + 100
    while not (tmp_path / "killed" / "cells").is_dir() or not Store(tmp_path / "killed").statuses():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    done_before = len(Store(tmp_path / "killed").statuses())
    found = {}
    for store, workers, fleet in (("killed", 2, 4), ("one", 1, 8)):
        printed = json.loads(run(store, workers, fleet).communicate()[0])
        assert printed["counts"] == {"ok": 16}
        found[store] = {record["key"]: record["headline"] for record in printed["records"]}
        curves = Store(tmp_path / store).read("curves").to_pylist()
        last = {p["key"]: p["value"] for p in curves if (p["metric"], p["x"]) == ("loss", 20.0)}
        found[store] |= {f"{key} loss": value for key, value in last.items()}
    assert 0 < done_before < 16
    assert len(found["one"]) == 32
    assert found["killed"] == pytest.approx(found["one"], abs=1e-6)


def test_what_cannot_be_drawn_from_a_seed_is_refused_at_the_plan(suite, models, ticketbench):
    """Before anything is computed, with the model, the operation and what would work; exit status 2."""
    for verb in ("plan", "run"):
        done = ticketbench(
            verb, "--suite", suite("careless"), "--tier", "smoke", "--plugin", STRANGER, "--plugin", models
        )
        assert done.returncode == 2
        assert "model 'careless': the model draws random numbers by torch.randperm" in " ".join(done.stderr.split())
        assert "nn.Dropout" in done.stderr
