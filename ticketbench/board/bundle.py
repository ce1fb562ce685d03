"""The reader of bundles: nothing of a submission is shown before all of it was checked here.

A bundle is a folder of `manifest.toml` and four Parquet files. It may come from anyone. Reading one executes nothing,
opens no other file, follows no link, and takes no more memory than the limits in `folder.py` and `parquet.py` allow.
Whatever is wrong is one `BundleError`, whose text is safe to print.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ticketbench.board import values
from ticketbench.board.folder import FILES, check_files, check_names, read_file, read_records
from ticketbench.board.manifest import MANIFEST, Manifest, parse_manifest
from ticketbench.board.parquet import read_table
from ticketbench.board.refusal import BundleError, refuse, shown
from ticketbench.schema import SCHEMAS
from ticketbench.suite import Suite

if TYPE_CHECKING:
    from ticketbench.board.submission import Submission
    from ticketbench.cell import Cell


@dataclass(frozen=True)
class Bundle:
    """A submission that was read and found to be in order. `read` is that of a store."""

    folder: Path
    manifest: Manifest
    tables: Mapping[str, pa.Table]

    @property
    def address(self) -> str:
        """Where it lies."""
        return str(self.folder)

    def read(self, table: str) -> pa.Table:
        """A table, with the columns of a store's."""
        return self.tables[table]

    def cells(self) -> list[dict[str, Any]]:
        """The rows of the cells, in the order of their axes."""
        rows: list[dict[str, Any]] = self.tables["cells"].to_pylist()
        return rows

    def verdict(self) -> str:
        """What whoever verified it says, in a few words. The file is no part of the hash: anyone could write it."""
        from ticketbench.board.verdict import read_verdict  # which writes beside bundles

        try:
            found = read_verdict(self.folder, self.manifest)
        except BundleError as error:
            return f"its verdict cannot be read: {error}"
        if found is None:
            return "nobody has verified it"
        claims = {row["key"]: row["headline"] for row in self.cells()}
        if any(claims.get(cell.key) != cell.claimed for cell in found.cells):
            return "its verdict speaks of results that it does not have"
        return f"{found.summary()}, says verdict.toml"

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
            if row["status"] in values.JUDGED and row["headline_metric"] != right:
                raise refuse(
                    "cells.parquet", "headline_metric", number, row["headline_metric"],
                    f"Suite '{suite.name}' compares this task by '{right}'.",
                )  # fmt: skip
        metrics = {*pc.unique(curves["metric"]).to_pylist(), *pc.unique(cells["headline_metric"]).to_pylist()} - {None}
        for metric in sorted(metrics):
            if suite.metric(metric).percent:
                values.check_shares(cells, "cells.parquet", "headline", "headline_metric", metric)
                values.check_shares(curves, "curves.parquet", "value", "metric", metric)

    def submissions(self, name: str = "") -> list[Submission]:
        """What a board reads of it: one submission, as a bundle has one setting."""
        from ticketbench.board.submission import from_tables

        said = self.manifest
        facts = {"who": said.who, "hash": said.hash, "ticketbench": said.ticketbench}
        rows_of: dict[str, list[str]] = {}
        for method in said.methods:
            code = {f"{method.distribution} {method.version}".strip(): ""}
            if method.scorer:
                code[f"{method.scorer_distribution} {method.scorer_version}".strip()] = ""
            rows_of.setdefault(" and ".join(code), []).append(method.row)
        several = len(rows_of) > 1
        facts["code"] = "; ".join(f"{code} ({', '.join(rows)})" if several else code for code, rows in rows_of.items())
        facts["verdict"] = self.verdict()
        held = self.tables
        return from_tables(
            name or said.name, held["cells"], held["curves"], held["probes"], held["environments"], facts
        )


def read_bundle(folder: Path, suite: Suite | None = None) -> Bundle:
    """Read and check a bundle; with a suite, also that its results are possible there."""
    try:
        check_names(folder)
        manifest = parse_manifest(read_file(folder, MANIFEST))
        check_files(manifest)
        if folder.absolute().name != manifest.name:
            raise BundleError(f"{MANIFEST}: name is '{manifest.name}'; the folder must have the same name.")
        contents = {file: read_records(folder, file, manifest) for file in FILES}
        tables = {table: read_table(table, contents.pop(f"{table}.parquet")) for table in SCHEMAS}
        check_tables(tables, manifest)
        bundle = Bundle(folder, manifest, tables)
        if suite is not None:
            bundle.check_against(suite)
    except BundleError as error:
        raise BundleError(f"{shown(str(folder))} is no submission that can be shown: {error}") from None
    except (RecursionError, MemoryError, OverflowError, pa.ArrowException) as error:  # one bundle stops no board
        raise BundleError(f"{shown(str(folder))} takes more than a submission may: {type(error).__name__}.") from None
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
    """Each headline is a point of its cell's own curve, where it has one."""
    test = curves.filter(pc.equal(curves["split"], "test")).select(["key", "metric", "value"])
    found: dict[tuple[str, str], set[float]] = {}
    for key, metric, value in zip(*(test[name].to_pylist() for name in test.column_names), strict=True):
        found.setdefault((key, metric), set()).add(value)
    for number, row in enumerate(cells.select(["key", "status", "headline_metric", "headline"]).to_pylist()):
        points = found.get((row["key"], row["headline_metric"]))
        if row["status"] in values.JUDGED and points and row["headline"] not in points:
            raise refuse(
                "cells.parquet", "headline", number, row["headline"], "The cell's own test curve has no such value."
            )


PLANNED, ADDED, FOREIGN = "planned", "added", "foreign"
"""planned: a cell of the tier. added: a row of a plugin at a point of the tier. foreign: neither, never ranked."""


def standings(cells: Iterable[Mapping[str, Any]], plan: Iterable[Cell], suite: Suite) -> dict[str, str]:
    """Key -> whether the suite's tier, as planned today, has the cell."""
    from ticketbench.cell import describe
    from ticketbench.results import AXES, identity

    axes = [{"scorer": "", **describe(cell)} for cell in plan]
    known = {identity(one) for one in axes}
    points = {tuple(one[name] for name in (*AXES, "density", "seed")) for one in axes}

    def standing(row: Mapping[str, Any]) -> str:
        if identity(row) in known:
            return PLANNED
        new = row["row"] not in suite.methods and tuple(row[name] for name in (*AXES, "density", "seed")) in points
        return ADDED if new else FOREIGN

    return {row["key"]: standing(row) for row in cells}
