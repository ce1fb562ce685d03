"""The standard: how differences between two sides, paired by seed, become one of four marks.

Boards, reports, `board compare` and the end of a run all ask here, so that they cannot contradict each other.

A difference is shown where the t-test of its own seeds shows it, and the t-test with the scatter that the comparisons
of its metric have in common (`ticketbench.results.scatter`) shows it too: p is the larger of the two. The second alone
marks a little more than 5 % of families wrongly where rows differ in how much they scatter; both together do not.
Within a family of comparisons p is corrected by Holm's procedure. Two sides are as good as each other where two
one-sided tests (Schuirmann 1987) show in the same way that the difference is smaller than a margin, which says what
does not matter; that wins over a difference that is shown but does not matter. Exact sign flips stand beside the mark
where the number of seeds lets them speak.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ticketbench.results.scatter import UNKNOWN, Numbers, Scatter, variances_of
from ticketbench.results.stats import ALPHA, Interval, holm, sign_flip, smallest_p
from ticketbench.suite.questions import FEWEST_SEEDS

Mark = Literal["better", "worse", "as good", "cannot tell"]
MIRRORED: Mapping[Mark, Mark] = {"better": "worse", "worse": "better"}
MARKS: tuple[Mark, ...] = ("better", "worse", "as good", "cannot tell")
LEVEL = 0.95
"""Of every interval."""


@dataclass(frozen=True)
class Sample:
    """One side's numbers less the other's, a difference a seed, and what they are held against."""

    differences: tuple[float, ...]
    seeds: tuple[int, ...]
    higher_is_better: bool = True
    margin: float = 0.0
    """Differences smaller than this do not matter; 0: all do."""
    most: float = math.inf
    """No difference can be larger, as the metric is within_bounds."""


@dataclass(frozen=True)
class Comparison:
    """What a sample says of two sides, alone and among all that were tested with it."""

    sample: Sample
    interval: Interval
    """Of the mean difference, for itself."""
    p: float
    """That there is no difference, for itself."""
    corrected: float
    """The same, corrected for all that were tested together."""
    alike: float
    """The corrected p that the difference is as large as the margin; 1 without a margin."""
    flips: float | None
    """The corrected p of exact sign flips; None where so few seeds cannot speak among so many comparisons."""
    mark: Mark
    note: str = ""

    @property
    def differences(self) -> tuple[float, ...]:
        """A difference a seed."""
        return self.sample.differences

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that both sides have."""
        return self.sample.seeds

    @property
    def decided(self) -> bool:
        """Whether one side is better, or both are as good."""
        return self.mark != "cannot tell"

    @property
    def telling(self) -> float:
        """The corrected p that the mark rests on: of no difference, or, where both are as good, of the margin."""
        return self.alike if self.mark == "as good" else self.corrected

    def mirrored(self) -> Comparison:
        """The same comparison, seen from the other side."""
        differences = tuple(-value for value in self.differences)
        interval = Interval(-self.interval.mean, -self.interval.high, -self.interval.low)
        mark = MIRRORED.get(self.mark, self.mark)
        return replace(self, sample=replace(self.sample, differences=differences), interval=interval, mark=mark)


def compare_all(
    samples: Sequence[Sample], scatters: Sequence[Scatter] | Scatter = UNKNOWN, alpha: float = ALPHA
) -> list[Comparison]:
    """The comparisons of one family, in its order: each tested with the scatter of its metric, corrected together."""
    shared = [scatters] * len(samples) if isinstance(scatters, Scatter) else scatters
    tested = tests_of(samples, shared)
    corrected = holm([one[1] for one in tested])
    alike = holm([one[2] for one in tested])
    flips = flipped(samples, alpha)
    found = []
    for sample, (interval, p, _), whole, same, exact in zip(samples, tested, corrected, alike, flips, strict=True):
        mark, note = mark_of(sample, interval.mean, whole, same, exact, alpha)
        found.append(Comparison(sample, interval, p, whole, same, exact, mark, note))
    return found


