"""`ticketbench verify`: is a bundle in order, and do its results come out again?"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ticketbench.cli.common import DEVICE, load, plugin_options, print_json, suite_option
from ticketbench.cli.crew import pick_devices

if TYPE_CHECKING:
    from ticketbench.board.bundle.reading import Bundle
    from ticketbench.board.verdict import Verdict
    from ticketbench.plan.plan import Fleet, Plan
    from ticketbench.plugin.loading import Plugins
    from ticketbench.store.schema import CellRecord


@click.command("verify")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--cells",
    "count",
    type=click.IntRange(0, 1000),
    default=3,
    show_default=True,
    help="How many cells are computed again; 0 only looks whether the bundle is in order.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    help="How far a result may be off. Default: 0.005 of a share, 1 % of other numbers, and more for a cell that "
    "rounding alone moves by more.",
)
@click.option("--salt", default="", help="A word that the submitter did not know; it changes which cells are sampled.")
@suite_option("The suite's file, where it is not installed.")
@DEVICE
@click.option("--workers", type=click.IntRange(1), help="Worker processes. Default: one a core, or one a GPU.")
@plugin_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def verify_command(
    bundle: Path,
    count: int,
    tolerance: float | None,
    salt: str,
    suite_name: str | None,
    device: str,
    workers: int | None,
    plugin_files: tuple[str, ...],
    blocked: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check a bundle, compute some of its cells again, and write the verdict beside it.

    Which cells follows from the bundle's hash. If k of n cells are false, m samples hold one of these with probability
    1 − C(n − k, m) / C(n, m). The exit status is 1 if a cell disagrees or cannot be computed, or if the claims lie too
    high together.
    """
    plugins = load(plugin_files, blocked)
    from ticketbench.board.verdict import write_verdict
    from ticketbench.board.verification import (
        candidates,
        doubtful,
        open_bundle,
        pick_sample,
        planned_for,
        repeats,
        weigh_found,
    )
    from ticketbench.store.environment import environment_of

    found, suite, plan = open_bundle(bundle, plugins, suite_name)
    if not count:
        show_order(found, as_json)
        return
    among = candidates(found, suite, plan)
    rows = pick_sample(found, among, count, salt)
    devices = pick_devices(device, workers)
    cells = planned_for(rows, plan)
    records = compute(plan, cells, plugins, devices, as_json) if cells else []
    about = (environment_of(plugins), devices[0].partition(":")[0], tolerance, salt)
    verdict = weigh_found(found, suite, rows, len(among), cells, records, *about)
    again = doubtful(verdict, cells) if tolerance is None else []
    if again:
        records += repeat(repeats(plan, again, devices[0]), plan, devices, as_json)
        verdict = weigh_found(found, suite, rows, len(among), cells, records, *about)
    place = write_verdict(bundle, verdict)
    show_verdict(found, verdict, place, as_json)
    sys.exit(0 if verdict.agrees else 1)


def compute(
    plan: Plan, cells: dict[str, Any], plugins: Plugins, devices: tuple[str, ...], quiet: bool
) -> list[CellRecord]:
    """The records of the sampled cells, computed in a store that is thrown away."""
    from ticketbench.board.verification import only
    from ticketbench.cli.crew import crew_here
    from ticketbench.cli.progress import displayed
    from ticketbench.executors.local import LocalExecutor
    from ticketbench.run import run
    from ticketbench.store.store import Store

    sampled, crew = only(plan, cells.values()), crew_here(devices)
    resolver = crew.resolver(plugins)
    resolver.require_data({cell.setting.fleet_text(): cell.setting for cell in sampled.cells}.values())
    state = crew.run_state(crew.fleets(sampled, sampled.cells, resolver), resolver)
    with tempfile.TemporaryDirectory(prefix="ticketbench-verify-") as folder:
        store = Store(Path(folder) / "store", create=True)
        with displayed(sampled, state, plugins, quiet, bar=False):
            run(sampled, store, LocalExecutor(devices), plugins, device=devices[0], room=crew.room(resolver))
        return store.records(cell.key for cell in sampled.cells)


def repeat(fleets: list[Fleet], plan: Plan, devices: tuple[str, ...], quiet: bool) -> list[CellRecord]:
    """The records of cells that were off, in stacks of other sizes."""
    from ticketbench.executors.local import LocalExecutor
    from ticketbench.run import worker_setup
    from ticketbench.store.store import Store

    if not quiet:
        click.echo(
            f"{len({fleet.cells[0].key for fleet in fleets})} cells are off; once more, stacked otherwise", err=True
        )
    with tempfile.TemporaryDirectory(prefix="ticketbench-verify-") as folder:
        setup = worker_setup(plan, Store(Path(folder) / "store", create=True), False)
        return [record for event in LocalExecutor(devices).run(iter(fleets), setup) for record in event.records]


def show_order(bundle: Bundle, as_json: bool) -> None:
    """The bundle is in order; nothing was computed."""
    if as_json:
        print_json({"bundle": bundle.manifest.hash, "in_order": True, "cells": []})
    else:
        click.echo(f"{bundle.manifest.name} is in order; nothing was computed again. hash {bundle.manifest.hash}")


def show_verdict(bundle: Bundle, verdict: Verdict, place: Path, as_json: bool) -> None:
    """Every sampled cell with its claim, and what the sample can say."""
    from ticketbench.board.sampling import chance
    from ticketbench.cli.table import print_table

    count = len(verdict.cells)
    odds = {f"{false}": chance(verdict.candidates, false, count) for false in (1, 3, 10) if false <= verdict.candidates}
    if as_json:
        print_json({**verdict.model_dump(mode="json", by_alias=True), "verdict": str(place), "chance_caught": odds})
        return
    lines = [
        (
            cell.key,
            cell.row,
            cell.task.partition(" ")[0],
            f"{cell.density:g}",
            str(cell.seed),
            f"{cell.claimed:.4f}",
            "–" if cell.found is None else f"{cell.found:.4f}",
            "–" if cell.difference is None else f"{cell.difference:+.4f}",
            f"{cell.tolerance:.4f}",
            str(cell.runs),
            "agrees" if cell.agrees else cell.reason,
        )
        for cell in verdict.cells
    ]
    columns = [
        "cell",
        "row",
        "task",
        "density",
        "seed",
        "claimed",
        "found",
        "difference",
        "tolerance",
        "runs",
        "verdict",
    ]
    print_table(f"{bundle.manifest.name}, hash {bundle.manifest.hash}", lines, columns)
    for false, odd in odds.items():
        click.echo(f"{false} raised of {verdict.candidates} cells: {100 * odd:.1f} % to be caught by {count} samples")
    widest = max(cell.tolerance for cell in verdict.cells)
    click.echo(f"a result that was raised by less than its tolerance (here up to {widest:.4f}) is not caught alone")
    state = verdict.summary()
    click.echo(f"{state}; written to {place}")
