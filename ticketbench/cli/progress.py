"""The display of a running suite: an observer like any plugin's."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ticketbench.plugin.hookspecs import hookimpl
from ticketbench.render.numbers import duration

if TYPE_CHECKING:
    from rich.progress import Progress

    from ticketbench.cli.crew import Crew
    from ticketbench.plan.cell import Cell
    from ticketbench.plan.plan import Plan
    from ticketbench.plugin.loading import Plugins
    from ticketbench.store.store import Store

QUIET_SECONDS = 30.0
"""In a pipe, the time without a finished cell after which a line says that work goes on."""


@contextmanager
def watch(
    plan: Plan,
    todo: Sequence[Cell],
    why: str,
    plugins: Plugins,
    crew: Crew,
    store: Store,
    quiet: bool,
    fleet_size: int = 0,
) -> Iterator[None]:
    """Show what happens: a bar in a terminal, plain lines in a pipe. All on standard error."""
    from ticketbench.cli.default_tier import ASKED, other_tiers
    from ticketbench.cli.plan import at_live_weights
    from ticketbench.plan.plan import count_by

    resolver = crew.resolver(plugins)
    cost = crew.estimate(crew.fleets(plan, todo, resolver, fleet_size), resolver)
    if not quiet:
        about = plan.suite.tier(plan.tier).about
        say(f"suite {plan.suite.name} {plan.suite.version}, tier {plan.tier} ({why}): {about}")
        how = " and ".join(count_by(plan.cells, "precision")) + at_live_weights(todo)
        say(
            f"{len(todo)} of {len(plan.cells)} cells to compute on {len(crew.devices)} worker(s) "
            f"({', '.join(sorted(set(crew.devices)))}, {how}), about {duration(cost.seconds)} ({cost.basis}); "
            f"records go to {store.address}"
        )
        asked = why == ASKED  # whoever asked for a tier knows of the others
        for line in other_tiers(plan, crew, resolver) if todo and not asked else ():
            say(f"  {line}")
    display = Bar(cost.steps, len(todo)) if sys.stderr.isatty() and not quiet else PlainLines(cost.steps, quiet=quiet)
    plugins.manager.register(display, name="progress display")
    try:
        with display.shown():
            yield
    finally:
        plugins.manager.unregister(display)


def say(line: str) -> None:
    """A line for the person who waits."""
    print(line, file=sys.stderr, flush=True)


def headline_of(record: dict[str, Any]) -> str:
    """What became of a cell, in a few words."""
    value = record.get("headline")
    number = f" {record['headline_metric']} {value:.4g}" if value is not None and not math.isnan(value) else ""
    reason = f": {record['reason']}" if record.get("reason") else ""
    return f"{record['status']}{number}{reason}"


@dataclass
class PlainLines:
    """Progress as plain lines, for a pipe: one when a cell is finished, and one now and then in between."""

    steps: int
    quiet: bool = False
    total: int = 0
    finished: int = 0
    done: int = 0
    started: float = field(default_factory=time.monotonic)
    spoken: float = field(default_factory=time.monotonic)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """While the run lasts; lines need nothing to be set up or put away."""
        yield

    @hookimpl
    def ticketbench_run_started(self, plan: Plan) -> None:
        """Remember how many cells there are, to number the lines."""
        self.total = len(plan.cells)

    @hookimpl
    def ticketbench_fleet_progress(self, steps: int) -> None:
        """Say now and then that work goes on."""
        self.done += steps
        if not self.quiet and self.done and time.monotonic() - self.spoken > QUIET_SECONDS:
            rate = self.done / (time.monotonic() - self.started)
            left = max(0, self.steps - self.done) / rate
            self.speak(f"{self.done} of {self.steps} steps, {rate:.0f} a second, about {duration(left)} left")

    @hookimpl
    def ticketbench_cell_finished(self, record: dict[str, Any]) -> None:
        """Say which cell is finished, and with what result."""
        self.finished += 1
        place = f"{record['row']} {record['task'].split()[0]} density {record['density']:g} seed {record['seed']}"
        if not self.quiet:
            self.speak(f"[{self.finished}/{max(self.total, self.finished)}] {place}: {headline_of(record)}")

    def speak(self, line: str) -> None:
        """Print a line, and remember when, so that the next sign of life is not too soon."""
        say(line)
        self.spoken = time.monotonic()


class Bar(PlainLines):
    """A progress bar with rate and time left, for a terminal."""

    def __init__(self, steps: int, cells: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        super().__init__(steps, total=cells)
        self.progress: Progress = Progress(
            TextColumn("{task.fields[cells]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self.bar = self.progress.add_task("", total=max(1, steps), cells=f"0/{cells} cells", rate="")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """While the run lasts: draw the bar, and leave it finished at the end."""
        with self.progress:
            yield

    @hookimpl
    def ticketbench_fleet_progress(self, steps: int) -> None:
        """Move the bar by the steps that a fleet has taken, with the rate so far."""
        self.done += steps
        rate = self.done / max(1e-9, time.monotonic() - self.started)
        self.progress.update(self.bar, completed=min(self.done, self.steps), rate=f"{rate:.0f} steps/s")

    @hookimpl
    def ticketbench_cell_finished(self, record: dict[str, Any]) -> None:
        """Count, and leave a line above the bar for what went wrong."""
        self.finished += 1
        self.progress.update(self.bar, cells=f"{self.finished}/{self.total} cells")
        if record["status"] != "ok":
            row, seed = record["row"], record["seed"]
            self.progress.print(f"{row} density {record['density']:g} seed {seed}: {headline_of(record)}", markup=False)
