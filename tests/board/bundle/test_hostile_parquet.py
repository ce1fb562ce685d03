"""Parquet files from someone who means harm: refused before they take memory or time, and nothing in them is run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import parquet_by_hand as by_hand
import pyarrow as pa
import pytest
from board_bundles import tiny_bundle
from board_spoils import (
    SCRIPT,
    Spoil,
    bits,
    check_refusal,
    claimed_rows,
    column,
    cut,
    drop,
    linked,
    repeated,
    replace_table,
    table,
    zeros,
)

from ticketbench.board.bundle.manifest import MANIFEST
from ticketbench.board.bundle.parquet import read_table
from ticketbench.store.tables import SCHEMAS


@pytest.fixture(scope="module")
def right(tmp_path_factory, plugins) -> Path:
    """A bundle in order, that is not to be touched."""
    return tiny_bundle(tmp_path_factory.mktemp("right"), plugins)


@pytest.fixture
def bundle(right, tmp_path) -> Path:
    """A copy of it to spoil."""
    return Path(shutil.copytree(right, tmp_path / "submissions" / "mine"))


# -- files that no library writes: all columns of three rows are empty, but one ------------------------------

LEVELS = by_hand.levels(3)
INDICES = LEVELS + b"\x01" + by_hand.varint(3 << 1) + b"\x00"
LETTER = by_hand.page(by_hand.DICTIONARY, b"\x01\x00\x00\x00a", 1)
POINTED = by_hand.page(by_hand.DATA, INDICES, 3, by_hand.BY_DICTIONARY)
EMPTY = by_hand.page(by_hand.DATA, b"", 0)
NUMBERS = by_hand.page(by_hand.DATA, LEVELS + b"\x00" * 24, 3)
ENCRYPTED = (8, by_hand.STRUCT, by_hand.struct((1, by_hand.STRUCT, by_hand.struct())))


def made(content: bytes) -> Spoil:
    """Probes of these bytes."""
    return lambda bundle: replace_table(bundle, "probes", content)


def pages(name: str, content: bytes, **how) -> Spoil:
    """Probes with a column of these pages."""
    return made(by_hand.file_with("probes", name, content, **how))


def names(entries: int, content: bytes) -> Spoil:
    """Names by a dictionary."""
    dictionary = by_hand.page(by_hand.DICTIONARY, content, entries)
    return pages("name", dictionary + POINTED, dictionary=len(dictionary))


def packed(mebibytes: int, said: int) -> bytes:
    """A page of zeros that says that it is smaller."""
    content = pa.Codec("zstd").compress(bytes(mebibytes * 2**20), asbytes=True)
    return by_hand.page(by_hand.DATA, content, 3, unpacked=said)


def lists(depth: int, each: int) -> bytes:
    """Lists in lists; the innermost are empty and a byte each."""
    inner = b"\x09"
    for _ in range(depth):
        inner = bytes([0xF9]) + by_hand.varint(each) + inner * each
    return inner


def all_over(content: bytes, groups: int) -> bytes:
    """Every column of every group has the same pages."""
    columns = [by_hand.column(field.name, field.type, 4, len(content), 3) for field in SCHEMAS["probes"]]
    return by_hand.file("probes", content, 3 * groups, [(3, columns)] * groups)


def typed(*fields: by_hand.Field) -> bytes:
    """The first column's type is made of these fields."""
    elements = by_hand.schema("probes")
    elements[1] = by_hand.struct(*fields)
    return by_hand.file("probes", b"", 1, [], elements)


def extension(name: str, content: bytes) -> Spoil:
    """A column of an extension type, which a reader may look up or unpickle."""

    def change(found: pa.Table) -> pa.Table:
        said = {"ARROW:extension:name": name, "ARROW:extension:metadata": content}
        return found.cast(
            pa.schema([field.with_metadata(said) if field.name == "value" else field for field in found.schema])
        )

    return table("probes", change, store_schema=True)


