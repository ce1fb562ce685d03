"""A sheet as CSV: numbers with all their digits, and no text that a spreadsheet would take for a formula."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator

from ticketbench.board.bundle.refusal import FORMULAS
from ticketbench.board.export.sheet import Amount, Sheet, SheetCell, SheetColumn
from ticketbench.board.words import clean_long


def csv_text(sheet: Sheet) -> str:
    """All rows; a mean with its interval is three columns."""
    columns = [(at, column) for at, column in enumerate(sheet.columns) if column.only != "shown"]
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([harmless(name) for _, column in columns for name in headings(column)])
    for row in sheet.rows:
        writer.writerow([part for at, column in columns for part in parts_of_cell(column, row[at])])
    return written.getvalue()


def headings(column: SheetColumn) -> Iterator[str]:
    """The headings of a column."""
    yield column.name
    if column.kind == "amount":
        yield from (f"{column.name}, low", f"{column.name}, high")


def parts_of_cell(column: SheetColumn, cell: SheetCell) -> Iterator[str]:
    """What a cell is in each of its columns."""
    if column.kind == "amount":
        interval = cell.interval if isinstance(cell, Amount) else None
        yield from (digits(value) for value in (vars(interval).values() if interval else (None, None, None)))
    elif isinstance(cell, str):
        yield harmless(cell)
    else:
        yield digits(cell if not isinstance(cell, Amount) else cell.interval.mean)


def digits(value: float | None) -> str:
    """A number with all its digits; empty where there is none."""
    if value is None or not math.isfinite(value):
        return ""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def harmless(text: str) -> str:
    """A text on one line that no spreadsheet computes: an apostrophe goes before what looks like a formula."""
    plain = clean_long(text)
    return f"'{plain}" if plain.startswith(FORMULAS) else plain
