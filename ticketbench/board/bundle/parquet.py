"""Parquet from outside: its metadata and page headers are checked before a value is unpacked, so memory is bounded."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ticketbench.board.bundle.folder import MIB
from ticketbench.board.bundle.pagewalk import Footer, chunks_of, read_footer, walk
from ticketbench.board.bundle.refusal import BundleError, shown_text
from ticketbench.files import reason_of
from ticketbench.store.migrations import migrated
from ticketbench.store.schema import SCHEMA_VERSION
from ticketbench.store.tables import REAL, TEXT, WHOLE, schema_of

MOST_ROWS = {"cells": 100_000, "curves": 2_000_000, "probes": 2_000_000, "environments": 1_000}
MOST_UNPACKED = {"cells": 256 * MIB, "curves": 256 * MIB, "probes": 256 * MIB, "environments": 16 * MIB}
"""Bytes that a file's pages may unpack to; its texts, written out row by row, may take as many again."""
MOST_FOOTER, MOST_GROUPS, MOST_PAGES = MIB, 64, 20_000
FOOTER_LIMITS = {"thrift_string_size_limit": MIB, "thrift_container_size_limit": 100_000}
PHYSICAL = {TEXT: "BYTE_ARRAY", REAL: "DOUBLE", WHOLE: "INT64", pa.bool_(): "BOOLEAN"}
LOGICAL = {"NONE": "", "STRING": "text", "UTF8": "text"}
MAGIC = b"PAR1"
FAILURES = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError, RecursionError)
"""What pyarrow raises over bytes that are no Parquet file, or a damaged one."""


def to_bytes(table: pa.Table) -> bytes:
    """A table as the bytes of a file: the same rows give the same bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=9,
        version="2.6",
        data_page_version="1.0",
        use_dictionary=True,
        write_statistics=False,
        store_schema=False,
        row_group_size=MIB,
        data_page_size=MIB,
    )
    return bytes(sink.getvalue())


def read_table(name: str, content: bytes, version: int = SCHEMA_VERSION) -> pa.Table:
    """The table of a file, of a version of the schema, as today's; all checked but for what its values mean."""
    file = f"{name}.parquet"
    try:
        check_footer(file, content)
        footer = read_footer(content)
        check_claims(file, name, footer)
        with pq.ParquetFile(pa.BufferReader(content), pre_buffer=False, **FOOTER_LIMITS) as source:
            metadata = source.metadata
        check_columns(file, schema_of(name, version), metadata.schema)
        check_pages(file, name, content, footer)
        # of a table without rows no page is looked at, whatever it has
        found = unpack(file, name, content, version) if footer.rows else schema_of(name, version).empty_table()
    except FAILURES as error:
        raise BundleError(
            f"{file} is damaged: {shown_text(reason_of(error))}. Submit again, or fetch the bundle again."
        ) from None
    if found.num_rows != footer.rows:
        raise BundleError(f"{file} is damaged: it has {found.num_rows} rows, its metadata say {footer.rows}.")
    return migrated(name, found, version)


def check_footer(file: str, content: bytes) -> None:
    """The length of the metadata, before they are read."""
    if len(content) < 12 or content[:4] != MAGIC or content[-4:] != MAGIC:
        raise BundleError(f"{file} is no Parquet file. `ticketbench submit` writes one.")
    length = int.from_bytes(content[-8:-4], "little")
    if length > MOST_FOOTER:
        raise BundleError(f"{file} has {length} bytes of metadata; it may have {MOST_FOOTER}")


def check_claims(file: str, name: str, footer: Footer) -> None:
    """The counts in the metadata, and what else they hold."""
    if footer.rows > MOST_ROWS[name]:
        raise BundleError(f"{file} claims {footer.rows} rows; it may have {MOST_ROWS[name]}")
    if len(footer.groups) > MOST_GROUPS:
        raise BundleError(f"{file} has {len(footer.groups)} row groups; it may have {MOST_GROUPS}")
    if footer.keys:
        raise BundleError(
            f"{file} has metadata of its own: {shown_text(footer.keys[0])}. "
            "A bundle's tables have rows and columns only."
        )


def check_columns(file: str, wanted: pa.Schema, schema: Any) -> None:
    """The columns are the schema's: the same names, types and order, none nested."""
    if len(schema) > 4 * len(wanted):
        raise BundleError(f"{file} has {len(schema)} columns; it must have {len(wanted)}: {', '.join(wanted.names)}")
    found = [schema.column(at) for at in range(len(schema))]
    for at, column in enumerate(found):
        if column.max_repetition_level or column.max_definition_level > 1 or column.path != column.name:
            raise BundleError(f"{file}: column {shown_text(column.path)} is nested. A column holds one value a row.")
        if at >= len(wanted) or column.name != wanted.names[at]:
            right = f"column {at + 1} is '{wanted.names[at]}'" if at < len(wanted) else "there is none more"
            raise BundleError(f"{file}: unknown column {shown_text(column.name)}. By the schema {right}.")
        kind = wanted.field(at).type
        logical = LOGICAL.get(column.logical_type.type, column.logical_type.type)
        if column.physical_type != PHYSICAL[kind] or logical != ("text" if kind == TEXT else ""):
            held = f"{column.physical_type} {column.logical_type.type}".removesuffix(" NONE")
            raise BundleError(f"{file}: column '{column.name}' holds {held}. It must hold {kind}.")
    if len(found) < len(wanted):
        raise BundleError(f"{file}: column '{wanted.names[len(found)]}' is missing")


def check_pages(file: str, name: str, content: bytes, footer: Footer) -> None:
    """What all pages unpack to, by their own headers."""
    if footer.rows and not all(rows for rows, _ in footer.groups):
        raise BundleError(f"{file} is damaged: a group has no rows.")
    unpacked = 0
    chunks = chunks_of(footer) if footer.rows else []
    for number, size in enumerate((size for chunk in chunks for size in walk(content, chunk)), 1):
        unpacked += size
        if unpacked > MOST_UNPACKED[name]:
            raise BundleError(f"{file} unpacks to {unpacked} bytes and more; it may take {MOST_UNPACKED[name]}")
        if number > MOST_PAGES:
            raise BundleError(f"{file} has more than {MOST_PAGES} pages. `ticketbench submit` writes a few a column.")
    total = sum(rows for rows, _ in footer.groups)
    if total != footer.rows:
        raise BundleError(f"{file} is damaged: its groups have {total} rows, its metadata say {footer.rows}.")


def unpack(file: str, name: str, content: bytes, version: int) -> pa.Table:
    """The values. Texts come as dictionaries: one that is repeated takes no room until its length is known."""
    texts = [field.name for field in schema_of(name, version) if field.type == TEXT]
    with pq.ParquetFile(pa.BufferReader(content), read_dictionary=texts, pre_buffer=False) as source:
        table = source.read(use_threads=False)
    table.validate(full=True)
    total = 0
    for text in texts:
        for chunk in table[text].chunks:
            lengths = pc.take(pc.binary_length(chunk.dictionary), chunk.indices)
            total += pc.sum(lengths).as_py() or 0
        if total > MOST_UNPACKED[name]:
            raise BundleError(
                f"{file}: the texts up to column '{text}' take {total} bytes; they may take {MOST_UNPACKED[name]}"
            )
    return table.cast(schema_of(name, version))
