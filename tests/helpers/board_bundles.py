"""Bundles for tests: one in order, made of invented records, and the tools to spoil it and to seal it again."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from paper_store import ENVIRONMENT
from tiny_suite import TINY

from ticketbench.board.bundle.making import draft, write_bundle
from ticketbench.board.bundle.manifest import MANIFEST, hash_of, to_toml
from ticketbench.board.bundle.parquet import to_bytes
from ticketbench.plan.cell import describe
from ticketbench.plan.plan import make_plan
from ticketbench.plugin.loading import Plugins
from ticketbench.plugin.options import canonical
from ticketbench.store.schema import CellRecord
from ticketbench.store.store import Store
from ticketbench.store.tables import SCHEMAS
from ticketbench.suite.suite import read_suite

SHARES = '\n[metrics.accuracy]\ntitle = "accuracy"\npercent = true\n'
STARTED = 1_750_000_000.0
FACTS = {name: value for name, value in ENVIRONMENT.as_dict().items() if name != "environment"}
HERE = replace(ENVIRONMENT, environment=hashlib.sha256(canonical(FACTS).encode()).hexdigest()[:16])
"""An environment under its own hash, as `environment_of` makes it."""
TABLES = ("cells", "curves", "probes", "environments")
Fields = dict[str, Any]


def record(axes: Mapping[str, Any]) -> Fields:
    """Four tenths and a hundredth a seed; 40 weights that can be pruned."""
    value, kept = 0.4 + 0.01 * axes["seed"], round(40 * axes["density"])
    points = [("train", "", "loss", 0, "step", 5.0, 1.5), ("test", "blobs", "accuracy", 0, "density", 0.5, value)]
    return {
        "status": "ok",
        "headline_metric": "accuracy",
        "headline": value,
        "reason": "",
        "error": "",
        "kept": kept,
        "prunable": 40,
        "exact_density": kept / 40,
        "parameters": 50,
        "parameters_dense": 60,
        "flops": 80.0,
        "flops_dense": 100.0,
        "draw_seconds": 0.5,
        "train_seconds": 2.0,
        "train_steps": 20,
        "peak_memory": 1000,
        "engine": "stacked",
        "fleet_size": 2,
        "started": STARTED,
        "finished": STARTED + 3,
        "curves": points,
        "probes": [("layers", "trained", "hidden.weight", axes["density"])],
    }


def suite_file(folder: Path) -> Path:
    """The tiny suite, whose accuracies are shares."""
    path = folder / "tiny.toml"
    path.write_text(TINY + SHARES, encoding="utf-8")
    return path


def tiny_store(folder: Path, plugins: Plugins, change: Callable[..., Fields | None] = record, **plan: Any) -> Store:
    """A store with a record for every cell of the smoke tier."""
    store = Store(folder / "results", create=True)
    cells = make_plan(read_suite(suite_file(folder)), "smoke", plugins, **plan).cells
    made = [describe(cell).as_row() for cell in cells]
    records = [CellRecord.from_dict({**axes, **found}) for axes in made if (found := change(axes)) is not None]
    if records:
        store.add(records, HERE)
    return store


def tiny_bundle(
    folder: Path, plugins: Plugins, store: Store | None = None, who: str = "Ada", name: str = "mine", code: str = ""
) -> Path:
    """A bundle in order: `folder/submissions/mine`."""
    folder.mkdir(exist_ok=True)
    store = store or tiny_store(folder, plugins)
    made = draft(store, read_suite(suite_file(folder)), "smoke", plugins, name, who, code=code or None)
    return write_bundle(made, folder / "submissions")


def fields_of(bundle: Path) -> Fields:
    """The manifest as plain data."""
    return tomllib.loads((bundle / MANIFEST).read_text(encoding="utf-8"))


def seal(bundle: Path, change: Callable[[Fields], Any] = lambda fields: None) -> None:
    """Make every hash right again, after the fields were changed."""
    fields = fields_of(bundle)
    for file in fields["files"]:
        content = (bundle / file).read_bytes()
        fields["files"][file] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    change(fields)
    fields["hash"] = hash_of(fields)
    (bundle / MANIFEST).write_text(to_toml(fields), encoding="utf-8")


def table_of(bundle: Path, table: str) -> pa.Table:
    """A table as it lies in the bundle."""
    return pq.read_table(bundle / f"{table}.parquet")


def replace_table(bundle: Path, table: str, content: pa.Table | bytes) -> None:
    """Put another table in its place, and seal the bundle."""
    written = content if isinstance(content, bytes) else to_bytes(content)
    (bundle / f"{table}.parquet").write_bytes(written)
    seal(bundle)


def set_value(bundle: Path, table: str, column: str, value: Any, row: int = 0) -> None:
    """Put another value into a table, and seal the bundle."""
    found = table_of(bundle, table)
    values = found[column].to_pylist()
    values[row] = value
    at = found.schema.get_field_index(column)
    replace_table(
        bundle, table, found.set_column(at, found.schema.field(at), pa.array(values, found.schema.field(at).type))
    )


def set_environment(bundle: Path, column: str, value: Any) -> None:
    """Another environment under its own hash, for all cells, and seal the bundle."""
    (found,) = table_of(bundle, "environments").to_pylist()
    found[column] = value
    facts = {name: part for name, part in found.items() if name != "environment"}
    found["environment"] = hashlib.sha256(canonical(facts).encode()).hexdigest()[:16]
    replace_table(bundle, "environments", pa.Table.from_pylist([found], schema=SCHEMAS["environments"]))
    cells = table_of(bundle, "cells")
    names = pa.array([found["environment"]] * cells.num_rows)
    replace_table(bundle, "cells", cells.set_column(cells.column_names.index("environment"), "environment", names))
