"""Two submissions beside each other: every pair of lines that answer the same question, compared by the standard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ticketbench.board.lines import Line, Subject, lines_of
from ticketbench.board.submission import Submission
from ticketbench.results.scatter import Scatter, scatter_of
from ticketbench.results.standard import Comparison, Mark, Sample, compare_all, seeds_to_decide
from ticketbench.suite.questions import FEWEST_SEEDS
from ticketbench.suite.suite import Suite

ComparedMark = Mark | Literal["not comparable"]


def sample_of(
    left: Sequence[float], right: Sequence[float], seeds: Sequence[int], task: str, metric: str, suite: Suite | None
) -> Sample:
    """One side's numbers less the other's, paired by seed, with what the suite says of the metric."""
    values = tuple(a - b for a, b in zip(left, right, strict=True))
    if suite is None:
        return Sample(values, tuple(seeds))
    known, headline = suite.metric(metric), suite.headline_of(task)
    margin = headline.margin if headline.metric == metric else 0.0
    return Sample(values, tuple(seeds), known.higher_is_better, margin, known.most)


@dataclass(frozen=True)
class ComparedPair:
    """Two lines of the same setting and density beside each other, with their difference where there is one."""

    setting: Subject
    density: float
    left: str
    right: str
    """The rows."""
    metric: str
    sample: Sample | None = None
    """The differences on the common seeds; None where they cannot be compared."""
    reason: str = ""
    """Why they cannot be compared, or what was left out."""
    found: Comparison | None = None
    """What came of them among all that are compared here."""
    seeds_needed: int | None = None
    """About how many seeds would decide what is not decided; None where none would."""

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
    pairs = [pair for line in mine for pair in meetings(line, theirs, rows, suite)]
    met = {(pair.setting, pair.density, pair.right) for pair in pairs}
    pairs += [
        ComparedPair(line.setting, line.density, "", line.row, line.metric, None, "only the right side has it")
        for line in theirs
        if (line.setting, line.density, line.row) not in met and not (rows and line.never_pruned)
    ]
    return sorted(decided(pairs), key=lambda pair: (pair.setting, -pair.density, pair.left, pair.right))


def decided(pairs: Sequence[ComparedPair]) -> list[ComparedPair]:
    """The pairs with their marks: one family, with a scatter for each metric."""
    tested = [pair for pair in pairs if pair.sample]
    scatters = {
        name: scatter_of(pair.sample.differences for pair in tested if pair.sample and pair.metric == name)
        for name in {pair.metric for pair in tested}
    }
    found = compare_all([pair.sample for pair in tested if pair.sample], [scatters[pair.metric] for pair in tested])
    still_open = sum(not one.decided for one in found)
    done = iter(found)
    return [with_mark(pair, next(done), scatters[pair.metric], still_open) if pair.sample else pair for pair in pairs]


def with_mark(pair: ComparedPair, found: Comparison, scatter: Scatter, still_open: int) -> ComparedPair:
    """A pair with what came of it, and the seeds that it lacks."""
    needed = None if found.decided else seeds_to_decide(found, scatter, still_open)
    return replace(pair, found=found, seeds_needed=needed)


def power_of(pairs: Sequence[ComparedPair]) -> str:
    """Why nothing could have been told, where that is so, and how many seeds it takes; "" elsewhere."""
    seeds = [len(pair.found.seeds) for pair in pairs if pair.found]
    if not seeds or max(seeds) >= FEWEST_SEEDS:
        return ""
    return (
        f"No difference could have been told here, however large: the sides have {max(seeds)} common "
        f"seed{'s' * (max(seeds) > 1)}, and nothing is decided with fewer than {FEWEST_SEEDS}."
    )


SIDES = ("suite", "version", "tier", "precision", "device")


def meetings(
    line: Line, theirs: Sequence[Line], rows: tuple[str, str] | None, suite: Suite | None
) -> list[ComparedPair]:
    """A line with all lines of the other side that answer the same question."""
    found = []
    for other in theirs:
        meets = other.density == line.density or (rows is not None and (line.never_pruned or other.never_pruned))
        if other.setting == line.setting and meets and (rows or other.row == line.row):
            density = min(line.density, other.density)
            found.append(paired(line, other, density, suite))
    if not found:
        return [ComparedPair(line.setting, line.density, line.row, "", line.metric, None, "only the left side has it")]
    return found


def paired(line: Line, other: Line, density: float, suite: Suite | None) -> ComparedPair:
    """Two lines that answer the same question: on their common seeds, if every one of those has its numbers."""
    seeds = sorted(line.seeds.keys() & other.seeds.keys())
    alone = sorted(line.seeds.keys() ^ other.seeds.keys())
    place = (line.setting, density, line.row, other.row, line.metric)
    bottom = suite.metric(line.metric).bottom if suite else None
    wrong = [
        f"{side} seed {seed} {what}"
        for side, one in (("left", line), ("right", other))
        for seed, what in one.troubles(seeds, bottom).items()
    ]
    if line.metric != other.metric:
        return ComparedPair(*place, None, f"{line.metric or 'no metric'} against {other.metric or 'no metric'}")
    if wrong or not seeds:
        return ComparedPair(*place, None, ", ".join(wrong) or "no common seed")
    mine, theirs = line.values(seeds, bottom), other.values(seeds, bottom)
    if mine is None or theirs is None:  # what `troubles` has not said
        return ComparedPair(*place, None, "a seed has no number")
    left_out = f"left out: seed {', '.join(map(str, alone))}, which one side lacks" if alone else ""
    sample = sample_of(mine, theirs, seeds, line.setting.task, line.metric, suite)
    return ComparedPair(*place, sample, left_out)
