"""A suite with a paper, and a store of made-up records for it: what the tests of reports share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ticketbench.plan.cell import describe
from ticketbench.plan.plan import make_plan
from ticketbench.plugin.loading import Plugins
from ticketbench.store.schema import CellRecord, Environment
from ticketbench.store.store import Store
from ticketbench.suite.suite import read_suite

ENVIRONMENT = Environment(
    environment="e1",
    ticketbench="0.1.0",
    commit="c0ffee",
    dirty=True,
    python="3.12.1",
    torch="2.13.0",
    numpy="2.1.0",
    plugins="a 1, b 2",
    system="Linux",
    processor="abacus",
    cores=2,
    memory=2**40,
    accelerators="",
    threads=1,
)

PAPER = """
[metrics.accuracy]
title = "accuracy"
percent = true

[[figures]]
name = "figure-1"
title = "Figure 1: blobs"
task = "blobs"
at = [10, 99]
levels = [0.5]
source = "read off figure 1"
comparable = ["smoke"]
references = [{ row = "dense", points = [[10, 0.2], [20, 0.5]] }, { row = "snip", points = [[30, 0.5]] }]

[[figures]]
name = "table-1"
title = "Table 1: elsewhere"
kind = "table"
task = "nowhere"
at = [5]
references = [{ row = "dense", points = [[5, 0.75]] }]

[[claims]]
text = "pruned is faster"
source = "section 1"
task = "blobs"
row = "magnitude"
than = "dense"
measure = "x_to"
level = 0.5
expect = "lower"
paper = -10

[[targets]]
tier = "smoke"
task = "blobs"
row = "dense"
measure = "parameters"
value = 100
source = "counted"
"""

Change = Callable[[Mapping[str, Any]], dict[str, Any] | None]


def curve(label: str, points: Mapping[float, float], metric: str = "accuracy") -> list[tuple[Any, ...]]:
    """A test curve over iterations, and the density point that every judgement leaves."""
    swept = [("test", label, metric, 0, "iterations", float(x), value) for x, value in points.items()]
    return [*swept, ("test", label, metric, 0, "density", 0.5, list(points.values())[-1])]


def plain_record(axes: Mapping[str, Any]) -> dict[str, Any]:
    """Ten iterations faster, and a little worse, if pruned; each seed ten more."""
    start = (20 if axes["row"] == "dense" else 10) + 10 * axes["seed"]
    points = {float(x): min(1.0, 0.5 * x / start) for x in (10, 20, 30, 40)}
    return {"status": "ok", "headline": points[40.0], "parameters": 110, "finished": 1.0, "curves": curve("b", points)}


def fill(path: Path, suite_path: Path, plugins: Plugins, change: Change = plain_record, **plan: Any) -> Store:
    """A store with a record for every cell of the smoke tier; those that `change` makes None are missing."""
    store = Store(path, create=True)
    cells = make_plan(read_suite(suite_path), "smoke", plugins, **plan).cells
    made = [describe(cell).as_row() for cell in cells]
    records = [CellRecord.from_dict({**axes, **found}) for axes in made if (found := change(axes)) is not None]
    if records:
        store.add(records, ENVIRONMENT)
    return store
