"""A run: what it computes, what it leaves alone, what it tells, with an executor of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ticketbench import run as run_module
from ticketbench.engine.execute import execute
from ticketbench.executors import Event
from ticketbench.plan.cell import describe
from ticketbench.plan.plan import Fleet, Plan, make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.plugin.hookspecs import hookimpl
from ticketbench.run import Summary, run
from ticketbench.store.locks import Claims
from ticketbench.store.schema import CellRecord, Environment
from ticketbench.store.store import Store
from ticketbench.suite.suite import Headline, read_suite


@dataclass
class Pretender:
    """An executor that computes nothing: every cell has the status that its seed is given."""

    statuses: dict[int, str] = field(default_factory=dict)
    breaks_at: int = 99
    """The fleet at which it raises."""
    workers: int = 2
    fleets: list[Fleet] = field(default_factory=list)
    setups: list[dict[str, Any]] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        return [cell.key for fleet in self.fleets for cell in fleet.cells]

    def run(self, fleets: Iterator[Fleet], setup: dict[str, Any]) -> Iterator[Event]:
        self.setups.append(setup)
        for fleet in fleets:
            self.fleets.append(fleet)
            if len(self.fleets) == self.breaks_at:
                raise RuntimeError("the cluster is on fire")
            yield Event(fleet, "starting")
            yield Event(fleet, "training", 7 * len(fleet.cells))
            yield Event(fleet, records=[self.record(cell) for cell in fleet.cells])

    def record(self, cell) -> CellRecord:
        return replace(describe(cell), status=self.statuses.get(cell.seed, "ok"), headline=0.5)


@dataclass
class Observer:
    """Writes down what it is told."""

    heard: list[tuple[str, Any]] = field(default_factory=list)

    @hookimpl
    def ticketbench_run_started(self, plan):
        self.heard.append(("started", [cell.key for cell in plan.cells]))

    @hookimpl
    def ticketbench_fleet_progress(self, fleet, phase, steps, cells):
        self.heard.append((phase, (fleet, steps, cells)))

    @hookimpl
    def ticketbench_cell_finished(self, record):
        self.heard.append(("cell", record))

    @hookimpl
    def ticketbench_run_finished(self, summary):
        self.heard.append(("finished", summary))

    def of(self, kind: str) -> list[Any]:
        return [what for name, what in self.heard if name == kind]


@pytest.fixture
def observer(plugins):
    """An observer among the plugins, as a stranger's would be."""
    watching = Observer()
    plugins.manager.register(watching)
    yield watching
    plugins.manager.unregister(watching)


@pytest.fixture
def plan(tiny_suite, plugins) -> Plan:
    """Eight cells: two rows, four seeds."""
    return make_plan(read_suite(tiny_suite(("seeds = [0, 1]", "seeds = [0, 1, 2, 3]"))), "smoke", plugins)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "results", create=True)


def rows(store: Store) -> list[tuple[str, int, str]]:
    """(key, attempt, status) of every row in every part."""
    parts = [store._read_parts("cells", [name], ["key", "attempt", "status"]) for name in store.parts("cells")]
    return sorted(tuple(row.values()) for part in parts for row in part.to_pylist())


def test_every_cell_of_the_plan_leaves_a_record(plan, store, plugins):
    """A whole run: all cells are computed, in fleets that the executor got one by one."""
    executor = Pretender()
    summary = run(plan, store, executor, plugins, fleet_size=2)
    assert sorted(executor.keys) == sorted(cell.key for cell in plan.cells)
    assert [len(fleet.cells) for fleet in executor.fleets] == [2, 2, 2, 2]
    assert (summary.computed, summary.counts, summary.ok) == (8, {"ok": 8}, True)
    assert [*summary.statuses] == [cell.key for cell in plan.cells]
    assert rows(store) == sorted((cell.key, 1, "ok") for cell in plan.cells)


def test_an_executor_that_computes_in_this_process_can_take_the_place_of_workers(tiny_suite, store, plugins):
    """An executor is anything with `workers` and `run`: here one that calls `execute` and nothing else."""

    class Here:
        workers = 1

        def run(self, fleets, setup):
            headline = Headline.model_validate(setup["headlines"][""])
            for fleet in fleets:
                yield Event(fleet, records=execute(fleet.cells, Resolver(plugins), headline, fleet.device))

    plan = make_plan(read_suite(tiny_suite()), "smoke", plugins)
    summary = run(plan, store, Here(), plugins)
    assert summary.ok
    assert [(row.status, row.kept) for row in store.records(cell.key for cell in plan.cells)] == [
        ("ok", 72),
        ("ok", 72),
        ("ok", 36),
        ("ok", 36),
    ]
    assert {*store.read("curves")["key"].to_pylist()} == {cell.key for cell in plan.cells}


