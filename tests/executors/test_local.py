"""The local executor, with real workers: what one cell does to its worker costs that cell and no other."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import command
from places import STRANGER
from tiny_suite import TINY

from ticketbench.engine.execute import execute
from ticketbench.executors import Event
from ticketbench.executors.local import LocalExecutor
from ticketbench.plan.cell import Cell
from ticketbench.plan.plan import Fleet, Selection, make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.loading import load_plugins
from ticketbench.store.schema import CellRecord
from ticketbench.suite.suite import read_suite

TROUBLES = '''
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ticketbench import Scorer, hookimpl


class Trouble(Scorer):
    """Magnitude, after some trouble."""

    reference = "none"

    def score(self, trial):
        self.trouble()
        return {name: weight.abs() for name, weight in trial.weights.items()}


@dataclass(frozen=True)
class Exits(Trouble):
    name, summary = "exits", "ends its process without a word"

    def trouble(self):
        print("farewell", file=sys.stderr, flush=True)
        os._exit(3)


@dataclass(frozen=True)
class Interrupts(Trouble):
    name, summary = "interrupts", "ends its process the long way, by an interruption that nobody catches"

    def trouble(self):
        raise KeyboardInterrupt("enough")


@dataclass(frozen=True)
class Killed(Trouble):
    name, summary = "killed", "kills its process, as the system does when memory runs out"

    def trouble(self):
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Sleeps(Trouble):
    name, summary = "sleeps", "never comes back"

    def trouble(self):
        write_pid("sleeps", os.getpid())
        while True:
            time.sleep(1)


@dataclass(frozen=True)
class Stubborn(Trouble):
    name, summary = "stubborn", "ignores SIGTERM, has a child that does too, and never comes back"

    def trouble(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 600; sleep 600"])
        write_pid("child", child.pid)
        write_pid("stubborn", os.getpid())
        while True:
            time.sleep(1)


@dataclass(frozen=True)
class Noisy(Trouble):
    name, summary = "noisy", "writes to standard output in every way there is"

    def trouble(self):
        print('{"records": []}', flush=True)
        print("no newline", end="", flush=True)
        os.write(1, b'{"phase": "starting"}\\n\\xff\\n')
        subprocess.run(["sh", "-c", "echo '{}'; echo not json"], check=True)


def write_pid(name, pid):
    path = Path(__file__).with_name(f"{name}.pid")
    path.with_suffix(".tmp").write_text(str(pid))
    path.with_suffix(".tmp").rename(path)


@hookimpl
def ticketbench_scorers():
    return [Exits(), Interrupts(), Killed(), Sleeps(), Stubborn(), Noisy()]
'''

ROWS = ("magnitude", "random", "exits", "interrupts", "killed", "sleeps", "stubborn", "noisy")
PATIENCE = 8.0
"""Seconds for a fleet that will not end by itself; long enough for its innocent cell in a cold worker."""


@dataclass(frozen=True)
class Bench:
    """A folder with the plugin, and the suite's cells by row."""

    folder: Path
    plugin: Path
    suite: Path
    plugins: dict
    headline: dict
    cells: dict[str, Cell]

    def fleet(self, *rows: str, timeout: float = 300.0) -> Fleet:
        return Fleet(tuple(self.cells[row] for row in rows), timeout)

    def compute(self, workers: int, *fleets: Fleet) -> list[Event]:
        """What the executor says to these fleets."""
        setup = {"plugins": self.plugins, "headlines": {"": self.headline}, "keep_in": ""}
        return list(LocalExecutor(("cpu",) * workers).run(iter(fleets), setup))

    def pid(self, name: str) -> int:
        """A process that a scorer wrote down."""
        path = self.folder / f"{name}.pid"
        wait_until(path.is_file)
        return int(path.read_text())


