"""Bundles: what is submitted comes back as it was, and what cannot be is told apart."""

from __future__ import annotations

import os
import tomllib
from dataclasses import replace

import pyarrow as pa
import pytest
from board_bundles import TABLES, fields_of, record, seal, set_value, suite_file, table_of, tiny_bundle, tiny_store
from hypothesis import given
from hypothesis import strategies as st

from ticketbench.board.bundle.belonging import ADDED, FOREIGN, PLANNED, belonging_of
from ticketbench.board.bundle.manifest import Manifest, hash_of, parse_manifest, to_plain, to_toml, toml_value
from ticketbench.board.bundle.pagewalk import Chunk, walk
from ticketbench.board.bundle.parquet import read_table, to_bytes
from ticketbench.board.bundle.reading import read_bundle
from ticketbench.board.bundle.refusal import BundleError, mended, shown_text, text_fault
from ticketbench.board.bundle.thrift import DamageError, Thrift
from ticketbench.board.submission import from_bundle
from ticketbench.plan.plan import make_plan
from ticketbench.store.tables import SCHEMAS
from ticketbench.suite.suite import read_suite


@pytest.fixture
def bundle(tmp_path, plugins):
    return tiny_bundle(tmp_path, plugins)


def test_a_bundle_holds_what_the_store_holds(tmp_path, plugins):
    """Every row of every table, in the order of the axes; four cells of two rows and two seeds."""
    store = tiny_store(tmp_path, plugins)
    found = read_bundle(tiny_bundle(tmp_path, plugins, store), read_suite(tmp_path / "tiny.toml"))
    assert [(cell.row, cell.seed) for cell in found.cells()] == [
        ("dense", 0),
        ("dense", 1),
        ("magnitude", 0),
        ("magnitude", 1),
    ]
    for table in TABLES:
        ours, theirs = (source.read(table).to_pylist() for source in (found, store))
        assert sorted(ours, key=repr) == sorted(theirs, key=repr)
        assert found.read(table).schema == SCHEMAS[table]


def test_a_manifest_says_who_what_and_from_where(bundle):
    """Setting, rows with the distributions of method and scorer, and a hash over all of it."""
    said = read_bundle(bundle).manifest
    assert (said.name, said.who, said.suite, said.suite_version, said.tier) == ("mine", "Ada", "tiny", 1, "smoke")
    assert (said.precision, said.device_class) == ("fp32", "cpu")
    dense, magnitude = said.methods
    assert (dense.row, dense.method, dense.scorer, dense.distribution) == ("dense", "dense", None, "ticketbench")
    assert (magnitude.method, magnitude.scorer) == ("oneshot", "magnitude")
    assert magnitude.scorer_distribution == "ticketbench"
    assert magnitude.scorer_version == magnitude.version != ""
    assert set(said.files) == {f"{table}.parquet" for table in TABLES}
    assert said.hash == hash_of(fields_of(bundle))


def test_any_change_changes_the_hash(bundle):
    """Of a field, of a size, of a method; `hash` itself is no part of it."""
    fields = fields_of(bundle)
    changed = [
        {**fields, "who": "Bob"},
        {**fields, "tier": "paper"},
        {**fields, "methods": fields["methods"][:1]},
        {**fields, "files": {**fields["files"], "cells.parquet": {"sha256": "0" * 64, "size": 1}}},
    ]
    assert len({hash_of(fields), *map(hash_of, changed)}) == 5
    assert hash_of({**fields, "hash": "f" * 64}) == hash_of(fields)


def test_a_bundle_reads_like_a_store_for_a_board(bundle):
    """One submission with its rows, and where its code came from."""
    (found,) = from_bundle(read_bundle(bundle), "shown as")
    assert (found.name, found.setting) == ("shown as", ("tiny", 1, "smoke", "fp32", "cpu"))
    assert [cell.headline for cell in found.cells] == [0.4 + 0.01 * seed for seed in (0, 1, 0, 1)]
    assert found.facts["who"] == "Ada"
    assert found.facts["code"] == "ticketbench 0.1.0"


