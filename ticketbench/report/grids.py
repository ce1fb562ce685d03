"""Grids: the report's tables as plain text cells, the same for the terminal, the page and programs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from ticketbench.render.labels import short
from ticketbench.render.numbers import NONE, level_text, number, quantity
from ticketbench.report.series import Series
from ticketbench.report.sizes import SIZE
from ticketbench.results.measures import measured, unit_of
from ticketbench.results.results import CellResult, Results
from ticketbench.suite.paper import Aspect, Figure, Metric, Reference
from ticketbench.suite.where import FILTERED, Where

PAPER = "paper"
"""What stands in the second column of a line with the paper's numbers."""


@dataclass(frozen=True)
class Grid:
    """A table of text with a title: names of columns, lines of as many cells, and notes below."""

    title: str
    columns: tuple[str, ...]
    lines: list[tuple[str, ...]]
    notes: list[str] = field(default_factory=list)


def metric_of(results: Results, figure: Figure) -> Metric:
    """What stands on a figure's y axis and in its table."""
    return SIZE if figure.kind == "size" else results.suite.metric(figure.metric or headline_at(results, figure))


def headline_at(results: Results, where: Where, row: str | None = None) -> str:
    """The headline of the first task that a figure or a target speaks of."""
    task = next((entry.record.task for entry in results.select(where, row)), "")
    return results.suite.headline_of(task).metric


def figure_grid(results: Results, figure: Figure, series: Sequence[Series]) -> Grid:
    """A line for each of our series and, under it, one for what the paper prints of that row."""
    metric = metric_of(results, figure)
    asked = grid_columns(figure, metric)
    lines = []
    for one in series:
        cells = [spread_text(one, aspect, metric, figure.x_percent) for _, aspect in asked]
        judged = sum(entry.judged for entry in one.entries)
        seeds = str(one.seeds) if judged == len(one.entries) else f"{judged}/{len(one.entries)}"
        lines.append((one.label, "ours", seeds, *cells, one.troubles()))
        lines += [paper_line(part, asked, metric, figure) for part in figure.references if part.row == one.row]
    known = {one.row for one in series}
    lines += [paper_line(part, asked, metric, figure) for part in figure.references if part.row not in known]
    unit = ", %" if metric.percent else ""
    title = figure.title if figure.probes else f"{figure.title}: {metric.title}{unit}"
    return Grid(title, ("row", "", "seeds", *(name for name, _ in asked), "notes"), lines)


def grid_columns(figure: Figure, metric: Metric) -> list[tuple[str, Aspect]]:
    """The figure's columns: their names and what stands in them."""
    asked: list[tuple[str, Aspect]] = []
    if figure.kind == "curve" or (figure.kind == "table" and not (figure.at or figure.levels or figure.probes)):
        asked += [("best", Aspect(measure="best")), ("last", Aspect(measure="last"))]
    if figure.kind == "size":
        asked.append(("last", Aspect(measure="last")))
    asked += [(f"at {x_text(x, figure)}", Aspect(measure="value", x=x)) for x in figure.at]
    asked += [(f"to {level_text(level, metric)}", Aspect(measure="x_to", level=level)) for level in figure.levels]
    return asked + [(probe.replace("/", " "), Aspect(measure="probe", probe=probe)) for probe in figure.probes]


def x_text(x: float, figure: Figure) -> str:
    """An x of a figure: 0.069, or 6.9 %."""
    return f"{100 * x:.3g} %" if figure.x_percent else f"{x:g}"


def spread_text(series: Series, aspect: Aspect, metric: Metric, percent: bool = False) -> str:
    """Mean ± deviation over seeds, and how many seeds have the number if not all."""
    found = series.measured(aspect)
    values = [value for value in found if value is not None]
    if not values:
        return "never" if found and aspect.measure == "x_to" else NONE
    unit = unit_of(aspect.measure or "headline", series.x_name)
    text = number(statistics.fmean(values), unit, metric, percent)
    if len(values) > 1:
        text += f" ±{number(statistics.stdev(values), unit, metric, percent)}"
    return text if len(values) == series.seeds else f"{text} ({len(values)}/{series.seeds})"