HARM = b"cposix\nsystem\n(S'touch harm'\ntR."
"""A pickle that runs a command."""
BY_HAND: dict[str, tuple[Spoil, str]] = {
    "a dictionary of a million empty names": (names(2**20, bytes(2**22)), "for 3 rows claims 1048576 entries"),
    "a dictionary with more entries than bytes": (names(3, b"\x00"), "of 1 bytes for 3 rows claims 3 entries"),
    "two dictionaries": (pages("name", LETTER + LETTER + POINTED, dictionary=len(LETTER)), "more than one dictionary"),
    "a dictionary behind its page": (pages("name", POINTED + LETTER), "is damaged"),
    "a name that is not UTF-8": (names(1, b"\x02\x00\x00\x00\xff\xfe"), "Invalid UTF8"),
    "a name that is not UTF-8 and that no row has": (
        names(2, b"\x01\x00\x00\x00a\x02\x00\x00\x00\xff\xfe"),
        "Invalid UTF8",
    ),
    "a row of no entry": (
        pages(
            "name",
            LETTER + by_hand.page(by_hand.DATA, INDICES[:6] + b"\x20\x06\xff\xff\xff\x7f", 3, by_hand.BY_DICTIONARY),
            dictionary=len(LETTER),
        ),
        "is damaged",
    ),
    "a name longer than its page": (
        pages("name", by_hand.page(by_hand.DATA, LEVELS + b"\xff\xff\xff\x7fabc", 3)),
        "is damaged",
    ),
    "levels longer than their page": (
        pages("value", by_hand.page(by_hand.DATA, b"\xff\xff\xff\x7f\x06\x01" + bytes(24), 3)),
        "is damaged",
    ),
    "a page that unpacks to more than it says": (
        pages("value", packed(4, 30), codec=by_hand.ZSTD),
        "ZSTD decompression failed",
    ),
    "thirty thousand pages of nothing": (pages("value", EMPTY * 30_000 + NUMBERS), "a page holds no value"),
    "more pages than anyone writes": (
        made(by_hand.file_with("probes", "value", by_hand.page(by_hand.DATA, b"", 1) * 20_001, rows=20_001)),
        "more than 20000 pages",
    ),
    "a page header of lists in lists": (
        pages("value", NUMBERS[:-31] + b"\x49" + lists(2, 300) + b"\x00" + NUMBERS),
        "a header runs past its end",
    ),
    "metadata of lists in lists": (
        made(b"PAR1" + (foot := b"\x19" + lists(3, 40) + b"\x00") + len(foot).to_bytes(4, "little") + b"PAR1"),
        "the metadata lack a list",
    ),
    "columns over each other": (made(all_over(NUMBERS, 60)), "two columns lie over each other"),
    "columns behind the end": (
        made(by_hand.file_with("probes", "value", NUMBERS, spread=lambda at: at + 2**40)),
        "outside of the file",
    ),
    "columns in the magic number": (
        made(by_hand.file_with("probes", "value", NUMBERS, spread=lambda at: at - 4)),
        "outside of the file",
    ),
    "an encrypted column": (pages("value", NUMBERS, more=[ENCRYPTED]), "encrypted"),
    "an encrypted file": (made(b"PARE" + bytes(40) + b"PARE"), "is no Parquet file"),
    "a group of fewer than no rows": (made(by_hand.file("probes", b"", 1, [(-5, [])])), "has one below zero"),
    "groups that add up": (made(by_hand.file("probes", b"", 1, [(2**62, []), (2 - 2**62, [])])), "has one below zero"),
    "groups of a billion rows, and no rows": (
        made(by_hand.file("probes", b"", 0, [(10**9, [])] * 9)),
        "9000000000 rows",
    ),
    "a group without its columns": (made(by_hand.file("probes", b"", 3, [(3, [])])), "is damaged"),
    "three thousand groups": (made(by_hand.file("probes", b"", 1, [(0, [])] * 3000)), "has 3000 row groups"),
    "a schema of more columns than it lists": (
        made(by_hand.file("probes", b"", 1, [], [by_hand.struct(by_hand.text(4, "s"), by_hand.number(5, 2**31 - 1))])),
        "is damaged",
    ),
    "a type that Parquet does not have": (
        made(typed(by_hand.number(1, 99), by_hand.number(3, 1), by_hand.text(4, "key"))),
        "is damaged|holds",
    ),
    "a meaning that Parquet does not have": (
        made(typed(by_hand.number(1, 6), by_hand.number(3, 1), by_hand.text(4, "key"), by_hand.number(6, 99))),
        "is damaged",
    ),
    "an extension type that would be unpickled": (
        extension("arrow.py_extension_type", HARM),
        "has metadata of its own: 'ARROW:schema'",
    ),
    "an extension type that nobody knows": (extension("harm", b""), "has metadata of its own: 'ARROW:schema'"),
    "ten thousand keys of metadata": (
        table(
            "probes",
            lambda found: found.replace_schema_metadata({f"k{at}": "v" * 90 for at in range(10_000)}),
            store_schema=True,
        ),
        "bytes of metadata; it may have|metadata of its own",
    ),
    "a column twice": (table("probes", lambda found: found.append_column("key", found["key"])), "unknown column 'key'"),
    "a column in the place of another": (
        table("probes", lambda found: found.drop_columns(["name"]).append_column("key", found["key"])),
        "By the schema column 5 is 'name'",
    ),
    "times with a unit": (
        column("cells", "finished", lambda count: pa.array([2**62] * count, pa.timestamp("ns"))),
        "INT64 TIMESTAMP",
    ),
    "decimals": (column("cells", "seed", lambda count: pa.array([1] * count).cast(pa.decimal128(38, 10))), "DECIMAL"),
    **{
        f"packed by {codec}": (table("probes", lambda found: found, compression=codec), "it must be ZSTD")
        for codec in ("gzip", "snappy", "lz4")
    },
    **{
        f"packed in way {codec}": (pages("value", NUMBERS, codec=codec), f"packed as {said}; it must be ZSTD")
        for codec, said in ((3, "LZO"), (99, "99"))
    },
}

