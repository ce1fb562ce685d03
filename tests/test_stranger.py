"""A stranger's plugin, installed as its users would install it, with nothing of this repository changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from places import STRANGER

from ticketbench.store.store import Store

Call = Callable[..., subprocess.CompletedProcess[str]]

MINE = '''
"""A plugin in a single file: a scorer of eight lines."""

from dataclasses import dataclass

from ticketbench import Scorer, hookimpl


@dataclass(frozen=True)
class Mine(Scorer):
    """s = θ²."""

    name = "mine"
    summary = "the squared weight"

    def score(self, trial):
        return {name: weight.square() for name, weight in trial.weights.items()}


@hookimpl
def ticketbench_scorers():
    return [Mine()]
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip installed the stranger's distribution into, built from a copy of its source."""
    folder = tmp_path_factory.mktemp("stranger")
    shutil.copytree(STRANGER.parent, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-index",
            "--no-deps",
            "--no-build-isolation",
            "--disable-pip-version-check",
            "--target",
            str(folder / "site"),
            str(folder / "source"),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return folder / "site"


@pytest.fixture
def with_stranger(site: Path, ticketbench: Call) -> Call:
    """The command line in a process that finds the installed distribution."""
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))
    return lambda *words: ticketbench(*words, env={"PYTHONPATH": path})


def test_an_installed_plugin_is_listed_with_its_version(with_stranger: Call):
    """Installing is all it takes; what it offers carries its distribution and version."""
    listed = with_stranger("list", "scorers")
    assert (listed.returncode, listed.stderr) == (0, "")
    line = next(line for line in listed.stdout.splitlines() if line.split()[0] == "fisher")
    assert line.endswith("squared weight times the mean squared gradient  [ticketbench-stranger 1.2.3]")
    shown = json.loads(with_stranger("plugins", "--json").stdout)
    assert [row for row in shown if row["distribution"] == "ticketbench-stranger"] == [
        {
            "plugin": "stranger",
            "distribution": "ticketbench-stranger",
            "version": "1.2.3",
            "place": "ticketbench_stranger",
            "state": "ok",
            "detail": "scorer fisher, method halfway, task blobs",
        }
    ]


def test_an_installed_plugin_runs_end_to_end(with_stranger: Call, tiny_suite, tmp_path: Path):
    """Its scorer, its method and its task, in worker processes, from a suite file to records and a table.

    A second run computes nothing, and prints the same results.
    """
    words = (
        "run",
        "--suite",
        tiny_suite(),
        "--method",
        "fisher",
        "--method",
        "halfway",
        "--seeds",
        "2",
        "--device",
        "cpu",
        "--workers",
        "2",
        "--store",
        "mine",
    )
    done = with_stranger(*words)
    assert done.returncode == 0, done.stderr
    assert "4 cells: 4 ok; 4 computed" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("0.5 ")]
    assert [line[:3] for line in lines] == [["0.5", "fisher", "2"], ["0.5", "halfway", "2"]]
    assert "[4/4]" in done.stderr

    again = json.loads(with_stranger(*words, "--json").stdout)
    assert (again["counts"], again["computed"]) == ({"ok": 4}, 0)
    assert [(row["row"], row["method"], row["scorer"]) for row in again["records"] if row["seed"] == 0] == [
        ("fisher", 'oneshot {"scope":"global"}', 'fisher {"batches":4}'),
        ("halfway", "halfway", "magnitude"),
    ]
    assert all((row["kept"], row["prunable"], row["attempt"]) == (36, 72, 1) for row in again["records"])
    assert all(0 <= row["headline"] <= 1 for row in again["records"])
    (environment,) = Store(tmp_path / "mine").read("environments").to_pylist()
    assert "ticketbench-stranger 1.2.3 (ticketbench_stranger)" in environment["plugins"]


def test_a_plugin_in_a_single_file_runs_on_a_built_in_suite(ticketbench: Call, tmp_path: Path):
    """`--plugin mine.py --method mine` is all; the suite's paper, tier and recipe are its own."""
    (tmp_path / "mine.py").write_text(MINE)
    done = ticketbench(
        "run",
        "--suite",
        "drn",
        "--tier",
        "smoke",
        "--plugin",
        "mine.py",
        "--method",
        "mine",
        "--seeds",
        "1",
        "--density",
        "0.9",
        "--device",
        "cpu",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)["records"]
    assert (record["suite"], record["row"], record["status"]) == ("drn", "mine", "ok")
    assert (record["method"], record["scorer"]) == ('oneshot {"scope":"global"}', "mine")
    assert record["kept"] == round(0.9 * record["prunable"])
    assert Store(tmp_path / "results").statuses() == {record["key"]: "ok"}
