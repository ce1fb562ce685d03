"""A sheet as a Markdown table: text from outside is escaped, and the best are bold."""

from __future__ import annotations

from ticketbench.board.export.sheet import Amount, Sheet, SheetCell, SheetColumn, cell_words, shown_sheet
from ticketbench.board.words import LONGEST_NOTE, escaped
from ticketbench.render.sketch import SIGNS


def markdown_text(sheet: Sheet, plus_minus: bool = False) -> str:
    """The caption, the table and its notes."""
    shown = shown_sheet(sheet)
    right = [column.kind not in ("text", "long") for column in shown.columns]
    lines = [
        [escaped(column.name) for column in shown.columns],
        ["---:" if one else "---" for one in right],
        *([markdown_cell(*pair, plus_minus) for pair in zip(shown.columns, row, strict=True)] for row in shown.rows),
    ]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    notes = "\n".join(f"- {escaped(note, LONGEST_NOTE)}" for note in shown.notes)
    return "\n\n".join(part for part in (f"**{escaped(shown.caption, LONGEST_NOTE)}**", table, notes) if part) + "\n"


def markdown_cell(column: SheetColumn, cell: SheetCell, plus_minus: bool) -> str:
    """A cell; a mark is its sign with its word."""
    words = cell_words(column, cell, plus_minus)
    if column.kind == "mark":
        return f"{SIGNS[words]} {words}" if words in SIGNS else escaped(words)
    text = escaped(words, LONGEST_NOTE)
    return f"**{text}**" if isinstance(cell, Amount) and cell.best else text
