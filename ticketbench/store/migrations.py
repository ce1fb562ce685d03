"""Migrations: tables of older schemas as tables of today's.

Stores and submissions are never rewritten: what an older version wrote is brought up to date where it is read.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from ticketbench.store.schema import SCHEMA_VERSION
from ticketbench.store.tables import SCHEMAS, TABLES, TEXT, TYPES

Migration = Callable[[str, pa.Table], pa.Table]


def from_1_to_2(table: str, content: pa.Table) -> pa.Table:
    """A text of a cell that says nothing is empty, where version 1 had null as well."""
    if table == "cells":
        for one in TABLES[table]:
            if one.name in content.column_names and one.type is str and one.optional:
                at = content.column_names.index(one.name)
                content = content.set_column(at, one.name, pc.fill_null(content[one.name].cast(TEXT), ""))
    return content


MIGRATIONS: dict[int, Migration] = {1: from_1_to_2}
"""Version -> what makes a table of it one of the next; a version that is not here differs in new columns only."""


def migrated(table: str, content: pa.Table, version: int) -> pa.Table:
    """A table as today's schema has it, out of one that a version wrote: what it lacks is null, and nothing is more."""
    for step in range(version, SCHEMA_VERSION):
        if step in MIGRATIONS:
            content = MIGRATIONS[step](table, content)
    for one in TABLES[table]:
        if one.name not in content.column_names:
            content = content.append_column(one.name, pa.nulls(content.num_rows, TYPES[one.type]))
    return content.select(SCHEMAS[table].names).cast(SCHEMAS[table])
