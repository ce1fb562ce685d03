"""Series: the cells of a figure as lines, one for each row and whatever else tells them apart."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ticketbench.render.labels import telling
from ticketbench.results.measures import DENSITY, Curve, measured, nearest
from ticketbench.results.results import CellResult, Results
from ticketbench.suite.paper import Aspect, Figure

Band = Literal["range", "std"]
SERIES_AXES = ("model", "task", "protocol", "initializer", "recipe")


@dataclass(frozen=True)
class MeanPoint:
    """A curve's mean at one x, with the band around it."""

    x: float
    mean: float
    low: float
    high: float
    seeds: int


@dataclass(frozen=True)
class Series:
    """One line of a figure: the same cell over all seeds."""

    label: str
    row: str
    density: float | None
    """None where the line runs over densities."""
    entries: tuple[CellResult, ...]
    curves: dict[int, Curve]
    """By seed; a cell without the curve has none."""

    @property
    def seeds(self) -> int:
        """How many seeds the line should have, whether or not they have a curve."""
        return len({entry.seed for entry in self.entries})

    @property
    def x_name(self) -> str:
        """The name of what the curves run over; empty where there is no curve."""
        return next((curve.name for curve in self.curves.values()), "")

    def troubles(self) -> str:
        """What became of the cells that are not ok."""
        states = Counter(entry.status for entry in self.entries if entry.status != "ok")
        return ", ".join(f"{count} {status}" for status, count in sorted(states.items()))

    def points(self, band: Band = "range") -> list[MeanPoint]:
        """The mean line, and at each x the smallest and largest value of the seeds or a deviation to each side."""
        by_x: dict[float, list[float]] = {}
        for curve in self.curves.values():
            for x, value in zip(curve.x, curve.values, strict=True):
                if math.isfinite(value):
                    place = nearest(list(by_x), x) if curve.name == DENSITY else x
                    by_x.setdefault(x if place is None else place, []).append(value)
        return [MeanPoint(x, statistics.fmean(by_x[x]), *around(by_x[x], band), len(by_x[x])) for x in sorted(by_x)]

    def measured(self, aspect: Aspect) -> list[float | None]:
        """A number of each seed that has a curve."""
        by_seed = {entry.seed: entry for entry in self.entries}
        return [
            measured(aspect, by_seed[seed].record, curve, by_seed[seed].probes)
            for seed, curve in sorted(self.curves.items())
        ]


def around(values: Sequence[float], band: Band) -> tuple[float, float]:
    """The lower and the upper side of the band; one value has no deviation."""
    if band == "range":
        return min(values), max(values)
    mean = statistics.fmean(values)
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return mean - deviation, mean + deviation


def series_of(results: Results, figure: Figure) -> list[Series]:
    """A figure's lines, in the suite's order of rows."""
    chosen = chosen_by(results, figure)
    curves = {id(entry): results.curve(entry, figure) for entry in chosen if entry.judged}
    names = [curve.name for curve in curves.values() if curve is not None]
    over_densities = figure.x_name == DENSITY or (not figure.x_name and names[:1] == [DENSITY])
    return grouped(chosen, curves, over_densities and not figure.probes)


def chosen_by(results: Results, figure: Figure) -> list[CellResult]:
    """The cells that a figure speaks of, in the order of the suite's rows."""
    rows = [row for row in results.rows() if not figure.rows or row in figure.rows]
    return [entry for row in rows for entry in results.select(figure, row)]


def grouped(chosen: Sequence[CellResult], curves: Mapping[int, Curve | None], pooled: bool) -> list[Series]:
    """Cells as lines; pooled, the densities of a row are points of one line. The curves stand by the cells' ids."""
    groups: dict[tuple[object, ...], list[CellResult]] = {}
    for entry in chosen:
        density = None if pooled else entry.density
        groups.setdefault((entry.row, density, *(entry.axis(axis) for axis in SERIES_AXES)), []).append(entry)
    return [
        Series(
            series_label(members, chosen, pooled),
            members[0].row,
            None if pooled else members[0].density,
            tuple(members),
            by_seed(members, curves),
        )
        for members in groups.values()
    ]


def series_label(members: Sequence[CellResult], chosen: Sequence[CellResult], pooled: bool) -> str:
    """The row, and what tells this line from the row's other lines."""
    mine = members[0]
    rivals = [entry for entry in chosen if entry.row == mine.row]
    parts = [telling(mine.axis(axis), [entry.axis(axis) for entry in rivals]) for axis in SERIES_AXES]
    if not pooled and len({entry.density for entry in rivals}) > 1:
        parts.append(f"density {mine.density:g}")
    return " ".join([mine.row, *(part for part in parts if part)])


def by_seed(members: Sequence[CellResult], curves: Mapping[int, Curve | None]) -> dict[int, Curve]:
    """One curve a seed. Over densities a cell's own density counts before what others passed on their way.

    The result of a method that drops whole units stands at the density that was asked for.
    """
    found: dict[int, Curve] = {}
    ordered = sorted(members, key=lambda entry: -entry.density)
    for seed in sorted({entry.seed for entry in members}):
        own: dict[float, float] = {}
        passed: dict[float, float] = {}
        kind: Curve | None = None
        for entry in ordered:
            curve = curves.get(id(entry)) if entry.seed == seed else None
            if curve is None:
                continue
            kind = curve
            points = dict(zip(curve.x, curve.values, strict=True))
            if curve.name == DENSITY:
                place = nearest(curve.x, entry.density)
                if place is not None:
                    own[place] = points.pop(place)
                else:  # a method that drops whole units keeps what it can, somewhat below the density
                    exact = nearest(curve.x, entry.record.exact_density or 0.0)
                    own |= {} if exact is None else {entry.density: points.pop(exact)}
            passed |= points
        if kind is not None:
            merged = {**{x: value for x, value in passed.items() if nearest(list(own), x) is None}, **own}
            xs = tuple(sorted(merged))
            found[seed] = replace(kind, x=xs, values=tuple(merged[x] for x in xs))
    return found
