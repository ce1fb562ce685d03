"""Pairing: which cells answer for each other, seed by seed, and the number that an aspect asks of a cell.

Two cells are a pair where they share the seed and everything but what the other side is said to change. A cell that
diverged counts with the worst number that its metric can have, and one that never reaches a level counts as later than
any that does: leaving such cells out would flatter whoever fails. Only what was never computed, failed for reasons of
its own or was not looked at has no number; its seed is left out, and that is said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ticketbench.results.choice import AXES
from ticketbench.results.measures import DENSITY, measured
from ticketbench.results.results import CellResult, Results
from ticketbench.suite.paper import Aspect
from ticketbench.suite.where import FILTERED, Filter

Side = tuple[tuple[str, Any], ...]
"""(axis, choice), the row first and the density last: what one side of a comparison is."""
LATE = ("x_to", "rise", "flops_to")
"""Measures of when a level is reached, of which some cells have no number since they never reach it."""
OF_METRIC = (None, "headline", "value", "best", "last", "mean", "at_budget")
"""Measures that are values of the metric itself."""


class CellNumber(NamedTuple):
    """What a cell has to say, and how it came to it."""

    value: float | None
    why: str = ""
    """Why there is none, or what it stands for where the cell has no such number itself."""


def settings_of(entries: Sequence[CellResult]) -> dict[Side, list[CellResult]]:
    """The sides that some cells are of, a cell a seed each."""
    found: dict[Side, list[CellResult]] = {}
    for entry in entries:
        found.setdefault(setting_of(entry), []).append(entry)
    return found


def setting_of(entry: CellResult) -> Side:
    """What a cell shares with the cells of its side that have other seeds."""
    return (("row", entry.row), *((axis, entry.axis(axis)) for axis in AXES), ("density", entry.density))


def partners_of(
    results: Results, entries: Sequence[CellResult], other: Aspect, than: Aspect
) -> Iterator[tuple[CellResult, list[CellResult]]]:
    """Each cell with the cells of its seed that differ from it in what `than` names and in nothing else.

    Where that is another point of its curve, or another of its numbers, a cell is its own partner.
    """
    partners = results.select(other, other.row or entries[0].row)
    for entry in entries:
        known = [part for part in partners if part.seed == entry.seed and not (part is entry and moves(than))]
        yield entry, [part for part in known if alike(results, entry, part, than)]


def moves(than: Aspect) -> bool:
    """Whether the other side is of other cells."""
    return any(getattr(than, name) is not None for name in ("row", "density", *FILTERED))


def alike(results: Results, left: CellResult, right: CellResult, than: Aspect) -> bool:
    """Whether two cells share everything but what `than` names."""
    moved = {name for name in FILTERED if getattr(than, name) is not None}
    for axis in AXES:
        if axis == "recipe" and moved:
            continue
        if stripped(left.axis(axis), getattr(than, axis, None)) != stripped(
            right.axis(axis), getattr(than, axis, None)
        ):
            return False
    dense = left.row in results.dense_rows or right.row in results.dense_rows
    return dense or than.density is not None or left.density == right.density


def stripped(choice: str, change: Filter | None) -> Any:
    """A choice without what `than` changes of it: everything, if it names another."""
    if change is None:
        return choice
    if change.name:
        return None
    name, _, options = choice.partition(" ")
    return name, {key: value for key, value in json.loads(options or "{}").items() if key not in change.options}


def number_of(results: Results, aspect: Aspect, entry: CellResult) -> CellNumber:
    """A cell's number, or what stands for it, or why there is none."""
    who = entry.row
    if entry.status == "diverged":
        return number_of_diverged(results, aspect, entry)
    if not entry.judged:
        return CellNumber(None, f"{who}: {entry.status}")
    found = measured(aspect, entry.record, results.curve(entry, aspect), entry.probes)
    if found is not None:
        return CellNumber(found)
    if aspect.measure in LATE and results.curve(entry, aspect) is not None:
        return late(results, aspect, entry, f"{who}: never reaches {aspect.level:g}, which counts as later than all")
    if aspect.measure == "parameters_to":
        return CellNumber(None, f"{who}: never reaches {aspect.level:g}")
    if aspect.measure == "value":
        return CellNumber(None, f"{who}: no value at {aspect.x:g}")
    if aspect.measure == "probe":
        return CellNumber(None, f"{who}: no probe {aspect.probe}")
    return CellNumber(None, f"{who}: no {aspect.measure or 'headline'}")


def number_of_diverged(results: Results, aspect: Aspect, entry: CellResult) -> CellNumber:
    """What a run that diverged counts as: the worst of its metric, and later than all that reach a level."""
    if aspect.measure == "reaches":
        return CellNumber(0.0)
    if aspect.measure in LATE:
        return late(results, aspect, entry, f"{entry.row}: diverged, which counts as later than all")
    if aspect.measure in OF_METRIC:
        name = aspect.metric or results.suite.headline_of(entry.record.task).metric
        worst = results.worst(name, entry.record.task, aspect)
        if worst is not None:
            return CellNumber(worst, f"{entry.row}: diverged, which counts as the worst")
    return CellNumber(None, f"{entry.row}: diverged")


def late(results: Results, aspect: Aspect, entry: CellResult, why: str) -> CellNumber:
    """A number later than that of any cell that reaches the level: a step beyond the last x that any curve has."""
    ends = [curve.x for other in results.entries if (curve := curve_like(results, aspect, entry, other))]
    if not ends:
        return CellNumber(None, why.partition(",")[0])
    last = max(end[-1] for end in ends)
    steps = [end[-1] - end[-2] for end in ends if len(end) > 1]
    if results.x_name(aspect) != DENSITY:  # over densities nothing is later than the densest
        last += max(steps, default=0.0)
    if aspect.measure == "flops_to":
        found = [measured(aspect, other.record, results.curve(other, aspect)) for other in results.select(aspect)]
        known = [value for value in found if value is not None]
        return CellNumber(max(known), why) if known else CellNumber(None, why.partition(",")[0])
    return CellNumber(last, why)


def curve_like(results: Results, aspect: Aspect, entry: CellResult, other: CellResult) -> Any:
    """Another cell's curve, where it is of the same task."""
    return results.curve(other, aspect) if other.record.task == entry.record.task else None


def with_words(aspect: Aspect) -> str:
    """The cells of an aspect, in words."""
    parts = [aspect.row] if aspect.row else []
    for axis in FILTERED:
        choice: Filter | None = getattr(aspect, axis)
        if choice is not None:
            options = " ".join(f"{key}={json.dumps(value)}" for key, value in choice.options.items())
            parts.append(" ".join(part for part in (axis, choice.name, options) if part))
    return ", ".join(parts + ([f"density {aspect.density:g}"] if aspect.density is not None else [])) or "this claim"
