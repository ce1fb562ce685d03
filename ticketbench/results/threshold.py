"""Thresholds: the lowest density down to which a row is as good as the dense network, with an interval.

A row is as good at a density where it is no worse than the dense network by more than the margin of its headline. The
threshold is the lowest computed density down to which that holds without a gap; 100 % where it holds nowhere. Three
numbers stand for it:

- the estimate: down to there the mean difference is within the margin;
- the upper end: down to there it is shown to be, walking from the densest density and stopping at the first one where
  it is not shown;
- the lower end: below it the row is shown to be worse by more than the margin, walking up from the sparsest density
  and stopping at the first one where that is not shown.

Either walk goes on only as long as its tests speak, in an order that is fixed beforehand, so that it is wrong no more
often than one of its tests (Maurer, Hothorn and Lehmacher 1995) and needs no correction. Each tests on one side at
2.5 %, with the larger p of the plain and the moderated t-test, and both ends together hold in 95 % of all cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ticketbench.results.scatter import UNKNOWN, Numbers, Scatter, scatter_of
from ticketbench.results.standard import Sample, ratio, tests_of
from ticketbench.results.stats import ALPHA, Interval
from ticketbench.suite.questions import FEWEST_SEEDS

END_LEVEL = ALPHA / 2
"""Of the tests at each end of the interval."""
DENSE = 1.0
SamplesByDensity = Mapping[float, Sample]
"""Density -> a row's numbers less the dense network's."""


@dataclass(frozen=True)
class Level:
    """A row at one density beside the dense network."""

    density: float
    sample: Sample
    interval: Interval
    """Of the mean difference."""
    kept: float
    """The p that it is worse by the margin or more: small where it is as good."""
    lost: float
    """The p that it is worse by the margin at most: small where it is worse by more."""


@dataclass(frozen=True)
class Threshold:
    """The lowest density down to which a row is as good as the dense network."""

    levels: tuple[Level, ...]
    """The densest first."""
    estimate: float
    low: float
    high: float

    @property
    def worse_from(self) -> float | None:
        """The density from which on down it is shown to be worse by more than the margin; None where it nowhere is."""
        return next((one.density for one in self.levels if one.density < self.low), None)

    @property
    def open_below(self) -> bool:
        """Whether sparser tickets than any that was computed may be as good."""
        return self.low == self.levels[-1].density

    @property
    def margin(self) -> float:
        """How much worse counts as being as good."""
        return self.levels[0].sample.margin

    @property
    def seeds(self) -> int:
        """Of the density that has the fewest."""
        return min(len(one.sample.seeds) for one in self.levels)


def thresholds_of(rows: Sequence[SamplesByDensity], scatters: Mapping[str, Scatter]) -> list[Threshold | None]:
    """Each row's threshold out of its differences; None without a margin, or where no density has seeds enough.

    `scatters` has what the differences at a density have in common, by `density_group`.
    """
    orders = [densities_of(samples) for samples in rows]
    every = [(density, samples[density]) for samples, order in zip(rows, orders, strict=True) for density in order]
    levels = iter(levels_of(every, [scatters.get(density_group(density), UNKNOWN) for density, _ in every]))
    return [ended(order, tuple(next(levels) for _ in order)) if order else None for order in orders]


def densities_of(samples: SamplesByDensity) -> list[float]:
    """The densities that a row is tested at, the densest first; none where it has no threshold."""
    order = sorted((density for density in samples if density < DENSE), reverse=True)
    tested = order and all(samples[density].margin > 0 for density in order)
    enough = tested and max(len(samples[density].seeds) for density in order) >= FEWEST_SEEDS
    return order if enough else []


def ended(order: Sequence[float], levels: tuple[Level, ...]) -> Threshold:
    """A row's levels with the ends of both walks."""
    kept = np.array([[one.kept <= END_LEVEL for one in levels]])
    lost = np.array([[one.lost <= END_LEVEL for one in levels]])
    within = np.array([[direction(one.sample) * one.interval.mean >= -one.sample.margin for one in levels]])
    stops = [DENSE, *order]
    return Threshold(
        levels,
        estimate=stops[int(run_length(within)[0])],
        low=stops[len(order) - int(run_length(lost[:, ::-1])[0])],
        high=stops[int(run_length(kept)[0])],
    )


def run_length(held: NDArray[np.bool_]) -> NDArray[np.integer]:
    """In each line, how many hold before the first that does not."""
    lengths: NDArray[np.integer] = np.logical_and.accumulate(held, axis=1).sum(axis=1)
    return lengths


def levels_of(tested: Sequence[tuple[float, Sample]], scatters: Sequence[Scatter]) -> list[Level]:
    """Rows at densities, each tested on both sides of the margin, as many at once as have the same number of seeds."""
    intervals = [one[0] for one in tests_of([sample for _, sample in tested], scatters)]
    kept, lost = np.ones(len(tested)), np.ones(len(tested))
    groups: dict[tuple[int, Scatter], list[int]] = {}
    for at, (_, sample) in enumerate(tested):
        if len(sample.seeds) >= FEWEST_SEEDS:
            groups.setdefault((len(sample.seeds), scatters[at]), []).append(at)
    for (_, scatter), members in groups.items():
        samples = [tested[at][1] for at in members]
        values = np.array([one.differences for one in samples]) * [[direction(one)] for one in samples]
        kept[members], lost[members] = margin_tests(values, np.array([one.margin for one in samples]), scatter)
    return [
        Level(density, sample, interval, float(kept[at]), float(lost[at]))
        for at, ((density, sample), interval) in enumerate(zip(tested, intervals, strict=True))
    ]


def margin_tests(values: Numbers, margins: Numbers, scatter: Scatter) -> tuple[Numbers, Numbers]:
    """Of differences, higher being better, a line a sample: p of being worse by the margin or more, and of at most it.

    Of two t-tests the more careful one counts, as everywhere.
    """
    from scipy.special import stdtr

    seeds = values.shape[1]
    variances, above = values.var(axis=1, ddof=1), values.mean(axis=1) + margins
    shrunk, freedom = scatter.shrunk(variances, seeds - 1)
    kept, lost = np.zeros(len(values)), np.zeros(len(values))
    for spread, degrees in ((variances, seeds - 1), (shrunk, freedom)):
        distance = ratio(above, np.sqrt(spread / seeds))
        kept = np.maximum(kept, stdtr(min(degrees, 1e9), -distance))
        lost = np.maximum(lost, stdtr(min(degrees, 1e9), distance))
    return kept, lost


def direction(sample: Sample) -> float:
    """What a difference is multiplied by so that higher is better."""
    return 1.0 if sample.higher_is_better else -1.0


def density_group(density: float) -> str:
    """Densities whose differences are taken to scatter alike: those with the same two leading digits."""
    return f"{density:.2g}"


def scatters_of(rows: Sequence[SamplesByDensity]) -> dict[str, Scatter]:
    """What the differences of several rows have in common at each density: they scatter the more, the sparser it is."""
    found: dict[str, list[tuple[float, ...]]] = {}
    for samples in rows:
        for density, sample in samples.items():
            found.setdefault(density_group(density), []).append(sample.differences)
    return {group: scatter_of(differences) for group, differences in found.items()}
