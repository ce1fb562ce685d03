"""What a Parquet file would unpack to, read from its metadata and page headers before anything is unpacked.

A file's metadata may lie about sizes. The page headers cannot: what a page unpacks to is held against its header, and
is refused where it is larger. Encodings by which a short page means long texts (the delta encodings) are refused, and
so are dictionaries with more entries than values, for whose entries room would be made before one is read. The work
of walking is bounded as well: every page holds a value, no header is long, and no byte belongs to two columns. The
metadata are read here and not through pyarrow, whose properties end the process over values that Parquet does not
have (`compression` does in version 26).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from ticketbench.board.bundle.thrift import DamageError, Thrift

DATA, DICTIONARY = 0, 2
PLAIN, PLAIN_DICTIONARY, RLE, RLE_DICTIONARY = 0, 2, 3, 8
ENCODINGS = (PLAIN, PLAIN_DICTIONARY, RLE, RLE_DICTIONARY)
UNPACKED, ZSTD = 0, 6
CODECS = {1: "SNAPPY", 2: "GZIP", 3: "LZO", 4: "BROTLI", 5: "LZ4", 7: "LZ4_RAW"}
"""The ways of packing that a bundle may not use, by number."""
LONGEST_HEADER = 1024
"""Bytes of a page's header. Those that `ticketbench submit` writes have fewer than 50."""


@dataclass(frozen=True)
class Footer:
    """What the metadata at the end of a Parquet file claim is in it, before anything of it is believed."""

    rows: int
    groups: tuple[tuple[int, tuple[Any, ...]], ...]
    """(rows, columns) of every group."""
    keys: tuple[str, ...]
    """The names of key-value metadata."""


def read_footer(content: bytes) -> Footer:
    """The metadata at the end of a file."""
    length = int.from_bytes(content[-8:-4], "little")
    found = Thrift(content[max(0, len(content) - 8 - length) : -8]).struct()
    groups = [(whole(group.get(3)), tuple(structs(group.get(1)))) for group in structs(found.get(4))]
    keys = [bytes(pair.get(1) or b"").decode("utf-8", "replace") for pair in structs(found.get(5) or [])]
    return Footer(whole(found.get(3)), tuple(groups), tuple(keys))


def structs(value: Any) -> Iterator[dict[int, Any]]:
    """The structures of a list in the metadata; a `DamageError` where there is no such list."""
    if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
        raise DamageError("the metadata lack a list")
    yield from value


class Chunk(NamedTuple):
    """Where the pages of a column of a group lie, and how many values they must have."""

    start: int
    length: int
    values: int


def chunk_of(rows: int, column: dict[int, Any]) -> Chunk:
    """A column of a group; it lies in this file, is packed in a known way, and claims a value a row."""
    facts = column.get(3)
    if not isinstance(facts, dict) or column.get(1):
        raise DamageError("a column does not lie in this file")
    codec = whole(facts.get(4))
    if codec not in (UNPACKED, ZSTD):
        raise DamageError(f"a column is packed as {CODECS.get(codec, codec)}; it must be ZSTD, or not packed")
    if whole(facts.get(5)) != rows:
        raise DamageError(f"a column has {facts[5]} values in a group of {rows} rows")
    start = whole(facts.get(9))
    if facts.get(11):
        start = min(start, whole(facts[11]))
    return Chunk(start, whole(facts.get(7)), rows)


def chunks_of(footer: Footer) -> list[Chunk]:
    """All columns of all groups, by their places; no two of them share a byte."""
    chunks = sorted(chunk_of(rows, column) for rows, columns in footer.groups for column in columns)
    for one, other in pairwise(chunks):
        if one.start + one.length > other.start:
            raise DamageError("two columns lie over each other")
    return chunks


def walk(content: bytes, chunk: Chunk) -> Iterator[int]:
    """What each page of a column's chunk unpacks to, in bytes; together they hold as many values as they must."""
    at, end, seen = chunk.start, chunk.start + chunk.length, 0
    if at < 4 or end > len(content):
        raise DamageError("a column lies outside of the file")
    while at < end and seen < chunk.values:
        reader = Thrift(content, at, min(end, at + LONGEST_HEADER))
        header = reader.struct()
        kind, size, packed = (whole(header.get(number)) for number in (1, 2, 3))
        if kind not in (DATA, DICTIONARY):
            raise DamageError(f"a page has type {kind}; data pages (version 1) and dictionaries are allowed")
        body = header.get(5 if kind == DATA else 7)
        if not isinstance(body, dict):
            raise DamageError("a page header says nothing of its page")
        count, encoding = whole(body.get(1)), whole(body.get(2))
        if encoding not in ENCODINGS:
            raise DamageError(f"a page has encoding {encoding}; plain values and dictionaries are allowed")
        if kind == DICTIONARY and count > min(size, chunk.values):  # each entry takes a byte, and is some row's value
            raise DamageError(f"a dictionary of {size} bytes for {chunk.values} rows claims {count} entries")
        if kind == DATA and not count:
            raise DamageError("a page holds no value")
        yield size
        seen += count if kind == DATA else 0
        at = reader.at + packed
        if at > end:
            raise DamageError("a page runs past the end of its column")
    if seen != chunk.values:
        raise DamageError(f"the pages of a column hold {seen} values; the metadata say {chunk.values}")


def whole(value: Any) -> int:
    """A number of things: whole and not negative."""
    if not isinstance(value, int) or value < 0:
        raise DamageError("a header lacks a number, or has one below zero")
    return value
