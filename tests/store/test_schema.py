"""The typed records and what is made of their columns."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import pyarrow as pa
import pytest
from plain_records import AXES, plain

from ticketbench.board.submission import SHOWN
from ticketbench.store.column import ANY, MOST_REAL, MOST_WHOLE, column, columns_of
from ticketbench.store.environment import environment_id
from ticketbench.store.schema import CellRecord, CurvePoint, Environment, Finding, Layer
from ticketbench.store.tables import SCHEMAS, TABLES, as_tables, environments_of, parts_of, records_of

POINT = ("test", "same", "accuracy", 2, "density", 0.5, 0.75)
SIGHT = ("norms", "drawn", "all", 3.5)


class Mark(NamedTuple):
    """A tuple with one column."""

    name: Annotated[str, column("what it is called")]
    place: int


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A record of every kind of column."""

    name: Annotated[str, column("what it is called")]
    size: Annotated[int | None, column("how large it is", "bytes")] = None
    share: Annotated[float, column("how much of it", bounds=(0.0, 1.0))] = 0.0
    must: Annotated[str, column("what a submission must say", required=True)] = ""
    any: Annotated[float | None, column("anything", bounds=ANY)] = None
    parts: tuple[int, ...] = ()


def test_the_columns_of_a_record():
    """Fields that are written with `column`, in their order; types without None; bounds by type or as given."""
    assert [(one.name, one.type, one.optional, one.bounds) for one in columns_of(Thing)] == [
        ("name", str, False, (0.0, MOST_REAL)),
        ("size", int, True, (0.0, MOST_WHOLE)),
        ("share", float, True, (0.0, 1.0)),
        ("must", str, False, (0.0, MOST_REAL)),
        ("any", float, True, ANY),
    ]
    assert [(one.name, one.type, one.optional) for one in columns_of(Mark)] == [("name", str, False)]


def test_every_column_says_what_it_means():
    """In a sentence, and of numbers in which unit, but for those that count nothing."""
    for columns in TABLES.values():
        assert all(one.about.meaning for one in columns)
    unitless = [one.name for one in TABLES["cells"] if one.type in (int, float) and not one.about.unit]
    assert unitless == ["attempt", "suite_version", "seed"]


def test_a_record_comes_back_from_plain_data():
    """Also when tuples have become lists on the way, as in JSON."""
    record = plain("k1", status="ok", curves=[POINT], probes=[SIGHT], layers=[("0.weight", 12, 48)])
    assert (record.curves, record.probes) == ((CurvePoint(*POINT),), (Finding(*SIGHT),))
    assert (record.curves[0].value, record.probes[0].moment, record.layers[0].kept) == (0.75, "drawn", 12)
    assert CellRecord.from_dict(json.loads(json.dumps(record.as_dict()))) == record
    assert record.as_dict()["curves"] == [POINT]


def test_a_row_has_the_columns_alone():
    """As the table `cells` has it."""
    assert list(plain("k1", curves=[POINT]).as_row()) == SCHEMAS["cells"].names


def test_the_tables_of_a_fleet():
    """A row each for cell, point, finding and layer, under the cell's key and attempt."""
    tables = as_tables([plain("k1", attempt=2, curves=[POINT], probes=[SIGHT], layers=[("w", 1, 4)])], "e1")
    assert tables["cells"].to_pylist() == [plain("k1", attempt=2, environment="e1").as_row()]
    assert [tuple(row.values()) for row in tables["curves"].to_pylist()] == [("k1", 2, *POINT)]
    assert [tuple(row.values()) for row in tables["probes"].to_pylist()] == [
        ("k1", 2, *SIGHT),
        ("k1", 2, "layers", "trained", "w", 0.25),
    ]
    assert Layer("w", 1, 4).finding() == Finding("layers", "trained", "w", 0.25)
    assert parts_of(CurvePoint, tables["curves"]) == {"k1": [CurvePoint(*POINT)]}
    assert records_of(tables["cells"]) == [plain("k1", attempt=2, environment="e1")]
    assert {name: table.schema for name, table in as_tables([], "e1").items()} == {
        name: SCHEMAS[name] for name in ("cells", "curves", "probes")
    }


def test_a_record_knows_where_it_was_computed():
    """Where it says so; or else where the fleet was."""
    cells = as_tables([plain("k1", environment="e9"), plain("k2")], "e1")["cells"]
    assert cells["environment"].to_pylist() == ["e9", "e1"]


def test_environments_come_back():
    """What a row lacks says nothing."""
    row = {"environment": "e1", "torch": "2.13.0", "cores": None}
    table = pa.Table.from_pylist([row], schema=SCHEMAS["environments"])
    assert environments_of(table) == [Environment(environment="e1", torch="2.13.0")]


def test_the_id_of_an_environment_is_of_its_other_columns():
    """The hash of their canonical text, as version 1 made it."""
    assert environment_id({"b": 1, "a": "x"}) == hashlib.sha256(b'{"a":"x","b":1}').hexdigest()[:16]
    assert environment_id({"b": 2, "a": "x"}) != environment_id({"b": 1, "a": "x"})


@pytest.mark.parametrize("name", ["error", "definition"])
def test_a_board_leaves_out_long_texts(name):
    """Everything else it reads."""
    assert name not in SHOWN
    assert {*AXES, "key", "headline", "reason", "draw_flops", "environment"} <= set(SHOWN)