def test_a_second_run_computes_only_what_is_missing(plan, store, plugins):
    """Finished cells are left alone, whoever finished them; the summary speaks of all."""
    done = [cell for cell in plan.cells if cell.seed in (1, 3)]
    store.add([replace(describe(cell), status="ok") for cell in done], Environment(environment="e0"))
    executor = Pretender()
    summary = run(plan, store, executor, plugins)
    assert sorted(executor.keys) == sorted(cell.key for cell in plan.cells if cell.seed in (0, 2))
    assert (summary.computed, summary.counts) == (4, {"ok": 8})

    nothing = Pretender()
    again = run(plan, Store(store.address), nothing, plugins)
    assert (nothing.fleets, nothing.setups) == ([], [])
    assert (again.computed, again.counts) == (0, {"ok": 8})
    assert rows(store) == sorted((cell.key, 1, "ok") for cell in plan.cells)


def test_failed_cells_are_left_alone_until_a_retry_asks_for_them(plan, store, plugins):
    """A failed row is a result: it is shown again, not computed again."""
    first = run(plan, store, Pretender({1: "failed", 2: "timeout"}), plugins)
    assert (first.ok, first.counts) == (False, {"ok": 4, "failed": 2, "timeout": 2})
    again = Pretender()
    summary = run(plan, store, again, plugins)
    assert (again.fleets, summary.computed, summary.ok) == ([], 0, False)
    assert summary.counts == first.counts


def test_a_retry_computes_its_statuses_again_as_the_next_attempt(plan, store, plugins):
    """Only the failed ones; the row says that it is the second attempt, and the first stays in its part."""
    run(plan, store, Pretender({1: "failed", 2: "timeout"}), plugins)
    failed = [cell.key for cell in plan.cells if cell.seed == 1]
    second = Pretender()
    summary = run(plan, store, second, plugins, retry=["failed"])
    assert sorted(second.keys) == sorted(failed)
    assert (summary.computed, summary.counts) == (2, {"ok": 6, "timeout": 2})
    assert [row for row in rows(store) if row[0] in failed] == sorted(
        (key, *outcome) for key in failed for outcome in ((1, "failed"), (2, "ok"))
    )
    assert [(row.attempt, row.status) for row in store.records(failed)] == [(2, "ok"), (2, "ok")]


def test_a_retry_that_fails_again_is_tried_once_a_run(plan, store, plugins):
    """It does not go round in circles; the next retry is the third attempt."""
    for attempt in (1, 2, 3):
        executor = Pretender({1: "failed"})
        summary = run(plan, store, executor, plugins, retry=["failed"] if attempt > 1 else [])
        assert len(executor.keys) == (8 if attempt == 1 else 2)
        assert summary.counts == {"ok": 6, "failed": 2}
    failed = [cell.key for cell in plan.cells if cell.seed == 1]
    assert [row.attempt for row in store.records(failed)] == [3, 3]


def test_observers_are_told_everything_in_order(plan, store, plugins, observer):
    """Start, progress of each fleet, each cell after it is in the store, end."""
    executor = Pretender({1: "failed"})
    summary = run(plan, store, executor, plugins, fleet_size=4)
    names = [fleet.name for fleet in executor.fleets]
    fleet = ["starting", "training", "cell", "cell", "cell", "cell"]
    assert [kind for kind, _ in observer.heard] == ["started", *fleet, *fleet, "finished"]
    assert observer.of("started") == [[cell.key for cell in plan.cells]]
    assert observer.of("starting") == [(names[0], 0, 4), (names[1], 0, 4)]
    assert observer.of("training") == [(names[0], 28, 4), (names[1], 28, 4)]
    assert sorted((record["key"], record["attempt"], record["status"]) for record in observer.of("cell")) == rows(store)
    assert observer.of("finished") == [
        {"computed": 8, "seconds": summary.seconds, "counts": {"ok": 6, "failed": 2}},
    ]


def test_a_cell_is_in_the_store_before_observers_hear_of_it(plan, store, plugins):
    """What an observer is told was finished can be read back at that moment."""
    seen = []

    class Reader:
        @hookimpl
        def ticketbench_cell_finished(self, record):
            seen.append((record["key"], Store(store.address).statuses()[record["key"]]))

    reader = Reader()
    plugins.manager.register(reader)
    try:
        run(plan, store, Pretender({3: "collapsed"}), plugins)
    finally:
        plugins.manager.unregister(reader)
    assert sorted(seen) == sorted((cell.key, "collapsed" if cell.seed == 3 else "ok") for cell in plan.cells)