def make_bench(folder: Path) -> Bench:
    plugin, suite = folder / "troubles.py", folder / "tiny.toml"
    plugin.write_text(TROUBLES)
    text = TINY.replace("seeds = [0, 1]", "seeds = [0]")
    suite.write_text(text.replace('methods = ["dense", "magnitude"]', 'methods = ["magnitude", "random"]'))
    plugins = load_plugins([STRANGER, plugin])
    plan = make_plan(read_suite(suite), "smoke", plugins, Selection(methods=ROWS))
    cells = {cell.setting.row: cell for cell in plan.cells}
    return Bench(folder, plugin, suite, plan.plugins, plan.suite.headline.model_dump(mode="json"), cells)


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(fact, seconds: float = 60.0) -> None:
    """Until it is so; a test that waits in vain fails."""
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def records_by_row(events: Iterable[Event]) -> dict[str, CellRecord]:
    """Row -> record; each row once."""
    records = [record for event in events for record in event.records]
    by_row = {record.row: record for record in records}
    assert len(by_row) == len(records)
    return by_row


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    return make_bench(tmp_path_factory.mktemp("local"))


@pytest.fixture(scope="module")
def deaths(bench) -> list[Event]:
    """One worker that gets three fleets: one with a cell that ends it, one with two, and a sound one."""
    return bench.compute(
        1, bench.fleet("magnitude", "exits", "random"), bench.fleet("killed", "interrupts"), bench.fleet("noisy")
    )


@pytest.fixture(scope="module")
def delays(bench) -> list[Event]:
    """Two workers, and two cells that never end: one beside an innocent, one that will not be asked to stop."""
    return bench.compute(
        2,
        bench.fleet("sleeps", "magnitude", timeout=PATIENCE),
        bench.fleet("stubborn", timeout=PATIENCE),
        bench.fleet("random"),
    )


@pytest.fixture(scope="module")
def undisturbed(bench) -> dict[str, CellRecord]:
    """The innocent cells, each computed alone in this process."""
    plugins = load_plugins([STRANGER, bench.plugin])
    headline = read_suite(bench.suite).headline
    rows = ("magnitude", "random")
    return {row: execute([bench.cells[row]], Resolver(plugins), headline)[0] for row in rows}


def test_a_worker_that_dies_loses_only_the_cell_that_killed_it(deaths):
    """The fleet's other cells are computed again; every cell has one record."""
    assert {row: record.status for row, record in records_by_row(deaths).items()} == {
        "magnitude": "ok",
        "exits": "failed",
        "random": "ok",
        "killed": "failed",
        "interrupts": "failed",
        "noisy": "ok",
    }


def test_the_record_says_how_the_worker_died(deaths):
    """An exit status or a signal, and the last words on standard error."""
    records = records_by_row(deaths)
    assert {row: records[row].reason for row in ("exits", "interrupts", "killed")} == {
        "exits": "the worker process died: exit status 3",
        "interrupts": "the worker process died: SIGINT",
        "killed": "the worker process died: SIGKILL",
    }
    assert records["exits"].error.endswith("farewell")
    assert records["interrupts"].error.endswith("KeyboardInterrupt: enough")
    assert [records[row].fleet_size for row in ("exits", "magnitude", "random")] == [1, 1, 1]


def test_the_survivors_of_a_dead_worker_have_their_own_results(deaths, undisturbed):
    """Computed again from the start, to the same numbers."""
    records = records_by_row(deaths)
    for row in ("magnitude", "random"):
        assert records[row].headline == pytest.approx(undisturbed[row].headline, rel=1e-6)
        assert [point.value for point in records[row].curves] == pytest.approx(
            [point.value for point in undisturbed[row].curves], rel=1e-6
        )


def test_what_a_plugin_prints_does_not_disturb_the_messages(deaths, undisturbed):
    """Lines that look like messages, bytes that are no text, output of a child: the record is the cell's own."""
    record = records_by_row(deaths)["noisy"]
    assert record.status == "ok"
    assert record.headline == pytest.approx(undisturbed["magnitude"].headline, rel=1e-6)


