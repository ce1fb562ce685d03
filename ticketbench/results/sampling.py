"""Sampling: from an aspect of cells and what it is held against to the samples that the standard tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ticketbench.results.pairing import OF_METRIC, Side, moves, number_of, partners_of, setting_of, with_words
from ticketbench.results.results import CellResult, Results
from ticketbench.results.standard import Sample
from ticketbench.store.schema import MISSING
from ticketbench.suite.paper import Aspect

PairKey = tuple[Side, Side]
"""Both sides of a comparison of headlines."""


@dataclass(frozen=True)
class Gathered:
    """What was found to compare in one setting: a sample, or why there is none."""

    setting: Side
    than: Side = ()
    """The other side's; empty where a number is held against a bound."""
    sample: Sample | None = None
    """Of the differences less the bound; of logarithms for a ratio."""
    said: str = ""
    """Why there is no sample, or what was left out of it and what stands for what."""
    absent: bool = False
    """Whether none of its cells has been computed."""
    metric: str = ""
    """The metric that the numbers are values of; "" where they count something else."""

    def key(self) -> PairKey | None:
        """What the comparison is of, where it has two sides."""
        return (self.setting, self.than) if self.than else None


def gather_sample(
    results: Results,
    aspect: Aspect,
    than: Aspect | None,
    entries: Sequence[CellResult],
    *,
    compare: Literal["difference", "ratio"] = "difference",
    bound: float = 0.0,
    margin: float | None = None,
) -> Gathered | None:
    """The sample of one side's cells, paired by seed; None where the side would be compared with itself."""
    setting = setting_of(entries[0])
    other = aspect.changed(than) if than else aspect
    pairs: list[tuple[CellResult, CellResult | None]] = [(entry, None) for entry in entries]
    if than:
        pairs = []
        for entry, partners in partners_of(results, entries, other, than):
            if len(partners) > 1:
                reason = f"{len(partners)} cells of {with_words(other)} answer for seed {entry.seed}; it is too wide"
                return Gathered(setting, said=reason)
            pairs += [(entry, partner) for partner in partners]
        if not pairs:
            if moves(than) and entries[0] in results.select(other, other.row or entries[0].row):
                return None
            reason = f"tier {results.tier} has no cells of {with_words(other)} to compare with"
            return Gathered(setting, said=reason)
    shared = setting_of(pairs[0][1]) if pairs[0][1] else ()
    facts = metric_facts(results, aspect, entries[0], compare, margin)
    found = paired_numbers(results, aspect, other, pairs, compare, bound)
    values, said = found.values, found.words()
    if not values:
        return Gathered(setting, shared, None, said, found.absent, facts[0])
    sample = Sample(tuple(values.values()), tuple(values), *facts[1:])
    return Gathered(setting, shared, sample, said, metric=facts[0])


def metric_facts(
    results: Results, aspect: Aspect, entry: CellResult, compare: str, margin: float | None
) -> tuple[str, bool, float, float]:
    """The metric, its direction, the margin and the largest difference of what an aspect asks for."""
    headline = results.suite.headline_of(entry.record.task)
    metric = results.suite.metric(aspect.metric or headline.metric)
    if aspect.measure not in OF_METRIC or compare == "ratio":
        return "", True, margin or 0.0, math.inf
    name = aspect.metric or headline.metric
    own = headline.margin if name == headline.metric else 0.0
    return name, metric.higher_is_better, own if margin is None else margin, metric.most


@dataclass
class PairedNumbers:
    """A difference a seed, and what there is to say of the other seeds."""

    values: dict[int, float]
    gaps: dict[str, list[int]]
    """Why some seeds are left out."""
    stands: dict[str, list[int]]
    """What stands for a number that a cell does not have."""

    @property
    def absent(self) -> bool:
        """Whether nothing has been computed at all."""
        return not self.values and bool(self.gaps) and all(gap.endswith(f": {MISSING}") for gap in self.gaps)

    def words(self) -> str:
        """Both in one line, with the seeds."""
        parts = [f"{what} (seed {seeds_listed(seeds)})" for what, seeds in self.stands.items()]
        left = [f"{what} (seed {seeds_listed(seeds)})" for what, seeds in self.gaps.items()]
        if left and self.values:
            parts.append(f"on seed {seeds_listed(list(self.values))} alone, since {'; '.join(left)}")
        return "; ".join(parts if self.values else left)


def seeds_listed(seeds: Sequence[int]) -> str:
    """Seeds as a person writes them."""
    return ", ".join(map(str, dict.fromkeys(seeds)))


def paired_numbers(
    results: Results,
    aspect: Aspect,
    other: Aspect,
    pairs: Sequence[tuple[CellResult, CellResult | None]],
    compare: str,
    bound: float,
) -> PairedNumbers:
    """Seed by seed one side's number less the other's and the bound, or the logarithm of their ratio."""
    found = PairedNumbers({}, {}, {})
    for left, right in pairs:
        mine = number_of(results, aspect, left)
        theirs = number_of(results, other, right) if right else None
        for number in (mine, theirs):
            if number is not None and number.why:
                (found.gaps if number.value is None else found.stands).setdefault(number.why, []).append(left.seed)
        if mine.value is None or (theirs is not None and theirs.value is None):
            continue
        if theirs is None or theirs.value is None:
            found.values[left.seed] = mine.value - bound
        elif compare == "difference":
            found.values[left.seed] = mine.value - theirs.value - bound
        elif min(mine.value, theirs.value) > 0:
            found.values[left.seed] = math.log(mine.value) - math.log(theirs.value) - math.log(bound or 1.0)
        else:
            found.gaps.setdefault(f"{left.row}: no ratio of {mine.value:g} to {theirs.value:g}", []).append(left.seed)
    return found
