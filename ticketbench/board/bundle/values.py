"""The values of a bundle: which are possible, and that a cell's columns say what its key stands for."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ticketbench.board.bundle.manifest import Manifest
from ticketbench.board.bundle.refusal import BundleError, refuse, shown, text_fault
from ticketbench.plan.cell import KEY_LENGTH
from ticketbench.plugin.options import canonical
from ticketbench.results.results import Identity, identity
from ticketbench.store.schema import REAL, SCHEMAS, STATUSES, TEXT

JUDGED = ("ok", "collapsed")
KEY = re.compile(rf"[0-9a-f]{{{KEY_LENGTH}}}")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*( \{.*\})?")
"""A registered name, and its options where it has any."""
ENVIRONMENT_LENGTH = 16
NAMED = ("row", "method", "scorer", "model", "task", "protocol", "initializer", "recipe")
LENGTHS = {"definition": 20_000, "reason": 2_000, "error": 20_000}
LONG = ("definition", "reason", "error")
"""Texts of many lines."""
LONGEST = 2_000
"""Characters of any other text."""

OPTIONAL = {
    "cells": (
        "scorer", "reason", "error", "headline_metric", "headline", "exact_density", "kept", "prunable", "parameters",
        "parameters_dense", "flops", "flops_dense", "draw_seconds", "train_seconds", "train_steps", "peak_memory",
        "engine", "fleet_size", "started",
    ),
    "curves": (), "probes": (), "environments": tuple(SCHEMAS["environments"].names[1:]),
}  # fmt: skip
"""Table -> the columns that may be empty; a cell that failed has few of them."""

EPOCH, DAY = 1_577_836_800.0, 86_400.0
"""The first second of 2020: no cell was finished before."""
COUNTS = (
    "kept", "prunable", "parameters", "parameters_dense", "flops", "flops_dense", "draw_seconds", "train_seconds",
    "train_steps", "peak_memory", "cores", "memory", "threads", "round", "seed",
)  # fmt: skip
MOST = 1e21
"""No count, time or number of operations of one cell is larger."""
FREE = ("headline", "value")
"""Numbers that may be anything: a cell that diverged may have no number or one without end."""
FARTHEST = 1e100
"""No result of a judged cell and no place on an axis is farther from zero: sums and squares of these have an end."""


def check_table(name: str, table: pa.Table) -> None:
    """Nothing is missing, every text can be shown, and every number is one that its column can have."""
    file = f"{name}.parquet"
    for field in SCHEMAS[name]:
        column = table[field.name]
        if column.null_count and field.name not in OPTIONAL[name]:
            row = pc.index(pc.is_null(column), True).as_py()
            raise refuse(file, field.name, row, None, "Every row must have a value here.")
        if field.type == TEXT:
            each_text(file, field.name, column, text_check(field.name))
        elif field.name not in FREE and pa.types.is_floating(field.type):
            within(file, field.name, column, *limits(field.name))
        elif pa.types.is_integer(field.type):
            within(
                file, field.name, column, 1 if field.name in ("attempt", "suite_version", "fleet_size") else 0, 2**53
            )


def limits(column: str) -> tuple[float, float]:
    """The least and the most that a column can have."""
    if column == "exact_density":
        return 0.0, 1.0
    if column == "x":
        return -FARTHEST, FARTHEST
    if column in ("started", "finished"):
        return EPOCH, time.time() + DAY
    return 0.0, MOST


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


def text_check(column: str) -> Callable[[str], str]:
    """What is wrong with a text of a column, or ""."""
    longest = LENGTHS.get(column, LONGEST)

    def fault(text: str) -> str:
        found = text_fault(text, longest, column in LONG)
        if found:
            return found
        if column == "key" and not KEY.fullmatch(text):
            return f"A key is {KEY_LENGTH} of the signs 0-9 and a-f."
        if column == "status" and text not in STATUSES:
            return f"Valid: {', '.join(STATUSES)}."
        if column in NAMED and not NAME.fullmatch(text) and (column, text) != ("scorer", ""):
            return "It must be a name of letters, digits, _ . + and -, and options in braces behind it."
        return ""

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
            raise refuse(file, name, row, cells[name][row].as_py(), f"The manifest says {shown(right)}.")
    rows = cells.to_pylist()
    seen: set[str] = set()
    answered: dict[Identity, int] = {}
    listed = {method.row for method in manifest.methods}
    for number, row in enumerate(rows):
        if row["key"] in seen:
            raise refuse(file, "key", number, row["key"], "A cell stands once; this one stood above.")
        seen.add(row["key"])
        if row["row"] not in listed:
            raise refuse(file, "row", number, row["row"], "The manifest's [[methods]] must name it.")
        first = answered.setdefault(identity(row), number)
        if first != number:
            raise refuse(
                file, "key", number, row["key"],
                f"Row {first + 1} is the same cell, computed by other code. A bundle has one result of each.",
            )  # fmt: skip
        check_density(file, number, row)
        check_definition(file, number, row)
        check_judgement(file, number, row)
    for name in sorted(listed - {row["row"] for row in rows}):
        raise BundleError(f"{file} has no cell of the row '{name}', which the manifest names")


def check_density(file: str, number: int, row: Mapping[str, Any]) -> None:
    """A density asked for, and one that was reached: kept weights of those that can be pruned."""
    if not 0 < row["density"] <= 1:
        raise refuse(file, "density", number, row["density"], "It must lie in (0, 1]: the share of weights kept.")
    kept, prunable, exact = row["kept"], row["prunable"], row["exact_density"]
    if kept is None or prunable is None or exact is None:
        return
    if kept > prunable:
        raise refuse(file, "kept", number, kept, f"There are {prunable} weights that can be pruned.")
    if abs(exact - kept / max(1, prunable)) > 1e-9:
        raise refuse(file, "exact_density", number, exact, f"{kept} of {prunable} weights are kept.")


def check_definition(file: str, number: int, row: Mapping[str, Any]) -> None:
    """The key is the hash of the definition, and the definition says what the columns say."""
    definition: str = row["definition"]
    if hashlib.sha256(definition.encode()).hexdigest()[:KEY_LENGTH] != row["key"]:
        raise refuse(file, "key", number, row["key"], "It is not the hash of the cell's definition.")
    kinds = ("method", "model", "task", "protocol", "initializer", *(("scorer",) if row["scorer"] else ()))
    start = f"suite: {row['suite']} {row['suite_version']}, tier {row['tier']}, row {row['row']}\n"
    start += "".join(f"{kind}: {row[kind]}\n" for kind in kinds)
    end = f"\ndensity: {row['density']!r}\nseed: {row['seed']}\n"
    precision = f"\nprecision: {row['precision']}, device {row['device_class']}\n"
    rest = definition.partition("\n")[2]
    scored = rest[len(start) :].startswith("scorer: ")
    if not rest.startswith(start) or not rest.endswith(end) or precision not in rest or scored:
        raise refuse(file, "definition", number, definition, "It names another cell than the columns of its row.")


def check_judgement(file: str, number: int, row: Mapping[str, Any]) -> None:
    """A judged cell has a result and its cost; one that is not says why."""
    if row["started"] is not None and row["started"] > row["finished"]:
        raise refuse(file, "started", number, row["started"], f"It was finished before, at {row['finished']}.")
    if row["status"] in JUDGED:
        for name in ("headline_metric", "headline", "exact_density"):
            if row[name] is None or (name == "headline" and not abs(row[name]) <= FARTHEST):
                raise refuse(
                    file,
                    name,
                    number,
                    row[name],
                    f"A cell of status '{row['status']}' must have a finite one, within {FARTHEST:g} of zero.",
                )
    elif not row["reason"]:
        raise refuse(file, "reason", number, row["reason"], f"A cell of status '{row['status']}' must say why.")


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
        if name != hashlib.sha256(canonical(row).encode()).hexdigest()[:ENVIRONMENT_LENGTH]:
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
            f"{file}, column '{name}': {values[row].as_py()!r} of {shown(title)}. It is a share: it must lie in [0, 1]."
        )
