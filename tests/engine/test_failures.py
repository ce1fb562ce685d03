"""Failures are rows: whatever a plugin or a number does, every cell has a status and a reason, and others go on."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from places import STRANGER

from ticketbench.engine.execute import execute
from ticketbench.plan.plan import Selection, make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import load_plugins
from ticketbench.store.store import Store
from ticketbench.suite.suite import read_suite

FAILURES = '''
import sys
import time
from dataclasses import dataclass
from typing import Literal

import torch
from ticketbench_stranger import Blobs

from ticketbench import Method, Probe, Scorer, hookimpl, option


class Trouble(Scorer):
    """Magnitude, with some trouble for the cells of seed 1."""

    reference = "none"

    def score(self, trial):
        if trial.seed == 1:
            self.trouble(trial)
        return {name: weight.abs() for name, weight in trial.weights.items()}


@dataclass(frozen=True)
class Raises(Trouble):
    name, summary = "raises", "raises an exception"

    def trouble(self, trial):
        raise ValueError("no gradient here")


@dataclass(frozen=True)
class Quits(Trouble):
    name, summary = "quits", "raises SystemExit"

    def trouble(self, trial):
        sys.exit("I have had enough")


@dataclass(frozen=True)
class Sleepy(Trouble):
    name, summary = "sleepy", "never comes back"

    def trouble(self, trial):
        time.sleep(3600)


@dataclass(frozen=True)
class Unranked(Scorer):
    name, summary, reference = "unranked", "scores that are not finite", "none"

    def score(self, trial):
        return {name: weight * float("nan") for name, weight in trial.weights.items()}


@dataclass(frozen=True)
class FrontHeavy(Scorer):
    name, summary, reference = "front_heavy", "every weight of the first layer before any of the last", "none"

    def score(self, trial):
        first = next(iter(trial.weights))
        return {name: weight.abs() + 100 * (name == first) for name, weight in trial.weights.items()}


@dataclass(frozen=True)
class Greedy(Scorer):
    name, summary, reference = "greedy", "runs out of memory in fleets above a size", "none"

    limit: int = option(1, "the largest fleet that fits", at_least=0)
    how: Literal["torch", "host", "cpu"] = option("torch", "who says that there is no memory")

    def score(self, trial):
        if len(trial._bench.cells) > self.limit:
            raise {
                "torch": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 640 PiB"),
                "host": MemoryError(),
                "cpu": RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 640 PiB"),
            }[self.how]
        return {name: weight.abs() for name, weight in trial.weights.items()}


@dataclass(frozen=True)
class Exploding(Method):
    name, summary, reference = "exploding", "weights without a number for seed 1", "none"

    def draw(self, trial):
        yield trial.train(until=5)
        trial.prune(scores=trial.weights)
        if trial.seed == 1:
            trial.set_weights({name: weight * float("inf") for name, weight in trial.parameters.items()})


@dataclass(frozen=True)
class LateRaising(Method):
    name, summary, reference = "late_raising", "reports, and then raises for seed 1", "none"

    def draw(self, trial):
        yield trial.train(until=5)
        trial.report()
        if trial.seed == 1:
            raise RuntimeError("too late")
        trial.prune(scores=trial.weights)


@dataclass(frozen=True)
class OffByOne(Method):
    name, summary, reference = "off_by_one", "keeps a weight too many", "none"

    def draw(self, trial):
        trial.prune(trial.density + 1 / trial.total_weights, scores=trial.weights)


@dataclass(frozen=True)
class Curious(Probe):
    name, summary, reference = "curious", "raises for seed 1", "none"

    moments = ("trained",)

    def measure(self, trial):
        return {"one": 1.0 / (1 - trial.seed)}


@dataclass(frozen=True)
class LostTest(Blobs):
    name, summary = "lost_test", "a task whose test split cannot be read"

    def test(self):
        raise FileNotFoundError("test.bin is gone")


@dataclass(frozen=True)
class LostTraining(Blobs):
    name, summary = "lost_training", "a task whose training split cannot be read"

    def training(self):
        raise FileNotFoundError("train.bin is gone")


@hookimpl
def ticketbench_scorers():
    return [Raises(), Quits(), Sleepy(), Unranked(), FrontHeavy(), Greedy()]


@hookimpl
def ticketbench_methods():
    return [Exploding(), LateRaising(), OffByOne()]


@hookimpl
def ticketbench_probes():
    return [Curious()]


@hookimpl
def ticketbench_tasks():
    return [LostTest(), LostTraining()]
'''

ABSURD = """
[recipes.absurd]
optimizer = "sgd"
learning_rate = 1e30
batch = 20
steps = 20
log_every = 5

