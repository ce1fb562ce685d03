"""Calibration of a board: families of comparisons whose truth is known, through the functions that boards use.

A family's scatter comes from the family itself, as on a board. Three truths are tried on the same differences: none of
them is there (how many families have a false mark?); all are exactly the margin (how many families have a false "as
good"?); some are 1, 3 and 10 points (how many are found?). An "as good" is the easier to get wrongly the larger the
margin is beside the scatter, so that a margin beyond all scatter is the worst case; both signs are tried, and the worse
one counts. Three other tests stand beside the standard, corrected by Holm as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ticketbench.results.calibration.kinds import FAIR, DifferenceKind, Differences, Recorded
from ticketbench.results.scatter import UNKNOWN, Scatter, scatter_of, variances_of
from ticketbench.results.standard import Comparison, Sample, both_tests, compare_all, told_apart
from ticketbench.results.stats import ALPHA

FAMILY = 20
"""Comparisons of a board."""
BOARD_SEEDS = (5, 8, 11)
TRUE = (0.01, 0.03, 0.1)
"""True differences that are there to be found, in a quarter of the comparisons each; the last quarter has none."""
MARGIN = 0.01
"""What does not matter, where true differences are to be found, and their absence."""
BEYOND = 1.0
"""A margin beyond all scatter: the worst case."""
STANDARD, PLAIN, MODERATED, FLIPS = "standard", "paired t", "moderated t", "sign flips"
TESTS = (STANDARD, PLAIN, MODERATED, FLIPS)


@dataclass(frozen=True)
class Rates:
    """What one test made of so many boards of one kind, at one number of seeds."""

    kind: str
    seeds: int
    test: str
    boards: int
    false: int
    """Boards with a false "better" or "worse", where nothing differs."""
    wrong: int | None
    """Boards with a false "as good", where everything differs by the margin; None for a test that has no such mark."""
    found: tuple[float, ...] = ()
    """The shares of true differences that were found, in the order of `TRUE`."""
    same: float | None = None
    """The share of differences of zero that were shown to be smaller than `MARGIN`."""

    @property
    def holds(self) -> bool:
        """Whether no more boards than stated have a false mark of either sort, beyond chance."""
        return max(self.false, self.wrong or 0) <= most_by_chance(self.boards)


def most_by_chance(boards: int) -> float:
    """How many boards may have a false mark: 5 %, and as many more as chance adds once in a thousand runs."""
    from scipy.stats import binom

    return float(binom.ppf(1 - 1e-3, boards, ALPHA))


def truth() -> Differences:
    """A board's true differences, where there are some."""
    return np.repeat((0.0, *TRUE), FAMILY // (1 + len(TRUE)))


def rates_of(kind: DifferenceKind, seeds: int, boards: int, recorded: Recorded, seed: int = 0) -> list[Rates]:
    """What each test makes of a kind at so many seeds."""
    random = np.random.default_rng([seed, seeds, *kind.name.encode()])
    drawn = kind.draw(random, (boards, FAMILY, seeds), recorded)
    scatters = [scatter_of(board) for board in drawn]
    nothing = compared(drawn, scatters, 0.0)
    false = {name: int(told.any(axis=1).sum()) for name, told in told_by_test(drawn, nothing, scatters).items()}
    wrong = wrong_by_test(drawn, scatters)
    found: Mapping[str, tuple[float, ...]] = {}
    same: Mapping[str, float] = {}
    if kind in FAIR:
        found, same = found_by_test(drawn + truth()[:, None], scatters)
    return [
        Rates(kind.name, seeds, name, boards, false[name], wrong.get(name), found.get(name, ()), same.get(name))
        for name in TESTS
    ]


def calibrate(
    recorded: Recorded, boards: int, kinds: Sequence[DifferenceKind], counts: Sequence[int] = BOARD_SEEDS, seed: int = 0
) -> Iterator[list[Rates]]:
    """The rates of each kind at each number of seeds."""
    for kind in kinds:
        for seeds in counts:
            yield rates_of(kind, seeds, boards, recorded, seed)


def compared(drawn: Differences, scatters: Sequence[Scatter], margin: float) -> list[list[Comparison]]:
    """Each board's comparisons, as a board makes them."""
    seeds = tuple(range(drawn.shape[2]))
    return [
        compare_all([Sample(tuple(values), seeds, margin=margin) for values in board], scatter)
        for board, scatter in zip(drawn.tolist(), scatters, strict=True)
    ]


Flags = NDArray[np.bool_]
"""By board and comparison."""


def marked(boards: Sequence[Sequence[Comparison]], *marks: str) -> Flags:
    """Which comparisons have one of the marks."""
    return np.array([[one.mark in marks for one in board] for board in boards])


def told_by_test(
    drawn: Differences, boards: Sequence[Sequence[Comparison]], scatters: Sequence[Scatter]
) -> dict[str, Flags]:
    """Which differences each test shows."""
    flips = np.array([[one.flips if one.flips is not None else 1.0 for one in board] for board in boards])
    return {
        STANDARD: marked(boards, "better", "worse"),
        PLAIN: corrected(plain_test(drawn, 0.0)[0]),
        MODERATED: corrected(moderated_test(drawn, scatters, 0.0)[0]),
        FLIPS: flips <= ALPHA,
    }


def wrong_by_test(drawn: Differences, scatters: Sequence[Scatter]) -> dict[str, int]:
    """Boards with a false "as good" by test: differences at a margin beyond all scatter, of the worse sign."""
    worst = dict.fromkeys((STANDARD, PLAIN, MODERATED), 0)
    for shifted in (drawn + BEYOND, drawn - BEYOND):
        told = {
            STANDARD: marked(compared(shifted, scatters, BEYOND), "as good"),
            PLAIN: corrected(plain_test(shifted, BEYOND)[1]),
            MODERATED: corrected(moderated_test(shifted, scatters, BEYOND)[1]),
        }
        worst = {name: max(worst[name], int(one.any(axis=1).sum())) for name, one in told.items()}
    return worst


def found_by_test(
    drawn: Differences, scatters: Sequence[Scatter]
) -> tuple[dict[str, tuple[float, ...]], dict[str, float]]:
    """The shares of true differences that each test finds, and of those of zero that it shows to be small."""
    boards = compared(drawn, scatters, MARGIN)
    told = {name: one & (drawn.mean(axis=2) > 0) for name, one in told_by_test(drawn, boards, scatters).items()}
    alike = {
        STANDARD: marked(boards, "as good"),
        PLAIN: corrected(plain_test(drawn, MARGIN)[1]),
        MODERATED: corrected(moderated_test(drawn, scatters, MARGIN)[1]),
    }
    sizes = truth()
    found = {name: tuple(float(one[:, sizes == size].mean()) for size in TRUE) for name, one in told.items()}
    return found, {name: float(one[:, sizes == 0].mean()) for name, one in alike.items()}


def corrected(ps: Differences) -> Flags:
    """What Holm's procedure rejects on each board."""
    return np.array([told_apart(board, ALPHA) for board in ps])


def plain_test(drawn: Differences, margin: float) -> tuple[Differences, Differences]:
    """The p of no difference and of the margin, by board and comparison: each comparison's own scatter alone."""
    flat = drawn.reshape(-1, drawn.shape[2])
    _, ps, alike = both_tests(flat, flat.mean(axis=1), np.full(len(flat), margin), UNKNOWN)
    return ps.reshape(drawn.shape[:2]), alike.reshape(drawn.shape[:2])


def moderated_test(drawn: Differences, scatters: Sequence[Scatter], margin: float) -> tuple[Differences, Differences]:
    """The same, with the board's common scatter alone."""
    from scipy.special import stdtr

    seeds = drawn.shape[2]
    ps, alike = [], []
    for board, scatter in zip(drawn, scatters, strict=True):
        variances, freedom = scatter.shrunk(variances_of(board), seeds - 1)
        degrees, error, means = min(freedom, 1e9), np.sqrt(variances / seeds), np.abs(board.mean(axis=1))
        ps.append(2 * stdtr(degrees, -means / error))
        alike.append(stdtr(degrees, -(margin - means) / error))
    return np.array(ps), np.array(alike)
