"""Making a bundle: the cells of one tier of a suite, out of a store; the same records give the same bytes."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ticketbench import version
from ticketbench.board.bundle.belonging import FOREIGN, PLANNED, belonging_of
from ticketbench.board.bundle.folder import check_names
from ticketbench.board.bundle.manifest import MANIFEST, MANIFEST_SCHEMA, Manifest, hash_of, to_plain, to_toml, validated
from ticketbench.board.bundle.parquet import to_bytes
from ticketbench.board.bundle.reading import Bundle, check_tables, read_bundle
from ticketbench.board.bundle.refusal import BundleError, mended, shown_text
from ticketbench.errors import StoreError, UnknownNameError
from ticketbench.files import reason_of, remove, written
from ticketbench.plan.cell import Cell, describe
from ticketbench.plugin.loading import Plugins, Registered
from ticketbench.results.choice import choose_records, identity
from ticketbench.results.records import Records
from ticketbench.store.column import columns_of
from ticketbench.store.schema import CellRecord
from ticketbench.store.tables import SCHEMAS, TEXT, as_tables
from ticketbench.suite.suite import Suite

ORDER = ("row", "method", "scorer", "task", "model", "protocol", "initializer", "recipe", "density", "seed", "key")
"""What the cells of a bundle are sorted by; their curves and probes follow in the order they were recorded."""


@dataclass
class Draft:
    """A bundle before it is written: its manifest, its tables, and its files as bytes."""

    manifest: Manifest
    tables: Mapping[str, pa.Table]
    files: Mapping[str, bytes]
    notes: list[str] = field(default_factory=list)
    """What was left out, what is missing, and what a reader of the board will be told."""


def draft(
    store: Records,
    suite: Suite,
    tier: str,
    plugins: Plugins,
    name: str,
    who: str,
    precision: str = "",
    device_class: str = "",
    code: str | None = None,
    paper: str | None = None,
) -> Draft:
    """A bundle of a store's cells of one tier. By default the precision and device that most cells have."""
    suite.tier(tier)
    choice = choose_records(store, suite, tier, plugins, precision, device_class)
    here = f"{choice.precision} on {choice.device_class}"
    notes = [
        f"left out: {count} cells at {' on '.join(setting)}; a bundle has one setting: {here}"
        for setting, count in choice.left_out.items()
    ]
    records = [mended_record(record) for record in choice.records.values()]
    found = belonging_of(records, choice.cells, suite)
    kept = [record for record in records if found[record.key] != FOREIGN]
    if choice.superseded:
        notes.append(f"left out: {choice.superseded} records of cells that were computed again by newer code")
    if foreign := len(records) - len(kept):
        notes.append(f"left out: {foreign} cells that the tier does not have")
    if not kept:
        raise StoreError(f"none of the store's {foreign} cells of tier {tier} is one of the suite's as it is now.")
    notes += remarks(kept, choice.cells, found)
    tables = collect_rows(store, kept)
    files = {f"{table}.parquet": to_bytes(content) for table, content in tables.items()}
    fields = {
        "schema": MANIFEST_SCHEMA,
        "name": name,
        "who": who,
        "suite": suite.name,
        "suite_version": suite.version,
        "tier": tier,
        "precision": choice.precision,
        "device_class": choice.device_class,
        "ticketbench": version.__version__,
        "hash": "0" * 64,
        "code": code,
        "paper": paper,
        "methods": methods_of(kept, plugins),
        "files": {
            file: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
            for file, content in files.items()
        },
    }
    manifest = validated("the manifest", Manifest, fields)
    manifest = manifest.model_copy(update={"hash": hash_of(to_plain(manifest))})
    check_tables(tables, manifest)
    Bundle(Path(name), manifest, tables).check_against(suite)
    return Draft(manifest, tables, files, notes)


def mended_record(record: CellRecord) -> CellRecord:
    """A record whose error texts can be shown anywhere."""
    longest = {one.name: one.about.longest for one in columns_of(CellRecord)}
    return replace(
        record,
        reason=mended(record.reason, longest["reason"]),
        error=mended(record.error, longest["error"]),
    )