[[tiers.smoke.blocks]]
tasks = ["blobs"]
models = [{ name = "mlp", hidden = [8] }]
protocols = ["same"]
initializers = ["default"]
methods = ["absurd"]
densities = [0.5]
recipe = "absurd"
"""

TROUBLED = ("greedy", "quits", "raises", "sleepy", "unranked", "front_heavy")


@pytest.fixture
def failures(tmp_path) -> Path:
    """The plugin file."""
    path = tmp_path / "failures.py"
    path.write_text(FAILURES)
    return path


@pytest.fixture
def compute(failures, tiny_suite):
    """The records of a tiny suite with other words in it, computed in this process as one fleet a group."""

    def records(*changes, methods=(), seeds=None, alone=False):
        plugins = load_plugins([STRANGER, failures])
        assert plugins.broken == []
        suite = read_suite(tiny_suite(*changes))
        plan = make_plan(suite, "smoke", plugins, Selection(methods=methods, seeds=seeds))
        fleets = plan.fleets(plan.cells, "cpu", 1, 1 if alone else 1000)
        found = [
            record.as_dict() for fleet in fleets for record in execute(fleet.cells, Resolver(plugins), suite.headline)
        ]
        return sorted(found, key=lambda record: (record["row"], record["seed"]))

    return records


def states(records) -> dict[tuple[str, int], str]:
    return {(record["row"], record["seed"]): record["status"] for record in records}


def curve(record) -> list[float]:
    return [point[-1] for point in record["curves"]]


# -- through the command line --------------------------------------------------------------------------------


def test_a_run_with_every_kind_of_failure_leaves_a_row_for_each(tmp_path, tiny_suite, failures, ticketbench):
    """The innocent cells are ok, the others say what happened, the table and the exit status say it too."""
    suite = tiny_suite(
        ('methods = ["dense", "magnitude"]', f"methods = {json.dumps([*TROUBLED, 'magnitude'])}"),
        (
            "[recipes.plain]",
            "\n".join(f'{row} = {{ method = "oneshot", scorer = "{row}" }}' for row in TROUBLED)
            + '\nabsurd = { method = "oneshot", scorer = "magnitude" }\n\n[recipes.plain]',
        ),
    )
    suite.write_text(suite.read_text() + ABSURD)
    words = ["run", "--suite", suite, "--tier", "smoke", "--plugin", STRANGER, "--plugin", failures]
    words += ["--workers", "2", "--fleet", "4", "--timeout", "8"]
    done = ticketbench(*words)

    assert done.returncode == 1, done.stderr
    store = Store(tmp_path / "results")
    rows = {(row["row"], row["seed"]): row for row in store.read("cells").to_pylist()}
    by_seed = {
        "magnitude": ["ok", "ok"],
        "greedy": ["ok", "ok"],
        "quits": ["ok", "failed"],
        "raises": ["ok", "failed"],
        "sleepy": ["ok", "timeout"],
        "unranked": ["failed", "failed"],
        "front_heavy": ["collapsed", "collapsed"],
        "absurd": ["diverged", "diverged"],
    }
    expected = {(name, seed): status for name, found in by_seed.items() for seed, status in enumerate(found)}
    assert {at: row["status"] for at, row in rows.items()} == expected
    assert rows["raises", 1]["reason"] == "ValueError: no gradient here"
    assert 'raise ValueError("no gradient here")' in rows["raises", 1]["error"]
    assert rows["quits", 1]["reason"] == "SystemExit: I have had enough"
    assert rows["sleepy", 1]["reason"] == "stopped after 8 s"
    assert rows["unranked", 0]["reason"].startswith("ScoreError: 48 of 48 scores of ")
    assert rows["front_heavy", 0]["reason"].startswith("no weight is left in ")
    assert rows["absurd", 0]["reason"] == "the training loss was not finite by step 5"
    assert [rows["greedy", seed]["fleet_size"] for seed in (0, 1)] == [1, 1]
    assert all(math.isfinite(row["headline"]) for row in rows.values() if row["status"] in ("ok", "collapsed"))

    lines = [line.split("  ") for line in done.stdout.splitlines() if line.startswith("0.5 ")]
    cells = [[part.strip() for part in line if part.strip()] for line in lines]
    assert {(line[1], line[2], line[-1]) for line in cells if not line[-1].endswith(" s")} == {
        ("quits", "1/2", "1 failed"),
        ("raises", "1/2", "1 failed"),
        ("sleepy", "1/2", "1 timeout"),
        ("unranked", "0/2", "2 failed"),
        ("front_heavy", "2", "2 collapsed"),
        ("absurd", "0/2", "2 diverged"),
    }
    assert "16 cells: 2 collapsed, 2 diverged, 4 failed, 7 ok, 1 timeout; 16 computed in" in done.stdout
    assert "Some cells are not ok" in done.stdout
    assert "raises, blobs, mlp, default, density 0.5, seed 1: failed: ValueError: no gradient here" in done.stderr

    shown = ticketbench(*words, "--json")
    assert shown.returncode == 1
    summary = json.loads(shown.stdout)
    assert summary["computed"] == 0
    assert summary["counts"] == {"collapsed": 2, "diverged": 2, "failed": 4, "ok": 7, "timeout": 1}
    assert [row["headline"] for row in summary["records"] if row["row"] == "absurd"] == [None, None]


# -- in this process -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["torch", "host", "cpu"])
def test_a_fleet_that_does_not_fit_is_split_until_it_does(compute, how):
    """Six cells where two fit: three seats, then two, and the others as room is made; results as of each alone."""
    options = f'scorer = {{ name = "greedy", limit = 2, how = "{how}" }}'
    changes = [('method = "oneshot", scorer = "magnitude"', f'method = "oneshot", {options}')]
    records = compute(*changes, methods=("magnitude",), seeds=6)
    assert states(records) == {("magnitude", seed): "ok" for seed in range(6)}
    assert [record["fleet_size"] for record in records] == [2] * 6
    for together, alone in zip(records, compute(*changes, methods=("magnitude",), seeds=6, alone=True), strict=True):
        assert curve(together) == pytest.approx(curve(alone), rel=1e-5)


def test_a_cell_that_does_not_fit_alone_fails_with_that_reason(compute):
    """Splitting ends at one: every cell has its row."""
    changes = [('scorer = "magnitude" }', 'scorer = { name = "greedy", limit = 0 } }')]
    records = compute(*changes, methods=("magnitude",))
    assert states(records) == {("magnitude", 0): "failed", ("magnitude", 1): "failed"}
    assert {record["reason"] for record in records} == {
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 640 PiB"
    }


@pytest.mark.parametrize(("task", "file"), [("lost_test", "test.bin"), ("lost_training", "train.bin")])
def test_a_task_that_raises_gives_every_cell_a_row(compute, task, file):
    """The data belongs to all cells of the fleet, and so does its failure."""
    records = compute(('tasks = ["blobs"]', f'tasks = ["{task}"]'))
    assert states(records) == {(row, seed): "failed" for row in ("dense", "magnitude") for seed in (0, 1)}
    assert {record["reason"] for record in records} == {f"FileNotFoundError: {file} is gone"}
    assert all("failures.py" in record["error"] for record in records)


def test_a_member_that_diverges_does_not_touch_its_neighbours(compute):
    """Infinite weights in one member of a stack: the others have the numbers that they have alone."""
    together, alone = (compute(methods=("exploding",), seeds=3, alone=alone) for alone in (False, True))
    assert [record["fleet_size"] for record in together] == [3, 3, 3]
    assert [record["status"] for record in together] == ["ok", "diverged", "ok"]
    assert together[1]["reason"] == "the training loss was not finite by step 10"
    assert math.isnan(together[1]["headline"])
    for at in (0, 2):
        assert together[at]["headline"] == alone[at]["headline"]
        assert curve(together[at]) == pytest.approx(curve(alone[at]), rel=1e-5)


def test_what_a_method_reported_before_it_raised_is_not_judged(compute):
    """A failed cell has no points of test data, and its neighbours keep theirs."""
    records = compute(methods=("late_raising",), seeds=3)
    assert [record["status"] for record in records] == ["ok", "failed", "ok"]
    assert records[1]["reason"] == "RuntimeError: too late"
    assert [sum(point[0] == "test" for point in record["curves"]) for record in records] == [2, 0, 2]


def test_a_method_that_misses_its_density_fails_with_both_counts(compute):
    """37 weights where 0.5 of 72 was asked for."""
    records = compute(methods=("off_by_one",))
    assert [record["status"] for record in records] == ["failed", "failed"]
    assert records[0]["reason"] == "TicketError: the method left 37 of 72 weights; density 0.5 means 36"


def test_a_probe_that_raises_fails_its_cell_and_no_other(compute):
    """Division by zero for seed 1."""
    records = compute(('recipe = "plain"', 'recipe = "plain"\nprobes = ["curious"]'), methods=("magnitude",))
    assert [(record["status"], record["reason"]) for record in records] == [
        ("ok", ""),
        ("failed", "ZeroDivisionError: float division by zero"),
    ]
    assert records[0]["probes"] == [("curious", "trained", "one", 1.0)]
