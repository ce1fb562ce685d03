"""Calibration of looks: families that are looked at until they are decided, as `run --until-decided` does.

Every comparison takes more seeds from look to look, until it has a mark or the plan ends. Again nothing differs, or all
differ by exactly the margin (by several margins, since one beyond all scatter would be decided at once; the worst one
counts), or some differ by 1, 3 and 10 points. Beside the plan stands what looking at 5 % each time would do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ticketbench.results.calibration.boards import FAMILY, MARGIN, TRUE, most_by_chance, truth
from ticketbench.results.calibration.kinds import DifferenceKind, Differences, Recorded
from ticketbench.results.looks import Decision, PlannedLook, course_of, plan_of
from ticketbench.results.scatter import scatter_of
from ticketbench.results.standard import Sample
from ticketbench.results.stats import ALPHA

FIRST = (5, 10)
"""Seeds of the first look that are tried."""
MARGINS = TRUE[:2]
"""Margins at which all differences are, where an "as good" would be false."""


@dataclass(frozen=True)
class LookRates:
    """What looking until decided makes of so many families of one kind."""

    kind: str
    plan: tuple[PlannedLook, ...]
    boards: int
    false: int
    """Families with a false "better" or "worse" at any look, where nothing differs."""
    wrong: int
    """Families with a false "as good" at any look, where everything differs by a margin, at the worst of them."""
    careless: int
    """Families with a false "better" or "worse", if each look were at 5 %."""
    at_first: tuple[float, ...]
    """Of differences of 0 and of those of `TRUE` the share decided at the first look."""
    decided: tuple[float, ...]
    """The share decided in the end."""
    seeds: tuple[float, ...]
    """The mean number of seeds taken, those that stay open with all of the plan."""

    @property
    def holds(self) -> bool:
        """Whether no more families than stated have a false mark of either sort, beyond chance."""
        return max(self.false, self.wrong) <= most_by_chance(self.boards)


def decide_board(values: Differences, plan: Sequence[PlannedLook], margin: float) -> Iterator[list[Decision]]:
    """A family's decisions at one look after the other, until all are made."""
    seeds = tuple(range(values.shape[1]))
    samples = [Sample(tuple(row), seeds, margin=margin) for row in values.tolist()]
    return course_of(plan, samples, seeds, lambda held: scatter_of(one.differences for one in held))


def false_in(values: Differences, plan: Sequence[PlannedLook]) -> tuple[bool, bool]:
    """Whether a family in which nothing differs gets a false mark by the plan, and by looking at 5 % each time."""
    careless = False
    for found in decide_board(values, plan, 0.0):
        careless = careless or any(one.corrected <= ALPHA for one in found)
        if any(one.decided for one in found):
            return True, careless
    return False, careless


def wrong_in(drawn: Differences, plan: Sequence[PlannedLook], margin: float) -> int:
    """How many families, in which everything differs by the margin, get a false "as good"."""
    decided = (decide_board(values, plan, margin) for values in drawn)
    return sum(any(one.mark == "as good" for found in looks for one in found) for looks in decided)


def look_rates(kind: DifferenceKind, first: int, boards: int, recorded: Recorded, seed: int = 0) -> LookRates:
    """What looking from so many seeds on makes of a kind."""
    plan = plan_of(first)
    random = np.random.default_rng([seed, first, *kind.name.encode(), 1])
    drawn = kind.draw(random, (boards, FAMILY, plan[-1].seeds), recorded)
    signs = random.choice((-1.0, 1.0), size=(boards, FAMILY, 1))
    false = [false_in(values, plan) for values in drawn]
    wrong = max(wrong_in(drawn + signs * margin, plan, margin) for margin in MARGINS)
    courses = [list(decide_board(values + truth()[:, None], plan, MARGIN)) for values in drawn]
    return LookRates(
        kind.name,
        plan,
        boards,
        sum(one for one, _ in false),
        wrong,
        sum(careless for _, careless in false),
        by_truth([[one.decided for one in course[0]] for course in courses]),
        by_truth([[one.decided for one in course[-1]] for course in courses]),
        by_truth([[one.seeds for one in course[-1]] for course in courses]),
    )


def by_truth(table: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The mean of what stands by family and comparison, for each true difference."""
    held, sizes = np.array(table, dtype=np.float64), truth()
    return tuple(float(held[:, sizes == size].mean()) for size in (0.0, *TRUE))


def calibrate_looks(
    recorded: Recorded, boards: int, kinds: Sequence[DifferenceKind], firsts: Sequence[int] = FIRST, seed: int = 0
) -> Iterator[LookRates]:
    """The rates of each kind from each first look on."""
    for kind in kinds:
        for first in firsts:
            yield look_rates(kind, first, boards, recorded, seed)
