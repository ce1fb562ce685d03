"""Results: what a store holds of one tier of a suite, with a place for every cell that should be there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow.compute as pc

from ticketbench.plan.cell import Cell, describe
from ticketbench.errors import StoreError, suggest
from ticketbench.results.evidence import addresses, points_of, probe_curves, probes_of, splits, with_probes
from ticketbench.results.measures import Curve
from ticketbench.plan.plan import Selection, make_plan
from ticketbench.plugin.loading import Plugins
from ticketbench.results.records import Records
from ticketbench.plan.resolve import Cast, Resolver
from ticketbench.suite.suite import Suite
from ticketbench.suite.where import FILTERED, Where

AXES = ("task", "model", "protocol", "initializer", "recipe")
"""What cells of different rows must share to be compared, besides density and seed."""
JUDGED = ("ok", "collapsed")
Identity = tuple[Any, ...]


@dataclass(frozen=True)
class Entry:
    """A cell of the tier: its axes, and its record and curves where it was finished."""

    axes: Mapping[str, Any]
    """row, method, scorer, task, model, protocol, initializer, recipe, density, seed."""
    record: Mapping[str, Any] | None = None
    points: Sequence[Mapping[str, Any]] = ()

    @property
    def row(self) -> str:
        """The suite's row."""
        return str(self.axes["row"])

    @property
    def density(self) -> float:
        """The density asked for."""
        return float(self.axes["density"])

    @property
    def seed(self) -> int:
        """The seed."""
        return int(self.axes["seed"])

    @property
    def status(self) -> str:
        """The record's status, or "missing"."""
        return str(self.record["status"]) if self.record else "missing"

    @property
    def judged(self) -> bool:
        """Whether it came to a judgement."""
        return self.status in JUDGED


@dataclass
class Results:
    """All cells of a tier under one precision and kind of device."""

    suite: Suite
    tier: str
    precision: str
    device_class: str
    entries: list[Entry]
    notes: list[str] = field(default_factory=list)
    """What a reader must know: cells left out, code that has changed."""
    environments: list[Mapping[str, Any]] = field(default_factory=list)
    planned: Mapping[Identity, Cell] = field(default_factory=dict)
    """The tier's own cells as the plan has them today."""
    resolver: Resolver | None = None
    """Makes the objects behind a planned cell."""

    def cast_of(self, entry: Entry) -> tuple[Cell, Cast] | None:
        """A planned cell with the objects that play its parts; None for a cell that the tier does not plan."""
        cell = self.planned.get(identity(entry.axes))
        return None if cell is None or self.resolver is None else (cell, self.resolver.cast(cell.setting))

    @cached_property
    def dense_rows(self) -> frozenset[str]:
        """The rows that are never pruned: they take part at every density."""
        pruned = {entry.row for entry in self.entries if entry.density < 1}
        return frozenset({entry.row for entry in self.entries} - pruned)

    def rows(self) -> list[str]:
        """The rows there are, in the suite's order, then those that the command line added."""
        known = {entry.row: None for entry in self.entries}
        return [row for row in self.suite.methods if row in known] + [
            row for row in known if row not in self.suite.methods
        ]

    def select(self, where: Where, row: str | None = None) -> list[Entry]:
        """The cells that a figure or claim speaks of."""
        return [entry for entry in self.entries if row in (None, entry.row) and self._fits(entry, where)]

    def _fits(self, entry: Entry, where: Where) -> bool:
        if not all(where.takes(axis, str(entry.axes[axis])) for axis in FILTERED):
            return False
        return where.density is None or entry.row in self.dense_rows or entry.density == where.density

    def curve(self, entry: Entry, where: Where) -> Curve | None:
        """A cell's curve: of its last round of training, or, over densities, of all rounds."""
        headline = self.suite.headline_of(str(entry.axes["task"]))
        metric, split = where.metric or headline.metric, where.split or "test"
        found = [point for point in entry.points if point["split"] == split and point["metric"] == metric]
        label = where.judged_on if where.judged_on is not None else next((p["judged_on"] for p in found), None)
        found = [point for point in found if point["judged_on"] == label]
        names = list(dict.fromkeys(point["x_name"] for point in found))
        swept = next((name for name in names if name != "density"), names[0] if names else None)
        name = where.x_name or swept
        found = [point for point in found if point["x_name"] == name]
        if name != "density" and found:
            final = max(point["round"] for point in found)
            found = [point for point in found if point["round"] == final]
        by_x = {float(point["x"]): float(point["value"]) for point in found}
        if not by_x or name is None:
            return None
        xs = tuple(sorted(by_x))
        return Curve(name, xs, tuple(by_x[x] for x in xs), self.suite.metric(metric).higher_is_better)

    def x_name(self, where: Where, row: str | None = None) -> str:
        """What the curves of some cells run over; "" where there is no curve."""
        curves = (self.curve(entry, where) for entry in self.select(where, row))
        return next((curve.name for curve in curves if curve is not None), "")

    def counts(self) -> Counter[str]:
        """How many cells have each status, missing ones among them."""
        return Counter(entry.status for entry in self.entries)


