"""The values of a bundle: which are possible, and that a cell's columns say what its key stands for."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from ticketbench.board.bundle.manifest import Manifest
from ticketbench.board.bundle.refusal import BundleError, refuse, shown_text, text_fault
from ticketbench.results.choice import Identity, identity
from ticketbench.store.column import ANY, Bounds, Column, TableColumn
from ticketbench.store.environment import environment_id
from ticketbench.store.schema import FARTHEST, KEY_LENGTH, CellRecord
from ticketbench.store.tables import REAL, TABLES, TEXT, records_of

EPOCH, DAY = 1_577_836_800.0, 86_400.0
"""The first second of 2020: no cell was finished before."""


def check_table(name: str, table: pa.Table) -> None:
    """Nothing is missing, every text can be shown, and every number is one that its column can have."""
    file = f"{name}.parquet"
    for one in TABLES[name]:
        column = table[one.name]
        if column.null_count and not one.optional:
            row = pc.index(pc.is_null(column), True).as_py()
            raise refuse(file, one.name, row, None, "Every row must have a value here.")
        if one.type is str:
            each_text(file, one.name, column, text_check(one.about))
        elif one.type is not bool and one.bounds != ANY:
            within(file, one.name, column, *limits(one))


def limits(one: TableColumn) -> Bounds:
    """The least and the most that a number can be; no time lies in the future."""
    if one.about.unit == "Unix time":
        return EPOCH, time.time() + DAY
    least, most = one.bounds
    return (int(least), int(most)) if one.type is int else (least, most)  # a float would round what is compared with it


def within(file: str, name: str, column: pa.ChunkedArray, least: float, most: float) -> None:
    """Every number lies within bounds; one that is no number lies nowhere."""
    right = pc.and_(pc.greater_equal(column, least), pc.less_equal(column, most))
    row = pc.index(right, False).as_py()
    if row >= 0:
        raise refuse(file, name, row, column[row].as_py(), f"It must lie between {least:.12g} and {most:.12g}.")


def each_text(file: str, name: str, column: pa.ChunkedArray, fault_of: Callable[[str], str]) -> None:
    """Every different text of a column is as it should be."""
    for text in pc.unique(column).to_pylist():
        fault = fault_of(text) if text is not None else ""
        if fault:
            raise refuse(file, name, pc.index(column, pa.scalar(text, TEXT)).as_py(), text, fault)


def text_check(about: Column) -> Callable[[str], str]:
    """What is wrong with a text of a column, or ""."""

    def fault(text: str) -> str:
        found = text_fault(text, about.longest, about.lines)
        if not found and about.form and not about.form.pattern.fullmatch(text):
            found = about.form.says
        return found

    return fault


def check_cells(cells: pa.Table, manifest: Manifest) -> None:
    """Each cell is one of the manifest's setting, stands once, and is what its key says it is."""
    file = "cells.parquet"
    if not cells.num_rows:
        raise BundleError(f"{file} has no rows. A bundle has one cell at least.")
    setting = ("suite", "suite_version", "tier", "precision", "device_class")
    for name in setting:
        right = getattr(manifest, name)
        row = pc.index(pc.equal(cells[name], right), False).as_py()
        if row >= 0:
            raise refuse(file, name, row, cells[name][row].as_py(), f"The manifest says {shown_text(right)}.")
    records = records_of(cells)
    seen: set[str] = set()
    answered: dict[Identity, int] = {}
    listed = {method.row for method in manifest.methods}
    for number, record in enumerate(records):
        if record.key in seen:
            raise refuse(file, "key", number, record.key, "A cell stands once; this one stood above.")
        seen.add(record.key)
        if record.row not in listed:
            raise refuse(file, "row", number, record.row, "The manifest's [[methods]] must name it.")
        first = answered.setdefault(identity(record), number)
        if first != number:
            raise refuse(
                file,
                "key",
                number,
                record.key,
                f"Row {first + 1} is the same cell, computed by other code. A bundle has one result of each.",
            )
        check_densities(file, number, record)
        check_definition(file, number, record)
        check_judgement(file, number, record)
    for name in sorted(listed - {record.row for record in records}):
        raise BundleError(f"{file} has no cell of the row '{name}', which the manifest names")