HOSTILE: dict[str, tuple[Spoil, str]] = {
    **BY_HAND,
    # Parquet
    "cut in half": (cut("cells.parquet", 0.5), "no Parquet file"),
    "cut at the end": (cut("curves.parquet", 0.99), "no Parquet file"),
    "an empty file": (cut("probes.parquet", 0), "no Parquet file"),
    "a shell script": (
        lambda bundle: replace_table(bundle, "cells", b"#!/bin/sh\nrm -rf /\n"),
        r"cells\.parquet is no Parquet file",
    ),
    "a footer longer than the file": (
        lambda bundle: replace_table(bundle, "cells", b"PAR1" + b"\x00" * 50 + b"\xff\xff\xff\x7fPAR1"),
        "2147483647 bytes of metadata",
    ),
    "a footer of nothing": (
        lambda bundle: replace_table(bundle, "cells", b"PAR1" + b"\x00" * 50 + b"\x20\x00\x00\x00PAR1"),
        "is damaged",
    ),
    "a billion rows in the metadata": (claimed_rows, "claims 1000000000 rows; it may have 1000"),
    "too many environments": (
        table("environments", lambda found: pa.concat_tables([found] * 1001)),
        "claims 1001 rows; it may have 1000",
    ),
    "a column too many": (
        table("cells", lambda found: found.append_column("run", pa.array([1] * found.num_rows))),
        "unknown column 'run'",
    ),
    "a column of escapes": (
        table("cells", lambda found: found.append_column("\x1b[2J", pa.array([1] * found.num_rows))),
        r"'\\x1b\[2J'",
    ),
    "a column too few": (drop("cells", "definition"), "column 'definition' is missing"),
    "columns in another order": (table("probes", lambda found: found.select(found.column_names[::-1])), "unknown"),
    "a text as a number": (
        column("cells", "headline", lambda count: pa.array([SCRIPT] * count)),
        "'headline' holds BYTE_ARRAY STRING",
    ),
    "a number as a key": (column("curves", "key", lambda count: pa.array([1] * count)), "'key' holds INT64"),
    "bytes as a text": (column("cells", "row", lambda count: pa.array([b"\xff"] * count)), "'row' holds BYTE_ARRAY"),
    "numbers of 32 bits": (
        column("cells", "seed", lambda count: pa.array([1] * count, pa.int32())),
        "'seed' holds INT32",
    ),
    "a list in a column": (
        column("cells", "seed", lambda count: pa.array([[1]] * count)),
        "column 'seed.list.element' is nested",
    ),
    "a table in a column": (
        column("cells", "error", lambda count: pa.array([{"a": 1}] * count)),
        r"column 'error\.a' is nested",
    ),
    "metadata with a schema of their own": (
        table("cells", lambda found: found, store_schema=True),
        "has metadata of its own: 'ARROW:schema'",
    ),
    "another packing": (table("cells", lambda found: found, compression="brotli"), "is packed as BROTLI"),
    "texts by their differences": (
        table("probes", lambda found: found, use_dictionary=False, column_encoding={"name": "DELTA_BYTE_ARRAY"}),
        "a page has encoding 7",
    ),
    "pages of another version": (table("probes", lambda found: found, data_page_version="2.0"), "a page has type 3"),
    "a hundred row groups": (
        table("probes", lambda found: pa.concat_tables([found] * 100), row_group_size=1),
        "row groups; it may have 64",
    ),
    "a text in a thousand places": (table("probes", repeated), "texts up to column 'name' take 3145[0-9]+ bytes"),
    "a page of 17 MiB": (zeros(17), "unpacks to .* bytes and more; it may take 16777216"),
    **{f"footer with wrong bits {seed}": (bits(seed), ".") for seed in range(8)},
    **{f"curves with wrong bits {seed}": (bits(seed, "curves.parquet"), ".") for seed in range(8, 12)},
}


