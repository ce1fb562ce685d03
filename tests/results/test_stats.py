"""Statistics against brute force and scipy's own tests."""

from __future__ import annotations

import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from ticketbench.results.stats import (
    EXACT_UP_TO,
    bootstrap_interval,
    holm,
    sign_flip,
    smallest_p,
    t_interval,
)

SMALL = st.lists(st.integers(-6, 6).map(lambda n: n / 4), min_size=1, max_size=7)


def brute_force(differences):
    """Every change of signs, one by one; quarters add up exactly."""
    reach = abs(sum(differences))
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=len(differences))
    ]
    return sum(one >= reach for one in sums) / len(sums)


@given(SMALL)
def test_sign_flips_are_counted_exactly(differences):
    """Ties, zeros and all."""
    assert sign_flip(differences) == brute_force(differences)


@pytest.mark.parametrize("n", [2, 5, 9, 14])
def test_the_test_is_scipys(n):
    """scipy's exact permutation test of paired samples, with the mean difference as its statistic."""
    draws = np.random.default_rng(n)
    one, other = draws.normal(0.3, 1, n), draws.normal(0, 1, n)
    found = scipy_stats.permutation_test(
        (one, other), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip(list(one - other)) == pytest.approx(found.pvalue, abs=1e-12)


def test_more_blocks_than_can_be_counted_are_sampled():
    """Within the error of sampling of a normal approximation that is good at 60 blocks; the same every time."""
    draws = np.random.default_rng(0)
    values = draws.normal(0.25, 1, 60)
    approximate = 2 * scipy_stats.norm.sf(abs(values.sum()) / math.sqrt((values**2).sum()))
    assert sign_flip(list(values)) == pytest.approx(approximate, rel=0.1)
    assert sign_flip(list(values)) == sign_flip(list(values))
    assert smallest_p(EXACT_UP_TO + 1) < 1e-5


def test_five_seeds_cannot_show_anything_at_five_percent():
    """2/2⁵ is 6.25 %; six seeds can."""
    assert sign_flip([1.0] * 5) == smallest_p(5) == 0.0625
    assert sign_flip([1.0] * 6) == smallest_p(6) == 0.03125


def test_a_difference_without_a_number_is_no_difference():
    """What diverged has to be counted by whoever knows how."""
    with pytest.raises(ValueError, match="not finite"):
        sign_flip([1.0, float("nan")])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(ps):
    """By definition: an hypothesis is rejected if every set of hypotheses that holds it is, by its smallest p."""
    indices = range(len(ps))
    closed = [
        max(
            min(1.0, len(group) * min(ps[at] for at in group))
            for size in range(1, len(ps) + 1)
            for group in combinations(indices, size)
            if index in group
        )
        for index in indices
    ]
    assert holm(ps) == pytest.approx(closed)


def test_intervals_of_t():
    """Of 1, 2, 3: 2 ± 4.303 / √3, as a table of t has it."""
    found = t_interval([1.0, 2.0, 3.0])
    assert (found.low, found.high) == pytest.approx((2 - 4.30265 / 3**0.5, 2 + 4.30265 / 3**0.5), abs=1e-5)


def test_bootstrap_intervals_are_scipys():
    """The percentile method on the same sample, up to the error of drawing."""
    values = np.random.default_rng(3).exponential(1, 30)
    theirs = scipy_stats.bootstrap((values,), np.mean, method="percentile", n_resamples=10_000, rng=1)
    mine = bootstrap_interval(list(values))
    assert (mine.low, mine.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.03)
    assert mine.mean == pytest.approx(values.mean())
    assert bootstrap_interval([1.0]).high == math.inf
