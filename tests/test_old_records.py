"""What ticketbench wrote with schema 1 is read, reported, shown and added to as before."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from places import TESTS

from ticketbench.board.bundle.reading import read_bundle
from ticketbench.board.submission import from_store, read_submissions
from ticketbench.engine.execute import execute
from ticketbench.executors import Event
from ticketbench.plan.plan import make_plan
from ticketbench.plan.resolve import Resolver
from ticketbench.run import run
from ticketbench.store.migrations import migrated
from ticketbench.store.schema import MARKER, SCHEMA_VERSION
from ticketbench.store.store import Store
from ticketbench.store.tables import SCHEMAS, TABLES, records_of, schema_of
from ticketbench.suite.suite import Headline, read_suite

OLD = TESTS / "old"
"""A store, a submission, a report and a board's page of suite init, tier smoke, before schema 2."""
NEW = {one.name for one in TABLES["cells"] if one.about.since > 1}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy, as nothing here may change."""
    return Path(shutil.copytree(OLD, tmp_path / "old"))


def without_notes_on_code(report: dict) -> dict:
    """A report but for what it says of code that has changed since."""
    return {**report, "notes": [note for note in report["notes"] if "computed by other code" not in note]}


def test_an_old_store_is_reported_as_before(old, ticketbench):
    """Every number, verdict, note and trouble."""
    done = ticketbench("report", "--suite", "init", "--tier", "smoke", "--store", old / "store", "--json")
    assert done.returncode == 0, done.stderr
    found, before = json.loads(done.stdout), json.loads((old / "report.json").read_text(encoding="utf-8"))
    assert without_notes_on_code(found) == without_notes_on_code(before)


def test_an_old_submission_is_on_its_board_as_before(old, ticketbench):
    """The page in Markdown, byte for byte."""
    done = ticketbench("board", "build", "--root", old / "boards")
    assert done.returncode == 0, done.stderr
    page = old / "boards" / "init" / "smoke" / "README.md"
    assert page.read_bytes() == (old / "board.md").read_bytes()


def test_columns_that_came_later_are_null(old):
    """In a store and in a submission; all others hold what the files hold, and the schema is today's."""
    folder = old / "boards" / "init" / "smoke" / "submissions" / "mine"
    for source in (Store(old / "store"), read_bundle(folder)):
        for table in TABLES:
            assert source.read(table).schema == SCHEMAS[table]
        cells = source.read("cells")
        assert {name for name in cells.column_names if cells[name].null_count == 8} == NEW
    raw = pq.read_table(folder / "cells.parquet")
    assert raw.to_pylist() == read_bundle(folder).read("cells").select(raw.column_names).to_pylist()


def test_a_table_of_schema_2_is_todays_with_nulls():
    """What it holds stays; what came with schema 3 is null, and so is the record's."""
    (row,) = Store(OLD / "store").read("cells").slice(0, 1).to_pylist()
    second = schema_of("cells", 2)
    found = migrated("cells", pa.Table.from_pylist([{name: row[name] for name in second.names}], second), 2)
    assert found.schema == SCHEMAS["cells"]
    new = {"headline_x", "sweep_best", "sweep_last", "overthinking"}
    assert set(found.column_names) - set(second.names) == new
    assert found.to_pylist() == [{**row, **dict.fromkeys(new)}]
    (record,) = records_of(found)
    assert (record.headline, record.headline_x, record.overthinking) == (row["headline"], None, None)


def test_a_store_and_a_submission_of_it_have_the_same_cells(old):
    """As a board reads them."""
    (stored,) = from_store(Store(old / "store"), "mine")
    (handed_in,) = read_submissions(old / "boards" / "init" / "smoke" / "submissions" / "mine")
    assert sorted(stored.cells, key=lambda cell: cell.key) == sorted(handed_in.cells, key=lambda cell: cell.key)
    assert stored.environments == handed_in.environments


def test_reading_an_old_store_changes_nothing(old):
    """Its marker says schema 1 until something is added."""
    before = {path.relative_to(old): path.read_bytes() for path in old.rglob("*") if path.is_file()}
    store = Store(old / "store", create=True)
    store.statuses()
    store.read("cells")
    assert {path.relative_to(old): path.read_bytes() for path in old.rglob("*") if path.is_file()} == before
    assert store.schema == 1


def test_a_run_adds_to_an_old_store(old, tiny_suite, plugins):
    """New parts have the new columns, old rows none; the marker keeps an older ticketbench away; nothing is lost."""

    class Here:
        workers = 1

        def run(self, fleets, setup):
            headline = Headline.model_validate(setup["headlines"][""])
            for fleet in fleets:
                yield Event(fleet, records=execute(fleet.cells, Resolver(plugins), headline))

    before = Store(old / "store").read("cells").to_pylist()
    plan = make_plan(read_suite(tiny_suite()), "smoke", plugins)
    assert run(plan, Store(old / "store", create=True), Here(), plugins).ok
    store = Store(old / "store")
    cells = store.read("cells").to_pylist()
    assert [row for row in cells if row["suite"] == "init"] == before
    added = [row for row in cells if row["suite"] == "tiny"]
    assert [row["draw_flops"] is not None for row in added] == [True] * len(plan.cells)
    assert json.loads((old / "store" / MARKER).read_text())["schema"] == store.schema == SCHEMA_VERSION
    assert len({row["key"] for row in store.read("curves").to_pylist()}) == len(before) + len(added)
