"""The documentation of the tables is the schema's, and no one else's."""

from __future__ import annotations

from places import ROOT

from ticketbench.store.column import TableColumn, column
from ticketbench.store.documentation import markdown_line, records_markdown
from ticketbench.store.tables import TABLES


def test_the_page_of_records_is_what_the_schema_says():
    """`make docs` writes it."""
    assert (ROOT / "docs" / "records.md").read_text(encoding="utf-8") == records_markdown()


def test_a_column_is_a_line():
    """Type, unit and meaning; whether it may be empty, and since when there is one."""
    newer = TableColumn("heat", float, column("degrees | of the room", "joules", since=3), optional=True)
    assert (
        markdown_line(newer) == "| `heat` | double | joules | degrees \\| of the room (may be empty, since version 3) |"
    )
    plain = TableColumn("name", str, column("what it is called"), optional=False)
    assert markdown_line(plain) == "| `name` | string |  | what it is called |"


def test_every_column_has_a_line():
    """Of every table."""
    lines = records_markdown().splitlines()
    names = [line.split("`")[1] for line in lines if line.startswith("| `")]
    assert names == [one.name for columns in TABLES.values() for one in columns]