@pytest.mark.parametrize("case", HOSTILE)
def test_it_is_refused_with_one_clear_message(case, bundle):
    """And nothing is written."""
    check_refusal(bundle, *HOSTILE[case])


def test_the_collection_is_as_large_as_it_claims():
    """More than sixty ways."""
    assert len(HOSTILE) >= 60


def test_files_made_by_hand_are_read_where_nothing_is_wrong_with_them():
    """So that what is refused above is refused for what it is."""
    found = read_table("probes", by_hand.file_with("probes", "value", NUMBERS))
    assert found["value"].to_pylist() == [0.0] * 3
    found = read_table("probes", by_hand.file_with("probes", "name", LETTER + POINTED, dictionary=len(LETTER)))
    assert found["name"].to_pylist() == ["a"] * 3
    assert found["key"].to_pylist() == [None] * 3


LIMITED = """
import resource, sys
from pathlib import Path
from ticketbench.board.bundle.reading import read_bundle
from ticketbench.board.bundle.refusal import BundleError
held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 120 * 2**20,) * 2)
for name in sys.argv[1:]:
    try:
        read_bundle(Path(name))
    except BundleError as error:
        print(str(error).partition(": ")[2])
"""


def test_memory_is_bounded(right, tmp_path):
    """With 120 MiB to work in, a page of 130 MiB, texts of 300 MiB and a billion rows are refused for what they are."""
    spoils = {
        "environments.parquet unpacks to": zeros(130),
        "probes.parquet: the texts up to column 'name'": table("probes", repeated),
        "environments.parquet claims 1000000000 rows": claimed_rows,
        "manifest.toml is a link": linked(MANIFEST, "/dev/zero"),
        "manifest.toml has 400000000 bytes": lambda bundle: os.truncate(bundle / MANIFEST, 400_000_000),
    }
    bombs = [Path(shutil.copytree(right, tmp_path / str(at) / "mine")) for at in range(len(spoils))]
    for spoil, place in zip(spoils.values(), bombs, strict=True):
        spoil(place)
    done = subprocess.run([sys.executable, "-c", LIMITED, *map(str, bombs)], capture_output=True, text=True, check=True)
    for said, expected in zip(done.stdout.splitlines(), spoils, strict=True):
        assert said.startswith(expected)
