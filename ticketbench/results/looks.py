"""Looks: when a run that goes on until its questions are decided may look at them, and how strictly.

Whoever looks again and again at 5 % finds something sooner or later. The 5 % are therefore shared out among the looks
beforehand: a mark is given at a look only at that look's share, so that over all looks no more than 5 % of families get
a false one, whenever the run stops. That bound is a sum, and holds however the looks depend on each other and for
whatever test. The first look, at the tier's own seeds, has half; what is open then has the other half in equal parts.

What is decided stays decided, and takes no more seeds. Within a look Holm's procedure runs over the whole family: a
difference that was shown before counts as shown, which leaves the others more, as within Holm's procedure itself. One
that left as being as good goes on counting as a difference that was not shown: to drop it would not be valid, since it
left because of its numbers, and those that stay would be picked for looking different. The same holds the other way
round. If all that was decided before is right, all differences that are not there still count, and are tested at no
more than the look's level over their number; so the sum holds for whole families, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ticketbench.results.scatter import UNKNOWN, Scatter
from ticketbench.results.standard import Mark, Sample, mark_of, tests_of
from ticketbench.results.stats import ALPHA, holm
from ticketbench.suite.questions import FEWEST_SEEDS

TIMES_AS_MANY = (1.0, 1.5, 2.0, 3.0, 4.0)
"""The seeds of the looks, as multiples of the tier's own."""
FIRST_SHARE = 0.5
"""Of the level, for the first look."""


@dataclass(frozen=True)
class PlannedLook:
    """One look at a family of comparisons: at how many seeds, and at which level."""

    seeds: int
    alpha: float


@dataclass(frozen=True)
class Decision:
    """What a look says of one comparison; where it was decided before, what was said then."""

    mark: Mark
    seeds: int
    """The seeds it has, or had when it was decided."""
    corrected: float
    """The p of no difference, corrected; to be held against the look's level."""
    alike: float
    """The corrected p that the difference is as large as the margin."""

    @property
    def decided(self) -> bool:
        """Whether it takes no more seeds."""
        return self.mark != "cannot tell"


def plan_of(seeds: int, alpha: float = ALPHA) -> tuple[PlannedLook, ...]:
    """The looks of a tier of so many seeds; a tier with too few to decide anything begins with the fewest that can."""
    first = max(seeds, FEWEST_SEEDS)
    counts = [math.ceil(first * times) for times in TIMES_AS_MANY]
    later = alpha * (1 - FIRST_SHARE) / (len(counts) - 1)
    return tuple(PlannedLook(count, later if at else alpha * FIRST_SHARE) for at, count in enumerate(counts))


def course_of(
    plan: Sequence[PlannedLook],
    samples: Sequence[Sample],
    seeds: Sequence[int],
    scatters: Callable[[Sequence[Sample]], Sequence[Scatter] | Scatter],
) -> Iterator[list[Decision]]:
    """The decisions of one look after the other, as far as the seeds reach, until all are made.

    `seeds` are those that were computed of what was open, in the order in which they are planned. The samples may have
    more than a look is of, or lack seeds that have no number. All follows from what was recorded: a run that goes on
    comes to the decisions that it had. `scatters` says what the samples of a look have in common.
    """
    found: list[Decision] = []
    held = list(samples)
    for look in plan:
        if look.seeds > len(seeds):
            return
        is_open = [not one.decided for one in found] or [True] * len(samples)
        fresh = (up_to(sample, seeds[: look.seeds]) for sample in samples)
        held = [now if opened else before for before, now, opened in zip(held, fresh, is_open, strict=True)]
        found = look_at(look, held, scatters(held), found)
        yield found
        if all(one.decided for one in found):
            return


def up_to(sample: Sample, seeds: Sequence[int]) -> Sample:
    """A sample without what other seeds have."""
    if sample.seeds[: len(seeds)] == tuple(seeds):
        return replace(sample, differences=sample.differences[: len(seeds)], seeds=sample.seeds[: len(seeds)])
    wanted = set(seeds)
    kept = [pair for pair in zip(sample.seeds, sample.differences, strict=True) if pair[0] in wanted]
    return replace(sample, differences=tuple(pair[1] for pair in kept), seeds=tuple(pair[0] for pair in kept))


def look_at(
    look: PlannedLook,
    samples: Sequence[Sample],
    scatters: Sequence[Scatter] | Scatter = UNKNOWN,
    earlier: Sequence[Decision | None] = (),
) -> list[Decision]:
    """The decisions of one look on a whole family, in its order; `earlier` are those of the look before."""
    known = [one if one is not None and one.decided else None for one in earlier] or [None] * len(samples)
    shared = [scatters] * len(samples) if isinstance(scatters, Scatter) else list(scatters)
    is_open = [at for at, one in enumerate(known) if one is None]
    tested = tests_of([samples[at] for at in is_open], [shared[at] for at in is_open])
    ps = [1.0 if one is None or one.mark == "as good" else 0.0 for one in known]
    alike = [0.0 if one is not None and one.mark == "as good" else 1.0 for one in known]
    means: dict[int, float] = {}
    for at, (interval, p, same) in zip(is_open, tested, strict=True):
        ps[at], alike[at], means[at] = p, same, interval.mean
    return [
        before if before is not None else decision_of(look, sample, means[at], whole, same)
        for at, (sample, before, whole, same) in enumerate(zip(samples, known, holm(ps), holm(alike), strict=True))
    ]


def decision_of(look: PlannedLook, sample: Sample, mean: float, corrected: float, alike: float) -> Decision:
    """A comparison that was open before, at this look's level."""
    mark, _ = mark_of(sample, mean, corrected, alike, None, look.alpha)
    return Decision(mark, len(sample.seeds), corrected, alike)
