"""Parquet files byte by byte, as no library writes them: what the metadata say and what the pages hold are free."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from ticketbench.store.tables import REAL, SCHEMAS, TEXT, WHOLE

NUMBER, LONG, BYTES, LIST, STRUCT = 5, 6, 8, 9, 12
DATA, DICTIONARY = 0, 2
PLAIN, BY_DICTIONARY = 0, 8
UNPACKED, ZSTD = 0, 6
PHYSICAL = {TEXT: 6, REAL: 5, WHOLE: 2, pa.bool_(): 0}
Field = tuple[int, int, bytes]


def varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    found = b""
    while number > 0x7F:
        found, number = found + bytes([number & 0x7F | 0x80]), number >> 7
    return found + bytes([number])


def struct(*fields: Field) -> bytes:
    """A structure of Thrift's compact protocol."""
    found, last = b"", 0
    for number, kind, content in fields:
        found += bytes([(number - last) << 4 | kind]) + content
        last = number
    return found + b"\x00"


def number(field: int, value: int, kind: int = NUMBER) -> Field:
    """A whole number, zigzag."""
    return field, kind, varint(((value << 1) ^ (value >> 63)) & (2**64 - 1))


def text(field: int, content: str) -> Field:
    """A text."""
    return field, BYTES, varint(len(content)) + content.encode()


def items(field: int, kind: int, parts: Sequence[bytes]) -> Field:
    """A list."""
    head = bytes([len(parts) << 4 | kind]) if len(parts) < 15 else bytes([0xF0 | kind]) + varint(len(parts))
    return field, LIST, head + b"".join(parts)


def page(kind: int, content: bytes, values: int, encoding: int = PLAIN, unpacked: int | None = None) -> bytes:
    """A page with its header; `unpacked` is what it says it unpacks to."""
    counts = [number(1, values), number(2, encoding), *([number(3, 3), number(4, 3)] if kind == DATA else [])]
    size = len(content) if unpacked is None else unpacked
    body = (5 if kind == DATA else 7, STRUCT, struct(*counts))
    return struct(number(1, kind), number(2, size), number(3, len(content)), body) + content


def levels(values: int, present: bool = True) -> bytes:
    """Definition levels: every value is there, or none."""
    run = varint(values << 1) + bytes([present])
    return len(run).to_bytes(4, "little") + run


def column(
    name: str,
    kind: pa.DataType,
    at: int,
    length: int,
    values: int,
    codec: int = UNPACKED,
    dictionary: int = 0,
    more: Sequence[Field] = (),
) -> bytes:
    """What the metadata say of a column of a group."""
    facts = [
        number(1, PHYSICAL[kind]),
        items(2, NUMBER, [varint(0)]),
        items(3, BYTES, [varint(len(name)) + name.encode()]),
        number(4, codec),
        number(5, values, LONG),
        number(6, length, LONG),
        number(7, length, LONG),
        number(9, at + dictionary, LONG),
        *([number(11, at, LONG)] if dictionary else []),
    ]
    return struct(number(2, 0, LONG), (3, STRUCT, struct(*facts)), *more)


def schema(table: str) -> list[bytes]:
    """The columns' types, as the metadata list them."""
    found = [struct(text(4, "schema"), number(5, len(SCHEMAS[table])))]
    for field in SCHEMAS[table]:
        marked = [number(6, 0)] if field.type == TEXT else []
        found.append(struct(number(1, PHYSICAL[field.type]), number(3, 1), text(4, field.name), *marked))
    return found


def file(
    table: str,
    body: bytes,
    rows: int,
    groups: Sequence[tuple[int, Sequence[bytes]]],
    elements: Sequence[bytes] = (),
    more: Sequence[Field] = (),
) -> bytes:
    """A whole file: pages, then metadata."""
    parts = [struct(items(1, STRUCT, columns), number(2, 0, LONG), number(3, count, LONG)) for count, columns in groups]
    listed = items(2, STRUCT, elements or schema(table))
    footer = struct(number(1, 2), listed, number(3, rows, LONG), items(4, STRUCT, parts), *more)
    return b"PAR1" + body + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def file_with(
    table: str,
    name: str,
    pages: bytes,
    rows: int = 3,
    codec: int = UNPACKED,
    dictionary: int = 0,
    more: Sequence[Field] = (),
    spread: Callable[[int], int] = lambda at: at,
) -> bytes:
    """A file in which one column has these pages, and all others have no value in any row."""
    empty = page(DATA, levels(rows, False), rows)
    body, columns = b"", []
    for field in SCHEMAS[table]:
        mine = pages if field.name == name else empty
        special = (codec, dictionary) if field.name == name else (UNPACKED, 0)
        columns.append(column(field.name, field.type, spread(4 + len(body)), len(mine), rows, *special, more))
        body += mine
    return file(table, body, rows, [(rows, columns)])
