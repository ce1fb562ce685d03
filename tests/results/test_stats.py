"""Statistics against brute force, scipy's own tests, and boards simulated without any difference."""

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
    RankRange,
    bootstrap_interval,
    holm,
    mark_of,
    rank_ranges,
    sign_flip,
    smallest_difference,
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
    assert smallest_difference([0.1, 0.2, 0.3, 0.2, 0.1]) == math.inf


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


def test_the_smallest_difference_is_the_one_that_is_told_just_so():
    """A little less is not told, a little more is, with the scatter that the seeds show."""
    differences = [0.5, 0.1, -0.2, 0.4, 0.0, 0.3, -0.1, 0.2]
    least = smallest_difference(differences, 0.05)
    residuals = [value - sum(differences) / 8 for value in differences]
    assert sign_flip([value + least * 1.001 for value in residuals]) <= 0.05
    assert sign_flip([value + least * 0.98 for value in residuals]) > 0.05
    assert smallest_difference([0.25] * 6) == 0.0
    assert smallest_difference(differences, 0.001) == math.inf


def test_marks_follow_the_direction():
    """Lower is better for a perplexity."""
    assert mark_of([1.0, 2.0], 0.01) == "better"
    assert mark_of([1.0, 2.0], 0.01, higher_is_better=False) == "worse"
    assert mark_of([1.0, 2.0], 0.051) == "cannot tell"


def test_ranks_are_ranges_that_methods_share():
    """With nine seeds: two that are alike at the top, one clearly behind them, one clearly last."""
    scatter = [0.1, -0.1, 0.2, -0.2, 0.05, -0.05, 0.15, -0.15, 0.0]
    values = {
        "a": [10 + s for s in scatter],
        "b": [10 - s for s in scatter],
        "c": [5 + s / 2 for s in scatter],
        "d": [1.0 - s for s in scatter],
    }
    assert rank_ranges(values) == {
        "a": RankRange(1, 2),
        "b": RankRange(1, 2),
        "c": RankRange(3, 3),
        "d": RankRange(4, 4),
    }
    assert rank_ranges(values, higher_is_better=False)["d"] == RankRange(1, 1)
    assert set(rank_ranges({name: each[:3] for name, each in values.items()}).values()) == {RankRange(1, 4)}
    with pytest.raises(ValueError, match="cannot be ranked together"):
        rank_ranges({"a": [1.0, 2.0], "b": [1.0]})


@pytest.mark.parametrize("effects", ["normal", "skewed"])
def test_boards_without_differences_show_one_in_at_most_five_percent(effects, record_property):
    """1,000 boards of four methods and ten seeds; seeds differ, methods do not: all that is told is false."""
    draws = np.random.default_rng(7)
    false = 0
    for _ in range(1000):
        seeds = draws.normal(0, 3, 10)
        noise = draws.normal(0, 1, (4, 10)) if effects == "normal" else draws.exponential(1, (4, 10))
        ranges = rank_ranges({at: list(seeds + row) for at, row in enumerate(noise)})
        false += any(one != RankRange(1, 4) for one in ranges.values())
    record_property("false", false)
    print(f"{effects}: a false difference on {false} of 1,000 boards")
    assert 5 <= false <= 50  # not so careful that nothing is ever told