def test_cells_that_the_tier_does_not_plan_are_marked(tmp_path, plugins):
    """Another density, or a row of the suite made otherwise: foreign. A row of a plugin at one of its points: added."""
    suite = read_suite(suite_file(tmp_path))
    plan = make_plan(suite, "smoke", plugins).cells
    rows = read_bundle(tiny_bundle(tmp_path, plugins)).cells()
    assert set(belonging_of(rows, plan, suite).values()) == {PLANNED}
    changes = [{"density": 0.25}, {"row": "mine"}, {"row": "mine", "task": "moons"}, {"scorer": "snip"}]
    cells = [replace(rows[2], **change, key=str(at)) for at, change in enumerate(changes)]
    assert list(belonging_of(cells, plan, suite).values()) == [FOREIGN, ADDED, FOREIGN, FOREIGN]


def test_a_failed_cell_is_a_row_without_a_result(tmp_path, plugins):
    """It has a reason and an error of many lines; what a terminal would act on is shown as an escape."""

    def change(axes):
        if axes["row"] != "dense":
            return record(axes)
        told = {"reason": "Boom: \x1b[31mred", "error": "Traceback\n\tat \u202e line 1\x00"}
        return {"status": "failed", "started": 1.75e9, "finished": 1.75e9, **told}

    rows = read_bundle(tiny_bundle(tmp_path, plugins, tiny_store(tmp_path, plugins, change))).cells()
    assert (rows[0].status, rows[0].headline) == ("failed", None)
    assert rows[0].reason == "Boom: \\x1b[31mred"
    assert rows[0].error == "Traceback\n\tat \\u202e line 1\\x00"


def test_results_are_held_against_the_suite(bundle, tmp_path):
    """A share above one, another version, a tier that is not there, another headline: each one message."""
    text = (tmp_path / "tiny.toml").read_text()
    suites = {
        "version 1, not of 'tiny' version 2": ("version = 1", "version = 2"),
        "has no tier 'smoke'": ("smoke", "small"),
        "Suite 'tiny' compares this task by 'loss'": ('metric = "accuracy"', 'metric = "loss"'),
    }
    for message, (old, new) in suites.items():
        (tmp_path / "other.toml").write_text(text.replace(old, new))
        with pytest.raises(BundleError, match=message):
            read_bundle(bundle, read_suite(tmp_path / "other.toml"))
    set_value(bundle, "curves", "value", 1.02, row=1)
    set_value(bundle, "cells", "headline", 1.02)
    read_bundle(bundle)
    with pytest.raises(BundleError, match=r"column 'headline': 1\.02 of 'accuracy'\. It is a share: it must lie in"):
        read_bundle(bundle, read_suite(tmp_path / "tiny.toml"))


# -- bytes ---------------------------------------------------------------------------------------------------


def test_tables_come_back_from_their_bytes(bundle):
    """The same rows give the same bytes, in as many row groups as it takes; an empty table has its columns."""
    for table in TABLES:
        found = table_of(bundle, table)
        assert to_bytes(found) == to_bytes(found.slice(0))
        assert read_table(table, to_bytes(found)).equals(found.cast(SCHEMAS[table]))
        assert read_table(table, to_bytes(SCHEMAS[table].empty_table())).num_rows == 0


def test_a_large_table_passes_the_walk_through_its_pages():
    """200,000 points of 1,000 cells: more than one page a column."""
    keys = [f"{at:020x}" for at in range(1000)]
    columns = {
        "key": [key for key in keys for _ in range(200)],
        "attempt": [1] * 200_000,
        "split": ["test"] * 200_000,
        "judged_on": ["b"] * 200_000,
        "metric": ["accuracy"] * 200_000,
        "round": [0] * 200_000,
        "x_name": ["step"] * 200_000,
        "x": [float(at) for at in range(200_000)],
        "value": [at / 200_000 for at in range(200_000)],
    }
    table = pa.table(columns, schema=SCHEMAS["curves"])
    assert read_table("curves", to_bytes(table)).equals(table)


