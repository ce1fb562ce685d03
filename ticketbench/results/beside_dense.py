"""Beside dense: the rows of a tier at each of their densities, less the dense network, and what their thresholds are.

A row that has a curve over densities, a level of pruning after the other, is held against the densest point of the same
cell, which is the network before anything was pruned. Any other row that has several densities is held against the row
that is never pruned, cell by cell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ticketbench.results.measures import DENSITY, Curve
from ticketbench.results.pairing import number_of, setting_of
from ticketbench.results.results import CellResult, Results
from ticketbench.results.standard import Sample
from ticketbench.results.threshold import DENSE, SamplesByDensity, Threshold, scatters_of, thresholds_of
from ticketbench.suite.paper import Aspect
from ticketbench.suite.where import Where

OVER_DENSITIES = Where(x_name=DENSITY)
FEWEST_DENSITIES = 2
"""Pruned ones, below which a row has no threshold to speak of."""
Axes = tuple[tuple[str, str], ...]
"""The row and its choice on every axis but the density."""


@dataclass(frozen=True)
class BesideDense:
    """A row in one setting at several densities, less the dense network."""

    axes: Axes
    than: str
    """The row that it is held against; "" where that is the densest point of its own curve."""
    metric: str
    samples: SamplesByDensity


@dataclass(frozen=True)
class RowThreshold:
    """A row in one setting, and the lowest density down to which it is as good as dense."""

    axes: Axes
    than: str
    metric: str
    found: Threshold


def row_thresholds(results: Results) -> list[RowThreshold]:
    """The thresholds of all rows that have one, in the suite's order of rows."""
    found = list(rows_beside_dense(results))
    thresholds: dict[int, Threshold | None] = {}
    for metric in {one.metric for one in found}:
        mine = [one for one in found if one.metric == metric]
        rows = [one.samples for one in mine]
        thresholds |= dict(zip(map(id, mine), thresholds_of(rows, scatters_of(rows)), strict=True))
    return [
        RowThreshold(one.axes, one.than, one.metric, threshold)
        for one in found
        if (threshold := thresholds[id(one)]) is not None
    ]


def rows_beside_dense(results: Results) -> Iterator[BesideDense]:
    """Every pruned row in each of its settings, where there is a dense network to hold it against."""
    groups: dict[Axes, dict[float, list[CellResult]]] = {}
    for entry in results.entries:
        if entry.row not in results.dense_rows:
            axes = tuple((name, str(choice)) for name, choice in setting_of(entry) if name != DENSITY)
            groups.setdefault(axes, {}).setdefault(entry.density, []).append(entry)
    order = {row: at for at, row in enumerate(results.rows())}
    for axes, cells in sorted(groups.items(), key=lambda item: (order[dict(item[0])["row"]], item[0])):
        task = dict(axes)["task"]
        headline = results.suite.headline_of(task)
        if not headline.margin:
            continue
        along, than = along_curves(results, cells), ""
        if len(along) <= len(cells):
            beside, than = beside_cells(results, cells)
            along = beside if len(beside) >= len(along) else along
            than = than if along is beside else ""
        if len(along) >= FEWEST_DENSITIES:
            metric = results.suite.metric(headline.metric)
            facts = (metric.higher_is_better, headline.margin, metric.most)
            samples = {
                density: Sample(tuple(values.values()), tuple(values), *facts) for density, values in along.items()
            }
            yield BesideDense(axes, than, headline.metric, samples)


def along_curves(results: Results, cells: Mapping[float, Sequence[CellResult]]) -> dict[float, dict[int, float]]:
    """Density -> seed -> difference to the densest point, of those cells whose curves have the most densities."""
    found: list[dict[float, dict[int, float]]] = []
    for entries in cells.values():
        curves = {entry.seed: curve for entry in entries if (curve := curve_below(results, entry))}
        levels = max((curve.x for curve in curves.values()), key=len, default=())
        worst = {entry.seed: worst_of_cell(results, entry) for entry in entries}
        by_density: dict[float, dict[int, float]] = {}
        for seed, curve in curves.items():
            whole = curve.at(DENSE)
            for level in levels:
                value = sound(curve.at(level), worst[seed])
                if level < DENSE and whole is not None and math.isfinite(whole) and value is not None:
                    by_density.setdefault(level, {})[seed] = value - whole
        found.append(by_density)
    return max(found, key=len, default={})


def curve_below(results: Results, entry: CellResult) -> Curve | None:
    """A cell's curve over densities, where it begins at the dense network."""
    curve = results.curve(entry, OVER_DENSITIES)
    return curve if curve is not None and curve.x[-1] == DENSE else None


def worst_of_cell(results: Results, entry: CellResult) -> float | None:
    """The worst value that a cell's headline can have."""
    task = entry.record.task
    return results.worst(results.suite.headline_of(task).metric, task, OVER_DENSITIES)


def sound(value: float | None, worst: float | None) -> float | None:
    """A value that is a number; one that diverged counts as the worst there can be."""
    return value if value is None or math.isfinite(value) else worst


def beside_cells(
    results: Results, cells: Mapping[float, Sequence[CellResult]]
) -> tuple[dict[float, dict[int, float]], str]:
    """Density -> seed -> difference to the row that is never pruned, and which row that is."""
    first = next(iter(cells.values()))[0]
    shared = setting_of(first)[1:-1]
    known = [row for row in (*results.suite.against, *results.rows()) if row in results.dense_rows]
    for row in known:
        dense = {one.seed: one for one in results.entries if one.row == row and setting_of(one)[1:-1] == shared}
        if dense:
            break
    else:
        return {}, ""
    found: dict[float, dict[int, float]] = {}
    for density, entries in cells.items():
        for entry in entries:
            if density < DENSE and entry.seed in dense:
                mine = number_of(results, Aspect(), entry).value
                whole = number_of(results, Aspect(), dense[entry.seed]).value
                if mine is not None and whole is not None:
                    found.setdefault(density, {})[entry.seed] = mine - whole
    return found, row
