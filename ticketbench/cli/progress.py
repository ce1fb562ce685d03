"""The display of a running suite: an observer like any plugin's."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from ticketbench import version
from ticketbench.cli.so_far import best_so_far, cell_in_words, headline_of, place_of_record, rivals_of
from ticketbench.plugin.hookspecs import hookimpl
from ticketbench.render.numbers import duration
from ticketbench.suite.tiers import caution

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ticketbench.cli.crew import Crew
    from ticketbench.cli.run_state import RunState
    from ticketbench.plan.cell import Cell
    from ticketbench.plan.plan import Fleet, Plan
    from ticketbench.plan.resolve import Resolver
    from ticketbench.plugin.loading import Plugins
    from ticketbench.store.store import Store

SILENCE = 30.0
"""In a pipe, seconds between lines that say how far the run is."""
LOOK = 0.5
"""Seconds between looks whether such a line is due."""


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
    if not quiet:
        introduce(plan, why)
    resolver = crew.resolver(plugins)
    fleets = crew.fleets(plan, todo, resolver, fleet_size)
    if not quiet:
        announce(plan, todo, why, crew, resolver, fleets, store)
    with displayed(plan, crew.run_state(fleets, resolver), plugins, quiet):
        yield


def say_hello(suite_name: str) -> None:
    """Say at once that something happens: importing and planning take seconds."""
    say(f"ticketbench {version.__version__}: planning {suite_name}")


def introduce(plan: Plan, why: str) -> None:
    """Say which suite is run, and what its tier is for."""
    say(f"suite {plan.suite.name} {plan.suite.version}, tier {plan.tier} ({why}): {plan.suite.tier(plan.tier).about}")
    if warning := caution(plan.tier):
        say(warning)


def announce(
    plan: Plan,
    todo: Sequence[Cell],
    why: str,
    crew: Crew,
    resolver: Resolver,
    fleets: Sequence[Fleet],
    store: Store,
) -> None:
    """Say what is to be computed, how long it takes, and what other tiers would take."""
    from ticketbench.cli.default_tier import ASKED, other_tiers
    from ticketbench.cli.plan import at_live_weights
    from ticketbench.plan.plan import count_by

    cost = crew.estimate(fleets, resolver)
    how = " and ".join(count_by(plan.cells, "precision")) + at_live_weights(todo)
    say(
        f"{len(todo)} of {len(plan.cells)} cells to compute on {len(crew.devices)} worker(s) "
        f"({', '.join(sorted(set(crew.devices)))}, {how}), about {duration(cost.seconds)} ({cost.basis}); "
        f"records go to {store.address}"
    )
    asked = why == ASKED  # whoever asked for a tier knows of the others
    for line in other_tiers(plan, crew, resolver) if todo and not asked else ():
        say(f"  {line}")


@contextmanager
def displayed(plan: Plan, state: RunState, plugins: Plugins, quiet: bool, bar: bool = True) -> Iterator[None]:
    """While the run lasts: a display hears what happens, and shows it."""
    display = Bar(plan, state) if bar and sys.stderr.isatty() and not quiet else PlainLines(plan, state, quiet)
    plugins.manager.register(display, name="progress display")
    try:
        with display.shown():
            yield
    finally:
        plugins.manager.unregister(display)


def say(line: str) -> None:
    """A line for the person who waits."""
    print(line, file=sys.stderr, flush=True)


class Display:
    """Hears what happens in a run. Events come in one thread; another one may be showing what is so far."""

    def __init__(self, plan: Plan, state: RunState) -> None:
        self.suite, self.rivals, self.state = plan.suite, rivals_of(plan.cells), state
        self.places: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        self.latest: list[dict[str, Any]] = []
        self.lock = threading.RLock()

    @hookimpl
    def ticketbench_fleet_progress(self, fleet: str, phase: str, steps: int, cells: int) -> None:
        """Remember what each worker does."""
        with self.lock:
            self.state.move_on(fleet, phase, steps, cells)

    @hookimpl
    def ticketbench_cell_finished(self, record: dict[str, Any]) -> None:
        """Count, and say what became of it."""
        with self.lock:
            self.state.finish(record)
            self.latest = self.places.setdefault(place_of_record(record), [])
            self.latest.append(record)
            self.tell(record)

    def tell(self, record: dict[str, Any]) -> None:
        """Say what became of a cell."""

    def counted(self) -> str:
        """How many cells are finished."""
        finished = len(self.state.finished)
        return f"{finished} of {max(finished, len(self.state.times))} cells"

    def timed(self) -> str:
        """How much is done after how long, and how long the rest takes."""
        share, passed = self.state.share(), duration(self.state.clock() - self.state.began)
        left = f", about {duration(self.state.seconds_left())} left" if share < 1 else ""
        return f"{share:.0%} after {passed}{left}"

    def working(self) -> str:
        """What the workers do, and how fast; nothing once all is done."""
        if self.state.share() == 1:
            return ""
        rate = self.state.rate()
        return self.state.workers_text() + (f"; {rate:,.0f} steps a second" if rate else "")

    def best(self) -> str:
        """The best rows so far, where the latest cell belongs."""
        return best_so_far(self.latest, self.suite, self.rivals)


class PlainLines(Display):
    """Progress as plain lines, for a pipe: one for each finished cell, and now and then one of how far the run is."""

    def __init__(self, plan: Plan, state: RunState, quiet: bool = False) -> None:
        super().__init__(plan, state)
        self.quiet = quiet
        self.told = time.monotonic()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """While the run lasts, a thread of its own looks at the clock: there may be nothing to hear for long."""
        if self.quiet or not self.state.times:
            yield
            return
        say(self.state.workers_text())
        over = threading.Event()
        thread = threading.Thread(target=self.keep_telling, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def keep_telling(self, over: threading.Event) -> None:
        """Say how far the run is, every half minute until it is over."""
        while not over.wait(LOOK):
            if time.monotonic() - self.told > SILENCE:
                self.told = time.monotonic()
                with self.lock:
                    say("; ".join(part for part in (self.counted(), self.timed(), self.working(), self.best()) if part))

    def tell(self, record: dict[str, Any]) -> None:
        """A line a cell."""
        finished = len(self.state.finished)
        number = f"[{finished}/{max(finished, len(self.state.times))}]"
        if not self.quiet:
            say(f"{number} {cell_in_words(record, self.rivals)}: {headline_of(record)}")


class Bar(Display):
    """A bar with what the workers do and the best rows below it, for a terminal."""

    def __init__(self, plan: Plan, state: RunState) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__(plan, state)
        self.console = Console(stderr=True)
        self.live = Live(console=self.console, get_renderable=self.drawn, refresh_per_second=4)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """While the run lasts: draw it anew all the time, and leave it as it is at the end."""
        with self.live if self.state.times else nullcontext():
            yield

    def drawn(self) -> RenderableType:
        """The bar as it is now."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        with self.lock:
            line = Table.grid(expand=True, padding=(0, 1))
            for ratio in (None, 1, None):
                line.add_column(ratio=ratio, no_wrap=True)
            bar = ProgressBar(total=1.0, completed=self.state.share())
            line.add_row(Text(self.counted()), bar, Text(self.timed()))
            below = [text for text in (self.working(), self.best()) if text]
        return Group(line, *(Text(text, no_wrap=True, overflow="ellipsis", style="dim") for text in below))

    def tell(self, record: dict[str, Any]) -> None:
        """Leave a line above the bar for what went wrong."""
        if record["status"] != "ok":
            self.live.console.print(f"{cell_in_words(record, self.rivals)}: {headline_of(record)}", markup=False)
