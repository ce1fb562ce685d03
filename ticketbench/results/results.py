"""Results: what a store holds of one tier of a suite, with a place for every cell that should be there."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ticketbench.plan.cell import Cell, describe
from ticketbench.plan.resolve import Cast, Resolver
from ticketbench.plugin.loading import Plugins
from ticketbench.results.choice import Identity, choose_records, identity, largest_tier
from ticketbench.results.evidence import addresses, points_of, probe_curves, probes_of, splits
from ticketbench.results.measures import Curve
from ticketbench.results.records import Records
from ticketbench.store.schema import CellRecord, CurvePoint, Environment
from ticketbench.store.tables import environments_of
from ticketbench.suite.suite import Suite
from ticketbench.suite.where import FILTERED, Where


@dataclass(frozen=True)
class CellResult:
    """A cell of the tier: its record, which says no more than its axes where it was never finished, and its curves."""

    record: CellRecord
    points: Sequence[CurvePoint] = ()
    probes: Mapping[str, float] = field(default_factory=dict)
    """"probe/moment/value" -> number, of those that the suite speaks of."""

    @property
    def row(self) -> str:
        """The row of the suite that the cell belongs to."""
        return self.record.row

    @property
    def density(self) -> float:
        """The density that was asked for."""
        return self.record.density

    @property
    def seed(self) -> int:
        """The seed of all the cell's randomness."""
        return self.record.seed

    @property
    def status(self) -> str:
        """What became of the cell, as its record says; "missing" where it was never finished."""
        return self.record.status

    @property
    def judged(self) -> bool:
        """Whether the cell came to a judgement, so that it has a headline."""
        return self.record.judged

    def axis(self, name: str) -> str:
        """What the cell has on an axis, such as its task, as the store writes it."""
        return str(getattr(self.record, name))


@dataclass
class Results:
    """All cells of a tier under one precision and kind of device."""

    suite: Suite
    tier: str
    precision: str
    device_class: str
    entries: list[CellResult]
    notes: list[str] = field(default_factory=list)
    """What a reader must know: cells left out, code that has changed."""
    environments: list[Environment] = field(default_factory=list)
    planned: Mapping[Identity, Cell] = field(default_factory=dict)
    """The tier's own cells as the plan has them today."""
    resolver: Resolver | None = None
    """Makes the objects behind a planned cell."""

    def cast_of(self, entry: CellResult) -> tuple[Cell, Cast] | None:
        """A planned cell with the objects that play its parts; None for a cell that the tier does not plan."""
        cell = self.planned.get(identity(entry.record))
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

    def select(self, where: Where, row: str | None = None) -> list[CellResult]:
        """The cells that a figure or claim speaks of."""
        return [entry for entry in self.entries if row in (None, entry.row) and self._fits(entry, where)]

    def _fits(self, entry: CellResult, where: Where) -> bool:
        if not all(where.takes(axis, entry.axis(axis)) for axis in FILTERED):
            return False
        return where.density is None or entry.row in self.dense_rows or entry.density == where.density

    def curve(self, entry: CellResult, where: Where) -> Curve | None:
        """A cell's curve: of its last round of training, or, over densities, of all rounds."""
        headline = self.suite.headline_of(entry.record.task)
        metric, split = where.metric or headline.metric, where.split or "test"
        found = [point for point in entry.points if point.split == split and point.metric == metric]
        label = where.judged_on if where.judged_on is not None else next((p.judged_on for p in found), None)
        found = [point for point in found if point.judged_on == label]
        names = list(dict.fromkeys(point.x_name for point in found))
        swept = next((name for name in names if name != "density"), names[0] if names else None)
        name = where.x_name or swept
        found = [point for point in found if point.x_name == name]
        if name != "density" and found:
            final = max(point.round for point in found)
            found = [point for point in found if point.round == final]
        by_x = {point.x: point.value for point in found}
        if not by_x or name is None:
            return None
        xs = tuple(sorted(by_x))
        return Curve(name, xs, tuple(by_x[x] for x in xs), self.suite.metric(metric).higher_is_better)

    def x_name(self, where: Where, row: str | None = None) -> str:
        """What the curves of some cells run over; "" where there is no curve."""
        curves = (self.curve(entry, where) for entry in self.select(where, row))
        return next((curve.name for curve in curves if curve is not None), "")

    def worst(self, metric: str, task: str, where: Where) -> float | None:
        """The worst that a value of a metric can be: its bound, or the worst that a cell of the task came to."""
        known = self.suite.metric(metric)
        if known.bottom is not None:
            return known.bottom
        mine = [entry for entry in self.entries if entry.judged and entry.record.task == task]
        if metric == self.suite.headline_of(task).metric:
            found = [entry.record.headline for entry in mine]
        else:
            found = [value for entry in mine if (curve := self.curve(entry, where)) for value in curve.values]
        sound = [value for value in found if value is not None and math.isfinite(value)]
        return (min(sound) if known.higher_is_better else max(sound)) if sound else None

    def counts(self) -> Counter[str]:
        """How many cells have each status, missing ones among them."""
        return Counter(entry.status for entry in self.entries)


def gather_results(
    store: Records,
    suite: Suite,
    tier: str | None,
    plugins: Plugins,
    precision: str = "",
    device_class: str = "",
    seeds: int | None = None,
) -> Results:
    """The results of a tier. By default the largest tier the store has, and the setting with the most cells.

    Only the tier's own seeds count, or with `seeds` as many as `run --seeds` computes.
    """
    tier = tier or largest_tier(store, suite)
    choice = choose_records(store, suite, tier, plugins, precision, device_class, seeds)
    planned = choice.planned
    expected = {identity(axes): axes for axes in planned.values()}
    keys = [record.key for record in choice.records.values()]
    curves = points_of(store, keys, splits(suite), probe_curves(suite))
    probes = probes_of(store, keys, addresses(suite))
    entries = [
        CellResult(record, curves.get(record.key, ()), probes.get(record.key, {}))
        for record in {**expected, **choice.records}.values()
    ]
    here = f"{choice.precision} on {choice.device_class}"
    notes = [
        f"left out: {count} cells at {' on '.join(setting)}; this report is at {here}"
        for setting, count in choice.left_out.items()
    ]
    if seeds is not None:
        counted = sorted({cell.seed for cell in choice.cells})
        notes.append(f"only seeds {', '.join(map(str, counted))} of the tier count here")
    elif choice.further:
        notes.append(f"left out: {choice.further} cells of seeds that the tier does not have; --seeds counts them")
    if choice.superseded:
        notes.append(f"left out: {choice.superseded} cells that were computed again after code or recipe changed")
    foreign = sum(key in expected and record.key not in planned for key, record in choice.records.items())
    if foreign:
        notes.append(f"{foreign} cells were computed by other code or another recipe than what is installed now")
    used = {record.environment for record in choice.records.values()}
    environments = [one for one in environments_of(store.read("environments")) if one.environment in used]
    cells_of = {identity(describe(cell)): cell for cell in choice.cells}
    return Results(
        suite, tier, choice.precision, choice.device_class, entries, notes, environments, cells_of, Resolver(plugins)
    )
