"""Against: every line of a board beside the rows that it is compared with.

What a suite's questions and its paper's claims state is decided with them. All else is exploratory, and is corrected
within a submission, with the scatter of its own comparisons and of the reference's: nobody's rows cost others power, or
change what is said of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ticketbench.board.comparison import sample_of
from ticketbench.board.lines import Line
from ticketbench.board.place import Place, Standing
from ticketbench.results.choice import AXES
from ticketbench.results.judgement import Judgement
from ticketbench.results.scatter import Scatter, scatter_of
from ticketbench.results.standard import Comparison, Sample, compare_all
from ticketbench.suite.suite import Suite

Sides = tuple[Any, Any]


@dataclass
class References:
    """The rows that all others are compared with, and what is known beforehand."""

    rows: tuple[str, ...]
    submission: str
    """The one whose rows those are; where it has none, each submission's own."""
    suite: Suite | None = None
    judgement: Judgement | None = None
    """What was decided in the questions and claims of the reference submission."""
    _common: dict[str, Scatter] = field(default_factory=dict)

    def stated(self, left: Line, right: Line) -> Comparison | None:
        """What a question or a claim says of two lines of the reference submission."""
        if self.judgement is None or left.submission != self.submission or right.submission != self.submission:
            return None
        return self.judgement.of_pair((side_of(left), side_of(right)))

    def samples(self, metric: str) -> Iterable[Sample]:
        """What the reference submission's comparisons of a metric are."""
        return self.judgement.samples.get(metric, ()) if self.judgement else ()

    def scatter(self, metric: str) -> Scatter:
        """What the comparisons of the reference submission have in common."""
        if metric not in self._common:
            self._common[metric] = scatter_of(one.differences for one in self.samples(metric))
        return self._common[metric]


@dataclass
class Family:
    """A submission's comparisons, each once, though a row that is never pruned stands at several places."""

    samples: dict[Sides, Sample] = field(default_factory=dict)
    metrics: dict[Sides, str] = field(default_factory=dict)
    stated: dict[Sides, Comparison] = field(default_factory=dict)
    meant: list[tuple[Standing, str, Sides]] = field(default_factory=list)


def side_of(line: Line) -> tuple[tuple[str, Any], ...]:
    """A line as questions and claims name a side."""
    axes = ((axis, getattr(line.setting, axis)) for axis in AXES)
    return (("row", line.row), *axes, ("density", line.density))


def compare_places(places: Sequence[Place], references: References) -> int:
    """Compare every line with the rows it is held against; returns how many comparisons were corrected together."""
    families: dict[str, Family] = {}
    for place in places:
        for row in references.rows:
            partners = {one.line.submission: one for one in place.standings if one.line.row == row}
            for standing in place.standings:
                partner = partners.get(references.submission) or partners.get(standing.line.submission)
                if partner is None or partner is standing or partner.line.identity == standing.line.identity:
                    continue
                family = families.setdefault(standing.line.submission, Family())
                add_pair(family, place, standing, partner, row, references)
    for family in families.values():
        settle(family, references)
    return max((len(family.samples) for family in families.values()), default=0)


def add_pair(
    family: Family, place: Place, standing: Standing, partner: Standing, row: str, references: References
) -> None:
    """One comparison of a submission, unless it has it already from another place."""
    key = (standing.line.identity, partner.line.identity)
    family.meant.append((standing, row, key))
    if key in family.samples or key in family.stated:
        return
    known = references.stated(standing.line, partner.line)
    if known is not None:
        family.stated[key] = known
        return
    task = standing.line.setting.task
    family.samples[key] = sample_of(standing.values, partner.values, place.seeds, task, place.metric, references.suite)
    family.metrics[key] = place.metric


def settle(family: Family, references: References) -> None:
    """The marks of a family, on its standings."""
    scatters = {name: scatter_for(name, family, references) for name in set(family.metrics.values())}
    keys = list(family.samples)
    found = compare_all([family.samples[key] for key in keys], [scatters[family.metrics[key]] for key in keys])
    done: Mapping[Sides, Comparison] = {**dict(zip(keys, found, strict=True)), **family.stated}
    for standing, row, key in family.meant:
        standing.against[row] = done[key]
        if key in family.stated:
            standing.stated.add(row)


def scatter_for(metric: str, family: Family, references: References) -> Scatter:
    """What a submission's comparisons and the reference's have in common."""
    own = [sample for key, sample in family.samples.items() if family.metrics[key] == metric]
    return scatter_of(one.differences for one in (*references.samples(metric), *own))
