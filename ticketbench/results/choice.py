"""The choice of records: those of one tier of a suite, at one precision on one kind of device, beside its plan.

A store may hold more than one record of the same question, computed by code of different days. The one that today's
plan would compute counts, or else the latest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow.compute as pc

from ticketbench.errors import StoreError, suggest
from ticketbench.plan.cell import Cell, describe
from ticketbench.plan.plan import Selection, make_plan
from ticketbench.plugin.loading import Plugins
from ticketbench.results.records import Records
from ticketbench.store.schema import CellRecord
from ticketbench.store.tables import records_of
from ticketbench.suite.suite import Suite
from ticketbench.suite.tiers import TIERS

AXES = ("task", "model", "protocol", "initializer", "recipe")
"""What cells of different rows must share to be compared, besides density and seed."""
Identity = tuple[Any, ...]


def identity(record: CellRecord) -> Identity:
    """What makes two records answers to the same question, whatever code computed them."""
    return tuple(getattr(record, name) for name in ("row", "method", "scorer", *AXES, "density", "seed"))


@dataclass(frozen=True)
class ChosenRecords:
    """The records of one setting, one of each question, and the cells that the tier plans there today."""

    precision: str
    device_class: str
    cells: tuple[Cell, ...]
    records: Mapping[Identity, CellRecord]
    superseded: int
    """Records of questions that another record answers."""
    left_out: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(precision, kind of device) -> records of the tier at other settings."""
    further: int = 0
    """Records of seeds that are not asked for: whoever adds seeds until something shows must not count them."""

    @property
    def planned(self) -> dict[str, CellRecord]:
        """Key -> axes of the cells that are planned."""
        return {cell.key: describe(cell) for cell in self.cells}


def choose_records(
    store: Records,
    suite: Suite,
    tier: str,
    plugins: Plugins,
    precision: str = "",
    device_class: str = "",
    seeds: int | None = None,
) -> ChosenRecords:
    """The records of a tier; by default of the setting that most of its cells have.

    Only the tier's own seeds count, or with `seeds` as many as `run --seeds` computes.
    """
    table = store.read("cells")
    for name, value in (("suite", suite.name), ("suite_version", suite.version), ("tier", tier)):
        table = table.filter(pc.equal(table[name], value))
    found = records_of(table)
    if not found:
        raise StoreError(emptiness(store, suite, tier))
    settings = Counter((record.precision, record.device_class) for record in found)
    fitting = [key for key, _ in settings.most_common() if precision in ("", key[0]) and device_class in ("", key[1])]
    if not fitting:
        known = [" on ".join(key) for key in settings]
        raise StoreError(f"no cell at that precision and device. {suggest(f'{precision} on {device_class}', known)}")
    precision, device_class = fitting[0]
    plan = make_plan(suite, tier, plugins, Selection(seeds=seeds), device_class=device_class, precision=precision)
    here = [record for record in found if (record.precision, record.device_class) == fitting[0]]
    counted = {cell.seed for cell in plan.cells}
    mine = [record for record in here if record.seed in counted]
    records, superseded = newest(mine, {cell.key for cell in plan.cells})
    others = {key: count for key, count in sorted(settings.items()) if key != fitting[0]}
    return ChosenRecords(precision, device_class, plan.cells, records, superseded, others, len(here) - len(mine))


def newest(records: Iterable[CellRecord], planned: set[str]) -> tuple[dict[Identity, CellRecord], int]:
    """Of all records of the same question the one of today's code, or else the latest; and how many were not it."""
    chosen: dict[Identity, CellRecord] = {}
    total = 0
    for record in sorted(records, key=lambda one: (one.key in planned, one.finished or 0.0)):
        chosen[identity(record)] = record
        total += 1
    return chosen, total - len(chosen)


def largest_tier(store: Records, suite: Suite) -> str:
    """The largest tier of a suite that a store has cells of, or the first of the suite."""
    cells = store.read("cells").select(["suite", "suite_version", "tier"])
    mine = pc.and_(pc.equal(cells["suite"], suite.name), pc.equal(cells["suite_version"], suite.version))
    known = set(cells.filter(mine)["tier"].to_pylist())
    return next((tier for tier in reversed(TIERS) if tier in known), next(iter(suite.tiers)))


def emptiness(store: Records, suite: Suite, tier: str) -> str:
    """What to say where there is nothing to report."""
    cells = store.read("cells").select(["suite", "suite_version", "tier"]).to_pylist()
    held = Counter(f"{row['suite']} {row['suite_version']} {row['tier']}" for row in cells)
    has = "; it has " + ", ".join(f"{name} ({count})" for name, count in sorted(held.items())) if held else ""
    return (
        f"the store {store.address} has no cells of suite '{suite.name}' version {suite.version}, tier {tier}{has}. "
        f"`ticketbench run --suite {suite.name} --tier {tier}` computes them."
    )
