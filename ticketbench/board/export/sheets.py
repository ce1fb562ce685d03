"""Exports: which tables of a board can be written, and in which formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ticketbench.board.build import Board
from ticketbench.board.export.as_csv import csv_text
from ticketbench.board.export.as_latex import latex_text
from ticketbench.board.export.as_markdown import markdown_text
from ticketbench.board.export.chosen import Chosen, rows_asked_for
from ticketbench.board.export.judged import answers_sheet, claims_sheet, thresholds_sheet
from ticketbench.board.export.places import overall_sheet, places_sheet
from ticketbench.board.export.sheet import Sheet
from ticketbench.errors import StoreError

SHEETS: Mapping[str, Callable[[Board, Chosen], Sheet]] = {
    "answers": lambda board, _: answers_sheet(board),
    "overall": overall_sheet,
    "places": lambda board, _: places_sheet(board),
    "claims": lambda board, _: claims_sheet(board),
    "thresholds": lambda board, _: thresholds_sheet(board),
}
FORMATS = ("csv", "latex", "markdown")


def exported(board: Board, name: str, form: str, chosen: Chosen, plus_minus: bool = False) -> str:
    """A table of a board in a format; a `StoreError` where it would be empty."""
    sheet = rows_asked_for(SHEETS[name](board, chosen), chosen, f"the {name} of {board.name}")
    if not sheet.rows:
        asked = " that was asked for" if chosen != Chosen() else ""
        raise StoreError(f"the {name} of {board.name} have nothing{asked}. Its tables are {', '.join(SHEETS)}.")
    if form == "csv":
        return csv_text(sheet)
    return latex_text(sheet, plus_minus) if form == "latex" else markdown_text(sheet, plus_minus)