def paper_line(
    reference: Reference, asked: Sequence[tuple[str, Aspect]], metric: Metric, figure: Figure
) -> tuple[str, ...]:
    """The paper's numbers for a row as a line of our table, in its columns."""
    cells = []
    for _, aspect in asked:
        value = None
        if aspect.measure == "value":
            value = next((value for x, value in reference.points if x == aspect.x), None)
        elif aspect.measure == "x_to":
            value = next((x for x, value in sorted(reference.points) if value == aspect.level), None)
        unit = unit_of(aspect.measure or "headline", figure.x_name or "")
        cells.append("" if value is None else number(value, unit, metric, figure.x_percent))
    return (reference.row, PAPER, "", *cells, "")


def target_grid(results: Results) -> Grid:
    """The paper's numbers for this tier beside ours."""
    lines: list[tuple[str, ...]] = []
    for target in results.suite.targets:
        if target.tier != results.tier:
            continue
        metric = results.suite.metric(target.metric or headline_at(results, target, target.row))
        entries = results.select(target, target.row)
        unit = unit_of(target.measure or "headline", target.x_name or results.x_name(target, target.row))
        found = [
            measured(target, entry.record, results.curve(entry, target), entry.probes) if entry.judged else None
            for entry in entries
        ]
        values = [value for value in found if value is not None]
        mean = statistics.fmean(values) if values else None
        ours = quantity(mean, unit, metric, target.x_name or "x")
        if len(set(values)) > 1:
            ours += f" ±{number(statistics.stdev(values), unit, metric)}"
        gap = quantity(None if mean is None else mean - target.value, unit, metric, target.x_name or "x", True)
        seeds = f"{len(values)}/{len(entries)}" if len(values) < len(entries) else str(len(values))
        paper = quantity(target.value, unit, metric, target.x_name or "x")
        lines.append((target.row, what(target), seeds, ours, paper, gap, target.source))
    return Grid("Numbers of the paper", ("row", "what", "seeds", "ours", "paper", "difference", "source"), lines)


def what(aspect: Aspect) -> str:
    """A measure in words, with the place it is of."""
    wheres = [getattr(aspect, axis) for axis in FILTERED]
    place = [
        " ".join([one.name, *(f"{key}={value}" for key, value in one.options.items())]).strip() for one in wheres if one
    ]
    place += [f"density {aspect.density:g}"] if aspect.density is not None else []
    name = aspect.probe.replace("/", " ") if aspect.probe else (aspect.measure or "headline").replace("_", " ")
    name += f" {aspect.level:g}" if aspect.level is not None else ""
    name += f" at {aspect.x:g}" if aspect.x is not None else ""
    return f"{', '.join(place)}: {name}" if place else name


def trouble_grid(results: Results) -> Grid:
    """Every cell that is missing or not ok, seeds of the same row together."""
    groups: dict[tuple[str, ...], list[CellResult]] = {}
    names = ("task", "model", "protocol", "initializer")
    others: dict[tuple[str, str], set[str]] = {}
    for entry in results.entries:
        for axis in names:
            others.setdefault((axis, scope(entry, axis)), set()).add(entry.axis(axis))
    for entry in results.entries:
        if entry.status != "ok":
            place = tuple(short(entry.axis(axis), sorted(others[axis, scope(entry, axis)])) for axis in names)
            groups.setdefault((entry.status, entry.row, f"{entry.density:g}", *place, entry.record.reason), []).append(
                entry
            )
    lines: list[tuple[str, ...]] = [
        (*key[:3], ", ".join(str(entry.seed) for entry in sorted(members, key=lambda entry: entry.seed)), *key[3:])
        for key, members in sorted(groups.items())
    ]
    columns = ("status", "row", "density", "seeds", "task", "model", "protocol", "initializer", "reason")
    return Grid("Cells that are missing or not ok", columns, lines)


def scope(entry: CellResult, axis: str) -> str:
    """Among which cells a choice is told apart: tasks among all, everything else within its task."""
    return "" if axis == "task" else entry.record.task
