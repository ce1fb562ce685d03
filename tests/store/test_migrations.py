"""Older and newer schemas: what is brought up to date, what is passed over, and what is refused."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from plain_records import plain

from ticketbench.errors import StoreError
from ticketbench.store.migrations import MIGRATIONS, migrated
from ticketbench.store.schema import SCHEMA_VERSION, Environment
from ticketbench.store.store import VERSION_KEY, Store
from ticketbench.store.tables import SCHEMAS, TABLES, as_tables, records_of, schema_of

ENVIRONMENT = Environment(environment="e1")


@pytest.fixture
def store(tmp_path) -> Store:
    """A store of one cell."""
    made = Store(tmp_path / "results", create=True)
    made.add([plain("k1", status="ok", headline=0.5, finished=1.0)], ENVIRONMENT)
    return made


def rewrite(store: Store, change, version: int | None = None) -> None:
    """Change the one part of the table `cells`, and which version it says it has."""
    (part,) = store.parts("cells")
    path = store.local / "cells" / part
    metadata = None if version is None else {VERSION_KEY: str(version)}
    pq.write_table(change(pq.read_table(path)).replace_schema_metadata(metadata), path)


def as_version_1(table: pa.Table) -> pa.Table:
    """Cells as version 1 wrote them."""
    return table.select(schema_of("cells", 1).names)


def test_version_1_had_fewer_columns():
    """Those of the cells that say a later `since` are new; the other tables are as they were."""
    assert [name for name in SCHEMAS["cells"].names if name not in schema_of("cells", 1).names] == [
        one.name for one in TABLES["cells"] if one.about.since > 1
    ]
    assert all(schema_of(table, 1) == SCHEMAS[table] for table in ("curves", "probes", "environments"))


def test_a_part_of_version_1_gets_the_new_columns(store):
    """They are null, in today's order."""
    rewrite(store, as_version_1)
    again = Store(store.address)
    assert again.read("cells").schema == SCHEMAS["cells"]
    assert again.records(["k1"]) == [plain("k1", status="ok", headline=0.5, finished=1.0, environment="e1")]
    assert again.statuses() == {"k1": "ok"}


def test_texts_that_say_nothing_are_empty_from_version_2_on():
    """Version 1 had null in a row without a scorer; a required text that is null stays so, for who checks it."""
    (row,) = as_version_1(as_tables([plain("k1")], "e1")["cells"]).to_pylist()
    old = pa.Table.from_pylist([{**row, "scorer": None, "reason": None, "row": None}], schema=schema_of("cells", 1))
    (found,) = MIGRATIONS[1]("cells", old).to_pylist()
    assert (found["scorer"], found["reason"], found["row"]) == ("", "", None)
    assert migrated("cells", old, SCHEMA_VERSION)["scorer"].to_pylist() == [None]


def test_a_column_that_is_not_known_is_passed_over(store):
    """Of a store of today's schema."""
    rewrite(store, lambda table: table.append_column("mood", pa.array(["fine"])), SCHEMA_VERSION)
    assert Store(store.address).read("cells").schema == SCHEMAS["cells"]


def test_a_part_of_a_newer_version_is_refused(store):
    """Its columns may mean something else; the message says what helps."""
    rewrite(store, lambda table: table.append_column("mood", pa.array(["fine"])), SCHEMA_VERSION + 1)
    with pytest.raises(StoreError, match=rf"has schema {SCHEMA_VERSION + 1}; this ticketbench reads up to .* Update"):
        Store(store.address).read("cells")


@pytest.mark.parametrize("name", ["key", "status", "environment"])
def test_a_part_without_a_column_of_version_1_is_damaged(store, name):
    """Whatever version it says it has."""
    rewrite(store, lambda table: table.drop_columns([name]), SCHEMA_VERSION)
    with pytest.raises(StoreError, match=f"cannot be read: it has no column '{name}'. Move that file away"):
        Store(store.address).read("cells")


def test_a_record_without_a_value_that_it_must_have_is_named():
    """A row that nobody wrote with this program."""
    (row,) = as_tables([plain("k1")], "e1")["cells"].to_pylist()
    table = pa.Table.from_pylist([{**row, "model": None}], schema=SCHEMAS["cells"])
    with pytest.raises(StoreError, match="no value in the column 'model'"):
        records_of(table)
