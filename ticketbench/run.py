"""A run, from a plan to records. Read it from top to bottom: it is the story of the program."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ticketbench.engine.checkpoint import SECONDS, ours
from ticketbench.errors import StoreError
from ticketbench.executors import Event, Executor
from ticketbench.plan.cell import Cell
from ticketbench.plan.plan import Fleet, Plan, Room
from ticketbench.plugin.loading import Plugins
from ticketbench.plugin.observers import notify
from ticketbench.store.checkpoints import checkpoints_folder, usable
from ticketbench.store.environment import environment_of
from ticketbench.store.locks import Claims
from ticketbench.store.schema import Environment
from ticketbench.store.store import Store

PATIENCE = 0.5
"""Seconds between looks at cells that another run is computing."""


@dataclass
class Summary:
    """What became of a plan: the status of each of its cells, and what this run computed of them."""

    statuses: dict[str, str] = field(default_factory=dict)
    """Key -> status of every cell of the plan."""
    computed: int = 0
    """Cells that this run computed; the others were in the store, or another run's."""
    expected: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Key -> what may become of a cell beside "ok", where the suite says so."""
    left: int = 0
    """Cells of the plan that there was no time for; another run goes on with them."""
    seconds: float = 0.0
    fleets: list[tuple[Fleet, float]] = field(default_factory=list)
    """The fleets that ended well and were led all the way, in the order in which they began, with the seconds that each
    took a worker."""

    @property
    def counts(self) -> Counter[str]:
        """How many cells of the plan have each status."""
        return Counter(self.statuses.values())

    @property
    def unexpected(self) -> Counter[str]:
        """How many cells have a status that is neither sound nor what the suite expects of them."""
        return Counter(
            status
            for key, status in self.statuses.items()
            if status not in {"ok", "skipped"} and status not in self.expected.get(key, ())
        )

    @property
    def ok(self) -> bool:
        """Whether every cell was judged, and none became what the suite does not expect of it."""
        return not self.left and not self.unexpected


@dataclass
class Clock:
    """Whether a run's time is up: by the clock on the wall, or because a worker found that it is."""

    deadline: float | None = None
    stopped: bool = False

    def over(self) -> bool:
        """Whether nothing more is to begin."""
        return self.stopped or (self.deadline is not None and time.time() >= self.deadline)


