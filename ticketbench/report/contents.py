"""What a report holds before it is written down."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ticketbench.report.grids import Grid
from ticketbench.report.maps import SolutionMap
from ticketbench.report.series import Series
from ticketbench.report.weights import Spread
from ticketbench.results.judgement import EMPTY, Judgement
from ticketbench.results.results import Results
from ticketbench.suite.paper import Figure


@dataclass(frozen=True)
class JudgedClaim:
    """A claim's verdict in one setting, as text."""

    number: int
    text: str
    verdict: str
    setting: str
    ours: str
    paper: str
    source: str
    reason: str


@dataclass(frozen=True)
class Drawing:
    """A figure of the paper with our values: its lines, and the table beside it."""

    figure: Figure
    series: list[Series]
    grid: Grid
    spreads: list[Spread] = field(default_factory=list)
    """Of a figure of initial weights."""
    map: SolutionMap | None = None
    """Of a map, once a cell has its distances."""


@dataclass(frozen=True)
class Report:
    """Everything that a reader gets to see: verdicts on claims, figures, targets, and what went wrong."""

    results: Results
    verdicts: list[JudgedClaim]
    drawings: list[Drawing]
    targets: Grid
    troubles: Grid
    judgement: Judgement = EMPTY
    answers: list[Grid] = field(default_factory=list)
    """A table for each question of the suite."""

    def summary(self) -> str:
        """How many cells there are, and what became of them."""
        counts = self.results.counts()
        parts = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        return f"{sum(counts.values())} cells: {parts}; {self.results.precision} on {self.results.device_class}"

    def tally(self) -> Counter[str]:
        """How often each verdict was given over all claims."""
        return Counter(judged.verdict for judged in self.verdicts)

    def to_plain(self) -> dict[str, Any]:
        """The report for a program to read."""
        results = self.results
        return {
            "suite": results.suite.name,
            "version": results.suite.version,
            "tier": results.tier,
            "precision": results.precision,
            "device_class": results.device_class,
            "cells": dict(results.counts()),
            "notes": results.notes,
            "answers": [plain_grid(grid) for grid in self.answers],
            "claims": [vars(judged) for judged in self.verdicts],
            "figures": [
                {
                    "name": drawing.figure.name,
                    "title": drawing.figure.title,
                    "comparable": results.tier in drawing.figure.comparable,
                    "series": [
                        {
                            "label": one.label,
                            "row": one.row,
                            "density": one.density,
                            "seeds": one.seeds,
                            "troubles": one.troubles(),
                            "points": [vars(point) for point in one.points(drawing.figure.band)],
                        }
                        for one in drawing.series
                    ],
                    "references": [part.model_dump(mode="json") for part in drawing.figure.references],
                    "table": plain_grid(drawing.grid),
                }
                for drawing in self.drawings
            ],
            "targets": plain_grid(self.targets),
            "troubles": plain_grid(self.troubles),
        }


def plain_grid(grid: Grid) -> dict[str, Any]:
    """A table for a program to read."""
    return {"title": grid.title, "columns": grid.columns, "lines": grid.lines, "notes": grid.notes}
