"""Ways to spoil a bundle, each with every hash made right again where it does not say otherwise."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from board_bundles import replace_table, seal, set_value, suite_file, table_of

from ticketbench.board.bundle.manifest import MANIFEST
from ticketbench.board.bundle.reading import read_bundle
from ticketbench.board.bundle.refusal import BundleError
from ticketbench.store.tables import SCHEMAS
from ticketbench.suite.suite import read_suite

SCRIPT = "<script>alert(1)</script>"
Spoil = Callable[[Path], object]


def field(**changes) -> Spoil:
    """Fields of the manifest, with every hash made right again."""
    return lambda bundle: seal(bundle, lambda fields: fields.update(changes))


def method(**changes) -> Spoil:
    """The first method of the manifest."""
    return lambda bundle: seal(bundle, lambda fields: fields["methods"][0].update(changes))


def value(table: str, column: str, new, row: int = 0) -> Spoil:
    """One value of a table, with every hash made right again."""
    return lambda bundle: set_value(bundle, table, column, new, row)


def values(**changes) -> Spoil:
    """Several values of the first cell."""
    return lambda bundle: [set_value(bundle, "cells", column, new) for column, new in changes.items()]


def text(content: str | bytes, file: str = MANIFEST) -> Spoil:
    """Other content of a file, hashes as they were."""
    written = content.encode() if isinstance(content, str) else content
    return lambda bundle: (bundle / file).write_bytes(written)


def appended(line: str) -> Spoil:
    """More text at the start of the manifest."""
    return lambda bundle: (bundle / MANIFEST).write_text(line + "\n" + (bundle / MANIFEST).read_text())


def cut(file: str, keep: float) -> Spoil:
    """A file whose end is missing, sealed all the same."""

    def spoil(bundle: Path) -> None:
        content = (bundle / file).read_bytes()
        (bundle / file).write_bytes(content[: int(len(content) * keep)])
        seal(bundle)

    return spoil


def file_named(name: str) -> Spoil:
    """One more file."""
    return lambda bundle: (bundle / name).write_text("#!/bin/sh\ntouch /tmp/harm\n")


def linked(name: str, target: str) -> Spoil:
    """A link in the place of a file."""

    def spoil(bundle: Path) -> None:
        (bundle / name).unlink(missing_ok=True)
        (bundle / name).symlink_to(target)

    return spoil


def table(name: str, change: Callable[[pa.Table], pa.Table], **how) -> Spoil:
    """Another table, written with pyarrow's own settings, and sealed."""

    def spoil(bundle: Path) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(
            change(table_of(bundle, name)),
            sink,
            **{"compression": "zstd", "store_schema": False, "write_statistics": False, **how},
        )
        replace_table(bundle, name, bytes(sink.getvalue()))

    return spoil


def column(name: str, at: str, make: Callable[[int], pa.Array]) -> Spoil:
    """Another column of its own type."""

    def change(found: pa.Table) -> pa.Table:
        made = make(found.num_rows)
        return found.set_column(found.schema.get_field_index(at), pa.field(at, made.type), made)

    return table(name, change)


def twice(found: pa.Table) -> pa.Table:
    """Every row stands twice."""
    return pa.concat_tables([found, found])


def claimed_rows(bundle: Path) -> None:
    """Metadata that speak of a billion rows: the number is patched in the footer, where it stands as a varint."""
    sink = pa.BufferOutputStream()
    found = pa.Table.from_pylist([{"environment": "e"}] * 999, schema=SCHEMAS["environments"])
    pq.write_table(found, sink, store_schema=False, write_statistics=False)
    content = bytes(sink.getvalue())
    length = int.from_bytes(content[-8:-4], "little")
    footer = content[-8 - length : -8].replace(b"\xce\x0f", b"\x80\xa8\xd6\xb9\x07")  # 999 and a billion, zigzag
    assert len(footer) > length
    replace_table(bundle, "environments", content[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1")


def repeated(found: pa.Table) -> pa.Table:
    """One text of a mebibyte in three hundred rows: small as a file, 300 MiB when written out."""
    many = pa.concat_tables([found.slice(0, 1)] * 300).combine_chunks()
    names = pa.DictionaryArray.from_arrays(pa.array([0] * 300, pa.int32()), ["a" * 2**20])
    return many.set_column(many.schema.get_field_index("name"), "name", names)


def zeros(mebibytes: int) -> Spoil:
    """A page of so many mebibytes of one letter, packed into some kilobytes."""

    def change(found: pa.Table) -> pa.Table:
        long = pa.array(["a" * (mebibytes * 2**20)])
        return found.slice(0, 1).set_column(found.schema.get_field_index("plugins"), "plugins", long)

    return table("environments", change, use_dictionary=False, write_statistics=False)


def bits(seed: int, file: str = "cells.parquet") -> Spoil:
    """A few bits of a file are other ones, sealed all the same; in the footer, where all else hangs on it."""

    def spoil(bundle: Path) -> None:
        content = bytearray((bundle / file).read_bytes())
        length = int.from_bytes(content[-8:-4], "little")
        source = random.Random(seed)
        for _ in range(8):
            content[len(content) - 8 - source.randrange(length)] ^= 1 << source.randrange(8)
        (bundle / file).write_bytes(bytes(content))
        seal(bundle)

    return spoil


def folder_in_place(bundle: Path) -> None:
    """A folder where a file should be."""
    (bundle / "probes.parquet").unlink()
    (bundle / "probes.parquet").mkdir()


def pipe(bundle: Path) -> None:
    """A pipe that nobody writes to: to open it would wait for ever."""
    (bundle / "probes.parquet").unlink()
    os.mkfifo(bundle / "probes.parquet")


def without(file: str) -> Spoil:
    """One file less."""
    return lambda bundle: (bundle / file).unlink()


def drop(name: str, at: str) -> Spoil:
    """One column less."""
    return table(name, lambda found: found.drop_columns([at]))


def several(*spoils: Spoil) -> Spoil:
    """One after the other."""
    return lambda bundle: [spoil(bundle) for spoil in spoils]


def snapshot(folder: Path) -> dict[str, object]:
    """Every name below a folder, with what is there."""
    return {str(path): path.lstat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def check_refusal(bundle: Path, spoil: Spoil, message: str) -> None:
    """One printable line that names what is wrong; nothing is written, and nothing outside of the folder changes."""
    spoil(bundle)
    before = snapshot(bundle.parent)
    with pytest.raises(BundleError, match=message) as refused:
        read_bundle(bundle, read_suite(suite_file(bundle.parent.parent)))
    said = str(refused.value)
    assert said.isprintable()
    assert len(said) < 700
    assert said.startswith(f"'{str(bundle)[:20]}")
    assert snapshot(bundle.parent) == before