@dataclass
class Stopwatch:
    """How long each fleet takes its worker, from its start to its last record."""

    began: dict[str, float] = field(default_factory=dict)
    ended: dict[str, tuple[Fleet, float]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def hear(self, event: Event) -> None:
        """Note when a fleet starts, and when records of it come."""
        name, now = event.fleet.name, time.monotonic()
        self.began.setdefault(name, now)
        if event.records:
            self.ended[name] = event.fleet, now
        lost = any(record.status in ("failed", "timeout", "diverged") for record in event.records)
        if lost or event.stopped or event.fleet.resumes:
            self.failed.add(name)

    def laps(self) -> list[tuple[Fleet, float]]:
        """The fleets that this run led from beginning to end, no cell of which was lost, as they began."""
        whole = [name for name in self.began if name in self.ended and name not in self.failed]
        return [(self.ended[name][0], self.ended[name][1] - self.began[name]) for name in whole]


def run(
    plan: Plan,
    store: Store,
    executor: Executor,
    plugins: Plugins,
    *,
    device: str = "cpu",
    retry: Sequence[str] = (),
    keep_tickets: bool = False,
    fleet_size: int = 0,
    room: Room | None = None,
    interrupted: Callable[[], bool] = lambda: False,
    deadline: float | None = None,
    save_every: float = SECONDS,
    tell: Callable[[str], None] = lambda line: None,
) -> Summary:
    """Compute what the store does not have yet, and leave a row for every cell of the plan.

    Fleets are held in checkpoints every `save_every` seconds, and go on from those of a run before. At the `deadline`,
    by the clock on the wall, everything is held and stops; the cells that are left have no rows.
    """
    started = time.monotonic()
    environment = environment_of(plugins)
    todo, again = unfinished(plan, store, retry)
    attempts = {cell.key: store.attempts(cell.key) for cell in todo}
    summary, clock = Summary(expected=plan.expected), Clock(deadline)
    claims = Claims(store)
    try:
        notify(plugins, "ticketbench_run_started", plan=replace(plan, cells=tuple(todo)))
        while todo and not clock.over():
            held = fleets_held(plan, todo, store, device, tell)
            kept = {cell.key for fleet in held for cell in fleet.cells}
            planned = plan.fleets(todo, device, executor.workers, fleet_size, room)
            fleets = held + [left for fleet in planned if (left := fleet.without(kept)).cells]
            taken: set[str] = set()
            stopwatch = Stopwatch()
            mine = fleets_taken(fleets, claims, again, taken, clock)
            for event in executor.run(mine, worker_setup(plan, store, keep_tickets, deadline, save_every)):
                stopwatch.hear(event)
                if event.note:
                    tell(event.note)
                elif event.stopped:
                    clock.stopped = True
                    taken -= {cell.key for cell in event.fleet.cells}
                elif event.records:
                    summary.computed += write_records(event, store, environment, plugins)
                    taken -= {record.key for record in event.records}
                else:
                    facts = {"fleet": event.fleet.name, "cells": len(event.fleet.cells)}
                    notify(plugins, "ticketbench_fleet_progress", phase=event.phase, steps=event.steps, **facts)
                if interrupted():
                    raise KeyboardInterrupt
            summary.fleets += stopwatch.laps()
            if taken:
                raise StoreError(f"the executor lost {len(taken)} cells: it took them and left no records")
            todo, again = wait_for_others(todo, attempts, store, claims, clock), frozenset()
    finally:
        claims.close()
    finished = store.statuses()
    summary.statuses = {cell.key: finished[cell.key] for cell in plan.cells if cell.key in finished}
    summary.left = len(plan.cells) - len(summary.statuses)
    summary.seconds = time.monotonic() - started
    facts = {"computed": summary.computed, "seconds": summary.seconds, "counts": dict(summary.counts)}
    notify(plugins, "ticketbench_run_finished", summary=facts)
    return summary


def unfinished(plan: Plan, store: Store, retry: Sequence[str] = ()) -> tuple[list[Cell], frozenset[str]]:
    """The cells that are to be computed, and the keys of those among them that were finished before."""
    finished = store.statuses()
    again = frozenset(cell.key for cell in plan.cells if finished.get(cell.key) in retry)
    return [cell for cell in plan.cells if cell.key not in finished or cell.key in again], again


def fleets_held(
    plan: Plan, todo: Sequence[Cell], store: Store, device: str, tell: Callable[[str], None]
) -> list[Fleet]:
    """The fleets that go on from the store's checkpoints, as they were; what is of no use there is removed."""
    folder, cells = checkpoints_folder(store), {cell.key: cell for cell in todo}
    fleets = []
    for held in usable(folder, ours(device), cells.keys(), store.statuses().keys()) if folder is not None else ():
        if isinstance(held, str):
            tell(held)
        else:
            wanted = tuple(cells[key] for key in held.keys if key in cells)
            fleets.append(Fleet(wanted, plan.timeout, device, held.seats, held.name))
    return fleets


def fleets_taken(
    fleets: Iterable[Fleet], claims: Claims, again: frozenset[str], taken: set[str], clock: Clock
) -> Iterator[Fleet]:
    """The fleets one by one as workers become free, without the cells that another run has taken.

    Of what is held in a checkpoint all or nothing: the rest of it may be going on elsewhere.
    """
    for fleet in fleets:
        if clock.over():
            return
        free = frozenset(claims.take([cell.key for cell in fleet.cells], again))
        if free:
            taken |= free
            whole = len(free) == len(fleet.cells)
            mine = tuple(cell for cell in fleet.cells if cell.key in free)
            yield replace(fleet, cells=mine, resumes=fleet.resumes if whole else "")


def worker_setup(
    plan: Plan, store: Store, keep_tickets: bool, deadline: float | None = None, save_every: float = SECONDS
) -> dict[str, Any]:
    """What a worker has to know besides the cells, as plain data."""
    checkpoints = checkpoints_folder(store)
    folder = str(store.local / "tickets") if keep_tickets and store.local is not None else ""
    headlines = {"": plan.suite.headline, **plan.suite.headlines}
    dumped = {task: headline.model_dump(mode="json") for task, headline in headlines.items()}
    return {
        "plugins": plan.plugins,
        "headlines": dumped,
        "keep_in": folder,
        "checkpoints": "" if checkpoints is None else str(checkpoints),
        "save_every": save_every,
        "deadline": deadline,
    }


def write_records(event: Event, store: Store, environment: Environment, plugins: Plugins) -> int:
    """Write a fleet's records, then tell the observers."""
    records = [replace(record, attempt=store.attempts(record.key) + 1) for record in event.records]
    store.add(records, environment)
    for record in records:
        notify(plugins, "ticketbench_cell_finished", record=record.as_dict())
    return len(records)


def wait_for_others(
    cells: Sequence[Cell], attempts: Mapping[str, int], store: Store, claims: Claims, clock: Clock
) -> list[Cell]:
    """Wait until what other runs have claimed is finished, or time is up; what they dropped is ours again."""
    while True:
        others = claims.others_now()  # before the finished ones: a run writes its cells before it lets go
        store.statuses()
        left = [cell for cell in cells if store.attempts(cell.key) == attempts[cell.key]]
        if clock.over() or not any(cell.key in others for cell in left):
            return [cell for cell in left if not store.attempts(cell.key)]
        time.sleep(PATIENCE)