def test_numbers_of_page_headers_are_read_as_thrift_writes_them():
    """Zigzag varints: 0 1 2 3 are 0 -1 1 -2; a field's number is a step from the last and stands once."""
    assert [Thrift(bytes([one]), 0).signed() for one in range(4)] == [0, -1, 1, -2]
    assert Thrift(b"\xac\x02", 0).varint() == 300
    assert Thrift(b"\x19\x25\x02\x04\x18\x01a\x00").struct() == {1: [1, 2], 2: b"a"}
    assert Thrift(b"\x15\x04\x25\x06\x00", 0).struct() == {1: 2, 3: 3}
    for content, message in (
        (b"\x80" * 11, "does not end"),
        (b"\x1b\x00", "of type 11"),
        (b"\x15\x02\x05\x02\x02", "field 1 twice"),
        (b"\x15", "past its end"),
    ):
        with pytest.raises(DamageError, match=message):
            Thrift(content, 0).struct() if content[0] != 0x80 else Thrift(content, 0).varint()


def test_a_walk_counts_what_pages_say_they_unpack_to():
    """One data page: type 0, 1000 bytes packed into 3, 7 values, plain."""
    page = b"\x15\x00\x15\xd0\x0f\x15\x06\x2c\x15\x0e\x15\x00\x15\x06\x15\x06\x00\x00"
    content = b"PAR1" + page + b"abc"
    assert list(walk(content, Chunk(4, len(page) + 3, 7))) == [1000]
    for start, length, values, message in (
        (4, len(page) + 2, 7, "past the end of its column"),
        (4, len(page) - 1, 7, "a header runs past its end"),
        (4, len(page) + 3, 8, "hold 7 values; the metadata say 8"),
        (0, 4, 1, "outside of the file"),
        (4, 10**9, 7, "outside of the file"),
    ):
        with pytest.raises(DamageError, match=message):
            list(walk(content, Chunk(start, length, values)))


# -- texts ---------------------------------------------------------------------------------------------------


@given(st.text(max_size=200))
def test_messages_are_one_printable_line_whatever_they_speak_of(text):
    """Control characters, line ends and directions become escapes; long texts are cut."""
    assert shown_text(text).isprintable()
    assert len(shown_text(text)) < 1000


@given(st.text(max_size=200))
def test_what_is_mended_can_be_shown(text):
    """An error's text passes the reader's own test after it was mended, and twice is as once."""
    fixed = mended(text, 100)
    assert text_fault(fixed, 100, lines=True) == ""
    assert mended(fixed, 100) == fixed


@given(st.text().filter(lambda text: not any("\ud800" <= sign <= "\udfff" for sign in text)))
def test_a_text_comes_back_from_toml(text):
    """Quotes, line ends, control characters, emoji."""
    assert tomllib.loads(f"a = {toml_value(text)}") == {"a": text}


def test_a_manifest_comes_back_from_its_toml(bundle):
    """Every field, through the text and the hash."""
    manifest = parse_manifest((bundle / "manifest.toml").read_bytes())
    assert isinstance(manifest, Manifest)
    assert parse_manifest(to_toml(to_plain(manifest)).encode()) == manifest


def test_a_bundle_that_was_handed_on_is_the_same(bundle, tmp_path):
    """Copied to another place under its name it reads the same; under another name it does not."""
    other = tmp_path / "elsewhere" / "mine"
    other.parent.mkdir()
    os.replace(bundle, other)
    assert read_bundle(other).manifest.who == "Ada"
    os.replace(other, tmp_path / "yours")
    with pytest.raises(BundleError, match="name is 'mine'; the folder must have the same name"):
        read_bundle(tmp_path / "yours")
    seal(tmp_path / "yours", lambda fields: fields.update(name="yours"))
    assert read_bundle(tmp_path / "yours").manifest.name == "yours"
