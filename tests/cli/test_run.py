"""`ticketbench run` in pieces: a limit of its time, and a kill in the middle of a training."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import command
from places import STRANGER

from ticketbench.engine.execute import execute
from ticketbench.plan.plan import Selection, make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import load_plugins
from ticketbench.run import Summary
from ticketbench.store.checkpoints import CHECKPOINT_SUFFIX
from ticketbench.store.store import Store
from ticketbench.suite.suite import read_suite

EXACT = ("key", "status", "headline", "kept", "train_steps", "train_flops", "draw_flops", "fleet_size")


def lengthen(suite: Path, steps: int) -> None:
    """Cells of so many steps a training."""
    text = suite.read_text(encoding="utf-8").replace("steps = 20", f"steps = {steps}")
    suite.write_text(text.replace("log_every = 5", f"log_every = {steps // 3}"), encoding="utf-8")


@pytest.fixture
def suite(tiny_suite) -> Path:
    """Two cells that train, prune and train again."""
    return tiny_suite(('["dense", "magnitude"]', '["imp"]'))


@pytest.fixture
def words(suite, tmp_path):
    """The words of a run of one worker, whose two cells are one fleet."""
    return (
        "run",
        "--suite",
        suite,
        "--tier",
        "smoke",
        "--plugin",
        STRANGER,
        "--workers",
        "1",
        "--store",
        tmp_path / "s",
    )


def checkpoints(store: Path) -> list[Path]:
    return [*store.glob(f"checkpoints/[!.]*{CHECKPOINT_SUFFIX}")]


def check_as_undisturbed(store: Path, suite: Path, plugins) -> None:
    """Every column that is a result, and every point of every curve, to the last bit."""
    plan = make_plan(read_suite(suite), "smoke", plugins, Selection())
    (fleet,) = plan.fleets(plan.cells, "cpu", 1)
    expected = execute(fleet.cells, Resolver(plugins), plan.suite.headline)
    rows = {row["key"]: row for row in Store(store).read("cells").to_pylist()}
    curves = Store(store).read("curves").to_pylist()
    assert sorted(rows) == sorted(record.key for record in expected)
    for record in expected:
        assert [rows[record.key][name] for name in EXACT] == [getattr(record, name) for name in EXACT]
        found = [tuple(row.values())[1:] for row in curves if row["key"] == record.key]
        assert sorted(point[-7:] for point in found) == sorted(map(tuple, record.curves))


def test_a_run_that_is_killed_goes_on_in_the_middle_of_its_trainings(words, suite, plugins, tmp_path):
    """kill -9 after a checkpoint: the second run says when the cells were first begun, and its records are the same."""
    store = tmp_path / "s"
    lengthen(suite, 600)
    process = subprocess.Popen(
        command(*words, "--save-every", "0.05s"),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ},
    )
    end = time.monotonic() + 100
    while not checkpoints(store):
        assert (process.poll(), time.monotonic() < end) == (None, True)
        time.sleep(0.01)
    first = checkpoints(store)[0].stat().st_ino
    while checkpoints(store)[0].stat().st_ino == first:
        assert (process.poll(), time.monotonic() < end) == (None, True)
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    killed = time.time()
    assert Store(store).statuses() == {}
    done = subprocess.run(command(*words), cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 cells: 2 ok; 2 computed" in done.stdout
    assert {row["started"] < killed for row in Store(store).read("cells").to_pylist()} == {True}
    assert checkpoints(store) == []
    check_as_undisturbed(store, suite, plugins)


def test_a_run_of_at_most_some_seconds(words, suite, tmp_path, ticketbench):
    """Status 75, no row and a line that says what is left; the same command goes on until all is done."""
    store = tmp_path / "s"
    lengthen(suite, 3000)
    at_once = ticketbench(*words, "--at-most", "0.1s")
    assert (at_once.returncode, checkpoints(store)) == (75, [])
    for seconds in (6, 9, 13, 20):  # a machine that is busy needs the first of them to begin at all
        start = time.monotonic()
        first = ticketbench(*words, "--at-most", f"{seconds}s")
        assert time.monotonic() - start < seconds + 4
        if first.returncode != 75 or checkpoints(store):
            break
    assert first.returncode == 75, first.stderr
    assert "time is up: 2 of 2 cells are left; the same command goes on with them" in first.stderr
    assert "0 cells" in first.stdout
    assert Store(store).statuses() == {}
    assert len(checkpoints(store)) == 1
    begun = time.time()
    last = ticketbench(*words, "--at-most", "3m")
    assert last.returncode == 0, last.stderr
    assert {row["started"] < begun for row in Store(store).read("cells").to_pylist()} == {True}


def test_the_age_of_the_process():
    """Since it was started, not since it was asked."""
    ask = "import time; time.sleep(0.3); from ticketbench.cli.run import age_of_process; print(age_of_process())"
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert 0.3 <= float(done.stdout) <= time.monotonic() - start + 0.02


@pytest.mark.parametrize("value", ["8 parsecs", "-3s", "0", ""])
def test_a_limit_that_is_no_duration_is_refused(words, ticketbench, value):
    """Before anything begins, with what would work."""
    done = ticketbench(*words, "--at-most", value)
    assert done.returncode == 2
    assert "as in 90s, 8m or 1.5h" in " ".join(done.stderr.replace("│", " ").split())


def test_a_collapse_that_the_suite_expects_is_no_failure(tiny_suite, tmp_path, ticketbench):
    """One weight in two layers: status 0, and words; the cells are those of a suite that expects nothing."""
    one = tiny_suite(("densities = [0.5]", "densities = [0.014]"), ('["dense", "magnitude"]', '["magnitude"]'))
    row = 'magnitude = { method = "oneshot", scorer = "magnitude"'
    expecting = tmp_path / "expecting.toml"
    expecting.write_text(one.read_text().replace(row, f'{row}, expects = ["collapsed"]'))
    words = ("--plugin", STRANGER, "--workers", "1", "--store", tmp_path / "s", "--tier", "smoke", "--device", "cpu")
    done = ticketbench("run", expecting, *words)
    assert (done.returncode, "2 collapsed: a finding that the suite expects of these rows." in done.stdout) == (0, True)
    assert "not ok" not in done.stdout
    plans = [make_plan(read_suite(path), "smoke", load_plugins([STRANGER])) for path in (expecting, one)]
    assert [cell.key for cell in plans[0].cells] == [cell.key for cell in plans[1].cells]


def test_what_a_tier_expects_is_expected_of_all_its_rows(tiny_suite, plugins):
    """Beside what a row expects; a variant of a row expects what the row does."""
    path = tiny_suite(("timeout = 60", 'timeout = 60\nexpects = ["diverged"]'))
    row = 'snip = { method = "oneshot", scorer = "snip"'
    path.write_text(path.read_text().replace(row, f'{row}, expects = ["collapsed"]'))
    plan = make_plan(read_suite(path), "smoke", plugins, Selection(methods=("magnitude", "snip[batches=2]"), seeds=1))
    both, tiers = frozenset({"collapsed", "diverged"}), frozenset({"diverged"})
    assert [plan.expected[cell.key] for cell in plan.cells] == [tiers, both]
    keys = [cell.key for cell in plan.cells]
    found = Summary(statuses=dict(zip(keys, ["collapsed", "collapsed"], strict=True)), expected=plan.expected)
    assert (found.ok, dict(found.unexpected)) == (False, {"collapsed": 1})
    assert Summary(statuses={keys[0]: "diverged", keys[1]: "ok"}, expected=plan.expected).ok