def test_observers_are_told_what_is_left_to_do(plan, store, plugins, observer):
    """The plan that a resumed run announces holds the missing cells only."""
    run(plan, store, Pretender({0: "failed"}), plugins)
    run(plan, store, Pretender(), plugins, retry=["failed"])
    assert observer.of("started")[1] == [cell.key for cell in plan.cells if cell.seed == 0]


@pytest.mark.parametrize("fleet", [1, 3])
def test_an_executor_that_raises_leaves_a_store_to_go_on_with(plan, store, plugins, fleet):
    """What was finished stays, nothing stays claimed, and the next run computes the rest."""
    broken = Pretender(breaks_at=fleet)
    with pytest.raises(RuntimeError, match="the cluster is on fire"):
        run(plan, store, broken, plugins, fleet_size=2)
    finished = broken.keys[: 2 * (fleet - 1)]
    assert Store(store.address).statuses() == dict.fromkeys(finished, "ok")
    assert [*(store.local / "claims").glob("*.claims")] == []

    sound = Pretender()
    summary = run(plan, store, sound, plugins, fleet_size=2)
    assert sorted(sound.keys) == sorted({cell.key for cell in plan.cells} - {*finished})
    assert (summary.computed, summary.counts) == (8 - len(finished), {"ok": 8})


def test_cells_of_another_run_are_waited_for_and_taken_over_if_it_drops_them(plan, store, plugins, monkeypatch):
    """Another run holds three cells: it finishes one, then another, then ends without the third."""
    other = Claims(Store(store.address))
    held = plan.cells[:3]
    other.take([cell.key for cell in held])
    naps = []

    def nap(seconds):
        if len(naps) < 2:
            store_of_the_other = Store(store.address)
            made = replace(describe(held[len(naps)]), status="ok")
            store_of_the_other.add([made], Environment(environment="other"))
        else:
            other.close()
        naps.append(seconds)

    monkeypatch.setattr(run_module.time, "sleep", nap)
    executor = Pretender()
    summary = run(plan, store, executor, plugins)
    assert len(naps) == 3
    assert sorted(executor.keys) == sorted(cell.key for cell in plan.cells[2:])
    assert executor.keys[-1] == held[2].key
    assert (summary.computed, summary.counts) == (6, {"ok": 8})
    assert rows(store) == sorted((cell.key, 1, "ok") for cell in plan.cells)


def test_workers_are_told_what_they_need_as_plain_data(plan, store, plugins):
    """The plugins, the headline, where tickets go if they are kept, and where and when there are checkpoints."""
    without, kept = Pretender(), Pretender()
    run(plan, store, without, plugins)
    run(plan, Store(store.local.parent / "other", create=True), kept, plugins, keep_tickets=True)
    assert without.setups == [
        {
            "plugins": plugins.recipe(),
            "headlines": {"": plan.suite.headline.model_dump(mode="json")},
            "keep_in": "",
            "checkpoints": str(store.local / "checkpoints"),
            "save_every": 60.0,
            "deadline": None,
        }
    ]
    assert kept.setups[0]["keep_in"] == str(store.local.parent / "other" / "tickets")


@pytest.mark.parametrize(
    ("statuses", "ok"),
    [
        (["ok", "ok"], True),
        (["ok", "skipped"], True),
        (["ok", "failed"], False),
        (["collapsed", "ok"], False),
        (["ok", "diverged"], False),
        (["timeout"], False),
    ],
)
def test_a_summary_is_ok_only_if_every_cell_was_judged_or_skipped(statuses, ok):
    """A failure among many successes is a failure."""
    assert Summary({str(at): status for at, status in enumerate(statuses)}).ok is ok


def test_an_interruption_that_no_exception_told_of_ends_the_run(plan, store, plugins):
    """Python loses a KeyboardInterrupt that strikes in a callback; what was finished stays, nothing more runs."""
    executor = Pretender()
    with pytest.raises(KeyboardInterrupt):
        run(plan, store, executor, plugins, fleet_size=1, interrupted=lambda: len(store.statuses()) >= 2)
    assert len(store.statuses()) == 2
    assert [*store.local.glob("claims/*.claims")] == []
    assert run(plan, store, Pretender(), plugins).ok


def test_a_run_tells_how_long_its_fleets_took(plan, store, plugins, monkeypatch):
    """From a fleet's start to its last record; a fleet with a cell that was lost tells nothing."""
    clock = iter(range(1000))
    monkeypatch.setattr(run_module.time, "monotonic", lambda: float(next(clock)))
    executor = Pretender({0: "ok", 1: "failed"})
    summary = run(plan, store, executor, plugins, fleet_size=1)
    well = [fleet for fleet in executor.fleets if fleet.cells[0].seed != 1]
    assert [fleet for fleet, _ in summary.fleets] == well
    assert [seconds for _, seconds in summary.fleets] == [2.0] * len(well)
