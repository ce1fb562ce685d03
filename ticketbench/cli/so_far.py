"""Finished cells in few words while others are computed: each by its name, and the best rows by their means so far."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ticketbench.render.labels import short

if TYPE_CHECKING:
    from ticketbench.plan.cell import Cell
    from ticketbench.suite.suite import Suite

NAMED = ("task", "model", "protocol", "initializer")
PLACE = (*NAMED, "recipe")
"""What rows share whose results can be compared, beside the density."""
SHOWN_ROWS = 3
Rivals = Mapping[tuple[str, str], Sequence[str]]
"""(task, axis) -> all that the task's cells of the run have there; under ("", "task") all tasks."""


def rivals_of(cells: Iterable[Cell]) -> Rivals:
    """What the names of a run's cells have to tell apart."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for setting in {id(cell.setting): cell.setting for cell in cells}.values():
        for axis in NAMED:
            task = "" if axis == "task" else str(setting.task)
            found.setdefault((task, axis), {})[str(getattr(setting, axis))] = None
    return {place: [*choices] for place, choices in found.items()}


def place_text(record: Mapping[str, Any], rivals: Rivals, always: Sequence[str]) -> str:
    """Some axes always, and those that have several values, each value by its telling options."""
    known = {axis: rivals.get(("" if axis == "task" else record["task"], axis), ()) for axis in NAMED}
    return ", ".join(short(record[axis], known[axis]) for axis in NAMED if axis in always or len(known[axis]) > 1)


def cell_in_words(record: Mapping[str, Any], rivals: Rivals) -> str:
    """Which cell it is."""
    place = place_text(record, rivals, ("task", "model", "initializer"))
    return f"{record['row']}, {place}, density {record['density']:g}, seed {record['seed']}"


def headline_of(record: Mapping[str, Any]) -> str:
    """What became of a cell, in a few words."""
    number = f" {record['headline_metric']} {record['headline']:.4g}" if has_result(record) else ""
    reason = f": {record['reason']}" if record.get("reason") else ""
    return f"{record['status']}{number}{reason}"


def has_result(record: Mapping[str, Any]) -> bool:
    """Whether a cell came to a number."""
    value = record.get("headline")
    return value is not None and math.isfinite(value)


def place_of_record(record: Mapping[str, Any]) -> tuple[str, ...]:
    """What cells share whose results can be compared."""
    return tuple(record[axis] for axis in PLACE)


def best_so_far(records: Sequence[Mapping[str, Any]], suite: Suite, rivals: Rivals) -> str:
    """The best rows of one place, at the density of its latest cell, by means over seeds; nothing without a result."""
    here = [record for record in records if has_result(record)]
    if not here:
        return ""
    latest = here[-1]
    density = next((record["density"] for record in reversed(here) if record["density"] < 1), 1.0)
    pruned = {record["row"] for record in here if record["density"] < 1}
    values: dict[str, list[float]] = {}
    for record in here:
        if record["density"] == density or record["row"] not in pruned:
            values.setdefault(record["row"], []).append(record["headline"])
    headline = suite.headline_of(latest["task"])
    sign = -1 if headline.higher_is_better else 1
    ranked = sorted(values.items(), key=lambda item: (sign * fmean(item[1]), item[0]))
    rows = ", ".join(f"{row} {fmean(found):.4g} ({len(found)})" for row, found in ranked[:SHOWN_ROWS])
    more = f" and {len(ranked) - SHOWN_ROWS} more" if len(ranked) > SHOWN_ROWS else ""
    place = place_text(latest, rivals, ("task",))
    return f"best so far: {rows}{more}; mean {headline.metric} (seeds), {place}, density {density:g}"
