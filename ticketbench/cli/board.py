"""`ticketbench board`: build the leaderboards, show, export or compare them, open a page, calibrate the marks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ticketbench.cli.common import load, plugin_options, print_json

if TYPE_CHECKING:
    from ticketbench.board.build import Board
    from ticketbench.board.overall import Contest
    from ticketbench.board.place import Place
    from ticketbench.board.table import Table
    from ticketbench.board.thresholds import LineThreshold
    from ticketbench.results.standard import Comparison

ROOT = click.option(
    "--root",
    type=click.Path(path_type=Path),
    default="leaderboards",
    show_default=True,
    metavar="DIR",
    help="The folder of the boards: <suite>/<tier>/submissions/.",
)


@click.group("board")
def board_command() -> None:
    """Leaderboards: build their pages, show or export one, compare two sides, open a page, calibrate the marks."""


@board_command.command("build")
@ROOT
@plugin_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def board_build(root: Path, plugin_files: tuple[str, ...], blocked: tuple[str, ...], as_json: bool) -> None:
    """Make README.md, index.html and charts of every board, and a front page. Twice gives the same bytes.

    A text about.md beside a board becomes a part of it; board.toml says which rows all others are compared with.
    """
    from ticketbench.board.build import build_boards
    from ticketbench.board.suites import Suites

    shown, changed = build_boards(root, Suites(load(plugin_files, blocked)))
    troubles = [f"{board.suite}/{board.tier}: {trouble}" for board in shown for trouble in board.troubles]
    if as_json:
        print_json({"boards": [vars(board) for board in shown], "changed": [str(path) for path in changed]})
    else:
        for board in shown:
            counts = ", ".join(f"{count:,} {name}" for name, count in board.counts.items())
            click.echo(f"{board.suite}/{board.tier}: {counts}")
        click.echo(f"{len(changed)} files changed; the front page is {root / 'index.html'}")
    for trouble in troubles:
        click.echo(f"ticketbench: set aside: {trouble}", err=True)
    if troubles:
        sys.exit(1)


@board_command.command("show")
@click.argument("name", metavar="SUITE/TIER")
@ROOT
@plugin_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def show_board(name: str, root: Path, plugin_files: tuple[str, ...], blocked: tuple[str, ...], as_json: bool) -> None:
    """Print a board: how rows stand overall, then ranks, means, differences and costs, and what is incomplete."""
    from ticketbench.board.build import board_folder, read_board
    from ticketbench.board.suites import Suites

    board = read_board(board_folder(name, root), root, Suites(load(plugin_files, blocked)))
    if as_json:
        print_json(plain_board(board))
        return
    print_board(board)


@board_command.command("open")
@click.argument("name", metavar="[SUITE/TIER]", default="")
@ROOT
def open_board(name: str, root: Path) -> None:
    """Open a board's page in a browser; without a name the front page."""
    from ticketbench.board.build import board_folder
    from ticketbench.errors import StoreError

    page = (board_folder(name, root) if name else root) / "index.html"
    if not page.is_file():
        raise StoreError(f"there is no page {page}. `ticketbench board build --root {root}` makes it.")
    click.echo(str(page))
    click.launch(str(page.absolute()))


def plain_board(board: Board) -> dict[str, Any]:
    """A board for a program to read."""
    from ticketbench.board.page_data import table_facts

    tables = [
        {
            **table_facts(table),
            "overall": [plain_contest(contest) for contest in table.contests],
            "thresholds": [plain_threshold(one) for one in table.thresholds],
            "places": [plain_place(place) for place in table.places],
        }
        for table in board.tables
    ]
    return {
        "suite": board.suite,
        "tier": board.tier,
        "counts": board.counts(),
        "set_aside": board.troubles,
        "tables": tables,
    }


def plain_place(place: Place) -> dict[str, Any]:
    """A place for a program to read."""
    return {
        **place.setting._asdict(),
        "density": place.density,
        "metric": place.metric,
        "seeds": place.seeds,
        "entries": [
            {
                "submission": one.line.submission,
                "row": one.line.row,
                "method": one.line.method,
                "scorer": one.line.scorer,
                "ranks": [one.ranks.first, one.ranks.last],
                "mean": one.interval.mean,
                "low": one.interval.low,
                "high": one.interval.high,
                "values": one.values,
                "costs": one.line.costs,
                "against": {row: plain_comparison(found) for row, found in one.against.items()},
            }
            for one in place.standings
        ],
        "incomplete": [
            {"submission": line.submission, "row": line.row, "seeds": line.troubles(place.seeds)}
            for line in place.incomplete
        ],
    }


