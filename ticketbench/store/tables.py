"""Tables: records as Parquet has them, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

import pyarrow as pa

from ticketbench.errors import StoreError
from ticketbench.store.column import TableColumn, columns_of
from ticketbench.store.schema import SCHEMA_VERSION, CellRecord, CurvePoint, Environment, Finding

RowValues = TypeVar("RowValues", CellRecord, Environment)
Part = TypeVar("Part", CurvePoint, Finding)

TEXT, REAL, WHOLE = pa.string(), pa.float64(), pa.int64()
TYPES: dict[type, pa.DataType] = {str: TEXT, float: REAL, int: WHOLE, bool: pa.bool_()}
OWNER = tuple(column for column in columns_of(CellRecord) if column.name in ("key", "attempt"))
"""The columns that say whose curve or finding a row is."""

TABLES: dict[str, tuple[TableColumn, ...]] = {
    "cells": columns_of(CellRecord),
    "curves": (*(dataclasses.replace(one, optional=False) for one in OWNER), *columns_of(CurvePoint)),
    "probes": (*(dataclasses.replace(one, optional=False) for one in OWNER), *columns_of(Finding)),
    "environments": columns_of(Environment),
}
"""Table -> its columns."""


def schema_of(table: str, version: int = SCHEMA_VERSION) -> pa.Schema:
    """The Parquet schema that a table had at a version."""
    return pa.schema([(one.name, TYPES[one.type]) for one in TABLES[table] if one.about.since <= version])


SCHEMAS: dict[str, pa.Schema] = {table: schema_of(table) for table in TABLES}
"""Table -> its schema today."""


def as_tables(records: Sequence[CellRecord], environment: str) -> dict[str, pa.Table]:
    """Records as the three tables of a part; those that do not say where they were computed were computed here."""
    placed = [dataclasses.replace(one, environment=one.environment or environment) for one in records]
    cells = {one.name: [storable(getattr(record, one.name)) for record in placed] for one in TABLES["cells"]}
    return {
        "cells": pa.table(cells, schema=SCHEMAS["cells"]),
        "curves": parts_table("curves", [(record, record.curves) for record in placed]),
        "probes": parts_table("probes", [(record, findings_of(record)) for record in placed]),
    }


def findings_of(record: CellRecord) -> tuple[Finding, ...]:
    """What probes found and methods noted of a cell, and the kept share of each layer."""
    return (*record.probes, *(layer.finding() for layer in record.layers))


def parts_table(table: str, parts: Sequence[tuple[CellRecord, Sequence[tuple[Any, ...]]]]) -> pa.Table:
    """The points or findings of some records as a table, column by column, under their cells' keys and attempts."""
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMAS[table].names}
    for record, values in parts:
        columns["key"] += [record.key] * len(values)
        columns["attempt"] += [record.attempt] * len(values)
        names = SCHEMAS[table].names[len(OWNER) :] if values else []  # without values there are no columns to add to
        for name, column in zip(names, zip(*values, strict=True), strict=True):
            columns[name] += column
    return pa.table(columns, schema=SCHEMAS[table])


def storable(value: Any) -> Any:
    """A value that Parquet takes: error texts may hold bytes that are no UTF-8, as lone surrogates."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def records_of(table: pa.Table) -> list[CellRecord]:
    """The rows of a table of cells; what a row does not have is as a record has it that says nothing of it."""
    return typed(CellRecord, table)


def environments_of(table: pa.Table) -> list[Environment]:
    """The rows of a table of environments."""
    return typed(Environment, table)


def typed(kind: type[RowValues], table: pa.Table) -> list[RowValues]:
    """Rows as records; a `StoreError` names a column that must have a value and has none."""
    known = {one.name for one in columns_of(kind)}
    names = [name for name in table.column_names if name in known]
    made = []
    for row in table.select(names).to_pylist():
        try:
            made.append(kind(**{name: value for name, value in row.items() if value is not None}))
        except TypeError:
            lacking = [one.name for one in columns_of(kind) if not one.optional and row.get(one.name) is None]
            raise StoreError(f"a record has no value in the column '{lacking[0]}': it is damaged") from None
    return made


def parts_of(kind: type[Part], table: pa.Table) -> dict[str, list[Part]]:
    """The rows of a table of curves or probes by their cell's key, in the order they were recorded."""
    columns = [table[name].to_pylist() for name in kind._fields]
    found: dict[str, list[Part]] = {}
    for key, *values in zip(table["key"].to_pylist(), *columns, strict=True):
        found.setdefault(key, []).append(kind(*values))
    return found