def mark_of(sample: Sample, mean: float, p: float, alike: float, flips: float | None, alpha: float) -> tuple[Mark, str]:
    """A comparison's mark, and what a reader has to know of it."""
    seeds = len(sample.seeds)
    if seeds < FEWEST_SEEDS:
        return "cannot tell", f"{seeds} seed{'s' * (seeds != 1)}; it takes {FEWEST_SEEDS}"
    differs = p <= alpha
    note = ""
    if flips is not None and (flips <= alpha) != differs:
        note = f"exact sign flips {'show a' if flips <= alpha else 'show no'} difference (p {flips:.2g})"
    if alike <= alpha:
        return "as good", note
    if not differs:
        return "cannot tell", note
    return ("better" if (mean > 0) == sample.higher_is_better else "worse"), note


def tests_of(samples: Sequence[Sample], scatters: Sequence[Scatter]) -> list[tuple[Interval, float, float]]:
    """Of each sample its interval, its p against no difference, and its p against a difference of the margin."""
    found: dict[int, tuple[Interval, float, float]] = {}
    groups: dict[tuple[int, Scatter], list[int]] = {}
    for at, (sample, scatter) in enumerate(zip(samples, scatters, strict=True)):
        groups.setdefault((len(sample.differences), scatter), []).append(at)
    for (seeds, scatter), members in groups.items():
        if seeds < 2:
            for at in members:
                mean = samples[at].differences[0] if seeds else math.nan
                found[at] = Interval(mean, *interval_ends(mean, math.inf, samples[at].most)), 1.0, 1.0
            continue
        values = np.array([samples[at].differences for at in members], dtype=np.float64)
        margins = np.array([samples[at].margin for at in members])
        means = values.mean(axis=1)
        halves, ps, alike = both_tests(values, means, margins, scatter)
        for row, at in enumerate(members):
            mean = float(means[row])
            interval = Interval(mean, *interval_ends(mean, float(halves[row]), samples[at].most))
            found[at] = interval, float(ps[row]), float(alike[row])
    return [found[at] for at in range(len(samples))]


def both_tests(values: Numbers, means: Numbers, margins: Numbers, scatter: Scatter) -> tuple[Numbers, Numbers, Numbers]:
    """Half widths, p of no difference and p of a difference of the margin: of two t-tests the more careful one.

    Differences that are all the same leave no scatter of their own; their p is that of exact sign flips at least.
    """
    from scipy.special import stdtr, stdtrit

    seeds = values.shape[1]
    variances = variances_of(values)
    shrunk, freedom = scatter.shrunk(variances, seeds - 1)
    halves, ps, alike = (np.zeros(len(values)) for _ in range(3))
    for spread, degrees in ((variances, seeds - 1), (shrunk, freedom)):
        degrees = min(degrees, 1e9)  # where all variances are one, a normal distribution
        error = np.sqrt(spread / seeds)
        halves = np.maximum(halves, stdtrit(degrees, (1 + LEVEL) / 2) * error)
        ps = np.maximum(ps, 2 * stdtr(degrees, -ratio(np.abs(means), error)))
        alike = np.maximum(alike, stdtr(degrees, -ratio(margins - np.abs(means), error)))
    same = variances == 0
    ps[same] = np.where(means[same] == 0, 1.0, np.maximum(ps[same], smallest_p(seeds)))
    alike[margins <= 0] = 1.0
    return halves, ps, alike


def ratio(distance: Numbers, error: Numbers) -> Numbers:
    """Distances in errors; without an error infinite, and 0 for no distance."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error > 0, distance / error, np.where(distance == 0, 0.0, np.sign(distance) * np.inf))


def interval_ends(mean: float, half: float, most: float) -> tuple[float, float]:
    """An interval's ends, which cannot lie beyond what the metric allows."""
    return max(mean - half, -most), min(mean + half, most)


def flipped(samples: Sequence[Sample], alpha: float = ALPHA) -> list[float | None]:
    """The corrected p of exact sign flips; None for all where their seeds cannot speak among so many comparisons."""
    if not samples or len(samples) * smallest_p(max(len(one.seeds) for one in samples)) > alpha:
        return [None] * len(samples)
    return list(holm([sign_flip(one.differences) for one in samples]))


