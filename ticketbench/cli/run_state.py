"""How far a run is: which workers do what, how much of the work is done, and how long the rest takes.

Work is counted in the seconds of a worker that the plan expects of each cell: its training by steps, everything else
when the cell is finished. So a run that only has to be judged is not done, and one that starts has a start before it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ticketbench.executors import ENDED
from ticketbench.plan.cell_time import CellTime

TRUST = 0.1
"""The share of the work after which what is seen of the pace counts as much as what the plan expected."""


@dataclass
class RunState:
    """What was heard of a run so far."""

    times: Mapping[str, CellTime]
    """Key -> what is expected of each cell that is to be computed."""
    workers: int
    """How many there are, or as many as there are fleets."""
    start: float
    """Seconds that are expected until the first fleet begins."""
    clock: Callable[[], float] = time.monotonic
    began: float = field(init=False)
    first: float | None = None
    """When the first fleet began."""
    phases: dict[str, str] = field(default_factory=dict)
    """Fleet -> what it does, of those under way."""
    taken: dict[str, int] = field(default_factory=dict)
    """Fleet -> its cells, of all that have begun."""
    finished: set[str] = field(default_factory=set)
    steps: int = 0
    booked: int = 0
    """Steps of the finished cells."""
    done: float = 0.0
    """Seconds of work of the finished cells, by the plan."""
    left: CellTime = field(init=False)
    """What is expected of all the others together."""
    whole: float = field(init=False)
    """Seconds of work of all cells."""
    busy: float = 0.0
    """Seconds of workers until the last event."""
    heard: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.heard = self.clock()
        self.left = CellTime(0, 0.0, 0.0).plus(*self.times.values())
        self.whole = self.left.whole

    def move_on(self, fleet: str, phase: str, steps: int, cells: int) -> None:
        """A fleet is in a phase, after so many steps more."""
        now = self.clock()
        self.busy, self.heard = self.busy_until(now), now
        self.first = now if self.first is None else self.first
        self.taken[fleet] = cells
        self.steps += steps
        if phase == ENDED:
            self.phases.pop(fleet, None)
        else:
            self.phases[fleet] = phase

    def finish(self, record: Mapping[str, Any]) -> None:
        """A cell is in the store."""
        if record["key"] not in self.finished:
            self.finished.add(record["key"])
            self.booked += record.get("train_steps") or 0
            if record["key"] in self.times:
                one = self.times[record["key"]]
                self.done += one.whole
                self.left = self.left.less(one)

    def busy_until(self, now: float) -> float:
        """Seconds that workers had a fleet, added up."""
        return self.busy + len(self.phases) * (now - self.heard)

    def work(self) -> tuple[float, float]:
        """Seconds of work that are done, by the plan, and those of all cells."""
        if self.left.steps <= 0:
            return self.done, self.whole
        trained = min(1.0, max(0, self.steps - self.booked) / self.left.steps)
        return self.done + self.left.training * trained, self.whole

    def share(self) -> float:
        """How much is done, the start of the workers included."""
        if len(self.finished) >= len(self.times):
            return 1.0
        done, whole = self.work()
        waited = (self.clock() if self.first is None else self.first) - self.began
        start = max(self.start, waited) if self.first is None else waited
        return (waited * self.workers + done) / max(1e-9, start * self.workers + whole)

    def seconds_left(self) -> float:
        """How long the rest takes at the pace so far; before there is one, as long as the plan says."""
        now = self.clock()
        done, whole = self.work()
        expected = TRUST * max(0.0, whole - done)
        busy = self.busy_until(now)
        pace = (done + expected) / (busy + expected) if busy + expected else 1.0
        together = self.workers if self.waiting() else max(1, len(self.phases))
        start = max(0.0, self.start - (now - self.began)) if self.first is None else 0.0
        return start + max(0.0, whole - done) / max(1e-9, pace * together)

    def waiting(self) -> bool:
        """Whether there are cells that no worker has begun with."""
        return sum(self.taken.values()) < len(self.times)

    def workers_text(self) -> str:
        """What the workers do; one that has nothing while cells wait is still importing what it needs."""
        busy = len(self.phases)
        doing = Counter(self.phases.values())
        doing["loading"] += max(0, self.workers - busy) if self.waiting() else 0
        words = ", ".join(f"{count} {phase}" for phase, count in sorted(doing.items()) if count)
        return f"{busy} of {max(busy, self.workers)} workers busy{f': {words}' if words else ''}"

    def rate(self) -> float:
        """Steps a second since the first fleet began, added up over cells."""
        return self.steps / max(1e-9, self.clock() - self.first) if self.first is not None else 0.0
