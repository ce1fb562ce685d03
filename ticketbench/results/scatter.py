"""Scatter: what comparisons of one metric say together of how far paired differences lie apart from seed to seed.

A variance out of a handful of seeds is a poor estimate. Those of many comparisons are therefore taken as draws from one
distribution, a scaled inverse chi-square with `freedom` degrees of freedom around `variance` (Smyth 2004, as limma has
it), whose two numbers are fitted to the logarithms of the variances. A comparison's own variance is then drawn towards
the common one, by the more the fewer seeds it has and the more alike the variances are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST_VARIANCES = 3
"""Comparisons below which nothing is said of a common scatter."""
ROUNDING = 1e-9
"""Differences whose scatter is this small beside the largest of them are all the same."""
Numbers = NDArray[np.floating]


def variances_of(differences: Numbers) -> Numbers:
    """The variance of each row of differences; 0 where rounding alone tells them apart."""
    found: Numbers = differences.var(axis=1, ddof=1)
    return np.where(found > (ROUNDING * np.abs(differences).max(axis=1)) ** 2, found, 0.0)


@dataclass(frozen=True)
class Scatter:
    """The variance that comparisons have in common, and how many degrees of freedom it is worth."""

    variance: float = 0.0
    freedom: float = 0.0
    """0: nothing is known; infinite: all variances are one."""

    def shrunk(self, variances: Numbers, freedom: int) -> tuple[Numbers, float]:
        """Variances of so many degrees of freedom drawn towards the common one: (d₀·s₀² + d·s²) / (d₀ + d), d₀ + d."""
        if math.isinf(self.freedom):
            return np.full_like(variances, self.variance), math.inf
        whole = self.freedom + freedom
        return (self.freedom * self.variance + freedom * variances) / whole, whole


UNKNOWN = Scatter()


def scatter_of(samples: Iterable[Sequence[float]]) -> Scatter:
    """What the differences of many comparisons, each a value a seed, have in common.

    The logarithm of a variance of d degrees of freedom has the mean log s₀² + ψ(d/2) − log(d/2) − ψ(d₀/2) + log(d₀/2)
    and the variance ψ′(d/2) + ψ′(d₀/2); both are set equal to what is seen. Comparisons without any scatter say
    nothing of the others.
    """
    from scipy.special import digamma, polygamma

    by_length: dict[int, list[Sequence[float]]] = {}
    for one in samples:
        by_length.setdefault(len(one), []).append(one)
    groups = [(variances_of(np.array(held)), seeds - 1) for seeds, held in by_length.items() if seeds > 1]
    variances = np.concatenate([found for found, _ in groups] or [np.empty(0)])
    half = np.concatenate([np.full(len(found), freedom / 2) for found, freedom in groups] or [np.empty(0)])
    variances, half = variances[variances > 0], half[variances > 0]
    if len(variances) < FEWEST_VARIANCES:
        return UNKNOWN
    logs = np.log(variances) - digamma(half) + np.log(half)
    excess = float(np.var(logs, ddof=1) - np.mean(polygamma(1, half)))
    if excess <= 0:
        return Scatter(float(np.exp(logs.mean())), math.inf)
    freedom = 2 * trigamma_inverse(excess)
    return Scatter(float(np.exp(logs.mean() + digamma(freedom / 2) - math.log(freedom / 2))), freedom)


def trigamma_inverse(value: float) -> float:
    """The x with ψ′(x) = value, by Newton's steps on 1 / ψ′, which converge from this start for every value.

    ψ′(x) = ζ(2, x), and its slope is −2 ζ(3, x).
    """
    from scipy.special import zeta

    x = 0.5 + 1 / value
    for _ in range(50):
        seen = float(zeta(2, x))
        step = seen * (1 - seen / value) / (-2 * float(zeta(3, x)))
        x += step
        if abs(step) < 1e-10 * x:
            break
    return x