def within_bounds(interval: Interval, bounds: tuple[float, float] | None) -> Interval:
    """An interval of a mean that lies within the bounds of its metric, as the mean does."""
    low, high = bounds or (-math.inf, math.inf)
    return Interval(
        interval.mean, max(interval.low, min(low, interval.mean)), min(interval.high, max(high, interval.mean))
    )


def seeds_to_decide(found: Comparison, scatter: Scatter, family: int, alpha: float = ALPHA) -> int | None:
    """About how many seeds would decide a comparison four times in five, if its numbers stay; None where none would.

    Either its difference would be shown, or that it is smaller than the margin, whichever takes fewer. The level is the
    strictest that Holm's correction asks of a family of so many that are still open.
    """
    from scipy.special import stdtrit

    values = found.differences
    if len(values) < 2:
        return FEWEST_SEEDS
    own = statistics.variance(values)
    shrunk, _ = scatter.shrunk(np.array([own]), len(values) - 1)
    variance, mean = max(own, float(shrunk[0])), abs(found.interval.mean)
    for seeds in range(max(FEWEST_SEEDS, len(values) + 1), MOST_SEEDS + 1):
        error, degrees = math.sqrt(variance / seeds), seeds - 1
        power = -float(stdtrit(degrees, 0.2))
        shown = mean >= error * (power - float(stdtrit(degrees, alpha / family / 2)))
        same = found.sample.margin - mean >= error * (power - float(stdtrit(degrees, alpha / family)))
        if shown or same:
            return seeds
    return None


MOST_SEEDS = 1000
"""Seeds beyond which a comparison counts as one that none would decide."""


@dataclass(frozen=True)
class RankRange:
    """The ranks a side may have: it is no better than the first, and no worse than the last."""

    first: int
    last: int


def rank_ranges(
    values: Sequence[Sequence[float]],
    higher_is_better: bool = True,
    scatter: Scatter = UNKNOWN,
    alpha: float = ALPHA,
) -> list[RankRange]:
    """Each side's range of ranks out of its values, one a seed, in the same order of seeds for all.

    All pairs are tested and corrected together. A side ranks behind those that are better and before those that are
    worse; sides that cannot be told apart share ranks.
    """
    lengths = {len(each) for each in values}
    if len(lengths) > 1:
        raise ValueError(f"sides of {sorted(lengths)} seeds cannot be ranked together")
    count = len(values)
    if count < 2 or min(lengths) < FEWEST_SEEDS:
        return [RankRange(1, count)] * count
    table = np.array(values, dtype=np.float64)
    left, right = np.triu_indices(count, 1)
    ps, means = np.empty(len(left)), np.empty(len(left))
    for at in range(0, len(left), PAIRS_AT_ONCE):
        part = slice(at, at + PAIRS_AT_ONCE)
        apart = table[left[part]] - table[right[part]]
        means[part] = apart.mean(axis=1)
        ps[part] = both_tests(apart, means[part], np.zeros(len(apart)), scatter)[1]
    told = told_apart(ps, alpha)
    first = (means > 0) == higher_is_better
    winners, losers = np.where(first, left, right)[told], np.where(first, right, left)[told]
    ahead, behind = np.bincount(losers, minlength=count), np.bincount(winners, minlength=count)
    return [RankRange(1 + int(ahead[at]), count - int(behind[at])) for at in range(count)]


PAIRS_AT_ONCE = 1 << 16
"""Pairs that are tested in one go."""


def told_apart(ps: Numbers, alpha: float) -> NDArray[np.bool_]:
    """Which of many p values Holm's procedure rejects."""
    order = np.argsort(ps, kind="stable")
    steps = ps[order] * (len(ps) - np.arange(len(ps))) <= alpha
    told = np.zeros(len(ps), dtype=bool)
    told[order] = np.logical_and.accumulate(steps)
    return told
