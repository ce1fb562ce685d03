"""Kinds of differences between two sides, from seed to seed, whose mean is zero: what calibration is done on.

Those of `FAIR` are what two alike sides give, or two whose differences scatter evenly around zero; there a false mark
is an error of the test. Those of `UNLIKE` have a mean of zero, too, but out of two sides that are not alike: what makes
the mean zero is in a few seeds, and a handful of seeds often has none of them. No test of a mean can know what it has
not seen; how often that happens is shown, so that nobody takes a mark for more than it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Differences = NDArray[np.floating]
"""Differences by board, comparison and seed."""
SMALL_NOISE = 0.004
"""How much differences scatter besides collapses."""
COLLAPSING = (0.05, 0.5)
"""The share of seeds in which a side collapses, at least and at most."""
DEPTH = (0.05, 0.8)
"""How far it falls."""
MIXED_SHARE = 0.25
"""The share of a mixture's comparisons that collapse."""


@dataclass(frozen=True)
class Recorded:
    """What records say of how numbers of one row scatter from seed to seed."""

    rows: tuple[tuple[float, ...], ...]
    """Each row's values less their mean, made wider by √(n / (n − 1)), since their own mean was taken off."""
    scales: tuple[float, ...]
    """The standard deviations of the differences between rows of one place."""
    boards: tuple[str, ...] = ()
    """The boards whose records they are."""


@dataclass(frozen=True)
class DifferenceKind:
    """One kind of differences: how to draw those of so many boards, comparisons and seeds."""

    name: str
    text: str
    draw: Callable[[Generator, tuple[int, int, int], Recorded], Differences]


def residuals_of(values: Sequence[float]) -> tuple[float, ...]:
    """A row's values less their mean, as wide as they would be around a mean that is known."""
    held = np.asarray(values, dtype=np.float64)
    return tuple(float(one) for one in (held - held.mean()) * np.sqrt(len(held) / (len(held) - 1)))


def gaussian(random: Generator, shape: tuple[int, int, int], recorded: Recorded) -> Differences:
    """Normal, each comparison with a scale of the records."""
    scales: Differences = random.choice(np.array(recorded.scales), shape[:2])[..., None]
    return normal_noise(random, shape, scales)


def normal_noise(random: Generator, shape: tuple[int, int, int], scales: Differences | float) -> Differences:
    """Normal differences."""
    found: Differences = random.normal(size=shape) * scales
    return found


def one_row(random: Generator, shape: tuple[int, int, int], recorded: Recorded, draws: int) -> Differences:
    """Of a row for each comparison so many draws a seed: draws, boards, comparisons, seeds."""
    lengths = np.array([len(row) for row in recorded.rows])
    table = np.zeros((len(lengths), lengths.max()))
    for at, row in enumerate(recorded.rows):
        table[at, : len(row)] = row
    chosen = random.integers(len(lengths), size=shape[:2])[..., None]
    places = (random.random((draws, *shape)) * lengths[chosen]).astype(int)
    found: Differences = table[chosen, places]
    return found


def resampled(random: Generator, shape: tuple[int, int, int], recorded: Recorded) -> Differences:
    """A row of the records beside itself."""
    one, other = one_row(random, shape, recorded, 2)
    found: Differences = one - other
    return found


def collapses(random: Generator, shape: tuple[int, int, int], sides: int) -> tuple[Differences, Differences]:
    """Each side's fall by seed, and the mean fall; all sides of a comparison collapse as often and as deep."""
    often: Differences = random.uniform(*COLLAPSING, shape[:2])[..., None]
    deep: Differences = random.uniform(*DEPTH, shape[:2])[..., None]
    return (random.random((sides, *shape)) < often) * deep, often * deep


def collapsing(random: Generator, shape: tuple[int, int, int], recorded: Recorded) -> Differences:
    """Two alike sides that collapse now and then, each for itself."""
    (one, other), _ = collapses(random, shape, 2)
    found: Differences = one - other + normal_noise(random, shape, SMALL_NOISE)
    return found


def mixed(random: Generator, shape: tuple[int, int, int], recorded: Recorded) -> Differences:
    """Some comparisons collapse, the others are normal."""
    falls = random.random(shape[:2]) < MIXED_SHARE
    return np.where(falls[..., None], collapsing(random, shape, recorded), gaussian(random, shape, recorded))


def collapsing_alone(random: Generator, shape: tuple[int, int, int], recorded: Recorded) -> Differences:
    """One side collapses, the other never does and is as much worse otherwise that the means agree."""
    (fall,), mean = collapses(random, shape, 1)
    found: Differences = mean - fall + normal_noise(random, shape, SMALL_NOISE)
    return found


def skewed(random: Generator, shape: tuple[int, int, int], recorded: Recorded) -> Differences:
    """A row of the records beside a side that never scatters and has the same mean."""
    found: Differences = one_row(random, shape, recorded, 1)[0]
    return found


FAIR = (
    DifferenceKind("gaussian", "normal, each comparison with the scale of one in the records", gaussian),
    DifferenceKind("resampled", "a row of the records beside itself: two draws of its values a seed", resampled),
    DifferenceKind(
        "collapsing", "both sides collapse in 5 to 50 % of seeds, by 5 to 80 points, each for itself", collapsing
    ),
    DifferenceKind("mixture", "a quarter of the comparisons collapsing, the others gaussian", mixed),
)
UNLIKE = (
    DifferenceKind(
        "one collapses", "one side collapses, the other never does; only their means agree", collapsing_alone
    ),
    DifferenceKind(
        "one scatters", "a row of the records beside a side that never scatters; only their means agree", skewed
    ),
)
