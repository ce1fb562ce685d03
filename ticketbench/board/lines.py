"""Lines: the cells of one method in one setting at one density, a seed each."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ticketbench.board.costs import COSTS
from ticketbench.board.submission import Submission
from ticketbench.results.choice import AXES
from ticketbench.store.schema import JUDGED, CellRecord


class Subject(NamedTuple):
    """What cells share that are compared, besides density and seed."""

    task: str
    model: str
    protocol: str
    initializer: str
    recipe: str


class Seed(NamedTuple):
    """One cell of a line, as far as a board shows it."""

    key: str
    status: str
    value: float | None
    reason: str
    environment: str

    @property
    def counts(self) -> bool:
        """Whether it has a number that can be compared."""
        return self.status in JUDGED and self.value is not None and math.isfinite(self.value)

    def number(self, bottom: float | None = None) -> float | None:
        """What it counts with: its value, or the worst there can be where it diverged."""
        if self.counts:
            return self.value
        return bottom if self.status == "diverged" else None


@dataclass
class Line:
    """The cells of one method in one setting at one density, a seed each."""

    submission: str
    row: str
    method: str
    scorer: str
    setting: Subject
    density: float
    metric: str
    seeds: dict[int, Seed] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)
    """Column -> mean over the seeds that have the number, for each of `COSTS`."""
    never_pruned: bool = False
    curve: list[tuple[float, float]] = field(default_factory=list)
    """(x, mean over seeds) of the headline's metric along the sweep."""
    x_name: str = ""

    @property
    def identity(self) -> tuple[Any, ...]:
        """What tells it from all other lines."""
        return (self.submission, self.row, self.method, self.scorer, self.setting, self.density)

    def values(self, seeds: Collection[int], bottom: float | None = None) -> list[float] | None:
        """Its numbers at these seeds, or None if one of them has none; a cell that diverged counts as the bottom."""
        found = [self.seeds[seed].number(bottom) for seed in seeds if seed in self.seeds]
        numbers = [number for number in found if number is not None]
        return numbers if len(numbers) == len(seeds) else None

    def troubles(self, seeds: Iterable[int], bottom: float | None = None) -> dict[int, str]:
        """Seed -> what is wrong with it, for those of these seeds that have no number."""
        wrong = {}
        for seed in seeds:
            one = self.seeds.get(seed)
            if one is None:
                wrong[seed] = "missing"
            elif one.number(bottom) is None:
                wrong[seed] = one.status if one.status not in JUDGED else "not a number"
        return wrong


def lines_of(submission: Submission) -> tuple[list[Line], int]:
    """A submission's lines, and how many of its cells were answered again by later ones."""
    lines: dict[tuple[Any, ...], Line] = {}
    chosen: dict[tuple[tuple[Any, ...], int], CellRecord] = {}
    pruned: set[str] = set()
    ordered = sorted(submission.cells, key=lambda cell: (cell.finished or 0.0, cell.key))
    for cell in ordered:
        setting = Subject(*(str(getattr(cell, axis)) for axis in AXES))
        if cell.density < 1:
            pruned.add(cell.row)
        identity = (cell.row, cell.method, cell.scorer, setting, cell.density)
        if identity not in lines:
            lines[identity] = Line(
                submission.name, cell.row, cell.method, cell.scorer, setting, cell.density, cell.headline_metric
            )
        lines[identity].metric = lines[identity].metric or cell.headline_metric
        chosen[identity, cell.seed] = cell
    sums: dict[tuple[Any, ...], dict[str, list[float]]] = {}
    for (identity, seed), cell in chosen.items():
        lines[identity].seeds[seed] = Seed(cell.key, cell.status, cell.headline, cell.reason, cell.environment)
        for cost in COSTS:
            value = getattr(cell, cost.name)
            if value is not None and math.isfinite(value):
                sums.setdefault(identity, {}).setdefault(cost.name, []).append(float(value))
    for identity, line in lines.items():
        line.seeds = dict(sorted(line.seeds.items()))
        line.never_pruned = line.row not in pruned
        line.costs = {name: sum(values) / len(values) for name, values in sums.get(identity, {}).items()}
    return list(lines.values()), len(submission.cells) - len(chosen)