def test_a_worker_is_kept_for_fleet_after_fleet(bench):
    """One worker, three sound fleets: one process computes them all, in order."""
    hired = []

    class Counting(LocalExecutor):
        def hire(self, device, setup):
            hired.append(super().hire(device, setup))
            return hired[-1]

    fleets = [bench.fleet("magnitude"), bench.fleet("random"), bench.fleet("noisy")]
    setup = {"plugins": bench.plugins, "headlines": {"": bench.headline}, "keep_in": ""}
    events = list(Counting(("cpu",)).run(iter(fleets), setup))
    assert len(hired) == 1
    assert [event.fleet.name for event in events if event.records] == [fleet.name for fleet in fleets]
    assert {event.phase for event in events} == {"starting", "training", "judging", "ended", ""}
    assert [sum(event.steps for event in events if event.fleet is fleet) for fleet in fleets] == [20, 20, 20]
    assert [alive(worker.process.pid) for worker in hired] == [False]


@pytest.mark.parametrize("left_by", ["interruption", "deadline", "deadline before it began"])
def test_workers_hold_their_fleets_when_a_run_is_left(bench, tmp_path, left_by):
    """Interrupted in the middle of a training, or at a deadline: a checkpoint, no record, no process."""
    text = bench.suite.read_text().replace("steps = 20", "steps = 100000").replace("log_every = 5", "log_every = 50000")
    (tmp_path / "long.toml").write_text(text)
    plan = make_plan(read_suite(tmp_path / "long.toml"), "smoke", load_plugins([STRANGER, bench.plugin]))
    fleet = Fleet(plan.cells, 300)
    setup = {"plugins": bench.plugins, "headlines": {"": bench.headline}, "keep_in": "", "checkpoints": str(tmp_path)}
    if left_by != "interruption":
        setup["deadline"] = time.time() + (0.5 if "before" in left_by else 9)
    events: list[Event] = []
    running = LocalExecutor(("cpu",)).run(iter([fleet]), setup)
    for event in running:
        events.append(event)
        if left_by == "interruption" and event.phase == "starting":
            time.sleep(1)
            running.close()
    assert [event for event in events if event.records] == []
    assert [event.stopped for event in events[-1:]] == [left_by != "interruption"]
    held = [path.name for path in tmp_path.glob("*.safetensors")]
    assert held == ([] if "before" in left_by else [f"{fleet.name}.checkpoint.safetensors"])


def test_a_cell_past_its_time_is_stopped_and_its_neighbours_are_not(delays, undisturbed):
    """`timeout` for the cells that sleep; the innocent cell of the same fleet is computed again."""
    records = records_by_row(delays)
    assert {row: record.status for row, record in records.items()} == {
        "sleeps": "timeout",
        "magnitude": "ok",
        "stubborn": "timeout",
        "random": "ok",
    }
    assert records["sleeps"].reason == records["stubborn"].reason == f"stopped after {PATIENCE:g} s"
    for row in ("magnitude", "random"):
        assert records[row].headline == pytest.approx(undisturbed[row].headline, rel=1e-6)


def test_a_worker_past_its_time_is_gone_with_all_it_started(bench, delays):
    """It ignored SIGTERM, and so did its child: the whole group was killed."""
    assert [alive(bench.pid(name)) for name in ("sleeps", "stubborn", "child")] == [False, False, False]


def test_workers_die_with_a_parent_that_is_killed(tmp_path):
    """kill -9 of the command: the workers notice, and end with all that their plugins started."""
    bench = make_bench(tmp_path)
    words = ["run", "--suite", bench.suite, "--tier", "smoke", "--plugin", STRANGER, "--plugin", bench.plugin]
    words += ["--method", "sleeps", "--method", "stubborn", "--workers", "2", "--fleet", "1"]
    parent = subprocess.Popen(command(*words), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        started = [bench.pid(name) for name in ("sleeps", "stubborn", "child")]
        assert [alive(pid) for pid in started] == [True, True, True]
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    wait_until(lambda: not any(alive(pid) for pid in started))
    assert [alive(pid) for pid in started] == [False, False, False]
