"""The documentation of the tables of a store, made from the records: every column with its type and meaning."""

from __future__ import annotations

from ticketbench.store.column import TableColumn
from ticketbench.store.schema import SCHEMA_VERSION
from ticketbench.store.tables import TABLES, TYPES

RECORDS_ABOUT = {
    "cells": "A row for each attempt at a cell; the latest counts.",
    "curves": "Points of curves: of learning, of judgements by density and along the model's sweep, of probes.",
    "probes": "Single numbers that probes measured and methods noted, and the kept share of each layer.",
    "environments": "Versions, source and hardware, a row each.",
}


def records_markdown() -> str:
    """All tables as a page of Markdown."""
    parts = [
        "# Records",
        "A store is a folder of Parquet files, a folder for each table; a submission has one file for each. This is\n"
        f"version {SCHEMA_VERSION} of the schema. Columns that came later than version 1 say so: they are null where "
        "an older\nticketbench wrote. Made from `ticketbench/store/schema.py` by `make docs`: edit that.",
    ]
    for table, columns in TABLES.items():
        head = ["| column | type | unit | meaning |", "| --- | --- | --- | --- |"]
        parts.append(f"## {table}\n\n{RECORDS_ABOUT[table]}\n\n" + "\n".join([*head, *map(markdown_line, columns)]))
    return "\n\n".join(parts) + "\n"


def markdown_line(one: TableColumn) -> str:
    """A column as a line of its table."""
    notes = ["may be empty"] if one.optional else []
    notes += [f"since version {one.about.since}"] if one.about.since > 1 else []
    meaning = one.about.meaning + (f" ({', '.join(notes)})" if notes else "")
    return f"| `{one.name}` | {TYPES[one.type]} | {one.about.unit} | {meaning.replace('|', chr(92) + '|')} |"
