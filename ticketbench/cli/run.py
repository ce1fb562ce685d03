"""`ticketbench run`: compute a suite, and show the result."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, MutableSequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click
from click import get_current_context

from ticketbench.cli.common import load, matrix_options, prepare, print_json
from ticketbench.cli.duration import Duration
from ticketbench.cli.plan import show_plan
from ticketbench.cli.progress import say, say_hello, watch
from ticketbench.executors.process import Process

if TYPE_CHECKING:
    from types import FrameType

    from ticketbench.cli.crew import Crew
    from ticketbench.plan.plan import Plan
    from ticketbench.plugin.loading import Plugins
    from ticketbench.results.results import Results
    from ticketbench.run import Summary
    from ticketbench.store.store import Store

LEFT = 75
"""The exit status where cells are left for the next run; the system calls it a temporary failure, EX_TEMPFAIL."""


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
@click.option(
    "--at-most",
    type=Duration(),
    metavar="TIME",
    help="Stop cleanly within this time, such as 8m; the same command goes on where it stopped. Exit status 75.",
)
@click.option(
    "--save-every",
    type=Duration(),
    default="60s",
    show_default=True,
    metavar="TIME",
    help="Work between two checkpoints.",
)
@click.option(
    "--until-decided",
    is_flag=True,
    help="Add seeds to the suite's questions that are open, at planned looks, and stop when they are decided.",
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
    at_most: float | None,
    save_every: float,
    until_decided: bool,
    dry_run: bool,
    **selected: Any,
) -> None:
    """Run a suite: everything the store does not have yet. Interrupt it at any time; the same command goes on.

    Exit status: 0 if all cells are ok, or are what the suite expects; 1 if some are not; 75 if --at-most left some.
    """
    if not as_json and not dry_run:
        say_hello(suite_name)
    deadline = None if at_most is None else time.time() - age_of_process() + at_most
    # it imports torch while this process does; where time is short, this process is to have the machine to itself
    started = [] if dry_run or deadline is not None else [Process.start()]
    get_current_context().call_on_close(lambda: end_all(started))
    plugins = load(plugin_files, blocked)
    from ticketbench.cli.crew import crew_here, pick_devices

    crew = crew_here(pick_devices(device, workers))
    plan, why = prepare(plugins, suite_name, tier, crew, timeout, **selected)
    if until_decided:
        from ticketbench.cli.deciding import check_questions, run_until_decided

        check_questions(plan, selected["seeds"])
    if dry_run:
        show_plan(plan, why, plugins, crew, store_address, as_json, fleet_size or 0)
        return

    from ticketbench.cli.ending import Ending
    from ticketbench.results.looks import plan_of
    from ticketbench.results.results import gather_results
    from ticketbench.store.store import Store

    store = Store(store_address, create=True)

    def planned(seeds: int) -> Plan:
        return prepare(plugins, suite_name, plan.tier, crew, timeout, **{**selected, "seeds": seeds})[0]

    def compute(part: Plan) -> Summary:
        return compute_plan(
            part,
            why,
            plugins,
            crew,
            store,
            retry,
            keep_tickets=keep_tickets,
            fleet_size=fleet_size or 0,
            quiet=as_json,
            deadline=deadline,
            save_every=save_every,
            started=started,
        )

    def results_of(seeds: int | None) -> Results:
        setting = plan.cells[0].setting
        return gather_results(store, plan.suite, plan.tier, plugins, setting.precision, setting.device_class, seeds)

    course = None
    if until_decided:
        looks = plan_of(len(plan.suite.tier(plan.tier).seeds))
        summary, course = run_until_decided(planned, compute, results_of, looks, say)
    else:
        summary = compute(plan)
    ending = Ending(plan, summary, suite_name, planned, selected["seeds"], course)
    if as_json:
        print_json(ending.plain(store, results_of))
    else:
        ending.show(store, results_of, crew, plugins)
    if summary.left:
        whole = summary.left + len(summary.statuses)
        say(f"time is up: {summary.left} of {whole} cells are left; the same command goes on with them")
        sys.exit(LEFT)
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
    deadline: float | None = None,
    save_every: float = 60.0,
    started: MutableSequence[Process] | None = None,
) -> Summary:
    """Compute what the store does not have of a plan, show how far it is on standard error, remember what it took."""
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
            LocalExecutor(crew.devices, started=[] if started is None else started),
            plugins,
            device=crew.devices[0],
            retry=retry,
            keep_tickets=keep_tickets,
            fleet_size=fleet_size,
            room=crew.room(resolver),
            interrupted=interrupted,
            deadline=deadline,
            save_every=save_every,
            tell=say,
        )
    if crew.measured is not None:
        learn(summary.fleets, resolver, crew.speed, len(crew.devices), crew.measured)
    return summary


def end_all(started: MutableSequence[Process]) -> None:
    """End the processes that found nothing to do."""
    while started:
        started.pop().end()


def age_of_process() -> float:
    """Seconds since this process began; where the system does not tell, those that it has computed."""
    try:
        ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return time.process_time()


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed, or the process was asked to end, as systems do that take a machine back.

    Python loses a KeyboardInterrupt that strikes in a callback; the run then asks.
    """
    pressed: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(pressed)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
