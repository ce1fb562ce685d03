"""`ticketbench run`: compute a suite, and show the result."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import rich_click as click

from ticketbench.cli.common import load, matrix_options, prepare, print_json
from ticketbench.cli.plan import show_plan

if TYPE_CHECKING:
    from types import FrameType

    from ticketbench.cli.crew import Crew
    from ticketbench.plan.plan import Plan
    from ticketbench.plugin.loading import Plugins
    from ticketbench.run import Summary
    from ticketbench.store.store import Store


@click.command("run")
@matrix_options
@click.option(
    "--retry",
    multiple=True,
    type=click.Choice(["failed", "timeout", "diverged", "collapsed"]),
    help="Compute finished cells of this status again; the record says which attempt it is.",
)
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds a cell may take, instead of the suite's."
)
@click.option(
    "--keep-tickets", is_flag=True, help="Save each cell's ticket and solution as safetensors files in the store."
)
@click.option("--dry-run", is_flag=True, help="Only show the plan, as `ticketbench plan` does.")
def run_command(
    suite_name: str,
    tier: str | None,
    device: str,
    workers: int | None,
    fleet_size: int | None,
    store_address: str,
    as_json: bool,
    plugin_files: tuple[str, ...],
    blocked: tuple[str, ...],
    retry: tuple[str, ...],
    timeout: float | None,
    keep_tickets: bool,
    dry_run: bool,
    **selected: Any,
) -> None:
    """Run a suite: everything the store does not have yet. Interrupt it at any time; the same command goes on."""
    plugins = load(plugin_files, blocked)
    from ticketbench.cli.crew import crew_here, pick_devices

    crew = crew_here(pick_devices(device, workers))
    plan, why = prepare(plugins, suite_name, tier, crew, timeout, **selected)
    if dry_run:
        show_plan(plan, why, plugins, crew, store_address, as_json, fleet_size or 0)
        return

    from ticketbench.cli.table import print_results
    from ticketbench.store.store import Store

    store = Store(store_address, create=True)
    summary = compute_plan(
        plan, why, plugins, crew, store, retry, keep_tickets=keep_tickets, fleet_size=fleet_size or 0, quiet=as_json
    )
    records = store.records(cell.key for cell in plan.cells)
    if as_json:
        counts = dict(summary.counts)
        print_json(
            {
                "counts": counts,
                "computed": summary.computed,
                "seconds": summary.seconds,
                "records": [record.as_row() for record in records],
            }
        )
    else:
        print_results(plan.suite, records, summary, store_address)
    sys.exit(0 if summary.ok else 1)


def compute_plan(
    plan: Plan,
    why: str,
    plugins: Plugins,
    crew: Crew,
    store: Store,
    retry: tuple[str, ...] = (),
    *,
    keep_tickets: bool = False,
    fleet_size: int = 0,
    quiet: bool = False,
) -> Summary:
    """Compute what the store does not have of a plan, show how far it is on standard error, remember what it took."""
    from ticketbench.cli.progress import watch
    from ticketbench.executors.local import LocalExecutor
    from ticketbench.plan.estimate import learn
    from ticketbench.run import run, unfinished

    todo, _ = unfinished(plan, store, retry)
    resolver = crew.resolver(plugins)
    resolver.require_data({cell.setting.fleet_text(): cell.setting for cell in todo}.values())
    with (
        interruptible() as interrupted,
        watch(plan, todo, why, plugins, crew, store, quiet=quiet, fleet_size=fleet_size),
    ):
        summary = run(
            plan,
            store,
            LocalExecutor(crew.devices),
            plugins,
            device=crew.devices[0],
            retry=retry,
            keep_tickets=keep_tickets,
            fleet_size=fleet_size,
            room=crew.room(resolver),
            interrupted=interrupted,
        )
    if crew.measured is not None:
        learn(summary.fleets, resolver, crew.speed, len(crew.devices), crew.measured)
    return summary


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed. Python loses a KeyboardInterrupt that strikes in a callback; the run then asks."""
    pressed: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)
