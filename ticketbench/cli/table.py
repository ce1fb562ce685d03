"""The result table at the end of a run."""

from __future__ import annotations

import math
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import rich_click as click

from ticketbench.render.labels import short, telling
from ticketbench.render.numbers import amount, duration
from ticketbench.suite.tiers import caution

if TYPE_CHECKING:
    from ticketbench.run import Summary
    from ticketbench.store.schema import CellRecord
    from ticketbench.suite.suite import Suite

SHOWN_AXES = ("task", "model", "protocol")
SHOWN_COLUMNS = ("density", "row", "seeds", "mean", "std", "parameters", "FLOPs", "draw", "train", "notes")
TEXTS = ("row", "notes", "", "what", "source", "status", "task", "model", "protocol", "reason")
"""Columns that hold text."""


def print_results(suite: Suite, records: Sequence[CellRecord], summary: Summary, store_address: str) -> None:
    """A table a task and model: a line for each row and density, with mean and deviation over seeds."""
    groups: dict[tuple[str, ...], list[CellRecord]] = {}
    for record in records:
        groups.setdefault(tuple(getattr(record, axis) for axis in SHOWN_AXES), []).append(record)
    for axes, members in groups.items():
        task, model, protocol = (short(axes[at], [other[at] for other in groups]) for at in range(len(SHOWN_AXES)))
        headline = suite.headline_of(axes[0])
        metric = f"{headline.metric} ({headline.at})"
        print_table(f"{metric}: {model} on {task}, {protocol}", table_lines(members))
    if warning := caution(records[0].tier if records else ""):
        click.echo(warning)
    counts = ", ".join(f"{count} {status}" for status, count in sorted(summary.counts.items()))
    click.echo(
        f"{len(records)} cells: {counts}; {summary.computed} computed in {duration(summary.seconds)}; "
        f"store: {store_address}"
    )
    sound = {"ok", "skipped"}
    if expected := {status: n for status, n in (summary.counts - summary.unexpected).items() if status not in sound}:
        words = " and ".join(f"{count} {status}" for status, count in sorted(expected.items()))
        click.echo(f"{words}: a finding that the suite expects of these rows.")
    if summary.unexpected:
        click.echo("Some cells are not ok: see the notes above, `--retry`, and the column `error` of the table cells.")


def table_lines(records: Sequence[CellRecord]) -> list[tuple[str, ...]]:
    """The lines of one table, densest first, in the suite's order of rows: one for each initializer and recipe."""
    groups: dict[tuple[float, str, str, str], list[CellRecord]] = {}
    for record in records:
        place = (-record.density, record.row, record.initializer, record.recipe)
        groups.setdefault(place, []).append(record)
    ordered = sorted(groups.items(), key=lambda item: item[0][0])
    return [line_of(-place[0], column_label(members[0], records), members) for place, members in ordered]


def column_label(record: CellRecord, records: Sequence[CellRecord]) -> str:
    """The row, and what tells this line from the row's other lines."""
    rivals = [other for other in records if other.row == record.row]
    parts = [
        telling(getattr(record, axis), [getattr(other, axis) for other in rivals]) for axis in ("initializer", "recipe")
    ]
    return " ".join([record.row, *(part for part in parts if part)])


def line_of(density: float, row: str, members: Sequence[CellRecord]) -> tuple[str, ...]:
    """One line of the table, over its seeds."""
    values = [member.headline for member in members]
    sound = [value for value in values if value is not None and math.isfinite(value)]
    states = Counter(member.status for member in members if member.status != "ok")

    def mean(name: str) -> float:
        known = [getattr(member, name) for member in members if getattr(member, name) is not None]
        return statistics.fmean(known) if known else math.nan

    return (
        f"{density:g}",
        row,
        f"{len(sound)}/{len(members)}" if len(sound) < len(members) else str(len(members)),
        f"{statistics.fmean(sound):.4f}" if sound else "–",
        f"{statistics.stdev(sound):.4f}" if len(sound) > 1 else "–",
        amount(mean("parameters")),
        amount(mean("flops")),
        duration(mean("draw_seconds")),
        duration(mean("train_seconds")),
        ", ".join(f"{count} {status}" for status, count in sorted(states.items())),
    )


def print_table(title: str, lines: Sequence[tuple[str, ...]], columns: Sequence[str] = SHOWN_COLUMNS) -> None:
    """A rich table in a terminal, aligned columns in a pipe. Columns of numbers are aligned to the right."""
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table

        table = Table(title=escape(title), title_justify="left")
        for name in columns:
            table.add_column(escape(name), justify="left" if name in TEXTS else "right", overflow="fold")
        for line in lines:
            table.add_row(*(escape(part) for part in line))
        Console().print(table)
        return
    widths = [max(len(line[at]) for line in (columns, *lines)) for at in range(len(columns))]
    click.echo(title)
    for line in (tuple(columns), *lines):
        click.echo("  ".join(part.ljust(width) for part, width in zip(line, widths, strict=True)).rstrip())
