"""Maps: the solutions of a cell as points of the plane, as far apart as a probe found them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from ticketbench.render.numbers import NONE
from ticketbench.report.grids import Grid
from ticketbench.report.series import chosen_by, series_label
from ticketbench.results.results import CellResult, Results
from ticketbench.suite.paper import Figure

BETWEEN = " | "
"""What stands between the two names of a distance."""
MOMENTS = ("start", "end")


@dataclass(frozen=True)
class Spot:
    """A solution's start or end, as a point."""

    name: str
    solution: str
    moment: str
    """"start", "end", or "" where the name says neither."""
    x: float
    y: float

    @property
    def kind(self) -> str:
        """The solution's name without its number: what it shares with others of its kind."""
        return " ".join(word for word in self.solution.split() if not word.isdecimal()) or self.solution

    @property
    def group(self) -> str:
        """The kind of solution with its moment: what is drawn alike."""
        return f"{self.kind} {self.moment}".strip()


@dataclass(frozen=True)
class SolutionMap:
    """The distances of one cell, and its map."""

    cell: str
    """Which cell, in words."""
    cells: int
    """How many cells of the figure have distances."""
    distances: Mapping[tuple[str, str], float]
    places: list[Spot]
    stress: float


def map_of(results: Results, figure: Figure) -> SolutionMap | None:
    """The map of the first of the figure's rows, at its smallest seed; None where no cell has distances."""
    import numpy as np

    from ticketbench.report.scaling import in_the_plane, stress

    every = [(entry, distances_of(entry, figure.distances or "")) for entry in chosen_by(results, figure)]
    found = [(entry, distances) for entry, distances in every if entry.judged and distances]
    if not found:
        return None
    entry, distances = min(found, key=lambda one: one[0].seed)
    names = list(dict.fromkeys(name for pair in distances for name in pair))
    square = np.zeros((len(names), len(names)))
    for (one, other), value in distances.items():
        square[names.index(one), names.index(other)] = square[names.index(other), names.index(one)] = value
    points = in_the_plane(square)
    places = [Spot(name, *parted(name), float(x), float(y)) for name, (x, y) in zip(names, points, strict=True)]
    cell = f"{series_label([entry], [one for one, _ in found], pooled=False)}, seed {entry.seed}"
    return SolutionMap(cell, len(found), distances, places, stress(square, points))


def distances_of(entry: CellResult, source: str) -> dict[tuple[str, str], float]:
    """Pair of names -> distance; the cell's own start and end have its row's name.

    Empty if there are none, if one is missing or if one is not finite.
    """
    found = {}
    for address, value in entry.probes.items():
        one, between, other = address.removeprefix(f"{source}/").partition(BETWEEN)
        if between and address.startswith(f"{source}/"):
            found[one, other] = float(value)
    known = {name for pair in found for name in pair}
    names = {own: f"{entry.row} {own}" if f"{entry.row} {own}" not in known else f"this {own}" for own in MOMENTS}
    whole = len(found) == len(known) * (len(known) - 1) // 2
    if not whole or not all(math.isfinite(value) for value in found.values()):
        return {}
    return {(names.get(one, one), names.get(other, other)): value for (one, other), value in found.items()}


def parted(name: str) -> tuple[str, str]:
    """Whose point it is, and whether it is a start or an end."""
    solution, _, moment = name.rpartition(" ")
    return (solution, moment) if solution and moment in MOMENTS else (name, "")


def times(name: str, count: int) -> str:
    """A name, and how often it is meant if not once."""
    return f"{name} ×{count}" if count > 1 else name


def map_grid(figure: Figure, drawn: SolutionMap | None) -> Grid:
    """The distances as they were measured, between kinds of solutions: means over their pairs."""
    if drawn is None:
        return Grid(figure.title, ("",), [], [f"no cell of this figure has distances '{figure.distances}' yet"])
    groups: dict[str, list[str]] = {}
    for place in drawn.places:
        groups.setdefault(place.group, []).append(place.name)
    both = {**drawn.distances, **{(other, one): value for (one, other), value in drawn.distances.items()}}
    names = [times(group, len(members)) for group, members in groups.items()]
    lines: list[tuple[str, ...]] = []
    for name, mine in zip(names, groups.values(), strict=True):
        found = [[both[one, other] for one in mine for other in theirs if one != other] for theirs in groups.values()]
        lines.append((name, *(f"{statistics.fmean(values):.4g}" if values else NONE for values in found)))
    notes = [f"of one cell: {drawn.cell}" + (f"; {drawn.cells} have distances" if drawn.cells > 1 else "")]
    notes.append(
        f"stress {drawn.stress:.3f}: the root of Σ (drawn − measured)² / Σ measured², 0 where the plane shows them all"
    )
    return Grid(f"{figure.title}: distances", ("", *names), lines, notes)
