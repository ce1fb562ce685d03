"""`ticketbench board compare`: two submissions, stores or rows beside each other, on the same seeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ticketbench.cli.common import load, plugin_options, print_json

if TYPE_CHECKING:
    from ticketbench.board.comparison import ComparedPair
    from ticketbench.board.submission import Submission
    from ticketbench.board.suites import Suites


@click.command("compare")
@click.argument("left", metavar="A[:ROW]")
@click.argument("right", metavar="B[:ROW]")
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    default="leaderboards",
    show_default=True,
    metavar="DIR",
    help="Where submissions are, that are named SUITE/TIER/NAME.",
)
@plugin_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")
def compare_sides(
    left: str, right: str, root: Path, plugin_files: tuple[str, ...], blocked: tuple[str, ...], as_json: bool
) -> None:
    """Paired differences of A less B for every task and density: better, worse, as good, or we cannot tell.

    A and B are folders of stores or submissions, or SUITE/TIER/NAME; with :ROW only that row counts, as in
    `results:MINE results:THEIRS`; a side of one row needs no name. A mark says how A does: t-tests of differences on
    the same seeds, corrected together (Holm); "as good" where the difference is smaller than the suite's margin. "would
    take" is about how many seeds would decide what is open, if its numbers stay.
    """
    from ticketbench.board.comparison import compare_lines
    from ticketbench.board.suites import Suites

    suites = Suites(load(plugin_files, blocked))
    mine, my_row = side(left, root, suites)
    theirs, their_row = side(right, root, suites)
    rows = None
    if my_row or their_row:
        rows = (my_row or only_row(mine) or their_row, their_row or only_row(theirs) or my_row)
    found: list[tuple[Submission, Submission, list[ComparedPair]]] = []
    for one, other in matched(mine, theirs):
        found.append((one, other, compare_lines(one, other, rows, suites.find(one.suite))))
    if as_json:
        print_json([plain_pair(one, other, pair) for one, other, pairs in found for pair in pairs])
        return
    for one, other, pairs in found:
        print_pairs(one, other, pairs, suites)


def only_row(submissions: list[Submission]) -> str:
    """The row of a side that has no other, or ""."""
    rows = {cell.row for one in submissions for cell in one.cells}
    return rows.pop() if len(rows) == 1 else ""


def side(text: str, root: Path, suites: Suites) -> tuple[list[Submission], str]:
    """A side's submissions, and the row it names or ""."""
    from ticketbench.board.submission import read_submissions
    from ticketbench.errors import StoreError, UnknownNameError

    for address, row in ((text, ""), tuple(text.rpartition(":")[::2])):
        parts = address.split("/")
        named = root.joinpath(*parts[:2], "submissions", *parts[2:]) if len(parts) == 3 and ".." not in parts else None
        for path in (Path(address), *([named] if named else [])):
            if address and path.is_dir():
                found = [suites.belonging(one)[0] for one in read_submissions(path, find=suites.find)]
                known = {cell.row for one in found for cell in one.cells}
                if row and row not in known:
                    raise UnknownNameError("row", row, known, address)
                if not known:
                    raise StoreError(f"{address} has no cells to compare.")
                return found, row
    raise StoreError(
        f"there is no store or submission '{text}'. Give a folder, or SUITE/TIER/NAME of one under {root}, and a row "
        "after a colon if only that counts."
    )


def matched(mine: list[Submission], theirs: list[Submission]) -> list[tuple[Submission, Submission]]:
    """Each submission of the left side with the right side's of the same setting; if none fits, the first two."""
    by_setting = {one.setting: one for one in theirs}
    return [(one, by_setting[one.setting]) for one in mine if one.setting in by_setting] or [(mine[0], theirs[0])]


def plain_pair(one: Submission, other: Submission, pair: ComparedPair) -> dict[str, Any]:
    """A pair for a program to read."""
    numbers: dict[str, Any] = {}
    if pair.found is not None:
        numbers = {
            "seeds": pair.found.seeds,
            "differences": pair.found.differences,
            "mean": pair.found.interval.mean,
            "low": pair.found.interval.low,
            "high": pair.found.interval.high,
            "p": pair.found.p,
            "corrected": pair.found.corrected,
            "alike": pair.found.alike,
            "margin": pair.found.sample.margin,
            "flips": pair.found.flips,
            "seeds_needed": pair.seeds_needed,
        }
    return {
        "a": one.name,
        "b": other.name,
        "suite": one.suite,
        "version": one.version,
        "tier": one.tier,
        "precision": one.precision,
        "device_class": one.device_class,
        **pair.setting._asdict(),
        "density": pair.density,
        "row": pair.left,
        "than": pair.right,
        "metric": pair.metric,
        "mark": pair.mark,
        "reason": pair.reason,
        **numbers,
    }


def print_pairs(one: Submission, other: Submission, pairs: list[ComparedPair], suites: Suites) -> None:
    """The pairs for a person: a table, then what could not be compared, or not be told."""
    from ticketbench.board.comparison import power_of
    from ticketbench.board.words import interval_text, p_text, setting_names
    from ticketbench.cli.table import print_table
    from ticketbench.suite.paper import Metric

    suite = suites.find(one.suite)
    names = setting_names(list(dict.fromkeys(pair.setting for pair in pairs)))
    tested = [pair for pair in pairs if pair.found]
    lines = []
    for pair in pairs:
        metric = suite.metric(pair.metric) if suite and pair.metric else Metric(title=pair.metric)
        rows = pair.left if pair.left == pair.right else f"{pair.left or '–'} less {pair.right or '–'}"
        place = (names[pair.setting], f"{pair.density:.4g}", rows)
        if pair.found is None:
            lines.append((*place, "", "", "", "not comparable", "", pair.reason))
            continue
        found, unit = pair.found, " points" if metric.percent else ""
        takes = "" if found.decided else f"{pair.seeds_needed or 'more than 1000'} seeds"
        lines.append(
            (
                *place,
                str(len(found.seeds)),
                f"{interval_text(found.interval, metric, True)}{unit}",
                p_text(found.corrected),
                pair.mark,
                takes,
                "; ".join(part for part in (pair.reason, found.note) if part),
            )
        )
    columns = ("task", "density", "row", "seeds", "difference", "p", "A is", "would take", "notes")
    print_table(f"A {one.name} less B {other.name}: {one.suite} version {one.version}, tier {one.tier}", lines, columns)
    click.echo(
        f"{len(tested)} comparisons, corrected together (Holm); {len(pairs) - len(tested)} places could not be compared"
    )
    if said := power_of(pairs):
        click.echo(said)
