"""The store: a folder of Parquet files that a kill at any moment leaves readable.

Each finished fleet becomes one part: a file of the same name in `curves`, `probes` and, last, `cells`. A file
is written beside its place, synced and renamed. A part exists once its `cells` file does; whatever a killed
run left behind before that is ignored. Any address that pyarrow can open works; claims between runs that
share a store (`claims.py`) need a local folder.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from ticketbench.errors import StoreError
from ticketbench.files import reason_of, written
from ticketbench.store.migrations import migrated
from ticketbench.store.schema import MARKER, SCHEMA_VERSION, CellRecord, Environment
from ticketbench.store.tables import SCHEMAS, TABLES, as_tables, records_of


class Store:
    """Records in a folder or at an address."""

    def __init__(self, address: str | Path, *, create: bool = False) -> None:
        self.address = str(address)
        self.local = None if "://" in self.address else Path(self.address).absolute()
        try:
            if self.local is not None:
                self.files, self.root = pafs.LocalFileSystem(), str(self.local)
            else:
                self.files, self.root = pafs.FileSystem.from_uri(self.address)
                if isinstance(self.files, pafs.LocalFileSystem):
                    self.local = Path(self.root)
            self.schema = SCHEMA_VERSION
            """The version that the store is marked with; it is raised when something is added."""
            self._statuses: dict[str, tuple[int, str]] = {}
            self._seen: set[str] = set()
            self._open(create)
        except (OSError, pa.ArrowException) as error:
            raise StoreError(f"cannot open the store {self.address}: {reason_of(error)}. {REMEDY}") from error

    def _open(self, create: bool) -> None:
        kind = self.files.get_file_info(self.root).type
        if kind == pafs.FileType.File:
            raise StoreError(f"{self.address} is a file, not a store. {REMEDY}")
        # before the look at the marker: whoever makes a store writes the marker first
        foreign = kind == pafs.FileType.Directory and self._holds_anything()
        if self.files.get_file_info(self._path(MARKER)).type == pafs.FileType.File:
            self._check_marker()
        elif foreign:
            raise StoreError(
                f"{self.address} is not a ticketbench store: it has files but no {MARKER}. "
                "Give --store an empty or a new folder."
            )
        elif not create:
            raise StoreError(f"there is no store at {self.address}. `ticketbench run` makes one; --store names it.")
        else:
            self.files.create_dir(self.root, recursive=True)
            self._mark()
        if create:  # after the marker: a run killed here, or another that starts now, finds a store
            for table in SCHEMAS:
                self.files.create_dir(self._path(table), recursive=True)

    def _holds_anything(self) -> bool:
        """Whether the folder has files, other than the marker that a killed run was about to write."""
        found = self.files.get_file_info(pafs.FileSelector(self.root))
        return any(not info.base_name.startswith(f".{MARKER}.") for info in found)

    def _check_marker(self) -> None:
        with self.files.open_input_stream(self._path(MARKER)) as file:
            text = file.read()
        try:
            found = json.loads(text)["schema"]
        except (ValueError, KeyError, TypeError):
            raise StoreError(f"{self._path(MARKER)} is damaged: it should say which schema the store has") from None
        if not isinstance(found, int) or found > SCHEMA_VERSION:
            raise StoreError(
                f"the store {self.address} has schema {found}; this ticketbench reads up to {SCHEMA_VERSION}. "
                "Update ticketbench, or give --store another folder. Nothing was changed."
            )
        self.schema = found

    # -- writing -----------------------------------------------------------------------------------------

    def add(self, records: Sequence[CellRecord], environment: Environment) -> None:
        """Write the records of a fleet as one part, all or nothing."""
        if self.schema < SCHEMA_VERSION:
            self._mark()  # an older ticketbench shall say that it is too old, and not that a part is damaged
        part = f"{uuid.uuid4().hex}.parquet"
        self.add_environment(environment)
        tables = as_tables(records, environment.environment)
        for name in ("curves", "probes", "cells"):
            self.write_table(f"{name}/{part}", tables[name])

    def add_environment(self, environment: Environment) -> None:
        """Write an environment, unless the store has it already."""
        place = f"environments/{environment.environment}.parquet"
        if self.files.get_file_info(self._path(place)).type == pafs.FileType.NotFound:
            self.write_table(place, pa.Table.from_pylist([environment.as_dict()], schema=SCHEMAS["environments"]))

    def write_table(self, place: str, table: pa.Table) -> None:
        """Write a Parquet file so that it is there whole or not at all; it says which schema it has."""
        table = table.replace_schema_metadata({VERSION_KEY: str(SCHEMA_VERSION)})
        self._write(place, lambda target: pq.write_table(table, target, filesystem=self.files, compression="zstd"))

    def _mark(self) -> None:
        text = json.dumps({"format": "ticketbench store", "schema": SCHEMA_VERSION})
        self._write(MARKER, lambda target: self._put(target, text.encode()))
        self.schema = SCHEMA_VERSION

    def _write(self, place: str, write: Callable[[str], object]) -> None:
        target = self._path(place)
        try:
            if self.local is None:
                write(target)  # an object store shows a whole object or none
                return
            with written(Path(target)) as partial:
                write(str(partial))
        except (OSError, pa.ArrowException) as error:
            raise StoreError(f"cannot write {target}: {reason_of(error)}. {REMEDY}") from error

    def _put(self, target: str, content: bytes) -> None:
        with self.files.open_output_stream(target) as file:
            file.write(content)

    def _path(self, place: str) -> str:
        return f"{self.root.rstrip('/')}/{place}"

    # -- reading -----------------------------------------------------------------------------------------

    def parts(self, table: str) -> list[str]:
        """The names of a table's files; half-written ones are not among them."""
        selector = pafs.FileSelector(self._path(table), allow_not_found=True)
        found = (info.base_name for info in self.files.get_file_info(selector))
        return sorted(name for name in found if name.endswith(".parquet") and not name.startswith("."))

    def read(self, table: str) -> pa.Table:
        """A whole table: of each cell its latest attempt, and of curves and probes only what belongs to it."""
        names = self.parts(table)
        if table == "environments":
            return self._read_parts(table, names)
        committed = set(self.parts("cells"))
        whole = self._read_parts(table, [name for name in names if name in committed])
        cells = whole if table == "cells" else self._read_parts("cells", sorted(committed), ["key", "attempt"])
        latest = latest_attempts(cells)
        if latest is None:
            return whole
        attempts = pc.index_in(whole["key"], latest["key"])
        keep = pc.equal(pc.take(latest["attempt"], attempts), whole["attempt"])
        return whole.filter(keep)

    def _read_parts(self, table: str, names: Sequence[str], columns: Sequence[str] | None = None) -> pa.Table:
        wanted = columns or SCHEMAS[table].names
        tables = []
        for name in names:
            try:
                tables.append(self._read_part(table, name, wanted))
            except (OSError, pa.ArrowException, ValueError) as error:
                raise StoreError(
                    f"{table}/{name} of the store {self.address} cannot be read: {reason_of(error)}. "
                    "Move that file away; the next run computes its cells again."
                ) from error
        return pa.concat_tables(tables) if tables else SCHEMAS[table].empty_table().select(wanted)

    def _read_part(self, table: str, name: str, wanted: Sequence[str]) -> pa.Table:
        with pq.ParquetFile(self._path(f"{table}/{name}"), filesystem=self.files) as file:
            version = int((file.schema_arrow.metadata or {}).get(VERSION_KEY, b"1"))
            if version > SCHEMA_VERSION:
                raise StoreError(
                    f"{table}/{name} of the store {self.address} has schema {version}; this ticketbench reads up to "
                    f"{SCHEMA_VERSION}. Update ticketbench, or give --store another folder. Nothing was changed."
                )
            there = set(file.schema_arrow.names)
            for column in TABLES[table]:
                if column.about.since == 1 and column.name not in there:
                    raise ValueError(f"it has no column '{column.name}'")
            found = file.read(columns=[name for name in wanted if name in there])
        return migrated(table, found, version).select(wanted)

    def statuses(self) -> dict[str, str]:
        """Key -> status of every finished cell; reads only parts that it has not seen."""
        fresh = [name for name in self.parts("cells") if name not in self._seen]
        table = self._read_parts("cells", fresh, ["key", "attempt", "status"])
        for key, attempt, status in zip(*(table[name].to_pylist() for name in table.column_names), strict=True):
            if key not in self._statuses or attempt > self._statuses[key][0]:
                self._statuses[key] = (attempt, status)
        self._seen.update(fresh)
        return {key: status for key, (_, status) in self._statuses.items()}

    def attempts(self, key: str) -> int:
        """How often a cell was finished before."""
        return self._statuses.get(key, (0, ""))[0]

    def records(self, keys: Iterable[str]) -> list[CellRecord]:
        """The records of some cells, in the order of the keys, without their curves and probes."""
        wanted = list(keys)
        table = self.read("cells")
        found = records_of(table.filter(pc.is_in(table["key"], pa.array(wanted, pa.string()))))
        by_key = {record.key: record for record in found}
        return [by_key[key] for key in wanted if key in by_key]


REMEDY = "Give --store a folder that you may write to."
VERSION_KEY = b"ticketbench_schema"
"""Where a part says which version of the schema it has; parts of version 1 say nothing."""


def latest_attempts(cells: pa.Table) -> pa.Table | None:
    """Key and highest attempt of every cell, or None where each key stands once."""
    grouped = cells.select(["key", "attempt"]).group_by("key").aggregate([("attempt", "max")])
    if grouped.num_rows == cells.num_rows:
        return None
    return grouped.rename_columns({"attempt_max": "attempt"})