def check_densities(file: str, number: int, record: CellRecord) -> None:
    """A density asked for, and one that was reached: kept weights of those that can be pruned."""
    if not 0 < record.density <= 1:
        raise refuse(file, "density", number, record.density, "It must lie in (0, 1]: the share of weights kept.")
    kept, prunable, exact = record.kept, record.prunable, record.exact_density
    if kept is None or prunable is None or exact is None:
        return
    if kept > prunable:
        raise refuse(file, "kept", number, kept, f"There are {prunable} weights that can be pruned.")
    if abs(exact - kept / max(1, prunable)) > 1e-9:
        raise refuse(file, "exact_density", number, exact, f"{kept} of {prunable} weights are kept.")


def check_definition(file: str, number: int, record: CellRecord) -> None:
    """The key is the hash of the definition, and the definition says what the columns say."""
    definition: str = record.definition
    if hashlib.sha256(definition.encode()).hexdigest()[:KEY_LENGTH] != record.key:
        raise refuse(file, "key", number, record.key, "It is not the hash of the cell's definition.")
    kinds = ("method", "model", "task", "protocol", "initializer", *(("scorer",) if record.scorer else ()))
    start = f"suite: {record.suite} {record.suite_version}, tier {record.tier}, row {record.row}\n"
    start += "".join(f"{kind}: {getattr(record, kind)}\n" for kind in kinds)
    end = f"\ndensity: {record.density!r}\nseed: {record.seed}\n"
    precision = f"\nprecision: {record.precision}, device {record.device_class}\n"
    rest = definition.partition("\n")[2]
    scored = rest[len(start) :].startswith("scorer: ")
    if not rest.startswith(start) or not rest.endswith(end) or precision not in rest or scored:
        raise refuse(file, "definition", number, definition, "It names another cell than the columns of its row.")


def check_judgement(file: str, number: int, record: CellRecord) -> None:
    """A judged cell has a result and its cost; one that is not says why."""
    if record.started is not None and record.finished is not None and record.started > record.finished:
        raise refuse(file, "started", number, record.started, f"It was finished before, at {record.finished}.")
    if record.judged:
        for name in ("headline_metric", "headline", "exact_density"):
            value = getattr(record, name)
            absent = value in (None, "")
            if absent or (name == "headline" and (math.isnan(value) or abs(value) > FARTHEST)):
                right = f"A cell of status '{record.status}' must have a finite one, within {FARTHEST:g} of zero."
                raise refuse(file, name, number, value or None, right)
    elif not record.reason:
        raise refuse(file, "reason", number, record.reason, f"A cell of status '{record.status}' must say why.")


def check_belonging(name: str, table: pa.Table, cells: pa.Table) -> None:
    """Every row of a table belongs to the attempt of a cell that the bundle has."""
    file = f"{name}.parquet"
    at = pc.index_in(table["key"], cells["key"])
    row = pc.index(pc.is_null(at), True).as_py()
    if row >= 0:
        raise refuse(file, "key", row, table["key"][row].as_py(), "cells.parquet has no such cell.")
    right = pc.equal(pc.take(cells["attempt"], at), table["attempt"])
    row = pc.index(right, False).as_py()
    if row >= 0:
        raise refuse(file, "attempt", row, table["attempt"][row].as_py(), "The cell's own attempt is another.")


def check_environments(environments: pa.Table, cells: pa.Table) -> None:
    """Every environment stands once under the hash of what it says, and every cell's is there."""
    seen: set[str] = set()
    for number, row in enumerate(environments.to_pylist()):
        name = row.pop("environment")
        if name != environment_id(row):
            raise refuse("environments.parquet", "environment", number, name, "It is not the hash of its columns.")
        if name in seen:
            raise refuse("environments.parquet", "environment", number, name, "It stands once; this one stood above.")
        seen.add(name)
    for number, name in enumerate(cells["environment"].to_pylist()):
        if name not in seen:
            raise refuse("cells.parquet", "environment", number, name, "environments.parquet has no such environment.")


def check_shares(table: pa.Table, file: str, name: str, metric: str, title: str) -> None:
    """The values of a metric that is a share lie in [0, 1]; a value that was not measured is no number."""
    values = table.filter(pc.equal(table[metric], title))[name].cast(REAL).drop_null()
    bad = pc.or_(pc.less(values, 0.0), pc.greater(values, 1.0))
    row = pc.index(bad, True).as_py()
    if row >= 0:
        raise BundleError(
            f"{file}, column '{name}': {values[row].as_py()!r} of {shown_text(title)}. "
            "It is a share: it must lie in [0, 1]."
        )