def plain_comparison(found: Comparison) -> dict[str, Any]:
    """A comparison for a program to read."""
    return {**vars(found.interval), "p": found.p, "corrected": found.corrected, "mark": found.mark}


def plain_contest(contest: Contest) -> dict[str, Any]:
    """How rows stand over many places, for a program to read."""
    names = ("submission", "row", "method", "scorer")
    return {
        "metric": contest.metric,
        "seeds": contest.seeds,
        "than": contest.than or None,
        "places": [{**place.setting._asdict(), "density": place.density} for place in contest.places],
        "entries": [
            {
                **dict(zip(names, one.series, strict=True)),
                "ranks": [one.ranks.first, one.ranks.last],
                **vars(one.interval),
                "values": one.values,
                "mean_rank": vars(one.rank),
                "difference": plain_comparison(one.found) if one.found else None,
            }
            for one in contest.contenders
        ],
        "partial": [
            {**dict(zip(names, series, strict=True)), "places": count} for series, count in contest.partial.items()
        ],
    }


def plain_threshold(one: LineThreshold) -> dict[str, Any]:
    """How far down a row is as good as dense, for a program to read."""
    found = one.found
    return {
        "submission": one.submission,
        "row": one.row,
        **one.setting._asdict(),
        "than": one.than or None,
        "metric": one.metric,
        "margin": found.margin,
        "estimate": found.estimate,
        "low": found.low,
        "high": found.high,
        "open_below": found.open_below,
        "worse_from": found.worse_from,
        "levels": [
            {"density": level.density, **vars(level.interval), "kept": level.kept, "lost": level.lost}
            for level in found.levels
        ],
    }


def print_board(board: Board) -> None:
    """A board as text: for each setting a table of the ranked entries, and then what is incomplete."""
    click.echo(f"{board.title}\n{board.name}: {board.summary()}")
    for trouble in board.troubles:
        click.echo(f"set aside: {trouble}")
    for table in board.tables:
        click.echo(f"\n{table.title}")
        for note in table.notes:
            click.echo(f"note: {note}")
        print_summaries(table)
        for place in table.places:
            print_place(table, place)


def print_summaries(table: Table) -> None:
    """What stands at the top of a table: every row over many places, and how far down it is as good as dense."""
    from ticketbench.board.summaries import summaries_of
    from ticketbench.cli.table import print_table

    for one in summaries_of(table):
        lines = []
        for line, mark in zip(one.lines, one.marks, strict=True):
            marked = [f"{mark}: {cell}" if mark and at == one.marked else cell for at, cell in enumerate(line)]
            lines.append(tuple(marked))
        click.echo()
        print_table(f"{'Overall: ' if one.marked is not None else ''}{one.title}", lines, one.columns)
        for note in one.notes:
            click.echo(f"  {note}")


def print_place(table: Table, place: Place) -> None:
    """One place: its complete entries, then the others."""
    from ticketbench.board.costs import tabled
    from ticketbench.board.words import (
        amount_text,
        interval_text,
        line_names,
        p_text,
        rank_text,
        setting_names,
        trouble_text,
    )
    from ticketbench.cli.table import print_table

    setting = setting_names(list(dict.fromkeys(one.setting for one in table.places)))[place.setting]
    names, metric = line_names(table), table.metrics[place.metric]
    costs = tabled(one.line for one in place.standings)
    lines = []
    for one in place.standings:
        apart = [
            f"{found.mark}: {interval_text(found.interval, metric, True)}, p {p_text(found.corrected)}" if found else ""
            for found in map(one.against.get, table.against)
        ]
        spent = [amount_text(one.line.costs.get(cost.name)) for cost in costs]
        lines.append(
            (rank_text(one.ranks), names[one.line.identity], interval_text(one.interval, metric), *apart, *spent)
        )
    click.echo()
    unit = ", %" if metric.percent else ""
    columns = ("rank", "row", "mean", *(f"less {row}" for row in table.against), *(cost.heading for cost in costs))
    print_table(f"{setting}, density {place.density:.4g}: {metric.title}{unit}", lines, columns)
    for line in place.incomplete:
        click.echo(f"  incomplete: {names[line.identity]}: {trouble_text(line.troubles(place.seeds))}")


from ticketbench.cli.board_export import export_table  # noqa: E402 - these commands belong to this group
from ticketbench.cli.calibrate import calibrate_boards  # noqa: E402
from ticketbench.cli.compare import compare_sides  # noqa: E402

board_command.add_command(calibrate_boards)
board_command.add_command(compare_sides)
board_command.add_command(export_table)
