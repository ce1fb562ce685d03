"""Sheets: a table of a board before it is written in any format, with its numbers whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ticketbench.board.words import value_text
from ticketbench.render.numbers import NONE, number
from ticketbench.results.stats import Interval
from ticketbench.store.column import Unit
from ticketbench.suite.paper import Metric

ColumnKind = Literal["text", "long", "number", "density", "p", "mark", "amount", "figure"]
"""What a column holds; a long text is broken into lines, and a figure is a number in words."""
UNNAMED = Metric(title="")
EVEN = 1e-9
"""Ends of an interval that are as far from its mean as this, relative to its width, are even."""


@dataclass(frozen=True)
class Amount:
    """A mean with its interval."""

    interval: Interval
    metric: Metric = UNNAMED
    unit: Unit = "metric"
    sign: bool = False
    """Whether it is a difference, which has a sign."""
    best: bool = False
    """Whether it is among the best of its group."""

    def words(self, plus_minus: bool = False) -> str:
        """The mean with its ends, or, where they are even, with half its width."""
        low, mean, high = self.interval.low, self.interval.mean, self.interval.high
        if not math.isfinite(low) or not math.isfinite(high):
            return self.digits(mean, self.sign)
        if plus_minus and abs((high - mean) - (mean - low)) <= EVEN * max(high - low, EVEN):
            return f"{self.digits(mean, self.sign)} ± {self.digits((high - low) / 2)}"
        return f"{self.digits(mean, self.sign)} [{self.digits(low, self.sign)}, {self.digits(high, self.sign)}]"

    def digits(self, value: float, sign: bool = False) -> str:
        """One number with the digits that count."""
        if self.unit == "metric":
            return value_text(value, self.metric, sign)
        text = number(value, self.unit, self.metric).replace("-", "−")
        return f"+{text}" if sign and value > 0 else text


SheetCell = str | float | Amount | None
"""A cell of a sheet; a mark is its word."""


@dataclass(frozen=True)
class SheetColumn:
    """One column: its heading, what it holds, and where it is shown."""

    name: str
    kind: ColumnKind = "text"
    folds: bool = False
    """Whether it goes into the caption where all rows have the same there. In CSV no column does."""
    only: Literal["", "csv", "shown"] = ""
    """Whether it is for programs alone, or for readers alone."""


@dataclass(frozen=True)
class Tags:
    """What a row can be chosen by; an empty text or None: it is not of one of these alone."""

    task: str = ""
    model: str = ""
    density: float | None = None
    row: str = ""


@dataclass
class Sheet:
    """A table: its columns, and its rows with what they can be chosen by."""

    title: str
    columns: tuple[SheetColumn, ...]
    rows: list[tuple[SheetCell, ...]] = field(default_factory=list)
    tags: list[Tags] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    """Of each row a number that is another where a line is drawn before it."""
    notes: list[str] = field(default_factory=list)

    def add(self, cells: Sequence[SheetCell], tags: Tags, group: int = 0) -> None:
        """One more row."""
        if len(cells) != len(self.columns):
            raise ValueError(f"a row of {len(cells)} cells in a sheet of {len(self.columns)} columns")
        self.rows.append(tuple(cells))
        self.tags.append(tags)
        self.groups.append(group)


@dataclass(frozen=True)
class ShownSheet:
    """A sheet as readers see it: what all rows share is in the caption, and empty columns are gone."""

    caption: str
    columns: tuple[SheetColumn, ...]
    rows: list[tuple[SheetCell, ...]]
    groups: list[int]
    notes: list[str]


def shown_sheet(sheet: Sheet) -> ShownSheet:
    """What of a sheet stands in a paper."""
    kept, said = [], []
    for at, column in enumerate(sheet.columns):
        values = {row[at] for row in sheet.rows}
        if column.only == "csv" or not values - {None, ""}:
            continue
        if column.folds and len(values) == 1:
            said.append(f"{column.name} {cell_words(column, values.pop())}")
        else:
            kept.append(at)
    caption = "; ".join([sheet.title, *said])
    rows = [tuple(row[at] for at in kept) for row in sheet.rows]
    return ShownSheet(caption, tuple(sheet.columns[at] for at in kept), rows, sheet.groups, sheet.notes)


def cell_words(column: SheetColumn, cell: SheetCell, plus_minus: bool = False) -> str:
    """A cell in plain words."""
    if cell is None:
        return ""
    if isinstance(cell, Amount):
        return cell.words(plus_minus)
    if isinstance(cell, str):
        return cell
    if not math.isfinite(cell):
        return NONE
    if column.kind == "density":
        return f"{100 * cell:.3g} %"
    if column.kind == "p":
        return f"{cell:.2g}" if cell >= 0.001 else "<0.001"
    return f"{cell:.4g}".replace("-", "−") if cell != int(cell) or abs(cell) >= 1e6 else f"{int(cell)}"
