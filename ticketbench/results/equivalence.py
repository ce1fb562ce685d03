"""Equivalence of two precisions: paired cells, and a test that their difference is small.

A row's numbers in the precision that is trusted and in the other one are paired by seed. "No difference was found"
would be no evidence, so the question is turned around: two one-sided t-tests (Schuirmann 1987) must both reject that
the mean difference lies outside ±margin. The margin is half the standard deviation over seeds in the trusted
precision, as these seeds estimate it: what lies within it is smaller than what another seed changes.
All comparisons must show it for a verdict, so that none needs a correction for being one of several.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ticketbench.results.choice import AXES
from ticketbench.results.stats import ALPHA, Interval, t_interval
from ticketbench.store.schema import CellRecord

ALL_THE_SAME = "every number is the same in both precisions, so that they say nothing of either"
"""What a precision that changes nothing on a device gives, and a metric that does not see what it changes."""
SHARE_OF_DEVIATION = 0.5
"""The margin, as a share of the standard deviation over seeds."""
NO_DEVIATION = "the trusted numbers of all seeds are one number, so that no margin is known, and the others differ"


@dataclass(frozen=True)
class EquivalenceTest:
    """Two one-sided tests of the mean of paired differences against a margin, each at the level `ALPHA`."""

    differences: tuple[float, ...]
    margin: float

    @cached_property
    def interval(self) -> Interval:
        """mean ± t(1 − α, n − 1) · s / √n: both tests reject exactly where it lies within the margin."""
        return t_interval(self.differences, 1 - 2 * ALPHA)

    @cached_property
    def p(self) -> float:
        """The larger p of the two tests, with t = (m ± mean) / (s / √n); without any scatter it is 0 or 1."""
        from scipy.special import stdtr

        if len(self.differences) < 2:
            return 1.0
        mean, scatter = statistics.fmean(self.differences), statistics.stdev(self.differences)
        if len(set(self.differences)) == 1:
            return 0.0 if abs(mean) <= self.margin else 1.0
        error = scatter / math.sqrt(len(self.differences))
        return float(stdtr(len(self.differences) - 1, (abs(mean) - self.margin) / error))

    @property
    def shown(self) -> bool:
        """Whether the tests show that the mean difference is smaller than the margin."""
        return self.p <= ALPHA

    @property
    def refuted(self) -> bool:
        """Whether the interval lies outside the margin altogether."""
        return self.interval.low > self.margin or self.interval.high < -self.margin

    def as_plain(self) -> dict[str, Any]:
        """The test as plain data."""
        interval = {"mean": self.interval.mean, "low": self.interval.low, "high": self.interval.high}
        return {"differences": list(self.differences), **interval, "margin": self.margin, "p": self.p}


@dataclass(frozen=True)
class PairedRow:
    """A row at one density in two precisions, a pair of cells a seed."""

    row: str
    density: float
    trusted: tuple[CellRecord, ...]
    other: tuple[CellRecord, ...]

    @property
    def deviation(self) -> float:
        """The standard deviation over seeds in the trusted precision; 0 for fewer than two."""
        return statistics.stdev(headlines(self.trusted)) if len(self.trusted) > 1 else 0.0

    @cached_property
    def test(self) -> EquivalenceTest:
        """The row's own test, against half its own deviation."""
        pairs = zip(headlines(self.trusted), headlines(self.other), strict=True)
        return EquivalenceTest(tuple(other - trusted for trusted, other in pairs), SHARE_OF_DEVIATION * self.deviation)

    @property
    def measurable(self) -> bool:
        """Whether differences can be told in standard deviations: there is one, or no difference at all."""
        return self.deviation > 0 or not any(self.test.differences)

    @property
    def in_deviations(self) -> tuple[float, ...]:
        """The differences as multiples of the row's standard deviation over seeds."""
        return tuple(value / self.deviation if value else 0.0 for value in self.test.differences)

    def as_plain(self) -> dict[str, Any]:
        """The row as plain data, with the key and the number of every cell."""
        sides = {
            side: [{"key": record.key, "seed": record.seed, "headline": record.headline} for record in records]
            for side, records in (("trusted", self.trusted), ("other", self.other))
        }
        return {"row": self.row, "density": self.density, **sides, "test": self.test.as_plain()}