def remarks(records: Sequence[CellRecord], cells: Sequence[Cell], found: Mapping[str, str]) -> list[str]:
    """What a submitter should know: cells that are missing, foreign, unfinished, or of other code."""
    keys = {cell.key for cell in cells}
    foreign = sum(found[record.key] == FOREIGN for record in records)
    statuses = Counter(record.status for record in records if record.status != "ok")
    own = {record.row for record in records}
    held = {identity(record) for record in records}
    missing = sum(identity(describe(cell)) not in held for cell in cells if cell.setting.row in own)
    older = sum(record.key not in keys and found[record.key] == PLANNED for record in records)
    lines = [f"{count} cells are {status}; a board shows them" for status, count in sorted(statuses.items())]
    if missing:
        lines.append(f"{missing} cells of its rows are missing; a board sets incomplete rows apart")
    if foreign:
        lines.append(f"{foreign} cells are none of the tier's; a board does not rank them")
    if older:
        lines.append(f"{older} cells were computed by other code or another recipe than what is installed now")
    return lines


def collect_rows(store: Records, records: Sequence[CellRecord]) -> dict[str, pa.Table]:
    """The four tables, in an order that depends on what they hold alone."""
    ordered = sorted(records, key=lambda record: tuple(getattr(record, name) for name in ORDER))
    keys = pa.array([record.key for record in ordered], TEXT)
    tables = {"cells": as_tables(ordered, "")["cells"]}
    for name in ("curves", "probes"):
        table = store.read(name)
        place = pc.index_in(table["key"], keys)
        table = table.append_column("place", place).append_column("line", pa.array(range(table.num_rows), pa.int64()))
        table = table.filter(pc.is_valid(place)).sort_by([("place", "ascending"), ("line", "ascending")])
        tables[name] = table.select(SCHEMAS[name].names).combine_chunks()
    environments = store.read("environments")
    used = pa.array(sorted({record.environment for record in ordered}), TEXT)
    chosen = environments.filter(pc.is_in(environments["environment"], used)).sort_by("environment")
    tables["environments"] = chosen.combine_chunks()
    return tables


def methods_of(records: Iterable[CellRecord], plugins: Plugins) -> list[dict[str, Any]]:
    """Every row of the leaderboard with the distributions that its method and its scorer come from."""
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        method, scorer = record.method.partition(" ")[0], record.scorer.partition(" ")[0]
        origin = registered(plugins, "method", method).origin
        entry = {"row": record.row, "method": method, "distribution": origin.distribution, "version": origin.version}
        if scorer:
            source = registered(plugins, "scorer", scorer).origin
            entry |= {"scorer": scorer, "scorer_distribution": source.distribution, "scorer_version": source.version}
        if found.setdefault(record.row, entry) != entry:
            raise BundleError(
                f"the store has two methods under the row {shown_text(record.row)}. Submit from a store of one."
            )
    return [found[name] for name in sorted(found)]


def registered(plugins: Plugins, kind: str, name: str) -> Registered:
    """Where a method's code comes from; it has to be installed to be submitted."""
    try:
        return plugins.registered(kind, name, "the store")
    except UnknownNameError as error:
        raise BundleError(f"{error} Load it with --plugin: a submission says where its code comes from.") from None


def write_bundle(made: Draft, output: Path) -> Path:
    """The bundle as a folder of its name: whole, or not there. One that is there already must be the same."""
    folder = output / made.manifest.name
    files = {MANIFEST: to_toml(to_plain(made.manifest)).encode(), **made.files}
    try:
        if os.path.lexists(folder):
            check_names(folder)
            if any((folder / name).read_bytes() != content for name, content in files.items()):
                raise BundleError(f"{folder} is there and holds other results. Remove it, or choose another --name.")
            return folder
        output.mkdir(parents=True, exist_ok=True)
        room = output / f".{made.manifest.name}.{os.getpid()}.tmp"
        try:
            with written(folder, room / made.manifest.name) as partial:
                partial.mkdir(parents=True)
                for name, content in files.items():
                    (partial / name).write_bytes(content)
                read_bundle(partial)
        finally:
            remove(room)
    except OSError as error:
        raise BundleError(
            f"cannot write {folder}: {reason_of(error)}. Give --output a folder that you may write to."
        ) from None
    return folder
