"""The reader of bundles: nothing of a submission is shown before all of it was checked here.

A bundle is a folder of `manifest.toml` and four Parquet files. It may come from anyone. Reading one executes nothing,
opens no other file, follows no link, and takes no more memory than the limits in `folder.py` and `parquet.py` allow.
Whatever is wrong is one `BundleError`, whose text is safe to print.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ticketbench.board.bundle import values
from ticketbench.board.bundle.folder import FILES, check_files, check_names, read_file, read_records
from ticketbench.board.bundle.manifest import MANIFEST, Manifest, parse_manifest
from ticketbench.board.bundle.parquet import read_table
from ticketbench.board.bundle.refusal import BundleError, refuse, shown_text
from ticketbench.store.schema import JUDGED, CellRecord
from ticketbench.store.tables import SCHEMAS, records_of
from ticketbench.suite.suite import Suite


@dataclass(frozen=True)
class Bundle:
    """A submission that was read and found to be in order. `read` is that of a store."""

    folder: Path
    manifest: Manifest
    tables: Mapping[str, pa.Table]

    @property
    def address(self) -> str:
        """The path of the bundle's folder, as messages name it."""
        return str(self.folder)

    def read(self, table: str) -> pa.Table:
        """A table, with the columns of a store's."""
        return self.tables[table]

    def cells(self) -> list[CellRecord]:
        """The records of the cells, in the order of their axes, without their curves and probes."""
        return records_of(self.tables["cells"])

    def check_against(self, suite: Suite) -> None:
        """The suite is the one that was submitted to, has the tier, and its shares are shares."""
        said = self.manifest
        if (said.suite, said.suite_version) != (suite.name, suite.version):
            raise BundleError(
                f"{MANIFEST}: it is of suite '{said.suite}' version {said.suite_version}, not of '{suite.name}' "
                f"version {suite.version}. Versions never share a board; run the suite again and submit that."
            )
        if said.tier not in suite.tiers:
            raise BundleError(f"{MANIFEST}: suite '{suite.name}' has no tier '{said.tier}': {', '.join(suite.tiers)}.")
        cells, curves = self.tables["cells"], self.tables["curves"]
        for number, row in enumerate(cells.select(["task", "headline_metric", "status"]).to_pylist()):
            right = suite.headline_of(row["task"]).metric
            if row["status"] in JUDGED and row["headline_metric"] != right:
                raise refuse(
                    "cells.parquet",
                    "headline_metric",
                    number,
                    row["headline_metric"],
                    f"Suite '{suite.name}' compares this task by '{right}'.",
                )
        metrics = {*pc.unique(curves["metric"]).to_pylist(), *pc.unique(cells["headline_metric"]).to_pylist()}
        for metric in sorted(metrics - {None, ""}):
            if suite.metric(metric).percent:
                for name in ("headline", "sweep_best", "sweep_last", "overthinking"):
                    values.check_shares(cells, "cells.parquet", name, "headline_metric", metric)
                values.check_shares(curves, "curves.parquet", "value", "metric", metric)


def read_bundle(folder: Path, suite: Suite | None = None) -> Bundle:
    """Read and check a bundle; with a suite, also that its results are possible there."""
    try:
        check_names(folder)
        manifest = parse_manifest(read_file(folder, MANIFEST))
        check_files(manifest)
        if folder.absolute().name != manifest.name:
            raise BundleError(f"{MANIFEST}: name is '{manifest.name}'; the folder must have the same name.")
        contents = {file: read_records(folder, file, manifest) for file in FILES}
        tables = {
            table: read_table(table, contents.pop(f"{table}.parquet"), manifest.schema_version) for table in SCHEMAS
        }
        check_tables(tables, manifest)
        bundle = Bundle(folder, manifest, tables)
        if suite is not None:
            bundle.check_against(suite)
    except BundleError as error:
        raise BundleError(f"{shown_text(str(folder))} is no submission that can be shown: {error}") from None
    except (RecursionError, MemoryError, OverflowError, pa.ArrowException) as error:  # one bundle stops no board
        raise BundleError(
            f"{shown_text(str(folder))} takes more than a submission may: {type(error).__name__}."
        ) from None
    return bundle


def check_tables(tables: Mapping[str, pa.Table], manifest: Manifest) -> None:
    """The values of all tables, each for itself, then what they say of each other."""
    for table, content in tables.items():
        values.check_table(table, content)
    cells = tables["cells"]
    values.check_cells(cells, manifest)
    values.check_environments(tables["environments"], cells)
    for table in ("curves", "probes"):
        values.check_belonging(table, tables[table], cells)
    check_headlines(cells, tables["curves"])


def check_headlines(cells: pa.Table, curves: pa.Table) -> None:
    """Each headline is a point of its cell's own curve, where it has one, at the budget that it is said to be at."""
    test = curves.filter(pc.equal(curves["split"], "test")).select(["key", "metric", "x", "value"])
    found: dict[tuple[str, str], set[tuple[float | None, float]]] = {}
    for key, metric, x, value in zip(*(test[name].to_pylist() for name in test.column_names), strict=True):
        found.setdefault((key, metric), set()).update({(None, value), (x, value)})
    names = ["key", "status", "headline_metric", "headline", "headline_x"]
    for number, row in enumerate(cells.select(names).to_pylist()):
        points = found.get((row["key"], row["headline_metric"]))
        if row["status"] in JUDGED and points and (row["headline_x"], row["headline"]) not in points:
            there = "" if row["headline_x"] is None else f" at {row['headline_x']:g}"
            why = f"The cell's own test curve has no such value{there}."
            raise refuse("cells.parquet", "headline", number, row["headline"], why)
