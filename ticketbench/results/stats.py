"""Statistics: intervals, exact paired tests, and the correction for several of them.

Everything is blocked by seed: two methods are compared by the differences of cells that share a seed, and several
numbers of one seed count as one block, since they share data order and initialization. An exact test of n blocks cannot
give less than 2 / 2ⁿ: six seeds are the fewest that can show a difference at 5 %, before any correction. What decides
is the standard (`ticketbench.results.standard`), beside which the exact test stands.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

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


@dataclass(frozen=True)
class Interval:
    """A mean with its interval."""

    mean: float
    low: float
    high: float


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """mean ± t((1+level)/2, n−1) · s / √n. Equal values give an interval without width, one value none at all."""
    mean = statistics.fmean(values)
    if len(values) < 2 or len(set(values)) == 1:
        return Interval(mean, mean, mean) if len(values) > 1 else Interval(mean, -math.inf, math.inf)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    half = quantile_of_t(len(values) - 1, (1 + level) / 2) * math.sqrt(variance / len(values))
    return Interval(mean, mean - half, mean + half)


@lru_cache(maxsize=256)
def quantile_of_t(freedom: int, share: float) -> float:
    """The value of Student's t that lies above a share of its distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


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
