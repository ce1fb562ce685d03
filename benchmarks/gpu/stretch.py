"""A stretch of a fleet's training on the clock: led by the engine as in a run, and ended once enough was seen."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.gpu.budget import Allowance, CutOffError, cut_off_after
from benchmarks.gpu.machine import REHEARSED, Machine
from ticketbench.engine.bench import Bench
from ticketbench.engine.fleet_run import lead
from ticketbench.engine.precision import set_precision
from ticketbench.plan.cell import Cell
from ticketbench.plan.resolve import Resolver
from ticketbench.suite.suite import Headline

TRAINING = ("drawing", "training")
"""The phases in which steps are taken."""
LATE = 2.0
"""Seconds that a fleet without a sign may be over its time."""


class EnoughError(BaseException):
    """Enough was seen. No `Exception`: what the engine catches of plugins does not catch it."""


class Watch(Protocol):
    """What looks on once enough was timed, from one sign of the fleet to the next: a profiler."""

    def start(self) -> None:
        """From now on."""
        ...

    def stop(self) -> None:
        """Up to here."""
        ...


@dataclass
class Stretch:
    """What the clock said."""

    members: int
    first: float | None = None
    """Seconds from the making of the fleet to the end of its first step; None where there was none."""
    steps: float = 0.0
    """Member-steps that were timed: those of the warm-up, before which graphs are captured, are not."""
    seconds: float = 0.0
    how: str = ""
    """How steps were computed, as a record would say."""
    watched: bool = False
    """Whether the watch that was given has seen a part of it."""

    @property
    def rate(self) -> float | None:
        """Member-steps a second."""
        return self.steps / self.seconds if self.steps and self.seconds else None

    @property
    def microseconds(self) -> float | None:
        """Of a step of the whole fleet."""
        return None if self.rate is None else 1e6 * self.members / self.rate


@dataclass
class Clock:
    """Listens to a fleet, and ends it."""

    machine: Machine
    stretch: Stretch
    seconds: float
    """To time, once it is warm."""
    warm: float
    """Member-steps that come before."""
    until: Allowance
    first_only: bool = False
    watch: Watch | None = None
    started: float = field(default_factory=time.perf_counter)
    _begun: float | None = None
    _before: float = 0.0
    _watching: bool = False

    def hear(self, phase: str, steps: int) -> None:
        """What the engine says of its progress: after the first step of a training, and where a loss is noted."""
        if self._watching and self.watch is not None:
            self.machine.wait()
            self.watch.stop()
            self.stretch.watched = True
            raise EnoughError
        if self.until.over:
            raise EnoughError
        if phase not in TRAINING:
            return
        self.machine.wait()
        now = time.perf_counter()
        if self.stretch.first is None:
            self.stretch.first = now - self.started
            if self.first_only:
                raise EnoughError
        if not steps:
            return
        if self._begun is None:
            self._before += steps
            self._begun = now if self._before >= self.warm else None
            return
        self.stretch.steps += steps
        self.stretch.seconds = now - self._begun
        if self.stretch.seconds >= self.seconds:
            if self.watch is None:
                raise EnoughError
            self._watching = True
            self.watch.start()


def timed(
    machine: Machine,
    cells: Sequence[Cell],
    resolver: Resolver,
    headline: Headline,
    seconds: float,
    until: Allowance,
    *,
    warm: int = 40,
    first_only: bool = False,
    watch: Watch | None = None,
) -> Stretch:
    """Train these cells as one fleet for so many seconds after `warm` steps, or until the time is up.

    A fleet that came to no step that could be timed has no rate; it is an error if that is because a member failed.
    """
    stretch = Stretch(len(cells))
    seconds = min(seconds, REHEARSED) if machine.rehearsal else seconds
    clock = Clock(machine, stretch, seconds, warm * len(cells), until, first_only, watch)
    set_precision(cells[0].setting.precision)
    bench = None
    try:
        with cut_off_after(until.left() + LATE):
            casts = [resolver.cast(cell.setting) for cell in cells]
            bench = Bench(cells, casts, machine.device, machine.recording_for_speed)
            for member in lead(bench, headline, clock.hear):
                if member.status == "failed" and stretch.rate is None:
                    raise RuntimeError(f"row '{member.cell.setting.row}' failed: {member.reason}")
    except (EnoughError, CutOffError):
        pass
    finally:
        if bench is not None:
            stretch.how = bench.engine()
            bench.close()
        del bench
        gc.collect()
        machine.forget()
    return stretch
