"""Paired comparisons: differences on the same seeds, exact tests corrected together, and what could not be compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ticketbench.board.lines import Line, Subject, lines_of
from ticketbench.board.submission import Submission
from ticketbench.results.stats import (
    ALPHA,
    EXACT_UP_TO,
    Interval,
    Mark,
    holm,
    mark_of,
    sign_flip,
    smallest_difference,
    smallest_p,
    t_interval,
)
from ticketbench.suite.suite import Suite

ComparedMark = Mark | Literal["not comparable"]


@dataclass(frozen=True)
class Difference:
    """One side's numbers less the other's, seed by seed."""

    values: tuple[float, ...]
    seeds: tuple[int, ...]
    interval: Interval
    p: float
    """Of the exact paired test, for itself."""
    corrected: float = 1.0
    """After Holm's correction for all that were tested together."""
    mark: ComparedMark = "cannot tell"
    smallest: float = math.inf
    """The least mean difference that these seeds could have shown among so many comparisons."""


def difference(left: Sequence[float], right: Sequence[float], seeds: Sequence[int]) -> Difference:
    """One side's numbers less the other's, paired by seed and tested alone; `corrected` does the rest."""
    values = tuple(a - b for a, b in zip(left, right, strict=True))
    return Difference(values, tuple(seeds), t_interval(values), sign_flip(values))


def corrected(
    found: Sequence[Difference], higher: Sequence[bool], smallest: bool = False, alpha: float = ALPHA
) -> list[Difference]:
    """All differences of a table, corrected together and marked; `higher` says where more is better."""
    adjusted = holm([one.p for one in found])
    return [
        replace(
            one,
            corrected=p,
            mark=mark_of(one.values, p, better, alpha),
            smallest=smallest_difference(one.values, alpha / len(found)) if smallest else math.inf,
        )
        for one, p, better in zip(found, adjusted, higher, strict=True)
    ]


@dataclass(frozen=True)
class ComparedPair:
    """Two lines of the same setting and density beside each other, with their difference where there is one."""

    setting: Subject
    density: float
    left: str
    right: str
    """The rows."""
    metric: str
    found: Difference | None
    reason: str = ""
    """Why they cannot be compared, or what was left out."""

    @property
    def mark(self) -> ComparedMark:
        """How the left side does against the right one."""
        return self.found.mark if self.found else "not comparable"


def compare_lines(
    left: Submission, right: Submission, rows: tuple[str, str] | None = None, suite: Suite | None = None
) -> list[ComparedPair]:
    """Every line of the left side with the right side's line of the same setting and density.

    Rows meet rows of their name, or the left row that is given the right one. A row that is never pruned takes part at
    every density. Sides of another suite, version, tier, precision or device are not comparable.
    """
    if left.setting != right.setting:
        parts = [
            f"{name} {mine} against {theirs}"
            for name, mine, theirs in zip(SIDES, left.setting, right.setting, strict=True)
            if mine != theirs
        ]
        return [ComparedPair(Subject("", "", "", "", ""), 1.0, *(rows or ("", "")), "", None, ", ".join(parts))]
    mine = [line for line in lines_of(left)[0] if rows is None or line.row == rows[0]]
    theirs = [line for line in lines_of(right)[0] if rows is None or line.row == rows[1]]
    pairs = [pair for line in mine for pair in meetings(line, theirs, rows)]
    met = {(pair.setting, pair.density, pair.right) for pair in pairs}
    pairs += [
        ComparedPair(line.setting, line.density, "", line.row, line.metric, None, "only the right side has it")
        for line in theirs
        if (line.setting, line.density, line.row) not in met and not (rows and line.never_pruned)
    ]
    tested = [pair.found for pair in pairs if pair.found]
    higher = [suite is None or suite.metric(pair.metric).higher_is_better for pair in pairs if pair.found]
    done = iter(corrected(tested, higher, smallest=True))
    pairs = [replace(pair, found=next(done)) if pair.found else pair for pair in pairs]
    return sorted(pairs, key=lambda pair: (pair.setting, -pair.density, pair.left, pair.right))


def power_of(pairs: Sequence[ComparedPair]) -> str:
    """Why nothing could have been told, where that is so, and how many seeds it takes; "" elsewhere."""
    seeds = [len(pair.found.seeds) for pair in pairs if pair.found]
    if not seeds or len(seeds) * smallest_p(max(seeds)) <= ALPHA:
        return ""
    needed = [number for number in range(1, EXACT_UP_TO + 1) if len(seeds) * smallest_p(number) <= ALPHA]
    takes = f"at least {needed[0]}" if needed else f"more than {EXACT_UP_TO}"
    return (
        f"No difference could have been told here, however large: an exact test of {max(seeds)} common seeds has no p "
        f"below {smallest_p(max(seeds)):.2g}, and p is corrected for {len(seeds)} comparison{'s' * (len(seeds) > 1)}. "
        f"It takes {takes} common seeds."
    )


SIDES = ("suite", "version", "tier", "precision", "device")


def meetings(line: Line, theirs: Sequence[Line], rows: tuple[str, str] | None) -> list[ComparedPair]:
    """A line with all lines of the other side that answer the same question."""
    found = []
    for other in theirs:
        meets = other.density == line.density or (rows is not None and (line.never_pruned or other.never_pruned))
        if other.setting == line.setting and meets and (rows or other.row == line.row):
            density = min(line.density, other.density)
            found.append(paired(line, other, density))
    if not found:
        return [ComparedPair(line.setting, line.density, line.row, "", line.metric, None, "only the left side has it")]
    return found


def paired(line: Line, other: Line, density: float) -> ComparedPair:
    """Two lines that answer the same question: on their common seeds, if every one of those has its numbers."""
    seeds = sorted(line.seeds.keys() & other.seeds.keys())
    alone = sorted(line.seeds.keys() ^ other.seeds.keys())
    place = (line.setting, density, line.row, other.row, line.metric)
    wrong = [
        f"{side} seed {seed} {what}"
        for side, one in (("left", line), ("right", other))
        for seed, what in one.troubles(seeds).items()
    ]
    if line.metric != other.metric:
        return ComparedPair(*place, None, f"{line.metric or 'no metric'} against {other.metric or 'no metric'}")
    if wrong or not seeds:
        return ComparedPair(*place, None, ", ".join(wrong) or "no common seed")
    mine, theirs = line.values(seeds), other.values(seeds)
    if mine is None or theirs is None:  # what `troubles` has not said
        return ComparedPair(*place, None, "a seed has no number")
    left_out = f"left out: seed {', '.join(map(str, alone))}, which one side lacks" if alone else ""
    return ComparedPair(*place, difference(mine, theirs, seeds), left_out)
