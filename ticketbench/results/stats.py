"""Statistics of comparisons between methods: intervals, exact paired tests, corrections, ranks.

Everything is blocked by seed: two methods are compared by the differences of cells that share a seed, and several
numbers of one seed count as one block, since they share data order and initialization. A test with n blocks cannot
give less than 2 / 2ⁿ: six seeds are the fewest that can show a difference at 5 %, before any correction.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.05
"""The level of every test, after correction."""
EXACT_UP_TO = 20
"""Blocks up to which every one of the 2ⁿ sign changes is counted; beyond, as many as `DRAWS` are drawn."""
DRAWS = 100_000
SIGNS_AT_ONCE = 1 << 14
"""Sign changes that are held in memory at a time."""
BATCHES_DRAWN = math.ceil(DRAWS / SIGNS_AT_ONCE)
"""Whole batches of sign changes that make at least `DRAWS`."""
SAME = 1e-9
"""Sums that differ by less than this, relative to the sum of all absolute differences, are equal."""

Mark = Literal["better", "worse", "cannot tell"]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Interval:
    """A mean with its interval."""

    mean: float
    low: float
    high: float


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """mean ± t((1+level)/2, n−1) · s / √n. Equal values give an interval without width, one value none at all."""
    from scipy.special import stdtrit

    mean = statistics.fmean(values)
    if len(values) < 2 or len(set(values)) == 1:
        return Interval(mean, mean, mean) if len(values) > 1 else Interval(mean, -math.inf, math.inf)
    half = float(stdtrit(len(values) - 1, (1 + level) / 2)) * statistics.stdev(values) / math.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def bootstrap_interval(values: Sequence[float], level: float = 0.95, draws: int = 10_000, seed: int = 0) -> Interval:
    """The percentile interval of the means of `draws` samples with replacement. With few values it is too narrow."""
    sample, mean = np.asarray(values, dtype=np.float64), statistics.fmean(values)
    if len(sample) < 2:
        return Interval(mean, -math.inf, math.inf)
    chosen = np.random.default_rng(seed).integers(len(sample), size=(draws, len(sample)))
    low, high = np.quantile(sample[chosen].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high))


def sign_flip(differences: Sequence[float], seed: int = 0) -> float:
    """The two-sided p of a paired permutation test: how often changing signs gives a sum as far from zero.

    Under the hypothesis that two methods are alike, each block's difference is as likely with either sign. Exact up to
    `EXACT_UP_TO` blocks; beyond, (1 + as far) / (1 + draws), which is valid for any number of draws.
    """
    values = np.asarray(differences, dtype=np.float64)
    if not len(values):
        return 1.0
    if not np.isfinite(values).all():
        raise ValueError("a difference is not finite: what has no number cannot be tested")
    size = np.abs(values).sum()
    reach = abs(values.sum()) - SAME * size
    if len(values) > EXACT_UP_TO:
        source = np.random.default_rng(seed)
        far = sum(
            int((np.abs((source.integers(2, size=(SIGNS_AT_ONCE, len(values))) * 2 - 1) @ values) >= reach).sum())
            for _ in range(BATCHES_DRAWN)
        )
        return (1 + far) / (1 + BATCHES_DRAWN * SIGNS_AT_ONCE)
    every = 1 << (len(values) - 1)  # the other half are the same sums with the other sign
    chunks = (signs(len(values), at, min(at + SIGNS_AT_ONCE, every)) for at in range(0, every, SIGNS_AT_ONCE))
    return sum(int((np.abs(chunk @ values) >= reach).sum()) for chunk in chunks) / every


@lru_cache(maxsize=16)
def signs(blocks: int, start: int, stop: int) -> NDArray[np.floating]:
    """Some of the 2ⁿ ways to change signs: those of the binary digits of start … stop − 1."""
    return 1.0 - 2.0 * (np.arange(start, stop)[:, None] >> np.arange(blocks) & 1)


def smallest_p(blocks: int) -> float:
    """The least p that so many blocks can give."""
    if blocks < 1:
        return 1.0
    if blocks <= EXACT_UP_TO:
        return 2.0 ** (1 - blocks)
    return 1 / (1 + BATCHES_DRAWN * SIGNS_AT_ONCE)


def holm(ps: Sequence[float]) -> list[float]:
    """p values corrected for being several (Holm 1979): adjusted p₍ᵢ₎ = max over j ≤ i of min(1, (m − j + 1)·p₍ⱼ₎)."""
    adjusted = [1.0] * len(ps)
    largest = 0.0
    for place, at in enumerate(sorted(range(len(ps)), key=lambda at: ps[at])):
        largest = max(largest, min(1.0, (len(ps) - place) * ps[at]))
        adjusted[at] = largest
    return adjusted


def smallest_difference(differences: Sequence[float], alpha: float = ALPHA) -> float:
    """The least mean difference that these blocks, with the scatter they show, could have told from none.

    The differences are shifted as a whole until the test gives `alpha` or less; infinite where no shift can. With the
    correction for m comparisons, `alpha` is at worst 0.05 / m.
    """
    if smallest_p(len(differences)) > alpha:
        return math.inf
    mean = statistics.fmean(differences)
    residuals = [value - mean for value in differences]
    low, high = 0.0, max(abs(value) for value in residuals)
    if not high:
        return 0.0
    while sign_flip([value + high for value in residuals]) > alpha:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        told = sign_flip([value + middle for value in residuals]) <= alpha
        low, high = (low, middle) if told else (middle, high)
    return high


def mark_of(differences: Sequence[float], p: float, higher_is_better: bool = True, alpha: float = ALPHA) -> Mark:
    """What a corrected p says of a side's differences to the other."""
    mean = statistics.fmean(differences) if differences else 0.0
    if p > alpha or not mean:
        return "cannot tell"
    return "better" if (mean > 0) == higher_is_better else "worse"


@dataclass(frozen=True)
class RankRange:
    """The ranks a method may have: it is no better than the first, and no worse than the last."""

    first: int
    last: int


def rank_ranges(
    values: Mapping[Key, Sequence[float]], higher_is_better: bool = True, alpha: float = ALPHA
) -> dict[Key, RankRange]:
    """Each method's range of ranks out of its values, one a seed, in the same order of seeds for all.

    All pairs are tested and corrected together. A method ranks behind those that are better and before those that are
    worse; methods that cannot be told apart share ranks.
    """
    lengths = {len(each) for each in values.values()}
    if len(lengths) > 1:
        raise ValueError(f"methods of {sorted(lengths)} seeds cannot be ranked together")
    pairs = list(combinations(values, 2))
    apart = [[a - b for a, b in zip(values[one], values[other], strict=True)] for one, other in pairs]
    corrected = holm([sign_flip(differences) for differences in apart])
    ahead, behind = dict.fromkeys(values, 0), dict.fromkeys(values, 0)
    for (one, other), differences, p in zip(pairs, apart, corrected, strict=True):
        mark = mark_of(differences, p, higher_is_better, alpha)
        if mark != "cannot tell":
            winner, loser = (one, other) if mark == "better" else (other, one)
            ahead[loser] += 1
            behind[winner] += 1
    return {name: RankRange(1 + ahead[name], len(values) - behind[name]) for name in values}
