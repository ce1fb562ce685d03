"""Residuals: what the submissions of boards say of how numbers scatter from seed to seed, for calibration."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path

from ticketbench.board.lines import lines_of
from ticketbench.board.submission import read_submissions, submission_folders
from ticketbench.board.suites import Suites
from ticketbench.board.table import places_of
from ticketbench.errors import StoreError
from ticketbench.results.calibration.kinds import Recorded, residuals_of

FEWEST_VALUES = 8
"""Seeds below which a row's values say too little of how they scatter."""


def recorded_in(folders: Iterable[Path], suites: Suites) -> Recorded:
    """How the rows of some boards scatter, and the differences at each place; of metrics that are shares alone.

    At a place all others are held against the row that is never pruned, or else the first one.
    """
    rows: dict[tuple[object, ...], tuple[float, ...]] = {}
    scales: dict[tuple[object, ...], float] = {}
    boards = []
    for folder in folders:
        suite = suites.find(folder.parent.name)
        if suite is None:
            continue
        boards.append(f"{folder.parent.name}/{folder.name}")
        for place in submission_folders(folder):
            for submission in read_submissions(place, find=suites.find):
                lines = [line for line in lines_of(submission)[0] if suite.metric(line.metric).percent]
                for found in places_of(lines, (), {line.metric: suite.metric(line.metric) for line in lines}):
                    held = [one for one in found.standings if len(one.values) >= FEWEST_VALUES]
                    held.sort(key=lambda one: (not one.line.never_pruned, one.line.row))
                    for one in held:
                        rows[(boards[-1], one.line.identity)] = residuals_of(one.values)
                    for one in held[1:]:
                        differences = [a - b for a, b in zip(one.values, held[0].values, strict=True)]
                        key = (boards[-1], one.line.identity, held[0].line.identity)
                        scales[key] = statistics.stdev(differences)
    scattered = tuple(row for row in rows.values() if any(row))
    if not scattered or not any(scales.values()):
        raise StoreError(
            f"no board among {', '.join(boards) or 'those given'} has two rows of one place with {FEWEST_VALUES} seeds "
            "of a share, such as accuracy: nothing can be said of how they scatter."
        )
    return Recorded(scattered, tuple(scale for scale in scales.values() if scale > 0), tuple(boards))