@dataclass(frozen=True)
class PairedRows:
    """Rows of one task, model, protocol, initializer and recipe in two precisions."""

    axes: tuple[str, ...]
    metric: str
    rows: tuple[PairedRow, ...]
    faults: tuple[str, ...]
    """Pairs that cannot be made, and why."""

    @cached_property
    def test(self) -> EquivalenceTest:
        """The test of all rows together in standard deviations, a block a seed.

        A block is the mean over the rows of a seed's difference over the row's deviation: rows of one seed share the
        order of the data and often the initialization, and are no independent numbers.
        """
        measured = [row.in_deviations for row in self.rows if row.measurable]
        blocks = zip(*measured, strict=True)
        return EquivalenceTest(tuple(statistics.fmean(block) for block in blocks), SHARE_OF_DEVIATION)

    @property
    def equivalent(self) -> bool:
        """Whether no pair is missing, the rows' test shows it, and no single row is refuted by its own."""
        return not self.faults and self.test.shown and not any(row.test.refuted for row in self.rows)

    def as_plain(self) -> dict[str, Any]:
        """The comparison as plain data."""
        return {
            **dict(zip(AXES, self.axes, strict=True)),
            "metric": self.metric,
            "rows": [row.as_plain() for row in self.rows],
            "test": self.test.as_plain() if self.test.differences else None,
            "faults": list(self.faults),
            "equivalent": self.equivalent,
        }


def paired_rows(trusted: Iterable[CellRecord], other: Iterable[CellRecord]) -> list[PairedRows]:
    """What two runs of the same cells have in common; a seed counts where every row has both numbers."""
    sides = [{question(record): record for record in records} for records in (trusted, other)]
    questions = list(dict.fromkeys(key for side in sides for key in side))
    comparisons: dict[tuple[str, ...], list[tuple[str, float, int]]] = {}
    for axes, row, density, seed in questions:
        comparisons.setdefault(axes, []).append((row, density, seed))
    found = []
    for axes, cells in comparisons.items():
        faults = {cell: fault for cell in cells if (fault := fault_of([side.get((axes, *cell)) for side in sides]))}
        lost = {seed for _, _, seed in faults}
        seeds = [seed for seed in dict.fromkeys(seed for _, _, seed in cells) if seed not in lost]
        lines = dict.fromkeys((row, density) for row, density, _ in cells) if seeds else {}
        rows = tuple(
            PairedRow(*line, *(tuple(side[(axes, *line, seed)] for seed in seeds) for side in sides)) for line in lines
        )
        metric = next((record.headline_metric for row in rows for record in row.trusted), "")
        said = [f"{row} at density {density:g}, seed {seed}: {why}" for (row, density, seed), why in faults.items()]
        said += [f"{row.row} at density {row.density:g}: {NO_DEVIATION}" for row in rows if not row.measurable]
        if rows and not any(any(row.test.differences) for row in rows):
            said.append(ALL_THE_SAME)
        found.append(PairedRows(axes, metric, rows, tuple(said)))
    return found


def question(record: CellRecord) -> tuple[tuple[str, ...], str, float, int]:
    """What two records must share to be a pair: axes, row, density and seed."""
    return tuple(str(getattr(record, name)) for name in AXES), record.row, record.density, record.seed


def fault_of(pair: Sequence[CellRecord | None]) -> str:
    """Why two records are no pair of numbers, or ""."""
    for record in pair:
        if record is None:
            return "one of the precisions has no such cell"
        if not record.judged or record.headline is None or not math.isfinite(record.headline):
            return (
                f"{record.precision} has no number: {' '.join(part for part in (record.status, record.reason) if part)}"
            )
    return ""


def headlines(records: Sequence[CellRecord]) -> list[float]:
    """The numbers of judged records."""
    return [record.headline for record in records if record.headline is not None]