def identity(axes: Mapping[str, Any]) -> Identity:
    """What makes two records answers to the same question, whatever code computed them."""
    names = ("row", "method", "scorer", *AXES, "density", "seed")
    return tuple(axes.get(name) or "" if name == "scorer" else axes.get(name) for name in names)


def gather(
    store: Records, suite: Suite, tier: str | None, plugins: Plugins, precision: str = "", device_class: str = "",
    seeds: int | None = None,
) -> Results:  # fmt: skip
    """The results of a tier. By default the largest tier the store has, and the setting with the most cells.

    With `seeds` as many of its seeds are expected as `run --seeds` computes, and no others count.
    """
    cells = store.read("cells")
    cells = cells.filter(pc.and_(pc.equal(cells["suite"], suite.name), pc.equal(cells["suite_version"], suite.version)))
    tier = tier or largest_tier(cells["tier"].to_pylist(), suite)
    mine = cells.filter(pc.equal(cells["tier"], tier)).to_pylist()
    if not mine:
        raise StoreError(emptiness(store, suite, tier))
    settings = Counter((row["precision"], row["device_class"]) for row in mine)
    fitting = [key for key, _ in settings.most_common() if precision in ("", key[0]) and device_class in ("", key[1])]
    if not fitting:
        known = [" on ".join(key) for key in settings]
        raise StoreError(f"no cell at that precision and device. {suggest(f'{precision} on {device_class}', known)}")
    precision, device_class = fitting[0]
    notes = [
        f"left out: {count} cells at {other[0]} on {other[1]}; this report is at {precision} on {device_class}"
        for other, count in settings.items()
        if other != (precision, device_class)
    ]
    rows = [row for row in mine if (row["precision"], row["device_class"]) == (precision, device_class)]
    plan = make_plan(suite, tier, plugins, Selection(seeds=seeds), device_class=device_class, precision=precision)
    if seeds is not None:
        counted = {cell.seed for cell in plan.cells}
        rows = [row for row in rows if row["seed"] in counted]
        notes.append(f"only seeds {', '.join(map(str, sorted(counted)))} of the tier count here")
    planned = {cell.key: {"scorer": "", **describe(cell)} for cell in plan.cells}
    chosen, superseded = newest(rows, planned)
    expected = {identity(axes): axes for axes in planned.values()}
    keys = [row["key"] for row in chosen.values()]
    curves = points_of(store, keys, splits(suite), probe_curves(suite))
    probes = probes_of(store, keys, addresses(suite))
    entries = [
        Entry(axes, with_probes(chosen.get(key), probes), curves.get(chosen[key]["key"], ()) if key in chosen else ())
        for key, axes in {**expected, **chosen}.items()
    ]
    if superseded:
        notes.append(f"left out: {superseded} cells that were computed again after code or recipe changed")
    foreign = sum(key in expected and row["key"] not in planned for key, row in chosen.items())
    if foreign:
        notes.append(f"{foreign} cells were computed by other code or another recipe than what is installed now")
    used = {row["environment"] for row in chosen.values()}
    environments = [row for row in store.read("environments").to_pylist() if row["environment"] in used]
    cells_of = {identity({"scorer": "", **describe(cell)}): cell for cell in plan.cells}
    return Results(suite, tier, precision, device_class, entries, notes, environments, cells_of, Resolver(plugins))


def newest(
    rows: Iterable[Mapping[str, Any]], planned: Mapping[str, Any]
) -> tuple[dict[Identity, Mapping[str, Any]], int]:
    """Of all records of the same question the one of today's code, or else the latest; and how many were not it."""
    chosen: dict[Identity, Mapping[str, Any]] = {}
    total = 0
    for row in sorted(rows, key=lambda row: (row["key"] in planned, row["finished"] or 0.0)):
        chosen[identity(row)] = row
        total += 1
    return chosen, total - len(chosen)


def largest_tier(tiers: Iterable[str], suite: Suite) -> str:
    """The largest tier that has cells, or the first of the suite."""
    known = set(tiers)
    return next((tier for tier in ("paper", "hour", "small", "smoke") if tier in known), next(iter(suite.tiers)))


def emptiness(store: Records, suite: Suite, tier: str) -> str:
    """What to say where there is nothing to report."""
    cells = store.read("cells").select(["suite", "suite_version", "tier"]).to_pylist()
    held = Counter(f"{row['suite']} {row['suite_version']} {row['tier']}" for row in cells)
    has = "; it has " + ", ".join(f"{name} ({count})" for name, count in sorted(held.items())) if held else ""
    return (
        f"the store {store.address} has no cells of suite '{suite.name}' version {suite.version}, tier {tier}{has}. "
        f"`ticketbench run --suite {suite.name} --tier {tier}` computes them."
    )
