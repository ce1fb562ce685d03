"""`ticketbench report`: a paper's tables and figures beside ours, and a verdict on each of its claims."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from ticketbench.cli.common import load, plugin_options, print_json, suite_options
from ticketbench.cli.completion import offering, tiers
from ticketbench.suite.tiers import caution

if TYPE_CHECKING:
    from ticketbench.report.contents import JudgedClaim, Report


@click.command("report")
@suite_options
@click.option(
    "--tier",
    help="smoke, small, hour, paper or wide. Default: the largest that the store has.",
    shell_complete=offering(tiers),
)
@click.option("--store", "store_address", default="./results", show_default=True, help="A store, or a submission.")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="DIR", help="Where files go. Default: ./report-SUITE-TIER."
)
@click.option("--seeds", type=click.IntRange(1), help="As many seeds as `run --seeds` was given. Default: the tier's.")
@click.option("--precision", default="", help="fp32, tf32 or bf16. Default: what most cells have.")
@click.option("--device", "device_class", default="", help="cpu or cuda. Default: what most cells have.")
@plugin_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def report_command(
    suite_name: str,
    tier: str | None,
    store_address: str,
    output: Path | None,
    seeds: int | None,
    precision: str,
    device_class: str,
    plugin_files: tuple[str, ...],
    blocked: tuple[str, ...],
    as_json: bool,
) -> None:
    """Compare a suite's results with its paper: tables here, charts and a page that works offline in a folder."""
    from ticketbench.board.bundle.opening import open_records
    from ticketbench.plan.plan import find_suite
    from ticketbench.report.build import build_report, write_report
    from ticketbench.results.results import gather_results

    plugins = load(plugin_files, blocked)
    suite = find_suite(suite_name, plugins)
    if tier is not None:
        suite.tier(tier)
    results = gather_results(open_records(store_address), suite, tier, plugins, precision, device_class, seeds)
    report = build_report(results)
    folder = output or Path(f"report-{suite.name}-{results.tier}")
    files = [str(path) for paths in write_report(report, folder).values() for path in paths]
    if as_json:
        print_json({**report.to_plain(), "files": files})
        return
    print_report(report)
    click.echo(f"\nwritten to {folder}: {', '.join(Path(file).name for file in files)}")


MOST_CLAIMS = 15
"""Lines of troubles in the terminal; the page has all."""


def print_report(report: Report) -> None:
    """The report for a person: claims, tables, and whatever is missing."""
    from ticketbench.cli.ending import show_answers
    from ticketbench.cli.table import print_table

    results = report.results
    click.echo(f"{results.suite.title}\n{results.suite.reference}")
    click.echo(f"tier {results.tier}: {results.suite.tier(results.tier).about}\n{report.summary()}")
    for note in [caution(results.tier), *results.notes]:
        if note:
            click.echo(f"note: {note}")
    show_answers(results, report.judgement)
    for judged in report.verdicts:
        print_verdict(judged)
    grids = [drawing.grid for drawing in report.drawings]
    for grid in [*grids, *([report.targets] if report.targets.lines else [])]:
        click.echo()
        print_table(grid.title, grid.lines, grid.columns)
        for note in grid.notes:
            click.echo(f"  {note}")
    troubles = report.troubles
    if troubles.lines:
        click.echo()
        print_table(troubles.title, troubles.lines[:MOST_CLAIMS], troubles.columns)
        if len(troubles.lines) > MOST_CLAIMS:
            click.echo(f"  and {len(troubles.lines) - MOST_CLAIMS} more lines: see the page, or --json")


def print_verdict(judged: JudgedClaim) -> None:
    """A claim with its verdict, in its colour, and what the verdict rests on."""
    colour = {"supports": "green", "contradicts": "red", "as good": "cyan"}.get(judged.verdict, "yellow")
    click.echo(f"\n{judged.number}. {click.style(judged.verdict.upper(), fg=colour, bold=True)}: {judged.text}")
    if judged.setting:
        click.echo(f"   in {judged.setting}")
    facts = [f"ours {judged.ours}" if judged.ours else "", f"paper {judged.paper}" if judged.paper else ""]
    said = "; ".join(part for part in [*facts, judged.reason] if part)
    click.echo(f"   {said}\n   {judged.source}" if said else f"   {judged.source}")
