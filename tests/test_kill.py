"""Real kills of a real command: the store survives every moment, and the same command goes on where it stopped."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command_line import command
from places import STRANGER

from ticketbench.store.schema import MARKER
from ticketbench.store.store import Store

MARK = "TICKETBENCH_TEST_RUN"
RESULTS = ("key", "row", "density", "seed", "status", "reason", "headline", "exact_density", "kept", "train_steps")


@pytest.fixture(scope="module")
def mark() -> str:
    """A variable that every process which a test starts here inherits."""
    return uuid.uuid4().hex


@pytest.fixture
def suite(tiny_suite) -> Path:
    """Sixteen quick cells in three groups that can share a model."""
    return tiny_suite(
        ('methods = ["dense", "magnitude"]', 'methods = ["dense", "magnitude", "random", "imp"]'),
        ("seeds = [0, 1]", "seeds = [0, 1, 2, 3]"),
    )


@pytest.fixture
def start(suite, mark, tmp_path):
    """Start `ticketbench run` on a store, as a process that can be killed."""
    running: list[subprocess.Popen[str]] = []

    def run(store: str) -> subprocess.Popen[str]:
        words = ["run", "--suite", suite, "--tier", "smoke", "--plugin", STRANGER, "--store", store]
        log = (tmp_path / f"{len(running)}.log").open("w")
        process = subprocess.Popen(
            command(*words, "--workers", "2", "--fleet", "2"),
            cwd=tmp_path,
            env={**os.environ, MARK: mark},
            text=True,
            stdout=subprocess.PIPE,
            stderr=log,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        log.close()
        running.append(process)
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


def processes(mark: str) -> list[int]:
    """The living processes that a test here started, and what they started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue  # it ended, or is another user's
    return found


def wait_until(fact: Callable[[], object], seconds: float = 100.0) -> None:
    """Until it is so; a test that waits in vain fails."""
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def parts(place: Path) -> list[str]:
    """The parts that are there, finished or not; empty while there is no store."""
    return sorted(path.name for path in place.glob("cells/[0-9a-f]*.parquet"))


def all_rows(place: Path) -> list[tuple[str, int]]:
    """(key, attempt) of every row of every part, read without the store's help."""
    tables = [pq.read_table(place / "cells" / name) for name in parts(place)]
    return sorted((row["key"], row["attempt"]) for table in tables for row in table.to_pylist())


def check_same_results(found: Store, expected: Store) -> None:
    """All result columns and all curves; floats to 1e-6, because fleets may be composed differently."""
    rows, wanted = (
        sorted(store.read("cells").select(RESULTS).to_pylist(), key=lambda row: row["key"])
        for store in (found, expected)
    )
    assert [same(row) for row in rows] == [same(row) for row in wanted]
    assert flat(rows, ("headline", "exact_density")) == pytest.approx(
        flat(wanted, ("headline", "exact_density")), rel=1e-6
    )
    curves, wanted = (
        sorted(store.read("curves").to_pylist(), key=lambda row: [str(part) for part in list(row.values())[:-1]])
        for store in (found, expected)
    )
    assert [list(row.values())[:-1] for row in curves] == [list(row.values())[:-1] for row in wanted]
    assert flat(curves, ("value",)) == pytest.approx(flat(wanted, ("value",)), rel=1e-6)


def same(row: dict) -> dict:
    """What must be equal to the letter."""
    return {name: value for name, value in row.items() if not isinstance(value, float)}


def flat(rows: Sequence[dict], names: Sequence[str]) -> list[float]:
    return [row[name] for row in rows for name in names]


def test_killed_at_six_moments_a_run_completes_as_if_undisturbed(start, mark, tmp_path):
    """kill -9 at random: the store opens, no finished cell is computed again, no worker stays, results are equal."""
    dice = random.Random(20240229)
    place = tmp_path / "killed"
    moments = ["start", *["claims"] * 2, *["part"] * 2]
    dice.shuffle(moments)
    finished: list[str] = []
    for moment in ("store", *moments):
        before = {*place.rglob("*")}
        process = start("killed")
        sign = {"start": "", "store": MARKER, "claims": "claims/*.claims", "part": "cells/[0-9a-f]*.parquet"}[moment]
        wait_until(lambda: not sign or {*place.glob(sign)} - before or process.poll() is not None)  # noqa: B023
        time.sleep(dice.uniform(0, {"start": 1.0, "store": 0.01, "claims": 3.0, "part": 0.02}[moment]))
        process.kill()
        process.wait()
        wait_until(lambda: not processes(mark))
        store = Store(place, create=True)
        assert {*finished} <= {*store.statuses()}
        finished = [*store.statuses()]
        assert all_rows(place) == sorted((key, 1) for key in finished)
        assert {*store.read("curves")["key"].to_pylist()} == {*finished}

    last = start("killed")
    out, _ = last.communicate(timeout=200)
    assert last.returncode == 0
    assert f"16 cells: 16 ok; {16 - len(finished)} computed" in out
    undisturbed = start("undisturbed")
    undisturbed.communicate(timeout=200)
    assert undisturbed.returncode == 0
    assert all_rows(place) == all_rows(tmp_path / "undisturbed")
    assert [attempt for _, attempt in all_rows(place)] == [1] * 16
    check_same_results(Store(place), Store(tmp_path / "undisturbed"))
    assert [*place.glob("claims/*.claims")] == []
    wait_until(lambda: not processes(mark))


def test_two_runs_on_one_new_store_share_the_work(start, tmp_path, mark):
    """Both end with 0 and show all cells; each cell was computed by one of them, once."""
    both = [start("shared"), start("shared")]
    outs = [process.communicate(timeout=200)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert ["16 cells: 16 ok" in out for out in outs] == [True, True]
    counts = [int(out.partition("16 ok; ")[2].split()[0]) for out in outs]
    assert sum(counts) == 16
    rows = all_rows(tmp_path / "shared")
    assert len({key for key, _ in rows}) == len(rows) == 16
    assert {attempt for _, attempt in rows} == {1}
    assert processes(mark) == []


def test_an_interrupted_run_says_so_and_goes_on_later(start, suite, tmp_path, mark):
    """Ctrl-C: exit status 130, no traceback, the finished cells stay, the rest is computed by the same command."""
    place = tmp_path / "interrupted"
    suite.write_text(
        suite.read_text().replace("steps = 20", "steps = 1500")
    )  # seconds are left when the first are done
    process = start("interrupted")
    wait_until(lambda: parts(place) or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=100)
    log = (tmp_path / "0.log").read_text()
    assert (process.returncode, log.splitlines()[-1]) == (
        130,
        "ticketbench: interrupted; the store keeps what was finished",
    )
    assert "Traceback" not in log
    wait_until(lambda: not processes(mark))
    assert [*place.glob("claims/*.claims")] == []
    finished = all_rows(place)
    assert 2 <= len(finished) < 16
    assert {*Store(place).statuses().values()} == {"ok"}

    again = start("interrupted")
    out, _ = again.communicate(timeout=200)
    assert again.returncode == 0
    assert f"16 cells: 16 ok; {16 - len(finished)} computed" in out
    assert {*finished} <= {*all_rows(place)}
    assert len(all_rows(place)) == 16
